//! Scores over HTTP with the SageMaker contract.
//!
//! The binary `serve` is [`main`] with the command line in front of it. [`Invocation`] is the same without HTTP: headers
//! and body in, answer out.

mod admission;
mod body;
mod company;
mod config;
mod inference_protocol;
mod invocation;
mod media_type;
mod metrics;
mod models;
mod output;
mod problem;
mod program;
mod routes;
mod row;
mod served_model;
mod server;

pub use company::{CompanyError, CompanyMapping, CompanyRow, NoMapping, Unknown};
pub use config::{BadRowRule, CsvHeader, ServeConfig};
pub use invocation::{Answer, AnswerSettings, Invocation, MOST_REASONS};
pub use media_type::AnswerFormat;
pub use output::OutputKey;
pub use problem::Problem;
pub use program::main;
pub use row::{BadRows, RowProblem, RowSchema};
pub use served_model::{LoadError, ServedModel};
pub use server::{Error, serve};

pub(crate) use program::chain;
