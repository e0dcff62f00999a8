//! `score`: churn probabilities for new rows, by a model file.

use std::process::ExitCode;

use churn_train::{Console, ScoreConfig, score};

fn main() -> ExitCode {
    let console = Console::on_standard_error();
    match ScoreConfig::from_args(std::env::args_os()).and_then(|config| score(&config, &console)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
