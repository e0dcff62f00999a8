//! Feeds bytes to the readers of RecordIO-protobuf and of LIBSVM's text.

#![no_main]

use churn_features::{IndexBase, RecordReader, read_libsvm, write_row};
use libfuzzer_sys::fuzz_target;

/// Features of the rows that records are made into.
const WIDTH: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    for record in RecordReader::new(bytes) {
        // Reading ends with the first record that cannot be read.
        let Ok(record) = record else { break };
        let label = record.label;
        if let Ok(row) = record.into_row(WIDTH) {
            let mut written = Vec::new();
            write_row(&mut written, label, &row);
            let again = RecordReader::new(&written[..]).next().expect("a record").expect("what was written reads");
            let again = again.into_row(WIDTH).expect("what was written has its width");
            assert_eq!(bits(again), bits(row), "what was written reads differently");
        }
    }
    let as_they_stand = read_libsvm(bytes, IndexBase::Zero);
    if let Ok(from_one) = read_libsvm(bytes, IndexBase::One) {
        let mut records = as_they_stand.expect("what counts from 1 can be read as it stands");
        assert_eq!(IndexBase::of(&records), IndexBase::One);
        IndexBase::One.apply(&mut records);
        assert_eq!(records.len(), from_one.len());
        for (record, other) in records.into_iter().zip(from_one) {
            assert_eq!(record.into_row(WIDTH).ok().map(bits), other.into_row(WIDTH).ok().map(bits));
        }
    }
});

/// What makes a missing value equal to itself.
fn bits(row: Vec<f32>) -> Vec<u32> {
    row.into_iter().map(f32::to_bits).collect()
}
