//! Scores over HTTP with the SageMaker contract.

mod company;
mod company_answer;

pub use company::{CompanyError, CompanyMapping, CompanyRow, NoMapping, Unknown};
pub use company_answer::CompanyAnswer;
