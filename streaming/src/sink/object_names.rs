//! What objects are called: Hive-style folders, so that every engine finds tenant and day in them.

use churn_events::ObservationDate;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes of a tenant's folder at most, behind `tenant=`; a file system's names have 255.
const MOST_BYTES: usize = 200;

/// What is in an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// Score records of a tenant and a day.
    Scores(Box<str>, ObservationDate),
    /// Dead letters; what they are about has no day that could be trusted.
    DeadLetters,
}

/// Name of an object, relative to the sink's prefix.
pub(super) fn name(content: &Content, part: u64, extension: &str) -> String {
    match content {
        Content::Scores(tenant, date) => {
            format!("scores/tenant={}/date={date}/part-{part:06}.{extension}", folder(tenant))
        }
        Content::DeadLetters => format!("dead-letters/part-{part:06}.{extension}"),
    }
}

/// A tenant as the name of a folder: letters, digits, `.`, `_` and `-` as they are, everything else as `%` and two hex
/// digits for each byte, as Hive and Spark do. What gets too long is cut, and told from others by a digest behind `~`.
fn folder(tenant: &str) -> String {
    if tenant.is_empty() {
        return "__HIVE_DEFAULT_PARTITION__".to_owned();
    }
    let whole: String = tenant.chars().map(escaped).collect();
    if whole.len() <= MOST_BYTES {
        return whole;
    }
    let digest = format!("~{:032x}", xxh3_128(tenant.as_bytes()));
    // Whole characters: who reads the name expects text behind the digits.
    let mut name = String::with_capacity(MOST_BYTES);
    for character in tenant.chars().map(escaped) {
        if name.len() + character.len() + digest.len() > MOST_BYTES {
            break;
        }
        name += &character;
    }
    name + &digest
}

fn escaped(character: char) -> String {
    if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-') {
        return character.into();
    }
    character.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_become_folders_that_nothing_takes_for_a_path() {
        let of = |tenant: &str| name(&Content::Scores(tenant.into(), ObservationDate::from_days(20_000)), 7, "jsonl");
        assert_eq!(of("tenant-7"), "scores/tenant=tenant-7/date=2024-10-04/part-000007.jsonl");
        assert_eq!(of("../a b=ü"), "scores/tenant=..%2Fa%20b%3D%C3%BC/date=2024-10-04/part-000007.jsonl");
        assert_eq!(folder("%2F"), "%252F");
        assert_eq!(folder(""), "__HIVE_DEFAULT_PARTITION__");
    }

    #[test]
    fn long_tenants_stay_apart_and_whole_characters_stay_whole() {
        for length in 195..205 {
            let (one, other) = (format!("{}ü1", "a".repeat(length)), format!("{}ü2", "a".repeat(length)));
            assert_ne!(folder(&one), folder(&other));
            assert!(folder(&one).len() <= MOST_BYTES);
            let umlauts = folder(&"ü".repeat(length));
            let (characters, digest) = umlauts.split_once('~').expect("is cut");
            assert_eq!((characters.len() % "%C3%BC".len(), digest.len()), (0, 32));
        }
        let digits = folder(&"ü".repeat(300));
        assert_eq!(digits.split('~').next().map(|name| name.len() % 3), Some(0));
    }

    #[test]
    fn dead_letters_are_beside_the_scores() {
        assert_eq!(name(&Content::DeadLetters, 1_234_567, "jsonl"), "dead-letters/part-1234567.jsonl");
    }
}
