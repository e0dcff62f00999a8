//! The training set alone, for those who fit with something else.

use std::ffi::OsString;
use std::path::PathBuf;

use churn_simulator::WorldOptions;
use clap::Parser;

use crate::Error;
use crate::console::Console;
use crate::event_options::EventOptions;
use crate::hyperparameters::parse_with_files;
use crate::pipeline::on_threads;
use crate::plan_options::PlanOptions;
use crate::source::observe;
use crate::summary::print_assembled;

/// Observes a log of events, or a simulated world, and writes the labelled observations.
///
/// One row per tenant and observation date: tenant, date, label, weight and every feature of the catalogue, all of it
/// known before the date.
#[derive(Debug, Clone, Parser)]
#[command(name = "assemble", version, max_term_width = 110)]
pub struct AssembleConfig {
    /// Events, or the world that is simulated.
    #[command(flatten)]
    pub events: EventOptions,
    /// The plan that observations are made by.
    #[command(flatten)]
    pub plan: PlanOptions,
    /// File to write: NAME.parquet, or NAME.csv with its description beside it in NAME.csv.json
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of the simulated world
    #[arg(long, default_value_t = WorldOptions::default().seed, conflicts_with = "events")]
    pub seed: u64,
    /// Threads; all cores by default. The result does not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl AssembleConfig {
    /// Reads the command line and, where it names one, the plan.
    ///
    /// # Errors
    /// [`Error::Usage`] holds the text to show, and is also how `--help` and `--version` come back.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let files =
            |config: &Self| config.plan.file.iter().map(|path| (path.clone(), PlanOptions::command())).collect();
        Ok(parse_with_files(args, files)?.0)
    }
}

/// Assembles as configured and writes the file.
///
/// # Errors
/// When the events cannot be read or observed, or the file cannot be written; nothing is then left half-written.
pub fn assemble(config: &AssembleConfig, console: &Console) -> Result<(), Error> {
    let ending = config.out.extension().map(|ending| ending.to_ascii_lowercase());
    if !ending.is_some_and(|ending| ending == "parquet" || ending == "csv") {
        return Err(Error::UnknownEnding { path: config.out.clone() });
    }
    config.events.check_outputs(Some(&config.out))?;
    on_threads(config.threads, || {
        let assembly = observe(&config.events, config.plan.plan(), config.seed, console)?;
        assembly.assembled.write(&config.out)?;
        print_assembled(console, &assembly);
        console.line(format!("written to {}", config.out.display()));
        Ok(())
    })
}
