//! LIBSVM's text: `label index:value index:value ...`, a row a line.

use std::io::{BufRead, ErrorKind};

use super::{FeatureRecord, RecordError, RecordPlace, RecordValues};

/// Which number the first feature has in a LIBSVM text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexBase {
    /// The first feature is 0.
    Zero,
    /// The first feature is 1, as LIBSVM writes it.
    One,
}

impl IndexBase {
    /// The base that rows [read](read_libsvm) with [`IndexBase::Zero`] show: one, unless an index is 0.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a FeatureRecord>) -> Self {
        let has_zero = |record: &FeatureRecord| match &record.values {
            RecordValues::Sparse { keys, .. } => keys.contains(&0),
            RecordValues::Dense(_) => false,
        };
        if records.into_iter().any(has_zero) { Self::Zero } else { Self::One }
    }

    /// Makes the keys of rows read with [`IndexBase::Zero`] count from 0, if they do not yet.
    pub fn apply(self, records: &mut [FeatureRecord]) {
        for record in records {
            if let (Self::One, RecordValues::Sparse { keys, .. }) = (self, &mut record.values) {
                keys.iter_mut().for_each(|key| *key = key.saturating_sub(1));
            }
        }
    }
}

/// Reads every row. A label may be left out, `qid:` and what follows a `#` are passed over, and so are blank lines.
///
/// Without a base the text's own indices tell it: an index 0 anywhere makes it count from 0. That needs a whole file; a
/// single row may not show it, so a server had better know it.
///
/// # Errors
/// When the text cannot be read or is no LIBSVM; says in which line.
pub fn read_libsvm(input: impl BufRead, base: Option<IndexBase>) -> Result<Vec<FeatureRecord>, RecordError> {
    let mut records = Vec::new();
    for (number, line) in (1..).zip(input.lines()) {
        let place = RecordPlace::Line { number };
        let line = line.map_err(|source| match source.kind() {
            ErrorKind::InvalidData => {
                RecordError::Word { place, found: "bytes that are not UTF-8".to_owned(), expected: "LIBSVM text" }
            }
            _ => RecordError::Read { place, source },
        })?;
        let text = line.split('#').next().unwrap_or_default();
        if !text.trim().is_empty() {
            records.push(read_line(text, place)?);
        }
    }
    match base {
        None => IndexBase::of(&records).apply(&mut records),
        Some(IndexBase::Zero) => {}
        Some(IndexBase::One) => {
            let wrong = records.iter().find(|record| IndexBase::of([*record]) == IndexBase::Zero);
            if let Some(place) = wrong.map(|record| record.place) {
                let expected = "an index of 1 or more, because the first feature is 1 here";
                return Err(RecordError::Word { place, found: "0".to_owned(), expected });
            }
            IndexBase::One.apply(&mut records);
        }
    }
    Ok(records)
}

/// Characters of a word that an error shows.
const MOST_SHOWN: usize = 40;

fn read_line(text: &str, place: RecordPlace) -> Result<FeatureRecord, RecordError> {
    let shown = |found: &str| found.chars().take(MOST_SHOWN).collect();
    let wrong = |found: &str, expected| RecordError::Word { place, found: shown(found), expected };
    let mut words = text.split_ascii_whitespace().peekable();
    let label = words.next_if(|word| !word.contains(':')).map(|word| {
        word.parse::<f32>()
            .ok()
            .filter(|label| label.is_finite())
            .ok_or_else(|| wrong(word, "a label, which is a number"))
    });
    let label = label.transpose()?;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for word in words {
        let Some((index, value)) = word.split_once(':') else { return Err(wrong(word, "index:value")) };
        if index == "qid" {
            continue;
        }
        keys.push(index.parse().map_err(|_| wrong(word, "index:value with a whole number before the colon"))?);
        values.push(value.parse().map_err(|_| wrong(word, "index:value with a number behind the colon"))?);
    }
    Ok(FeatureRecord { place, label, values: RecordValues::Sparse { keys, values, shape: None } })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Option<f32>, Vec<f32>);

    fn read(text: &str, base: Option<IndexBase>) -> Result<Vec<Row>, String> {
        let records = read_libsvm(text.as_bytes(), base).map_err(|error| error.to_string())?;
        let rows = records.into_iter().map(|record| (record.label, record.into_row(3).unwrap()));
        Ok(rows.collect())
    }

    #[test]
    fn indices_count_from_one_unless_one_of_them_is_zero() {
        let from_one = [(Some(1.0), vec![5.0, 0.0, 2.5]), (Some(-1.0), vec![0.0, 0.0, 0.0])];
        assert_eq!(read("+1 1:5 3:2.5 # a comment\n\n-1\n", None).unwrap(), from_one);
        let from_zero = [(Some(1.0), vec![0.0, 5.0, 0.0]), (Some(0.0), vec![1.0, 0.0, 0.0])];
        assert_eq!(read("1 qid:7 1:5\r\n0 0:1", None).unwrap(), from_zero);
    }

    #[test]
    fn a_base_that_is_known_is_kept_to() {
        assert_eq!(read("1:5", Some(IndexBase::Zero)).unwrap(), [(None, vec![0.0, 5.0, 0.0])]);
        assert_eq!(read("1:5", Some(IndexBase::One)).unwrap(), [(None, vec![5.0, 0.0, 0.0])]);
        let error = read("1:5\n0:1", Some(IndexBase::One)).unwrap_err();
        assert_eq!(error, "line 2: found \"0\", expected an index of 1 or more, because the first feature is 1 here");
    }

    #[test]
    fn a_word_that_does_not_belong_is_named_with_its_line() {
        assert_eq!(read("1 1:2\nx 1:2", None).unwrap_err(), "line 2: found \"x\", expected a label, which is a number");
        assert_eq!(read("1 2", None).unwrap_err(), "line 1: found \"2\", expected index:value");
        assert!(read("1 -1:2", None).unwrap_err().contains("\"-1:2\", expected index:value with a whole number"));
        assert!(read("1 1:a", None).unwrap_err().contains("\"1:a\", expected index:value with a number"));
    }
}
