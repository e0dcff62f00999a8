//! Bodies of records with a label each: RecordIO-protobuf and LIBSVM.

use churn_features::{FeatureRecord, RecordReader, RecordValues, read_libsvm_line};

use super::lines;
use crate::chain::chain;
use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows};

/// Reads RecordIO-protobuf; labels are passed over.
///
/// # Errors
/// When the bytes are no records, or one of them is no row.
pub(super) fn read_record_io(body: &[u8], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    for record in RecordReader::new(body) {
        let record = record?;
        rows.push(|values| row(&record, schema, values))?;
    }
    rows.finish()
}

/// Reads LIBSVM lines: one row alone does not show how its features are numbered, so the model says it.
///
/// # Errors
/// When a line is none, or is no row.
pub(super) fn read_lines(body: &[u8], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    for (number, line) in (1..).zip(lines(body)) {
        if line.is_empty() {
            rows.blank_line()?;
            continue;
        }
        rows.push(|values| {
            let record = read_libsvm_line(line, number, schema.index_base());
            let record = record.map_err(|error| RowProblem::Unreadable { why: chain(&error) })?;
            // A line of nothing but a comment holds no record.
            row(&record.ok_or(RowProblem::Form { expected: "label index:value ..." })?, schema, values)
        })?;
    }
    rows.finish()
}

fn row(record: &FeatureRecord, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    let value = |position, value: &f32| schema.float_value(position, *value, position + 1);
    match &record.values {
        RecordValues::Dense(given) if given.len() != schema.width() => Err(schema.wrong_width(given.len())),
        RecordValues::Dense(given) => {
            for (position, given) in given.iter().enumerate() {
                values.push(value(position, given)?);
            }
            Ok(())
        }
        RecordValues::Sparse { keys, values: given, shape } => {
            schema.sparse_row(*shape, keys.iter().copied().zip(given), value, values)
        }
    }
}
