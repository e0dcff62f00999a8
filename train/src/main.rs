//! `train`: from events or a table of tenants to a model file.

use std::process::ExitCode;

fn main() -> ExitCode {
    churn_train::main(std::env::args_os())
}
