//! Assembled observations as files: CSV with a JSON file beside it, or Parquet.
//!
//! Both have the columns `tenant`, `observation_date`, `churned` (empty in censored rows), `weight` where observations
//! are weighted, and then every feature, categories by the names of their levels. Labelled rows come first. What rows
//! cannot say, which is plan, schema, cohorts, event study and report, stands in a JSON text: in the file `NAME.json`
//! beside a CSV file, and in Parquet under the key [`DESCRIPTION_KEY`](description::DESCRIPTION_KEY). Reading what was
//! written gives the same set, bit for bit.

mod atomic;
mod csv_file;
mod description;
mod parquet_file;
mod rows;

use std::path::Path;

use crate::{Assembled, Error};

impl Assembled {
    /// Writes a Parquet file when the name ends in `.parquet`, else a CSV file with its description beside it. A file is
    /// written whole or not at all.
    ///
    /// # Errors
    /// When a file cannot be written; what was there before is then untouched.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        if is_parquet(path) { parquet_file::write(self, path) } else { csv_file::write(self, path) }
    }

    /// Reads what [`write`](Self::write) has written.
    ///
    /// # Errors
    /// When the file is not there, is damaged, or its rows do not fit its description; says where.
    pub fn read(path: &Path) -> Result<Self, Error> {
        if is_parquet(path) { parquet_file::read(path) } else { csv_file::read(path) }
    }
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}
