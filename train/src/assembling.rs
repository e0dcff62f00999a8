//! The training set alone, for those who fit with something else.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

use crate::Error;
use crate::console::Console;
use crate::hyperparameters::parse_with_files;
use crate::numbers::percent;
use crate::pipeline::on_threads;
use crate::plan_options::PlanOptions;
use crate::source::{Assembly, observe};

/// Observes a log of events, or a simulated world, and writes the labelled observations.
///
/// One row per tenant and observation date: tenant, date, label, weight and every feature of the catalogue, all of it
/// known before the date.
#[derive(Debug, Clone, Parser)]
#[command(name = "assemble", version, max_term_width = 110)]
pub struct AssembleConfig {
    /// Events, and the plan that observations are made by.
    #[command(flatten)]
    pub events: PlanOptions,
    /// File to write: Parquet, or CSV, by how its name ends
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Seed of the simulated world
    #[arg(long, default_value_t = 0)]
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
        parse_with_files(args, |config: &Self| {
            config.events.plan.iter().map(|path| (path.clone(), PlanOptions::command())).collect()
        })
    }
}

/// Assembles as configured and writes the file.
///
/// # Errors
/// When the events cannot be read or observed, or the file cannot be written; nothing is then left half-written.
pub fn assemble(config: &AssembleConfig, console: &Console) -> Result<(), Error> {
    config.events.refuse_output_over_input(Some(&config.out))?;
    on_threads(config.threads, || {
        let Assembly { assembled, source, .. } = observe(&config.events, config.seed, console)?;
        let n_out_of_order = assembled.report.n_out_of_order;
        if n_out_of_order > 0 {
            console.line(format!(
                "caution: {n_out_of_order} events stood in the log after an observation that came later"
            ));
        }
        assembled.write(&config.out)?;
        let (n, n_churned) = (assembled.labelled.n_observations(), assembled.labelled.n_churned());
        let (churned, n_censored) = (percent(n_churned as f64 / n as f64), assembled.censored.len());
        console.line(format!("{source}: {n} observations, {churned} churned, and {n_censored} without a label yet"));
        console.line(format!("written to {}", config.out.display()));
        Ok(())
    })
}
