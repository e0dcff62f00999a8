//! Scores over HTTP with the SageMaker contract.
