//! Worlds as files: one of events for every month, the truth beside them.

mod columns;
mod months;
mod truth;
mod whole_file;

pub use months::{Format, WrittenLog, write_log};
pub use truth::{TruthPlan, write_truth};
pub(crate) use whole_file::WholeFile;
