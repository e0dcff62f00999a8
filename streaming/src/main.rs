//! The program `consume`: events in, score records out.

mod child;
mod clash;
#[cfg(feature = "metrics")]
mod metrics;
mod options;
#[cfg_attr(not(feature = "metrics"), allow(dead_code, reason = "the status line tells a part of it"))]
mod report;
mod run;
mod say;
mod state_name;
mod status;
mod transports;
mod watermark;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match run::run(options::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::say("consume", &churn_streaming::in_full(&*error));
            ExitCode::FAILURE
        }
    }
}
