//! `serve`: scores over HTTP with the SageMaker contract.

fn main() {}
