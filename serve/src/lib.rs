//! Scores over HTTP with the SageMaker contract.
//!
//! [`Invocation`] is one request without HTTP: headers and body in, answer out. The binary `serve` puts a server in front
//! of it, with the feature `http` (on by default). The binary `bootstrap` is an AWS Lambda function that answers companies
//! behind API Gateway, with the feature `lambda`, and with `sagemaker-endpoint` one that asks an endpoint.

mod body;
mod chain;
mod company;
mod company_answer;
#[cfg(feature = "http")]
mod http;
mod invocation;
mod media_type;
mod output;
mod problem;
mod row;
mod served_model;

pub use chain::chain;
pub use company::{CompanyError, CompanyMapping, CompanyRow, NoMapping, Unknown};
pub use company_answer::{CompanyAnswer, MOST_COMPANIES};
#[cfg(feature = "http")]
pub use http::main;
pub use invocation::{Answer, AnswerSettings, Invocation};
pub use media_type::AnswerFormat;
pub use output::OutputKey;
pub use problem::Problem;
pub use row::{BadRows, MatchProblem, RowProblem};
pub use served_model::{LoadError, ServedModel};
