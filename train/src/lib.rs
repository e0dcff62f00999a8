//! The whole job: from events or a table of tenants to a calibrated, evaluated model file and its report.
//!
//! The binary `train` is this library's [`main`]: [`train`] with the command line in front of it, or a SageMaker training
//! job.

mod assembling;
mod backtest;
mod bagging;
mod candidates;
mod card;
mod checkpoints;
mod command_line;
mod commands;
mod config;
mod console;
mod cross_validation;
mod error;
mod evaluation;
mod event_options;
mod file_kind;
mod findings;
mod hyperparameters;
mod numbers;
mod observing;
mod original;
mod outcome;
mod over_time;
mod parts;
mod pipeline;
mod plan_options;
mod procedure;
mod program;
pub mod report;
mod rows;
mod run_folder;
mod sagemaker;
mod scoring;
mod source;
mod summary;
mod tune;
mod whole_files;
mod world;

pub use assembling::{AssembleConfig, assemble};
pub use card::model_card;
pub use churn_model::fit::Algorithm;
pub use config::{AlgorithmChoice, Calibration, ThresholdChoice, TrainConfig};
pub use console::Console;
pub use error::Error;
pub use event_options::EventOptions;
pub use outcome::{Baseline, CandidateOutcome, CrossValidation, Evaluation, FoldOutcome, Outcome, Segment, Split};
pub use over_time::{
    BacktestFacts, BagFacts, BaggingFacts, DateFacts, LogFacts, OracleFacts, OriginalFacts, OverTime, Part, SplitKind,
    StudyWeek,
};
pub use pipeline::{Finished, MODEL_FILE, train};
pub use plan_options::PlanOptions;
pub use program::{job, main};
pub use scoring::{ScoreConfig, Scored, score};

/// The README's snippets, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
