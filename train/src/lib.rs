//! The whole job: from a table to a calibrated, evaluated model file and its report.

mod card;
mod commands;
pub mod config;
mod findings;
mod numbers;
mod outcome;
pub mod report;

pub use card::model_card;
pub use outcome::{Baseline, CandidateOutcome, CrossValidation, Evaluation, FoldOutcome, Outcome, Segment, Split};
