//! Rows of a table of events as JSON Lines, so that one reader decides what an event is, whatever form it came in.
//!
//! A row becomes the line that says the same, with what is missing left out and nothing checked: the reader of the lines
//! names field and reason of what is wrong. Times without a zone count as UTC.

use std::io::{self, Read, Write as _};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader, StructArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema};
use churn_events::{TYPE_PREFIX, Timestamp};
use pyo3::PyResult;
use serde_json::value::RawValue;

use crate::error::{ColumnError, EventError};
use crate::plain::plain;
use crate::running::{Raised, note_raised};

/// How numbers are put into words.
static OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// Rows put into words at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Names of the columns that every event has, in the order of the wire form: that of the simulator's files, and that of
/// CloudEvents.
const ENVELOPE: [(&str, &str); 6] = [
    ("id", "id"),
    ("source", "source"),
    ("type", "type"),
    ("tenant", "subject"),
    ("occurred_at", "time"),
    ("received_at", "recordedtime"),
];

/// Of those, the one that may be missing.
const OPTIONAL: &str = "received_at";

/// Names of the columns of what an event carries.
const FIELDS: [(&str, &str); 14] = [
    ("job_id", "jobId"),
    ("user_id", "userId"),
    ("session_id", "sessionId"),
    ("servers", "servers"),
    ("data_size", "dataSize"),
    ("status", "status"),
    ("amount", "amount"),
    ("reason", "reason"),
    ("company", "company"),
    ("industry", "industry"),
    ("revenue", "revenue"),
    ("employees", "employees"),
    ("sentiment", "sentiment"),
    ("monthly_charge", "monthlyCharge"),
];

/// The events of an Arrow stream as the bytes of JSON Lines.
pub(crate) struct EventRows {
    reader: Box<dyn RecordBatchReader + Send>,
    batch: Option<(Columns, usize)>,
    words: Vec<u8>,
    n_read: usize,
    raised: Raised,
}

impl EventRows {
    /// The events of a stream whose columns are those of events.
    ///
    /// # Errors
    /// When a column that every event needs is missing, or one has a type that cannot be what it has to be.
    pub(crate) fn new(reader: Box<dyn RecordBatchReader + Send>, raised: &Raised) -> PyResult<Self> {
        let schema = reader.schema();
        for (flat, wire) in ENVELOPE {
            if schema.column_with_name(flat).or(schema.column_with_name(wire)).is_none() && flat != OPTIONAL {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                return Err(ColumnError::new_err(format!(
                    "events need a column {flat:?} (or {wire:?}); there are {}",
                    names.join(", ")
                )));
            }
        }
        Columns::of(&RecordBatch::new_empty(schema)).map_err(|error| ColumnError::new_err(error.to_string()))?;
        Ok(Self { reader, batch: None, words: Vec::new(), n_read: 0, raised: Arc::clone(raised) })
    }

    /// The next rows in words; none at the end.
    fn next(&mut self) -> Result<(), ArrowError> {
        self.words.clear();
        self.n_read = 0;
        while self.words.is_empty() {
            let (columns, from) = match self.batch.take() {
                Some(batch) => batch,
                None => match self.reader.next() {
                    Some(batch) => (Columns::of(&batch?)?, 0),
                    None => return Ok(()),
                },
            };
            let to = (from + ROWS_AT_ONCE).min(columns.n_rows);
            columns.write(from, to, &mut self.words)?;
            self.batch = (to < columns.n_rows).then_some((columns, to));
        }
        Ok(())
    }
}

impl Read for EventRows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.n_read == self.words.len() {
            self.next().map_err(|error| {
                note_raised(&self.raised, EventError::new_err(format!("the table broke off: {error}")));
                io::Error::other(error)
            })?;
        }
        let n_read = (&self.words[self.n_read..]).read(out)?;
        self.n_read += n_read;
        Ok(n_read)
    }
}

/// The columns of some rows, under their names in the wire form.
struct Columns {
    n_rows: usize,
    envelope: Named<Column>,
    fields: Named<Column>,
    /// What events carry, where it is JSON in one column.
    data: Option<Column>,
}

type Named<T> = Vec<(&'static str, T)>;

/// The columns of those names that are there, under their names in the wire form.
fn columns_of(
    schema: &Schema,
    columns: &[ArrayRef],
    names: &[(&str, &'static str)],
) -> Result<Named<Column>, ArrowError> {
    let found = names.iter().filter_map(|(flat, wire)| {
        let (at, field) = schema.column_with_name(flat).or(schema.column_with_name(wire))?;
        Some(Column::of(field.name(), &columns[at]).map(|column| (*wire, column)))
    });
    found.collect()
}

fn cells_of<'a>(columns: &'a [(&'static str, Column)]) -> Result<Named<Cells<'a>>, ArrowError> {
    columns.iter().map(|(name, column)| Ok((*name, column.cells()?))).collect()
}

/// A column in one of the forms that all its types come down to.
enum Column {
    Time(ArrayRef),
    Text(ArrayRef),
    Number(ArrayRef),
}

impl Columns {
    fn of(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let schema = batch.schema();
        let mut fields = columns_of(&schema, batch.columns(), &FIELDS)?;
        let mut data = None;
        if let Some(column) = batch.column_by_name("data") {
            match column.as_any().downcast_ref::<StructArray>() {
                Some(nested) => {
                    let schema = Schema::new(nested.fields().clone());
                    fields.extend(columns_of(&schema, nested.columns(), &FIELDS)?);
                }
                None => data = Some(Column::of("data", column)?),
            }
        }
        let envelope = columns_of(&schema, batch.columns(), &ENVELOPE)?;
        Ok(Self { n_rows: batch.num_rows(), envelope, fields, data })
    }

    /// Appends the lines of some rows.
    fn write(&self, from: usize, to: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        let (envelope, fields) = (cells_of(&self.envelope)?, cells_of(&self.fields)?);
        let data = self.data.as_ref().map(Column::cells).transpose()?;
        for row in from..to {
            out.extend_from_slice(br#"{"specversion":"1.0""#);
            for (name, cells) in envelope.iter().filter(|(_, cells)| !cells.is_null(row)) {
                write_name(b',', name, out);
                match cells {
                    Cells::Text(texts) if *name == "type" => write_type(texts.value(row), out),
                    _ => cells.write(row, out),
                }
            }
            out.extend_from_slice(br#","data":"#);
            match &data {
                Some(Cells::Text(texts)) if !texts.is_null(row) => write_json(texts.value(row), out),
                Some(other) if !other.is_null(row) => other.write(row, out),
                _ => {
                    let mut before = b'{';
                    for (name, cells) in fields.iter().filter(|(_, cells)| !cells.is_null(row)) {
                        write_name(before, name, out);
                        cells.write(row, out);
                        before = b',';
                    }
                    out.extend_from_slice(if before == b'{' { b"{}" } else { b"}" });
                }
            }
            out.extend_from_slice(b"}\n");
        }
        Ok(())
    }
}

impl Column {
    fn of(name: &str, array: &ArrayRef) -> Result<Self, ArrowError> {
        let plain = plain(array)?;
        match plain.data_type() {
            DataType::Timestamp(..) => Ok(Self::Time(plain)),
            DataType::Utf8View => Ok(Self::Text(plain)),
            kind if kind.is_numeric() || *kind == DataType::Boolean => Ok(Self::Number(plain)),
            _ => Err(ArrowError::SchemaError(format!(
                "column {name:?} is {}; expected a text, a number or a time",
                array.data_type()
            ))),
        }
    }

    fn cells(&self) -> Result<Cells<'_>, ArrowError> {
        Ok(match self {
            Self::Time(times) => Cells::Time(times.as_primitive()),
            Self::Text(texts) => Cells::Text(texts.as_string_view()),
            Self::Number(numbers) => Cells::Number(numbers, ArrayFormatter::try_new(numbers.as_ref(), &OPTIONS)?),
        })
    }
}

/// A column, ready to be read cell by cell.
enum Cells<'a> {
    Time(&'a arrow_array::PrimitiveArray<TimestampMillisecondType>),
    Text(&'a arrow_array::StringViewArray),
    Number(&'a ArrayRef, ArrayFormatter<'a>),
}

impl Cells<'_> {
    /// Whether nothing is there; data frames also say so by NaN.
    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Time(times) => times.is_null(row),
            Self::Text(texts) => texts.is_null(row),
            Self::Number(numbers, _) if numbers.is_null(row) => true,
            Self::Number(numbers, _) => match numbers.data_type() {
                DataType::Float64 => numbers.as_primitive::<arrow_array::types::Float64Type>().value(row).is_nan(),
                DataType::Float32 => numbers.as_primitive::<arrow_array::types::Float32Type>().value(row).is_nan(),
                DataType::Float16 => numbers.as_primitive::<arrow_array::types::Float16Type>().value(row).is_nan(),
                _ => false,
            },
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        // A vector takes every byte.
        let _ = match self {
            Self::Time(times) => write!(out, "\"{}\"", Timestamp::from_millis(times.value(row))),
            Self::Text(texts) => return write_text(texts.value(row), out),
            Self::Number(_, formatter) => write!(out, "{}", formatter.value(row)),
        };
    }
}

fn write_name(before: u8, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&[before, b'"']);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // A vector takes every byte, and every text is JSON.
        let _ = serde_json::to_writer(out, text);
    }
}

/// A type as events have it: columns may leave out the prefix that all types share.
fn write_type(name: &str, out: &mut Vec<u8>) {
    let is_short = !name.is_empty() && name.matches('.').count() < 2;
    if is_short { write_text(&format!("{TYPE_PREFIX}{name}"), out) } else { write_text(name, out) }
}

/// JSON as it is, on one line; what is none becomes a text, and is then refused as one.
fn write_json(text: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<&RawValue>(text) {
        // Line ends stand between values only.
        Ok(value) => {
            out.extend(value.get().bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }))
        }
        Err(_) => write_text(text, out),
    }
}
