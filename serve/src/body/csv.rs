//! CSV bodies: one row per line, by position or, under a header, by name.

use csv::{ByteRecord, Reader, ReaderBuilder, Trim};

use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows, shown};

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
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(body);
    let mut record = ByteRecord::new();
    let columns = match header {
        false => Columns::ByPosition { n_before: usize::from(label) },
        true if next(&mut reader, &mut record)? => by_name(&record, schema)?,
        true => return Err(Problem::EmptyBody),
    };
    while next(&mut reader, &mut record)? {
        if rows.next_number() == 1 && is_header(&record, schema) {
            return Err(Problem::Header {
                line: shown(&String::from_utf8_lossy(body.split(|&b| b == b'\n').next().unwrap_or_default())),
            });
        }
        rows.push(|values| columns.read(&record, schema, values))?;
    }
    rows.finish()
}

fn next(reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool, Problem> {
    reader.read_byte_record(record).map_err(|error| Problem::Form { path: error.to_string(), expected: "lines of CSV" })
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
