//! Worlds as files: one of events for every month, the truth beside them.

mod columns;
mod months;
mod truth;

pub use months::{Format, WrittenLog, write_log, write_log_until};
pub use truth::{TruthPlan, write_truth};
