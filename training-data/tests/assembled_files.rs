//! Assembled sets go through files unchanged, and damaged files are refused.

mod activity_log;

use std::fs;
use std::path::Path;

use churn_training_data::{Assembled, ObservationPlan};
use proptest::prelude::*;

use activity_log::{Fact, What, assemble, content, day, fact, in_received_order, jobs};

/// Twelve tenants with names that files find hard, of which three cancel.
fn world(age_half_life_days: Option<u32>, shift: i64) -> Assembled {
    let names = ["a", "b,c", "d\"e", "f\ng", " h ", "ü", "i'j", "1", "true", "NaN", "k;l", ""];
    let mut facts: Vec<Fact> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let number = number as i64;
        facts.push(fact(name, number % 4, What::Created));
        let last = if number % 4 == 1 { 150 + number + shift } else { 300 };
        facts.extend(jobs(name, 5 + number, last, 1 + number as usize));
        if last < 300 {
            facts.push(fact(name, last, What::Cancelled));
        }
    }
    let plan = ObservationPlan { age_half_life_days, last: Some(day(280)), ..ObservationPlan::default() };
    assemble(&in_received_order(facts), &plan, Some(day(300))).expect("has both labels")
}

fn message(path: &Path) -> String {
    use std::error::Error as _;
    let error = Assembled::read(path).expect_err("refused");
    let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
    format!("{error}{source}").replace(path.parent().and_then(Path::to_str).expect("has a folder"), "")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_written_is_read_back_bit_for_bit(half_life in proptest::option::of(1..500_u32), shift in 0..40_i64) {
        let assembled = world(half_life, shift);
        prop_assert!(!assembled.censored.is_empty());
        let folder = tempfile::tempdir().expect("can be made");
        for name in ["set.csv", "set.parquet"] {
            let path = folder.path().join(name);
            assembled.write(&path).expect("writes");
            let first = fs::read(&path).expect("is there");
            let read = Assembled::read(&path).expect("reads");
            prop_assert_eq!(content(&read), content(&assembled));
            read.write(&path).expect("writes over it");
            prop_assert_eq!(fs::read(&path).expect("is there"), first);
        }
        let names: Vec<_> = fs::read_dir(folder.path()).expect("is there").map(|entry| entry.expect("is there").file_name()).collect();
        prop_assert_eq!(names.len(), 3, "the CSV file, its description and the Parquet file: {:?}", names);
    }

    #[test]
    fn damaged_parquet_files_never_make_the_reader_panic(at in 0.0..1.0, byte in any::<u8>(), is_cut in any::<bool>()) {
        let folder = tempfile::tempdir().expect("can be made");
        let path = folder.path().join("set.parquet");
        world(Some(100), 0).write(&path).expect("writes");
        let mut bytes = fs::read(&path).expect("is there");
        let position = (at * bytes.len() as f64) as usize;
        if is_cut { bytes.truncate(position) } else { bytes[position] = byte }
        fs::write(&path, &bytes).expect("writes");
        match Assembled::read(&path) {
            Err(error) => prop_assert!(error.to_string().contains("set.parquet")),
            Ok(read) => {
                prop_assert!(!is_cut);
                let rows = |assembled: &Assembled| {
                    let set = &assembled.labelled;
                    (set.features().map(|value| value.to_bits()), set.labels().to_vec(), set.keys().clone())
                };
                prop_assert_eq!(rows(&read), rows(&world(Some(100), 0)), "no changed value is read");
            }
        }
    }
}

#[test]
fn a_csv_file_is_text_that_anyone_can_read() {
    let folder = tempfile::tempdir().expect("can be made");
    let path = folder.path().join("set.csv");
    world(None, 0).write(&path).expect("writes");
    let text = fs::read_to_string(&path).expect("is there");
    assert!(text.starts_with("tenant,observation_date,churned,industry,revenue,employees,"));
    assert!(text.contains("\n\"b,c\",20"));
    let json = fs::read_to_string(folder.path().join("set.csv.json")).expect("is there");
    assert!(json.contains("cancelled within [14 d, 74 d) after the observation date"));
    assert!(json.contains("\"every_days\": 28") && json.contains("\"last\": \"2024-"));
}

#[test]
fn a_value_that_was_changed_is_never_read() {
    let folder = tempfile::tempdir().expect("can be made");
    let path = folder.path().join("set.csv");
    world(Some(100), 0).write(&path).expect("writes");
    let text = fs::read_to_string(&path).expect("is there");
    let (header, rows) = text.split_once('\n').expect("has a header");
    let columns: Vec<&str> = header.split(',').collect();
    let row = rows.lines().next().expect("has rows");
    for column in ["tenant", "observation_date", "churned", "weight", "industry", "job90"] {
        let position = columns.iter().position(|name| *name == column).expect("is there");
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        cells[position] = match column {
            "tenant" => "z".to_owned(),
            "observation_date" => "2024-01-01".to_owned(),
            "churned" => if cells[position] == "1" { "0" } else { "1" }.to_owned(),
            "industry" => String::new(),
            _ => "0.25".to_owned(),
        };
        fs::write(&path, text.replacen(row, &cells.join(","), 1)).expect("writes");
        let refused = message(&path);
        assert!(refused.contains("a value was changed since then"), "{column}: {refused}");
    }
    fs::write(&path, &text).expect("writes");
    assert!(Assembled::read(&path).is_ok());

    let beside = folder.path().join("set.csv.json");
    let json = fs::read_to_string(&beside).expect("is there");
    let described = |from: &str, to: &str| {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from} is there");
        fs::write(&beside, changed).expect("writes");
        message(&path)
    };
    // The label in words and the plan hold each other; what they do not say, the digest does.
    for (from, to) in [
        ("\"horizon_days\": 60", "\"horizon_days\": 1"),
        ("\"gap_days\": 14", "\"gap_days\": 0"),
        ("\"rule\": \"cancelled\"", "\"rule\": \"usage\""),
        ("\"label\": \"cancelled", "\"label\": \"left"),
    ] {
        let refused = described(from, to);
        assert!(refused.contains("and by its plan it is"), "{to}: {refused}");
    }
    for (from, to) in [
        ("\"every_days\": 28", "\"every_days\": 7"),
        ("\"min_tenure_days\": 28", "\"min_tenure_days\": 0"),
        ("\"max_users\": 1048576", "\"max_users\": 7"),
        ("\"max_users\": 1048576", "\"max_users\": 1048576, \"max_teams\": 7"),
        ("\"missing_when\": \"unknown\"", "\"missing_when\": \"never\""),
        ("\"kind\": \"numeric\"", "\"kind\": \"numeric\", \"note\": \"mine\""),
        ("\"n_late\": 0", "\"n_late\": 3"),
        ("\"n_churned\": ", "\"n_churned\": 1"),
    ] {
        let refused = described(from, to);
        assert!(refused.contains("a value was changed since then"), "{to}: {refused}");
    }
    let unknown = described("\"n_labelled\"", "\"n_unlabelled\": 3,\n  \"n_labelled\"");
    assert!(unknown.contains("unknown field `n_unlabelled`"), "{unknown}");
    let twice = described("\"gap_days\": 14", "\"gap_days\": 14, \"gap_days\": 14");
    assert!(twice.contains("duplicate field `gap_days`"), "{twice}");
    // Laid out otherwise it says the same.
    fs::write(&beside, json.replace("\n  ", " ")).expect("writes");
    assert!(Assembled::read(&path).is_ok());
}

#[test]
fn a_description_that_was_changed_in_a_parquet_file_is_never_read() {
    let folder = tempfile::tempdir().expect("can be made");
    let path = folder.path().join("set.parquet");
    world(None, 0).write(&path).expect("writes");
    let bytes = fs::read(&path).expect("is there");
    // Of the same length, so that the file stays whole.
    for (from, to) in [("\"horizon_days\": 60", "\"horizon_days\": 10"), ("\"every_days\": 28", "\"every_days\": 35")] {
        let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).expect("is there");
        let mut changed = bytes.clone();
        changed[place..place + to.len()].copy_from_slice(to.as_bytes());
        fs::write(&path, changed).expect("writes");
        let refused = message(&path);
        assert!(refused.contains("changed since"), "{to}: {refused}");
    }
}

#[test]
fn damage_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("can be made");
    let path = folder.path().join("set.csv");
    let beside = folder.path().join("set.csv.json");
    let assembled = world(None, 0);
    assembled.write(&path).expect("writes");
    let text = fs::read_to_string(&path).expect("is there");
    let json = fs::read_to_string(&beside).expect("is there");
    let changed = |text: &str| {
        fs::write(&path, text).expect("writes");
        message(&path)
    };
    assert_eq!(changed(""), "\"/set.csv\" is empty; expected a header and one row per observation");
    let renamed = changed(&text.replacen("revenue", "Revenue", 1));
    assert_eq!(renamed, "training set \"/set.csv\": column 5 is Revenue, expected revenue");
    let label = changed(&text.replacen(",0,", ",maybe,", 1));
    assert!(label.contains("line 2, column \"churned\": found \"maybe\", expected 1, 0 or nothing"), "{label}");
    let cut = changed(text.split_inclusive('\n').take(6).collect::<String>().as_str());
    assert!(cut.contains("labelled rows and 0 others after them; expected"), "{cut}");
    let ragged = changed(&text.replacen(",0,", ",", 1));
    assert!(ragged.contains("line 2: the number of fields is 50, expected 51"), "{ragged}");
    fs::write(&path, &text).expect("writes");

    let described = |text: &str| {
        fs::write(&beside, text).expect("writes");
        message(&path)
    };
    assert!(
        described(&json.replace("\"format_version\": 1", "\"format_version\": 2")).contains("this build reads 1 to 1")
    );
    let rule = described(&json.replace("\"rule\": \"cancelled\"", "\"rule\": \"gone\""));
    assert!(rule.contains("unknown variant `gone`, expected `cancelled` or `usage`"), "{rule}");
    assert!(described(&json.replace("\"horizon_days\": 60", "\"horizon_days\": 0")).contains("at least 1 day"));
    assert!(described("{}").contains("does not describe a training set: missing field `format_version`"));
    fs::remove_file(&beside).expect("is there");
    assert_eq!(message(&path), "there is no file \"/set.csv.json\"");
    assert_eq!(message(&folder.path().join("none.parquet")), "there is no file \"/none.parquet\"");
}
