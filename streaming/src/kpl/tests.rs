use proptest::prelude::*;
use prost::Message;

use super::*;

/// The message as `prost` reads it.
#[derive(Clone, PartialEq, Message)]
struct SlowAggregate {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<SlowRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct SlowRecord {
    #[prost(uint64, required, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", required, tag = "3")]
    data: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    tags: Vec<SlowTag>,
}

#[derive(Clone, PartialEq, Message)]
struct SlowTag {
    #[prost(string, required, tag = "1")]
    key: String,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// The same by its own words: no error is told apart from another.
fn slow_records(message: &[u8], hash_keys: &RangeInclusive<u128>) -> Option<Vec<(u64, String, Vec<u8>)>> {
    let aggregate = SlowAggregate::decode(message).ok()?;
    let mut records = Vec::new();
    for (number, record) in aggregate.records.iter().enumerate() {
        let partition_key = aggregate.partition_key_table.get(record.partition_key_index as usize)?;
        let key = match record.explicit_hash_key_index {
            Some(index) => aggregate.explicit_hash_key_table.get(index as usize)?.parse().ok()?,
            None => hash_key(partition_key.as_bytes()),
        };
        if hash_keys.contains(&key) {
            records.push((number as u64, partition_key.clone(), record.data.clone()));
        }
    }
    Some(records)
}

fn owned(records: Vec<UserRecord<'_>>) -> Vec<(u64, String, Vec<u8>)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    records.iter().map(|record| (record.sub_sequence, text(record.partition_key), record.data.to_vec())).collect()
}

fn refused(message: &[u8]) -> DamagedAggregate {
    let hash_keys = 0..=u128::MAX / 2;
    user_records(&sealed(message), Some(&hash_keys)).expect("is an aggregate").expect_err("is damaged")
}

#[test]
fn an_aggregate_of_another_library_is_read_and_written_byte_for_byte() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kpl");
    let aggregate = std::fs::read(format!("{golden}/aggregate.bin")).expect("is there");
    let records = std::fs::read(format!("{golden}/records.json")).expect("is there");
    let records: Vec<(String, Option<String>, Vec<u8>)> = serde_json::from_slice(&records).expect("is JSON");

    let found = user_records(&aggregate, None).expect("is an aggregate").expect("is whole");
    let expected: Vec<_> =
        (0..).zip(&records).map(|(number, (key, _, data))| (number, key.clone(), data.clone())).collect();
    assert_eq!(owned(found), expected);

    let parsed = |key: &Option<String>| key.as_ref().map(|key| key.parse().expect("is a number"));
    let packed = pack(records.iter().map(|(key, hash_key, data)| (key.as_str(), parsed(hash_key), &data[..])));
    assert_eq!(packed, aggregate);
}

#[test]
fn a_record_without_the_magic_bytes_or_with_another_digest_is_an_ordinary_one() {
    let aggregate = pack([("t", None, &b"data"[..])]);
    let mut other_digest = aggregate.clone();
    *other_digest.last_mut().expect("has bytes") ^= 1;
    let truncated = &aggregate[..aggregate.len() - 1];
    for data in [&b""[..], b"{}", &MAGIC, &aggregate[..20], &other_digest, truncated, &sealed(b"")] {
        assert_eq!(user_records(data, None), None);
    }
    assert!(user_records(&aggregate, None).is_some());
}

#[test]
fn records_of_other_shards_are_passed_over_and_keep_their_numbers() {
    let half = 1_u128 << 127;
    let explicit = [Some(0), Some(half - 1), Some(half), Some(u128::MAX)];
    let aggregate = pack(explicit.iter().map(|key| ("t", *key, &b"d"[..])));
    let numbers = |aggregate: &[u8], hash_keys| {
        let records = user_records(aggregate, Some(&hash_keys)).expect("is an aggregate").expect("is whole");
        records.iter().map(|record| record.sub_sequence).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&aggregate, 0..=half - 1), [0, 1]);
    assert_eq!(numbers(&aggregate, half..=u128::MAX), [2, 3]);

    // Without explicit keys it is the digests of partition keys that decide.
    let keys = ["a", "b", "c", "d", "e", "f", "g", "a", "h"];
    let aggregate = pack(keys.iter().map(|key| (*key, None, &b"d"[..])));
    let (low, high) = (numbers(&aggregate, 0..=half - 1), numbers(&aggregate, half..=u128::MAX));
    assert!(!low.is_empty() && !high.is_empty());
    let expected = |low: bool| {
        let keys = (0..).zip(keys).filter(|(_, key)| (hash_key(key.as_bytes()) < half) == low);
        keys.map(|(number, _)| number).collect::<Vec<u64>>()
    };
    assert_eq!((low, high), (expected(true), expected(false)));
}

#[test]
fn the_hash_key_is_the_one_that_kinesis_gives() {
    // MD5 of RFC 1321's test suite.
    assert_eq!(hash_key(b""), 0xd41d8cd98f00b204e9800998ecf8427e);
    assert_eq!(hash_key(b"message digest"), 0xf96b697d7cb7938d525a2f31aaf161d0);
}

#[test]
fn what_is_wrong_with_a_damaged_aggregate_is_named() {
    let key = [&[0x0a, 1][..], b"t"].concat();
    let with = |rest: &[u8]| [&key[..], rest].concat();
    let cases: [(&[u8], &str, &str); 10] = [
        (&with(&[0x1a, 9, 8, 0]), "aggregate", "ends inside of aggregate at byte 3"),
        (&with(&[0x1a, 4, 8, 0, 0x1a, 5]), "record", "ends inside of record at byte 7"),
        (&with(&[0x80]), "aggregate", "ends inside of aggregate at byte 3"),
        (&with(&[0xff; 12]), "aggregate", "has a number of more than 64 bits at byte 3"),
        (&with(&[0x18, 7]), "record", "has record in wire type 0 at byte 3"),
        (&with(&[0x1b]), "aggregate", "has aggregate in wire type 3 at byte 3"),
        (&with(&[0x1a, 2, 0x1a, 0]), "partition_key_index", "has no partition_key_index in record 0"),
        (&with(&[0x1a, 2, 8, 0]), "data", "has no data in record 0"),
        (
            &with(&[0x1a, 4, 8, 0, 0x1a, 0, 0x1a, 5, 8, 0x80, 1, 0x1a, 0]),
            "partition_key_index",
            "has partition_key_index 128 in record 1 where the table has 1 entries",
        ),
        (
            &with(&[0x12, 2, b'+', b'1', 0x1a, 6, 8, 0, 16, 0, 0x1a, 0]),
            "explicit_hash_key",
            r#"has "+1" as explicit hash key of record 0 where a number below 2^128 is expected"#,
        ),
    ];
    for (message, field, text) in cases {
        let error = refused(message);
        assert_eq!((error.field(), error.to_string().as_str()), (field, text));
    }
}

#[test]
fn fields_that_are_not_known_and_tags_are_passed_over() {
    let tag = SlowTag { key: "k".to_owned(), value: Some("v".to_owned()) };
    let record = SlowRecord { partition_key_index: 0, explicit_hash_key_index: None, data: vec![7], tags: vec![tag] };
    let aggregate = SlowAggregate {
        partition_key_table: vec!["t".to_owned()],
        explicit_hash_key_table: vec![],
        records: vec![record],
    };
    let mut message = aggregate.encode_to_vec();
    message.extend_from_slice(&[0x30, 5, 0x39, 1, 2, 3, 4, 5, 6, 7, 8, 0x45, 1, 2, 3, 4, 0x4a, 1, 0xff]);
    let sealed = sealed(&message);
    let records = user_records(&sealed, None).expect("is an aggregate").expect("is whole");
    assert_eq!(records, [UserRecord { sub_sequence: 0, partition_key: b"t", data: &[7] }]);
}

fn records() -> impl Strategy<Value = Vec<(String, Option<u128>, Vec<u8>)>> {
    let data = proptest::collection::vec(any::<u8>(), 0..40);
    proptest::collection::vec(("[a-f]{0,2}", proptest::option::of(any::<u128>()), data), 1..12)
}

fn packed(records: &[(String, Option<u128>, Vec<u8>)]) -> Vec<u8> {
    pack(records.iter().map(|(key, hash_key, data)| (key.as_str(), *hash_key, &data[..])))
}

proptest! {
    #[test]
    fn the_fast_reader_and_the_slow_one_agree(records in records(), start in any::<u128>(), end in any::<u128>()) {
        let aggregate = packed(&records);
        let hash_keys = start.min(end)..=start.max(end);
        let message = aggregated_message(&aggregate).expect("is an aggregate");
        let found = user_records(&aggregate, Some(&hash_keys)).expect("is an aggregate").expect("is whole");
        prop_assert_eq!(owned(found), slow_records(message, &hash_keys).expect("is whole"));
        let all = user_records(&aggregate, None).expect("is an aggregate").expect("is whole");
        prop_assert_eq!(all.len(), records.len());
    }

    #[test]
    fn a_damaged_message_is_an_error_or_read_as_the_slow_reader_reads_it(
        records in records(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let aggregate = packed(&records);
        let mut message = aggregated_message(&aggregate).expect("is an aggregate").to_vec();
        for (index, byte) in damages {
            let at = index.index(message.len());
            message[at] = byte;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()).max(1));
        }
        let hash_keys = 0..=u128::MAX - 1;
        let damaged = sealed(&message);
        let found = user_records(&damaged, Some(&hash_keys)).expect("is an aggregate");
        // The slow reader takes a record without the fields that it must have, and refuses text that is not UTF-8.
        if let (Ok(found), Some(slow)) = (found, slow_records(&message, &hash_keys)) {
            prop_assert_eq!(owned(found), slow);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(message in proptest::collection::vec(any::<u8>(), 1..200)) {
        let _ = user_records(&sealed(&message), Some(&(0..=5)));
        let _ = user_records(&message, None);
    }
}
