//! What the binary does: settings, log, server, exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

use crate::chain::chain;
use crate::http::config::{Log, ServeConfig};
use crate::http::server::serve;

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
    let level = match config.log {
        Log::Error => LevelFilter::ERROR,
        Log::Warn => LevelFilter::WARN,
        Log::Info => LevelFilter::INFO,
        Log::Debug => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt().json().flatten_event(true).with_max_level(level).with_writer(std::io::stderr).init();
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
