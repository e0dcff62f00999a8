//! Training sets: the observations that a learner is fitted on, with labels, keys and splits.
//!
//! Today a training set is assembled from a flat table ([`read_table`], [`TrainingSet::from_table`]), which knows
//! nothing of time: the split is stratified, and the model card has to say that it is not point-in-time. New rows are
//! read for scoring by [`read_features`], which matches columns to the model's schema by name.

mod cell;
mod column;
mod error;
mod folds;
mod infer;
mod keys;
mod label_values;
mod records;
mod scoring;
mod set;
mod split;
mod summary;
mod table;

pub use cell::MISSING_WORDS;
pub use error::{Error, Place};
pub use folds::{read_folds, write_folds};
pub use keys::{Keys, group_of};
pub use label_values::LabelValues;
pub use scoring::{ScoringColumn, ScoringOptions, ScoringTable, read_features};
pub use set::{Role, TrainingSet};
pub use split::{stratified_folds, stratified_split};
pub use summary::{ColumnSummary, ValueSummary};
pub use table::{Table, TableOptions, read_table};
