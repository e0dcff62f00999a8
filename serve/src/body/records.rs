//! Bodies of records with a label each: RecordIO-protobuf and LIBSVM.

use churn_features::{FeatureRecord, RecordReader, RecordValues, read_libsvm};

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
    let lines = body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    for line in lines {
        rows.push(|values| {
            let records = read_libsvm(line, Some(schema.index_base()));
            let records = records.map_err(|error| RowProblem::Record { line: chain(&error) })?;
            // A line of nothing but a comment holds no record.
            let record = records.first().ok_or(RowProblem::Form { expected: "label index:value ..." })?;
            row(record, schema, values)
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
        RecordValues::Sparse { keys, values: given, .. } => {
            schema.sparse_row(keys.iter().copied().zip(given), value, values)
        }
    }
}
