//! The program `consume`: events in, score records out.

mod child;
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
            say::say("consume", &chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An error with all that is behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
