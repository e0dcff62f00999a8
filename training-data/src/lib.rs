//! Training sets: the observations that a learner is fitted on, with labels, keys and splits.
//!
//! An [`Assembler`] makes observations from an activity log, point-in-time correct by an [`ObservationPlan`], and
//! [`time_split`] cuts them by time; `docs/label.md` explains it with a picture.
//!
//! A training set can also be read from a flat table ([`read_table`], [`TrainingSet::from_table`]), which knows nothing
//! of time: the split is stratified, and the model card has to say that it is not point-in-time. New rows are read for
//! scoring by [`read_features`], which matches columns to the model's schema by name.

mod assemble;
mod assembled;
mod assembly_error;
mod check_split;
mod cohort;
mod column;
mod days;
mod error;
mod event_study;
mod files;
mod folds;
mod infer;
mod io;
mod keys;
mod label;
mod label_values;
mod log_end;
mod observer;
mod parquet_panics;
mod plan;
mod records;
mod report;
mod row_source;
mod scoring;
mod set;
mod shard;
mod split;
mod summary;
mod table;
mod table_files;
mod time_split;
mod usage;

pub use assemble::Assembler;
pub use assembled::{Assembled, Observation, Unlabelled};
pub use assembly_error::AssemblyError;
pub use check_split::check_split;
pub use cohort::Cohort;
pub use error::{Error, Place};
pub use event_study::EventStudy;
pub use folds::{read_folds, write_folds};
pub use keys::{Keys, group_of};
pub use label::LabelRule;
pub use label_values::LabelValues;
pub use plan::ObservationPlan;
pub use report::AssemblyReport;
pub use scoring::{ScoringColumn, ScoringOptions, ScoringTable, read_features};
pub use set::{Role, TrainingSet};
pub use split::{stratified_folds, stratified_split};
pub use summary::{ColumnSummary, ValueSummary};
pub use table::{Table, TableOptions};
pub use table_files::{TableFile, TableFormat, column_names, read_table, read_tables};
pub use time_split::{DatedRows, TimeSplit, time_split, time_split_at};
