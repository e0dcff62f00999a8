//! What the binary does: settings, log, server, exit code.

use std::error::Error as StdError;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::config::ServeConfig;
use crate::server::serve;

/// Serves as the arguments, the program's name first, and the environment say.
#[expect(clippy::print_stderr, reason = "this is a binary's main function")]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let config = match ServeConfig::try_parse_from(args) {
        Ok(config) => config,
        Err(error) => {
            // Nobody reads a message that cannot be shown.
            let _ = error.print();
            return ExitCode::from(error.exit_code().clamp(0, 255) as u8);
        }
    };
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with all that caused it, in one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
