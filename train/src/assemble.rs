//! `assemble`: from events to labelled observations.

use std::process::ExitCode;

use churn_train::{AssembleConfig, Console, assemble};

fn main() -> ExitCode {
    let console = Console::new();
    match AssembleConfig::from_args(std::env::args_os()).and_then(|config| assemble(&config, &console)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
