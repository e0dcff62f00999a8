//! Request bodies: bytes to feature vectors.

mod csv;
mod json;
mod json_row;
mod records;

#[cfg(feature = "http")]
pub(crate) use json_row::{push, rows_of_columns};

use crate::companies::Companies;
use crate::media_type::BodyFormat;
use crate::problem::Problem;
use crate::row::{BadRows, RowCollector, Rows};
use crate::served_model::ServedModel;

/// What a body holds.
#[derive(Debug)]
pub(crate) enum Body {
    /// Rows of the model's features.
    Rows(Rows),
    /// What a JSON value tells of companies.
    Companies(Companies),
}

/// Reads a body.
///
/// # Errors
/// When it is empty, is not what its content type says, or holds a row that cannot be read.
pub(crate) fn read_body(
    bytes: &[u8],
    format: BodyFormat,
    model: &ServedModel,
    bad_rows: BadRows,
) -> Result<Body, Problem> {
    let bytes = match format {
        BodyFormat::RecordIo => bytes,
        _ => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
    };
    let is_lines = matches!(format, BodyFormat::Csv { .. } | BodyFormat::JsonLines | BodyFormat::LibSvm);
    let is_empty = match bad_rows {
        BadRows::Placeholder if is_lines => bytes.is_empty(), // one blank line is a record, which gets an answer
        _ => bytes.trim_ascii().is_empty(),
    };
    if is_empty {
        return Err(Problem::EmptyBody);
    }
    let schema = model.rows();
    let rows = RowCollector::new(schema.width(), bad_rows, bytes.len());
    match format {
        BodyFormat::Csv { header, label } => csv::read(bytes, schema, header, label, rows).map(Body::Rows),
        BodyFormat::JsonLines => json::read_lines(bytes, schema, rows).map(Body::Rows),
        BodyFormat::Json => json::read(bytes, model, rows),
        BodyFormat::RecordIo => records::read_record_io(bytes, schema, rows).map(Body::Rows),
        BodyFormat::LibSvm => records::read_lines(bytes, schema, rows).map(Body::Rows),
    }
}

/// The lines of a body, without blanks around them; a final newline begins none.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.strip_suffix(b"\n").unwrap_or(body).split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}
