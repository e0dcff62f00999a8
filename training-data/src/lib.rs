//! Training sets: the observations that a learner is fitted on, with labels, keys and splits.
//!
//! Today a training set is assembled from a flat table ([`read_table`], [`TrainingSet::from_table`]), which knows
//! nothing of time: the model card has to say that it is not point-in-time.

mod cell;
mod column;
mod error;
mod infer;
mod keys;
mod label_values;
mod records;
mod set;
mod summary;
mod table;

pub use cell::MISSING_WORDS;
pub use error::{Error, Place};
pub use keys::{Keys, group_of};
pub use label_values::LabelValues;
pub use set::{Role, TrainingSet};
pub use summary::{ColumnSummary, ValueSummary};
pub use table::{Table, TableOptions, read_table};
