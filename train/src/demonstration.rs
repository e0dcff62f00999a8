//! The table that a run without arguments trains on.

use std::io::Write;

use churn_training_data::{TableOptions, TrainingSet, read_table};

use crate::Error;

/// Made by `demonstration/make_table.py`: 2,000 companies whose churn has a hidden cause.
const TABLE: &[u8] = include_bytes!("../demonstration/companies.csv");

/// What the bundled table is called.
pub(crate) const NAME: &str = "bundled demonstration table";

/// The bundled table, read like any other, and its name.
///
/// # Errors
/// When there is no temporary folder to read it from.
pub(crate) fn training_set() -> Result<(TrainingSet, String), Error> {
    let fail = |source| Error::WriteFile { path: std::env::temp_dir(), source };
    let mut file = tempfile::NamedTempFile::new().map_err(fail)?;
    file.write_all(TABLE).map_err(fail)?;
    let options = TableOptions { id: Some("Company".to_owned()), ..TableOptions::new("Churn") };
    let set = TrainingSet::from_table(read_table(file.path(), &options)?)?;
    Ok((set, NAME.to_owned()))
}
