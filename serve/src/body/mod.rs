//! Request bodies: bytes to feature vectors.

mod csv;
mod json;
mod json_row;
mod records;

use serde_json::Value;

#[cfg(feature = "http")]
pub(crate) use json_row::rows_of_columns;

use crate::media_type::BodyFormat;
use crate::problem::Problem;
use crate::row::{BadRows, RowCollector, RowSchema, Rows};

/// What a body holds.
#[derive(Debug)]
pub(crate) enum Body {
    /// Rows of the model's features.
    Rows(Rows),
    /// A JSON value that may be a company, or several.
    Other(Value),
}

/// Reads a body.
///
/// # Errors
/// When it is empty, is not what its content type says, or holds a row that cannot be read.
pub(crate) fn read_body(
    bytes: &[u8],
    format: BodyFormat,
    schema: &RowSchema,
    bad_rows: BadRows,
) -> Result<Body, Problem> {
    let bytes = match format {
        BodyFormat::RecordIo => bytes,
        _ => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
    };
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::EmptyBody);
    }
    let rows = RowCollector::new(schema.width(), bad_rows);
    match format {
        BodyFormat::Csv { header, label } => csv::read(bytes, schema, header, label, rows).map(Body::Rows),
        BodyFormat::JsonLines => json::read_lines(bytes, schema, rows).map(Body::Rows),
        BodyFormat::Json => json::read(bytes, schema, rows),
        BodyFormat::RecordIo => records::read_record_io(bytes, schema, rows).map(Body::Rows),
        BodyFormat::LibSvm => records::read_lines(bytes, schema, rows).map(Body::Rows),
    }
}
