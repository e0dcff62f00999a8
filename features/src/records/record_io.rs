//! RecordIO: records one after the other, each with a magic number, its length, and padding to four bytes.
//!
//! Source: dmlc-core's `recordio.h`, which SageMaker's built-in algorithms share. The three upper bits of a length say
//! whether the record is whole (0) or the first, a middle or the last part (1, 2, 3) of one whose bytes held the magic
//! number where a record could begin; it was left out there and stands between the parts again.

use std::io::{ErrorKind, Read};

use prost::Message;

use super::protobuf::{Entry, Record};
use super::{FeatureRecord, RecordError, RecordPlace};

const MAGIC: u32 = 0xced7_230a;
const LENGTH_BITS: u32 = 29;
const MOST_RECORD_BYTES: usize = 1 << 20;
const PARTS: [&str; 8] =
    ["a whole", "a first", "a middle", "a last", "an unknown", "an unknown", "an unknown", "an unknown"];

/// Reads RecordIO-protobuf, one row at a time; it ends after the first error.
///
/// # Cost
/// Memory for one record, which may have 1 MiB: a sparse row of all the features that a model can have.
///
/// # Example
/// ```
/// use churn_features::{RecordReader, write_row};
///
/// let mut bytes = Vec::new();
/// write_row(&mut bytes, Some(1.0), &[0.5, 2.0]);
/// let record = RecordReader::new(bytes.as_slice()).next().expect("one row")?;
/// assert_eq!((record.label, record.into_row(2)?), (Some(1.0), vec![0.5, 2.0]));
/// # Ok::<(), churn_features::RecordError>(())
/// ```
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    offset: u64,
    number: u64,
    is_done: bool,
}

impl<R: Read> RecordReader<R> {
    /// Reads from the start of `input`, which had better be buffered.
    pub fn new(input: R) -> Self {
        Self { input, offset: 0, number: 0, is_done: false }
    }

    /// The bytes of the next record, its parts put together; `None` at the end.
    fn bytes(&mut self, place: RecordPlace) -> Result<Option<Vec<u8>>, RecordError> {
        let mut bytes = Vec::new();
        let mut is_inside = false;
        loop {
            let Some(magic) = self.word(place, is_inside)? else { return Ok(None) };
            if magic != MAGIC {
                return Err(RecordError::Magic { place, found: magic, expected: MAGIC });
            }
            let Some(head) = self.word(place, true)? else { return Err(RecordError::CutShort { place }) };
            let part = head >> LENGTH_BITS;
            let length = head & ((1 << LENGTH_BITS) - 1);
            if is_inside != matches!(part, 2 | 3) || part > 3 {
                let expected = if is_inside { "a middle or last" } else { "a whole or first" };
                return Err(RecordError::Part { place, found: PARTS[part as usize], expected });
            }
            if is_inside {
                bytes.extend_from_slice(&MAGIC.to_le_bytes());
            }
            if bytes.len() + length as usize > MOST_RECORD_BYTES {
                return Err(RecordError::TooLong { place, most_bytes: MOST_RECORD_BYTES });
            }
            self.read(&mut bytes, u64::from(length), place)?;
            self.read(&mut Vec::new(), u64::from(length.wrapping_neg() % 4), place)?;
            if matches!(part, 0 | 3) {
                return Ok(Some(bytes));
            }
            is_inside = true;
        }
    }

    /// Four bytes; `None` when there is none left where there may be none.
    fn word(&mut self, place: RecordPlace, is_needed: bool) -> Result<Option<u32>, RecordError> {
        let mut word = [0; 4];
        let mut n = 0;
        while n < word.len() {
            match self.input.read(&mut word[n..]) {
                Ok(0) if n == 0 && !is_needed => return Ok(None),
                Ok(0) => return Err(RecordError::CutShort { place }),
                Ok(read) => n += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(RecordError::Read { place, source }),
            }
        }
        self.offset += 4;
        Ok(Some(u32::from_le_bytes(word)))
    }

    /// So many bytes; memory is taken as they arrive.
    fn read(&mut self, bytes: &mut Vec<u8>, n: u64, place: RecordPlace) -> Result<(), RecordError> {
        let read = self.input.by_ref().take(n).read_to_end(bytes);
        let read = read.map_err(|source| RecordError::Read { place, source })? as u64;
        self.offset += read;
        if read < n { Err(RecordError::CutShort { place }) } else { Ok(()) }
    }

    fn record(&mut self) -> Result<Option<FeatureRecord>, RecordError> {
        let place = RecordPlace::Record { number: self.number + 1, offset: self.offset };
        let Some(bytes) = self.bytes(place)? else { return Ok(None) };
        let mut record = Record::decode(bytes.as_slice()).map_err(|source| RecordError::Protobuf { place, source })?;
        self.number += 1;
        let (label, values) = (record.take_label(place)?, record.take_features(place)?);
        Ok(Some(FeatureRecord { place, label, values }))
    }
}

impl<R: Read> Iterator for RecordReader<R> {
    type Item = Result<FeatureRecord, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let record = self.record().transpose();
        self.is_done = !matches!(record, Some(Ok(_)));
        record
    }
}

/// Appends a row, as built-in algorithms are given it.
pub fn write_row(bytes: &mut Vec<u8>, label: Option<f32>, features: &[f32]) {
    write(bytes, &Record::row(label, features));
}

/// Appends an answer, as the built-in linear learner gives it.
pub fn write_answer(bytes: &mut Vec<u8>, score: f32, predicted_label: f32) {
    // By name, as a map would have them.
    let answers = [("predicted_label", predicted_label), ("score", score)];
    let label = answers.map(|(name, value)| Entry::dense(name, &[value]));
    write(bytes, &Record { label: label.into(), ..Record::default() });
}

/// Writes one record, whole: readers go by its length, so the magic number inside its bytes does no harm.
fn write(bytes: &mut Vec<u8>, record: &Record) {
    let length = record.encoded_len();
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    bytes.extend_from_slice(&(length as u32).to_le_bytes());
    bytes.extend_from_slice(&record.encode_to_vec());
    bytes.resize(bytes.len() + length.wrapping_neg() % 4, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<FeatureRecord>, String> {
        RecordReader::new(bytes).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    fn rows(bytes: &[u8], width: usize) -> Vec<(Option<f32>, Vec<f32>)> {
        all(bytes).unwrap().into_iter().map(|record| (record.label, record.into_row(width).unwrap())).collect()
    }

    /// A frame with these upper bits around these bytes.
    fn frame(part: u32, bytes: &[u8]) -> Vec<u8> {
        let mut frame = MAGIC.to_le_bytes().to_vec();
        frame.extend_from_slice(&(part << LENGTH_BITS | bytes.len() as u32).to_le_bytes());
        frame.extend_from_slice(bytes);
        frame.resize(frame.len().next_multiple_of(4), 0);
        frame
    }

    #[test]
    fn parts_are_put_together_around_the_magic_number_left_out() {
        let magic = f32::from_le_bytes(MAGIC.to_le_bytes());
        let bytes = Record::row(None, &[1.0, magic, 2.0, magic, 3.0]).encode_to_vec();
        let positions: Vec<usize> = (0..bytes.len() - 3).filter(|&i| bytes[i..i + 4] == MAGIC.to_le_bytes()).collect();
        let [first, second] = positions[..] else { panic!("the magic number stands there twice") };
        let parts = [frame(1, &bytes[..first]), frame(2, &bytes[first + 4..second]), frame(3, &bytes[second + 4..])];
        assert_eq!(rows(&parts.concat(), 5), [(None, vec![1.0, magic, 2.0, magic, 3.0])]);
        let [first, second, last] = &parts;
        let message = all(&[first.clone(), first.clone()].concat()).unwrap_err();
        assert_eq!(
            message,
            "record 1 (byte 0): is a first part of a record, expected a middle or last; write the file again"
        );
        assert!(all(last).unwrap_err().contains("is a last part"));
        assert!(all(&[first.clone(), second.clone()].concat()).unwrap_err().contains("ends inside"));
    }

    #[test]
    fn an_answer_has_the_names_of_the_linear_learner() {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, 0.25, 1.0);
        let record = Record::decode(&bytes[8..]).unwrap();
        let expected = [("predicted_label", 1.0), ("score", 0.25)];
        assert_eq!(record.label, expected.map(|(name, value)| Entry::dense(name, &[value])));
        assert!(record.features.is_empty() && bytes.len().is_multiple_of(4));
    }

    #[test]
    fn what_is_damaged_is_named_with_record_and_byte() {
        let mut bytes = Vec::new();
        write_row(&mut bytes, Some(1.0), &[1.0, 2.0]);
        let second = bytes.len();
        write_row(&mut bytes, Some(0.0), &[3.0, 4.0]);
        let place = format!("record 2 (byte {second})");
        for n in second + 1..bytes.len() {
            assert_eq!(
                all(&bytes[..n]).unwrap_err(),
                format!("{place}: the data ends inside it; send or upload it whole")
            );
        }
        bytes[second] = b'1';
        let message = all(&bytes).unwrap_err();
        assert!(
            message.starts_with(&format!("{place}: begins with 0xced72331 where RecordIO has 0xced7230a")),
            "{message}"
        );
        assert_eq!(all(&frame(0, &[0xff; 5])).unwrap_err(), "record 1 (byte 0): is no protobuf record of SageMaker's");
    }

    #[test]
    fn a_length_beyond_the_bytes_takes_no_memory() {
        let mut bytes = frame(0, &[]);
        bytes[4..8].copy_from_slice(&(MOST_RECORD_BYTES as u32).to_le_bytes());
        let mut reader = RecordReader::new(bytes.as_slice());
        let mut taken = Vec::new();
        let place = RecordPlace::Record { number: 1, offset: 0 };
        reader.input = &[1, 2, 3];
        assert!(reader.read(&mut taken, 1 << 29, place).is_err());
        assert!(taken.capacity() < 1 << 10);
        assert!(all(&bytes).unwrap_err().contains("ends inside"));
        bytes[4..8].copy_from_slice(&((1 << LENGTH_BITS) - 1_u32).to_le_bytes());
        assert!(all(&bytes).unwrap_err().contains("has more than"));
    }

    #[test]
    fn a_tensor_that_holds_no_row_is_refused() {
        let refused = |record: &Record| {
            let mut bytes = Vec::new();
            write(&mut bytes, record);
            all(&bytes).unwrap_err()
        };
        let two = |name: &str| Entry::dense(name, &[1.0, 2.0]);
        let label = Record { label: vec![two("values")], ..Record::default() };
        assert_eq!(refused(&label), "record 1 (byte 0): the label is not one number; send one number per row");
        let features =
            |names: &[&str]| Record { features: names.iter().map(|name| two(name)).collect(), ..Record::default() };
        assert!(refused(&features(&["a", "b"])).contains("several tensors, none of them called \"values\""));
        assert!(refused(&features(&["values", "a", "values"])).contains("two tensors called \"values\""));
        let mut bytes = Vec::new();
        write(&mut bytes, &features(&["a", "values"]));
        assert_eq!(rows(&bytes, 2), [(None, vec![1.0, 2.0])]);
    }

    #[test]
    fn a_record_that_is_too_long_is_not_looked_at() {
        let mut bytes = Vec::new();
        write_row(&mut bytes, None, &vec![0.0; MOST_RECORD_BYTES / 4]);
        assert!(all(&bytes).unwrap_err().contains("has more than 1048576 bytes"));
    }
}
