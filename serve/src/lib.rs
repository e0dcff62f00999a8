//! Scores over HTTP with the SageMaker contract.
//!
//! [`Invocation`] is one request without HTTP: headers and body in, answer out. The binary `serve` puts a server in front
//! of it, with the feature `http` (on by default). The binary `bootstrap` is an AWS Lambda function that answers companies
//! behind API Gateway, with the feature `lambda`, and with `sagemaker-endpoint` one that asks an endpoint.

mod body;
mod chain;
mod companies;
mod company;
mod company_answer;
#[cfg(feature = "http")]
mod http;
mod invocation;
mod json_value;
mod media_type;
mod output;
mod problem;
mod row;
mod served_model;
#[cfg(all(test, feature = "http"))]
#[path = "../tests/served/mod.rs"]
mod test_models;

pub use chain::chain;
pub use companies::Companies;
pub use company::{CompanyError, CompanyMapping, CompanyRow, NoMapping, Unknown};
pub use company_answer::CompanyAnswer;
#[cfg(feature = "http")]
pub use http::main;
pub use invocation::{Answer, AnswerSettings, Invocation};
pub use media_type::AnswerFormat;
pub use output::OutputKey;
pub use problem::Problem;
pub use row::{BadRows, MatchProblem, RowProblem};
pub use served_model::{LoadError, ServedModel};
