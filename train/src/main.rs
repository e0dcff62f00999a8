//! `train`: from events or a table of tenants to a model file.

use std::process::ExitCode;

use churn_train::{Console, TrainConfig, train};

fn main() -> ExitCode {
    let console = Console::new();
    match TrainConfig::from_args(std::env::args_os()).and_then(|config| train(&config, &console)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
