//! Bodies of records with a label each: RecordIO-protobuf and LIBSVM.

use churn_features::{FeatureRecord, RecordError, RecordReader, read_libsvm};
use serde_json::Value;

use crate::problem::Problem;
use crate::row::{RowCollector, RowSchema, Rows};

/// Reads RecordIO-protobuf; labels are passed over.
///
/// # Errors
/// When the bytes are no records, or one of them is no row.
pub(super) fn read_record_io(body: &[u8], schema: &RowSchema, rows: RowCollector) -> Result<Rows, Problem> {
    collect(RecordReader::new(body), schema, rows)
}

/// Reads LIBSVM lines: one row alone does not show how its features are numbered, so the model says it.
///
/// # Errors
/// When a line is none, or is no row.
pub(super) fn read_lines(body: &[u8], schema: &RowSchema, rows: RowCollector) -> Result<Rows, Problem> {
    let records = read_libsvm(body, Some(schema.index_base())).map_err(problem)?;
    collect(records.into_iter().map(Ok), schema, rows)
}

fn collect(
    records: impl Iterator<Item = Result<FeatureRecord, RecordError>>,
    schema: &RowSchema,
    mut rows: RowCollector,
) -> Result<Rows, Problem> {
    for record in records {
        let row = record.map_err(problem)?.into_row(schema.width()).map_err(problem)?;
        rows.push(|values| {
            for (position, value) in row.into_iter().enumerate() {
                // A category's number is a level's name, and what is not a number is missing, as JSON has it.
                values.push(schema.json_value(position, &Value::from(value), position + 1)?);
            }
            Ok(())
        })?;
    }
    rows.finish()
}

fn problem(error: RecordError) -> Problem {
    Problem::Records { text: crate::chain::chain(&error) }
}
