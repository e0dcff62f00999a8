//! `serve`: scores over HTTP with the SageMaker contract.

use std::process::ExitCode;

fn main() -> ExitCode {
    churn_serve::main(std::env::args_os())
}
