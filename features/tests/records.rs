//! RecordIO-protobuf and LIBSVM: what others write is read, what is written is read back, and no bytes do harm.

use churn_features::{FeatureRecord, IndexBase, RecordReader, read_libsvm, write_row};
use proptest::prelude::*;

/// Written by Google's Python protobuf from `record.proto`, padded as the SageMaker SDK does: a dense float32 row with a
/// label and a uid, a sparse float64 row of shape 400, a dense int32 row without label.
const WRITTEN_ELSEWHERE: &[u8] = b"\x0a\x23\xd7\xce\x2f\0\0\0\x0a\x16\x0a\x06values\x12\x0c\x12\x0a\x0a\x08\0\0\x80\x3f\0\0\0\x40\
    \x12\x12\x0a\x06values\x12\x08\x12\x06\x0a\x04\0\0\x80\x3f\x1a\x01a\0\
    \x0a\x23\xd7\xce\x3a\0\0\0\x0a\x27\x0a\x06values\x12\x1d\x1a\x1b\x0a\x10\0\0\0\0\0\0\x14\x40\0\0\0\0\0\0\xf8\xbf\
    \x12\x03\x03\xac\x02\x1a\x02\x90\x03\x12\x0f\x0a\x06values\x12\x05\x3a\x03\x0a\x01\0\0\0\
    \x0a\x23\xd7\xce\x1b\0\0\0\x0a\x19\x0a\x06values\x12\x0f\x3a\x0d\x0a\x0b\xf9\xff\xff\xff\xff\xff\xff\xff\xff\x01\x08\0";

fn read(bytes: &[u8]) -> Vec<FeatureRecord> {
    RecordReader::new(bytes).collect::<Result<_, _>>().expect("whole records")
}

#[test]
fn what_another_protobuf_library_wrote_is_read() {
    let [dense, sparse, whole_numbers] = <[_; 3]>::try_from(read(WRITTEN_ELSEWHERE)).unwrap();
    assert_eq!((dense.label, dense.into_row(2).unwrap()), (Some(1.0), vec![1.0, 2.0]));
    assert_eq!(
        (sparse.label, sparse.width(), sparse.place.to_string()),
        (Some(0.0), 400, "record 2 (byte 56)".to_owned())
    );
    let row = sparse.into_row(400).unwrap();
    let named: Vec<_> = row.iter().enumerate().filter(|(_, value)| **value != 0.0).collect();
    assert_eq!(named, [(3, &5.0), (300, &-1.5)]);
    assert_eq!((whole_numbers.label, whole_numbers.into_row(2).unwrap()), (None, vec![-7.0, 8.0]));
}

proptest! {
    #[test]
    fn a_row_comes_back_as_it_was_written(
        rows in prop::collection::vec((prop::option::of(any::<f32>()), prop::collection::vec(any::<i32>(), 0..40)), 0..5)
    ) {
        let rows: Vec<(Option<f32>, Vec<f32>)> =
            rows.into_iter().map(|(label, row)| (label, row.into_iter().map(|value| value as f32).collect())).collect();
        let mut bytes = Vec::new();
        rows.iter().for_each(|(label, row)| write_row(&mut bytes, *label, row));
        let found: Vec<_> = read(&bytes).into_iter().map(|record| {
            let width = record.width() as usize;
            (record.label, record.into_row(width).unwrap())
        }).collect();
        // Bits, because a label may be NaN.
        let bits = |rows: &[(Option<f32>, Vec<f32>)]| -> Vec<_> {
            rows.iter().map(|(label, row)| (label.map(f32::to_bits), row.clone())).collect()
        };
        prop_assert_eq!(bits(&found), bits(&rows));
    }

    #[test]
    fn no_bytes_make_the_record_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for record in RecordReader::new(bytes.as_slice()).flatten() {
            let _ = record.into_row(4);
        }
    }

    #[test]
    fn a_damaged_record_does_not_panic(at in 0..WRITTEN_ELSEWHERE.len(), byte in any::<u8>(), end in 0..WRITTEN_ELSEWHERE.len()) {
        let mut bytes = WRITTEN_ELSEWHERE.to_vec();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..end]] {
            for record in RecordReader::new(bytes).flatten() {
                let _ = record.into_row(400);
            }
        }
    }

    #[test]
    fn libsvm_rows_come_back_as_they_were_written(
        rows in prop::collection::vec(prop::collection::btree_map(0_u64..30, -1e9_f32..1e9, 0..8), 1..6), is_from_one: bool
    ) {
        let shift = u64::from(is_from_one);
        let line = |row: &std::collections::BTreeMap<u64, f32>| {
            row.iter().fold("1".to_owned(), |line, (key, value)| format!("{line} {}:{value}", key + shift))
        };
        let text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        let base = if is_from_one { IndexBase::One } else { IndexBase::Zero };
        let found = read_libsvm(text.as_bytes(), base).unwrap();
        for (record, row) in found.into_iter().zip(&rows) {
            let expected: Vec<f32> = (0..30).map(|key| row.get(&key).copied().unwrap_or(0.0)).collect();
            prop_assert_eq!(record.into_row(30).unwrap(), expected);
        }
    }

    #[test]
    fn no_text_makes_the_libsvm_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), text in "[0-9 :.#q\n-]{0,40}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            for base in [IndexBase::Zero, IndexBase::One] {
                for record in read_libsvm(bytes, base).into_iter().flatten() {
                    let _ = record.into_row(4);
                }
            }
        }
    }
}
