//! Rows of features as SageMaker's built-in algorithms exchange them: RecordIO-protobuf and LIBSVM text.
//!
//! Both know a feature by its position only, and both may be sparse. What a sparse row does not name is **0**, not
//! missing: that is what these formats mean by it. A value of NaN is missing.

mod libsvm;
mod media_type;
mod protobuf;
mod record_io;

use std::fmt;

pub use libsvm::{IndexBase, read_libsvm, read_libsvm_line};
pub use media_type::RowFormat;
pub use record_io::{RecordReader, write_answer, write_row};

/// One row, as it stands in a file or a request body.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRecord {
    /// Where it stands, for messages.
    pub place: RecordPlace,
    /// The label, where the row has one.
    pub label: Option<f32>,
    /// The features.
    pub values: RecordValues,
}

/// The features of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordValues {
    /// A value for every feature.
    Dense(Vec<f32>),
    /// Values for some features; every other one is 0.
    Sparse {
        /// Positions of the features, from 0.
        keys: Vec<u64>,
        /// As many values.
        values: Vec<f32>,
        /// Number of features, where the row says it.
        shape: Option<u64>,
    },
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPlace {
    /// A record of a binary file.
    Record {
        /// Its number, from 1.
        number: u64,
        /// The byte that it starts at.
        offset: u64,
    },
    /// A line of text.
    Line {
        /// Its number, from 1.
        number: u64,
    },
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { number, offset } => write!(f, "record {number} (byte {offset})"),
            Self::Line { number } => write!(f, "line {number}"),
        }
    }
}

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes cannot be had.
    #[error("{place}: cannot be read")]
    Read {
        /// Where.
        place: RecordPlace,
        /// What is behind it.
        source: std::io::Error,
    },
    /// These bytes are no RecordIO.
    #[error("{place}: begins with 0x{found:08x} where RecordIO has 0x{expected:08x}; is this RecordIO-protobuf?")]
    Magic {
        /// Where.
        place: RecordPlace,
        /// What is there.
        found: u32,
        /// What should be.
        expected: u32,
    },
    /// The bytes end inside a record.
    #[error("{place}: the data ends inside it; send or upload it whole")]
    CutShort {
        /// Where.
        place: RecordPlace,
    },
    /// A part of a record stands where another part belongs.
    #[error("{place}: is {found} part of a record, expected {expected}; write the file again")]
    Part {
        /// Where.
        place: RecordPlace,
        /// Which part is there.
        found: &'static str,
        /// Which should be.
        expected: &'static str,
    },
    /// The record is too long to be looked at.
    #[error("{place}: has more than {most_bytes} bytes; send one row per record")]
    TooLong {
        /// Where.
        place: RecordPlace,
        /// What a record may have.
        most_bytes: usize,
    },
    /// The record is no `aialgs.data.Record`.
    #[error("{place}: is no protobuf record of SageMaker's")]
    Protobuf {
        /// Where.
        place: RecordPlace,
        /// What is behind it.
        source: prost::DecodeError,
    },
    /// The record has features or a label that cannot be read as numbers.
    #[error("{place}: {what} {problem}")]
    Tensor {
        /// Where.
        place: RecordPlace,
        /// `the features` or `the label`.
        what: &'static str,
        /// What is wrong with them, and what is expected.
        problem: &'static str,
    },
    /// A word of a LIBSVM line is not what belongs there.
    #[error("{place}: found {found:?}, expected {expected}")]
    Word {
        /// Where.
        place: RecordPlace,
        /// The word.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Another number of features than the model or the rows before have.
    #[error("{place}: the number of features is {found}, expected {expected}")]
    Width {
        /// Where.
        place: RecordPlace,
        /// Features in the row.
        found: u64,
        /// Features expected.
        expected: usize,
    },
    /// A feature beyond the last.
    #[error("{place}: there is a value for feature {key}, counted from 0, and {width} features are expected")]
    Key {
        /// Where.
        place: RecordPlace,
        /// Position of the feature.
        key: u64,
        /// Features expected.
        width: usize,
    },
    /// A feature with two values.
    #[error("{place}: there are two values for feature {key}, counted from 0; write one")]
    KeyTwice {
        /// Where.
        place: RecordPlace,
        /// Position of the feature.
        key: u64,
    },
    /// A number that no 32-bit float holds.
    #[error("{place}: feature {key}, counted from 0, is infinite; expected a finite number or NaN for missing")]
    Infinite {
        /// Where.
        place: RecordPlace,
        /// Position of the feature.
        key: u64,
    },
}

impl FeatureRecord {
    /// Number of features that the row needs: those of a dense row, the shape of a sparse one or else one more than its
    /// last key.
    pub fn width(&self) -> u64 {
        match &self.values {
            RecordValues::Dense(values) => values.len() as u64,
            RecordValues::Sparse { shape: Some(shape), .. } => *shape,
            RecordValues::Sparse { keys, .. } => keys.iter().max().map_or(0, |key| key.saturating_add(1)),
        }
    }

    /// The row as a feature vector: what a sparse row does not name is 0.
    ///
    /// # Errors
    /// When the row has another number of features, a key beyond them or twice, or an infinite value.
    pub fn into_row(self, width: usize) -> Result<Vec<f32>, RecordError> {
        let place = self.place;
        let row = match self.values {
            RecordValues::Dense(values) => {
                if values.len() != width {
                    return Err(RecordError::Width { place, found: values.len() as u64, expected: width });
                }
                values
            }
            RecordValues::Sparse { keys, values, shape } => {
                if let Some(found) = shape.filter(|&shape| shape != width as u64) {
                    return Err(RecordError::Width { place, found, expected: width });
                }
                let mut row = vec![None; width];
                for (key, value) in keys.into_iter().zip(values) {
                    let cell = usize::try_from(key).ok().and_then(|position| row.get_mut(position));
                    if cell.ok_or(RecordError::Key { place, key, width })?.replace(value).is_some() {
                        return Err(RecordError::KeyTwice { place, key });
                    }
                }
                row.into_iter().map(Option::unwrap_or_default).collect()
            }
        };
        match row.iter().position(|value| value.is_infinite()) {
            Some(position) => Err(RecordError::Infinite { place, key: position as u64 }),
            None => Ok(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: RecordPlace = RecordPlace::Record { number: 3, offset: 40 };

    fn sparse(keys: &[u64], values: &[f32], shape: Option<u64>) -> FeatureRecord {
        let values = RecordValues::Sparse { keys: keys.to_vec(), values: values.to_vec(), shape };
        FeatureRecord { place: PLACE, label: None, values }
    }

    #[test]
    fn what_a_sparse_row_does_not_name_is_zero() {
        let record = sparse(&[3, 1], &[7.0, -1.0], None);
        assert_eq!(record.width(), 4);
        assert_eq!(record.into_row(5).unwrap(), [0.0, -1.0, 0.0, 7.0, 0.0]);
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused_with_its_place() {
        let message = |record: FeatureRecord| record.into_row(4).unwrap_err().to_string();
        let dense = FeatureRecord { values: RecordValues::Dense(vec![1.0; 3]), ..sparse(&[], &[], None) };
        assert_eq!(message(dense), "record 3 (byte 40): the number of features is 3, expected 4");
        assert_eq!(
            message(sparse(&[4], &[1.0], None)),
            "record 3 (byte 40): there is a value for feature 4, counted from 0, and 4 features are expected"
        );
        assert_eq!(
            message(sparse(&[], &[], Some(u64::MAX))),
            format!("record 3 (byte 40): the number of features is {}, expected 4", u64::MAX)
        );
        assert!(message(sparse(&[2], &[f32::INFINITY], None)).contains("feature 2, counted from 0, is infinite"));
        assert_eq!(
            message(sparse(&[2, 1, 2], &[1.0; 3], None)),
            "record 3 (byte 40): there are two values for feature 2, counted from 0; write one"
        );
        assert!(sparse(&[u64::MAX], &[1.0], None).into_row(4).is_err());
    }
}
