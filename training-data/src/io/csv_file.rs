use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, WriterBuilder};

use super::atomic::{Partial, failed, not_read};
use super::description::Description;
use super::rows::{Read, Rows, columns};
use crate::{Assembled, AssemblyError, Error, Place};

/// The file beside a CSV file that describes its rows: `NAME.json`.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".json");
    name.into()
}

pub(super) fn write(assembled: &Assembled, path: &Path) -> Result<(), Error> {
    let rows = Rows(assembled);
    let schema = assembled.labelled.schema();
    let is_weighted = assembled.labelled.weights().is_some();
    let mut table = Partial::create(path)?;
    let mut description = Partial::create(&beside(path))?;

    let mut fill = || -> csv::Result<()> {
        let mut csv = WriterBuilder::new().from_writer(&mut table);
        csv.write_record(columns(schema, is_weighted))?;
        let text = |value: Option<f32>| value.map_or_else(String::new, |value| value.to_string());
        for row in 0..rows.len() {
            let (tenant, date) = rows.key(row);
            csv.write_field(tenant)?;
            csv.write_field(date.to_string())?;
            csv.write_field(rows.label(row).map_or("", |label| if label { "1" } else { "0" }))?;
            if is_weighted {
                csv.write_field(text(rows.weight(row)))?;
            }
            for (position, feature) in schema.features().iter().enumerate() {
                if feature.is_category() {
                    csv.write_field(rows.level(row, position).unwrap_or_default())?;
                } else {
                    csv.write_field(text(rows.feature(row, position)))?;
                }
            }
            csv.write_record(None::<&[u8]>)?;
        }
        csv.flush()?;
        Ok(())
    };
    fill().map_err(|error| failed(path, error.into()))?;
    let json = Description::of(assembled).to_json();
    writeln!(description, "{json}").map_err(|source| failed(&beside(path), source))?;
    // The rows last: whoever finds them finds their description.
    description.finish()?;
    table.finish()
}

pub(super) fn read(path: &Path) -> Result<Assembled, Error> {
    let file = File::open(path).map_err(|source| not_read(path, source))?;
    let beside = beside(path);
    let json = fs::read(&beside).map_err(|source| not_read(&beside, source))?;
    let description = Description::from_json(&beside, &json)?;
    let schema = &description.schema;
    let columns = columns(schema, description.is_weighted);

    let mut csv = ReaderBuilder::new().flexible(true).has_headers(false).from_reader(file);
    let mut record = StringRecord::new();
    let csv_error = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        AssemblyError::Csv { path: path.to_owned(), line, source: error }
    };
    if !csv.read_record(&mut record).map_err(csv_error)? {
        return Err(Error::Empty { path: path.to_owned() });
    }
    if record.len() != columns.len() {
        return Err(ragged(path, &record, columns.len()));
    }
    for (position, (found, expected)) in record.iter().zip(&columns).enumerate() {
        if found != *expected {
            let (found, expected) = (found.to_owned(), (*expected).to_owned());
            return Err(AssemblyError::Column { path: path.to_owned(), position: position + 1, found, expected }.into());
        }
    }

    let mut read = Read::default();
    while csv.read_record(&mut record).map_err(csv_error)? {
        if record.len() != columns.len() {
            return Err(ragged(path, &record, columns.len()));
        }
        let cells = Cells { path, columns: &columns, record: &record };
        read.tenants.push(record[0].to_owned());
        read.dates.push(record[1].parse().map_err(|_| cells.wrong(1, "a date such as 2024-02-29"))?);
        read.labels.push(match &record[2] {
            "1" => Some(true),
            "0" => Some(false),
            "" => None,
            _ => return Err(cells.wrong(2, "1, 0 or nothing")),
        });
        let first = if description.is_weighted { 4 } else { 3 };
        read.weights.push(if description.is_weighted { cells.number(3)? } else { None });
        for (position, feature) in (first..).zip(schema.features()) {
            let text = &record[position];
            read.features.push(if !feature.is_category() {
                cells.number(position)?.unwrap_or(f32::NAN)
            } else if text.is_empty() {
                f32::NAN
            } else {
                let level = feature.levels().iter().position(|level| level == text);
                level.ok_or_else(|| cells.wrong(position, "a level of the schema"))? as f32
            });
        }
    }
    read.assemble(path, description)
}

fn ragged(path: &Path, record: &StringRecord, expected: usize) -> Error {
    let line = record.position().map_or(1, csv::Position::line);
    Error::Ragged { path: path.to_owned(), line, found: record.len(), expected }
}

struct Cells<'a> {
    path: &'a Path,
    columns: &'a [&'a str],
    record: &'a StringRecord,
}

impl Cells<'_> {
    fn number(&self, position: usize) -> Result<Option<f32>, Error> {
        match &self.record[position] {
            "" => Ok(None),
            text => match text.parse::<f32>() {
                Ok(number) if !number.is_nan() => Ok(Some(number)),
                _ => Err(self.wrong(position, "a number or nothing")),
            },
        }
    }

    fn wrong(&self, position: usize, expected: &str) -> Error {
        Error::WrongCell {
            place: Place {
                path: self.path.to_owned(),
                line: self.record.position().map_or(1, csv::Position::line),
                column: self.columns[position].to_owned(),
            },
            found: self.record[position].to_owned(),
            expected: expected.to_owned(),
        }
    }
}
