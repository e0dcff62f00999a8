//! CSV bodies: one row per line, by position or, under a header, by name.

use std::io::{self, Read};

use churn_events::beginning;
use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use crate::json_value::MOST_HELD;
use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows};

/// Where the values of a row stand in a record.
enum Columns {
    /// In schema order, behind so many that are passed over.
    ByPosition { n_before: usize },
    /// By feature; further columns are passed over.
    ByName { positions: Vec<usize>, n_columns: usize },
}

/// Reads rows.
///
/// # Errors
/// When the header lacks columns, or a row cannot be read.
/// # Cost
/// One pass; four bytes per value.
pub(super) fn read(
    body: &[u8],
    schema: &RowSchema,
    header: bool,
    label: bool,
    mut rows: RowCollector,
) -> Result<Rows, Problem> {
    let mut records = Records::of(body);
    let mut record = ByteRecord::new();
    let columns = match header {
        false => Columns::ByPosition { n_before: usize::from(label) },
        true if records.next(&mut record)? => by_name(&record, schema)?,
        true => return Err(Problem::EmptyBody),
    };
    loop {
        let start = records.position().min(body.len());
        let is_record = records.next(&mut record)?;
        (0..n_blank_lines(body, start)).try_for_each(|_| rows.blank_line())?;
        if !is_record {
            return rows.finish().map_err(|problem| if header { Problem::HeaderOnly } else { problem });
        }
        if rows.next_number() == 1 && is_header(&record, schema) {
            return Err(Problem::Header {
                line: beginning(&String::from_utf8_lossy(body.split(|&b| b == b'\n').next().unwrap_or_default())),
            });
        }
        rows.push(|values| columns.read(&record, schema, values))?;
    }
}

/// Blank lines from there on to the next record, which the reader passes over.
fn n_blank_lines(body: &[u8], start: usize) -> usize {
    let (before, mut rest) = body.split_at(start);
    if before.ends_with(b"\r") {
        rest = rest.strip_prefix(b"\n").unwrap_or(rest); // the end of the line before
    }
    let mut n_lines = 0;
    while let Some(behind) = [&b"\r\n"[..], b"\n", b"\r"].into_iter().find_map(|end| rest.strip_prefix(end)) {
        rest = behind;
        n_lines += 1;
    }
    n_lines
}

/// Reads record by record. The reader inside holds a record at many bytes per field, so it never gets more of the body than
/// one record may have.
struct Records<'a>(Reader<Portion<'a>>);

/// The beginning of a body.
struct Portion<'a> {
    body: &'a [u8],
    n_read: usize,
    n_allowed: usize,
}

impl<'a> Records<'a> {
    fn of(body: &'a [u8]) -> Self {
        let portion = Portion { body, n_read: 0, n_allowed: 0 };
        Self(ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(portion))
    }

    /// Where the next record begins, or blank lines before it.
    fn position(&self) -> usize {
        usize::try_from(self.0.position().byte()).unwrap_or(usize::MAX)
    }

    /// Reads the next record; `false` at the end.
    fn next(&mut self, record: &mut ByteRecord) -> Result<bool, Problem> {
        let position = self.position();
        let portion = self.0.get_mut();
        let start = position + n_blank(&portion.body[position.min(portion.body.len())..]);
        // What the reader has taken in before may reach farther.
        portion.n_allowed = (start + MOST_HELD).max(portion.n_read);
        let read = self.0.read_byte_record(record);
        read.map_err(|error| Problem::Form { path: error.to_string(), expected: "lines of CSV of up to 1 MB" })
    }
}

impl Read for Portion<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.n_allowed.min(self.body.len());
        let mut rest = self.body.get(self.n_read..end).unwrap_or_default();
        if rest.is_empty() && end < self.body.len() {
            return Err(io::Error::other("a row has more than 1 MB"));
        }
        let n = rest.read(buffer)?;
        self.n_read += n;
        Ok(n)
    }
}

/// Bytes of line ends at the beginning.
fn n_blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

fn by_name(header: &ByteRecord, schema: &RowSchema) -> Result<Columns, Problem> {
    let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
    let positions = schema.columns("header", names.iter().map(AsRef::as_ref))?;
    Ok(Columns::ByName { positions, n_columns: header.len() })
}

impl Columns {
    fn read(&self, record: &ByteRecord, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
        let width = schema.width();
        match self {
            Self::ByPosition { n_before } => {
                let found = record.len().saturating_sub(*n_before);
                if found != width {
                    return Err(schema.wrong_width(found));
                }
                (0..width).try_for_each(|position| {
                    let column = position + n_before;
                    values.push(cell(schema, position, record, column)?);
                    Ok(())
                })
            }
            Self::ByName { positions, n_columns } => {
                if record.len() != *n_columns {
                    return Err(RowProblem::Form { expected: "as many columns as the header has" });
                }
                positions.iter().enumerate().try_for_each(|(position, &column)| {
                    values.push(cell(schema, position, record, column)?);
                    Ok(())
                })
            }
        }
    }
}

fn cell(schema: &RowSchema, position: usize, record: &ByteRecord, column: usize) -> Result<f32, RowProblem> {
    match std::str::from_utf8(&record[column]) {
        Ok(text) => schema.text_value(position, text, column + 1),
        Err(_) => Err(RowProblem::NotUtf8 { column: column + 1 }),
    }
}

/// Whether a first row names columns: none of its cells is what its feature takes, or all of them are names.
fn is_header(record: &ByteRecord, schema: &RowSchema) -> bool {
    let texts: Vec<&str> = record.iter().map(|cell| std::str::from_utf8(cell).unwrap_or_default()).collect();
    let n_names = texts.iter().filter(|text| schema.position(text).is_some()).count();
    if n_names > 0 && n_names * 2 >= texts.len() {
        return true;
    }
    let is_word = |text: &&str| text.starts_with(|first: char| first.is_alphabetic() || first == '#' || first == '_');
    let is_wrong = |(position, text): (usize, &&str)| schema.text_value(position, text, 1).is_err();
    let comparable = || texts.iter().take(schema.width()).enumerate();
    texts.iter().all(is_word) && comparable().filter(|&it| is_wrong(it)).count() * 2 > comparable().count()
}
