//! LIBSVM's text: `label index:value index:value ...`, a row a line.

use std::io::BufRead;

use churn_events::beginning;

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
/// Who does not know the base reads with [`IndexBase::Zero`], which leaves the keys as they stand there, and asks
/// [`IndexBase::of`] when everything is read.
///
/// # Errors
/// When the text cannot be read or is no LIBSVM, or has an index 0 where the first is 1; says in which line.
pub fn read_libsvm(input: impl BufRead, base: IndexBase) -> Result<Vec<FeatureRecord>, RecordError> {
    let mut records = Vec::new();
    for (number, line) in (1..).zip(input.split(b'\n')) {
        let line = line.map_err(|source| RecordError::Read { place: RecordPlace::Line { number }, source })?;
        records.extend(read_libsvm_line(&line, number, base)?);
    }
    Ok(records)
}

/// Reads the line of that number, as [`read_libsvm`] reads all of them; `None` where it holds no row.
///
/// # Errors
/// As [`read_libsvm`].
pub fn read_libsvm_line(line: &[u8], number: u64, base: IndexBase) -> Result<Option<FeatureRecord>, RecordError> {
    let place = RecordPlace::Line { number };
    let wrong = |found: &str, expected| RecordError::Word { place, found: beginning(found), expected };
    let text = str::from_utf8(line).map_err(|_| wrong("bytes that are not UTF-8", "LIBSVM text"))?;
    let mut words = text.split('#').next().unwrap_or_default().split_ascii_whitespace().peekable();
    if words.peek().is_none() {
        return Ok(None);
    }
    let label = words.next_if(|word| !word.contains(':')).map(|word| {
        let label = word.parse().ok().filter(|label: &f32| label.is_finite());
        label.ok_or_else(|| wrong(word, "a label, which is a number"))
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
    let mut record = [FeatureRecord { place, label, values: RecordValues::Sparse { keys, values, shape: None } }];
    if base == IndexBase::One && IndexBase::of(&record) == IndexBase::Zero {
        return Err(wrong("0", "an index of 1 or more, because the first feature is 1 here"));
    }
    base.apply(&mut record);
    let [record] = record;
    Ok(Some(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Option<f32>, Vec<f32>);

    fn read(text: &str, base: IndexBase) -> Result<Vec<Row>, String> {
        read_libsvm(text.as_bytes(), base).map(rows).map_err(|error| error.to_string())
    }

    fn rows(records: Vec<FeatureRecord>) -> Vec<Row> {
        let rows = records.into_iter().map(|record| (record.label, record.into_row(3).unwrap()));
        rows.collect()
    }

    #[test]
    fn indices_count_from_one_unless_one_of_them_is_zero() {
        let from_one = [(Some(1.0), vec![5.0, 0.0, 2.5]), (Some(-1.0), vec![0.0, 0.0, 0.0])];
        let read = |text: &str| {
            let mut records = read_libsvm(text.as_bytes(), IndexBase::Zero).unwrap();
            IndexBase::of(&records).apply(&mut records);
            rows(records)
        };
        assert_eq!(read("+1 1:5 3:2.5 # a comment\n\n-1\n"), from_one);
        let from_zero = [(Some(1.0), vec![0.0, 5.0, 0.0]), (Some(0.0), vec![1.0, 0.0, 0.0])];
        assert_eq!(read("1 qid:7 1:5\r\n0 0:1"), from_zero);
    }

    #[test]
    fn a_base_that_is_known_is_kept_to() {
        assert_eq!(read("1:5", IndexBase::Zero).unwrap(), [(None, vec![0.0, 5.0, 0.0])]);
        assert_eq!(read("1:5", IndexBase::One).unwrap(), [(None, vec![5.0, 0.0, 0.0])]);
        let error = read("1:5\n0:1", IndexBase::One).unwrap_err();
        assert_eq!(error, "line 2: found \"0\", expected an index of 1 or more, because the first feature is 1 here");
    }

    #[test]
    fn a_word_that_does_not_belong_is_named_with_its_line() {
        assert_eq!(
            read("1 1:2\nx 1:2", IndexBase::One).unwrap_err(),
            "line 2: found \"x\", expected a label, which is a number"
        );
        assert_eq!(read("1 2", IndexBase::One).unwrap_err(), "line 1: found \"2\", expected index:value");
        assert!(read(&format!("1 1:{}", "[".repeat(5000)), IndexBase::One).unwrap_err().len() < 200);
        assert!(
            read("1 -1:2", IndexBase::One).unwrap_err().contains("\"-1:2\", expected index:value with a whole number")
        );
        assert_eq!(
            read_libsvm(&b"1 1:2\n1 1:\xff"[..], IndexBase::One).unwrap_err().to_string(),
            "line 2: found \"bytes that are not UTF-8\", expected LIBSVM text"
        );
        assert!(read("1 1:a", IndexBase::One).unwrap_err().contains("\"1:a\", expected index:value with a number"));
    }
}
