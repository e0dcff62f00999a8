//! Scores over HTTP with the SageMaker contract.

mod company;

pub use company::{CompanyError, CompanyMapping, CompanyRow, NoMapping, Unknown};
