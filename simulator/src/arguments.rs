use std::path::PathBuf;
use std::str::FromStr;

use churn_events::ObservationDate;
use churn_simulator::{Format, Scenario, TruthPlan, WorldOptions};
use clap::{ArgGroup, Parser};

/// Simulates a SaaS platform's tenants and writes their event log.
///
/// Activity and churn share a hidden health and nothing else. The same options give the same bytes, on any number of
/// threads.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
#[command(group(ArgGroup::new("what").required(true).args(["out", "stdout", "validate", "table"])))]
#[command(after_long_help = "Scenarios:
  steady      a platform in its middle years: most tenants there from the start, growth, mild seasons
  seasonal    strong yearly seasons; every third tenant goes quiet for weeks each year and comes back
  onboarding  a young platform: nearly all tenants arrive during the log, many never get going
  drifting    what drives churn changes over the log: more price increases, a rising base rate, less use per seat")]
// Options without effect are refused as conflicts: clap forgets a requirement on what conflicts with a given option.
pub(crate) struct Arguments {
    /// Write the log into this folder, which must hold none yet: one file per calendar month, and the hidden truth beside it (truth.csv)
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Replay the log to standard output as JSON lines
    #[arg(long)]
    pub(crate) stdout: bool,
    /// Check realism: prints each check with what was measured and its band; exit code 1 when one is outside
    #[arg(long)]
    pub(crate) validate: bool,
    /// Write a plain company table with the original system's columns, as CSV; --start is its date
    #[arg(long, value_name = "FILE")]
    pub(crate) table: Option<PathBuf>,
    /// How many tenants there ever are
    #[arg(long, default_value_t = WorldOptions::default().tenants, conflicts_with = "table")]
    pub(crate) tenants: u32,
    /// How many days the log covers
    #[arg(long, default_value_t = WorldOptions::default().days, conflicts_with = "table")]
    pub(crate) days: u32,
    /// The seed
    #[arg(long, default_value_t = WorldOptions::default().seed)]
    pub(crate) seed: u64,
    /// The first day of the log
    #[arg(long, value_name = "YYYY-MM-DD", default_value_t = WorldOptions::default().start)]
    pub(crate) start: ObservationDate,
    /// steady, seasonal, onboarding or drifting: see below with --help
    #[arg(long, default_value_t = Scenario::Steady, conflicts_with = "table")]
    pub(crate) scenario: Scenario,
    /// How many threads; 0 is one per core
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// jsonl, jsonl.gz or parquet
    #[arg(long, default_value_t = Format::JsonLines, conflicts_with_all = ["stdout", "validate", "table"])]
    pub(crate) format: Format,
    /// Do not write truth.csv
    #[arg(long, conflicts_with_all = ["stdout", "validate", "table"])]
    pub(crate) no_truth: bool,
    /// Days between two dates of truth.csv
    #[arg(long, default_value_t = TruthPlan::default().every_days, conflicts_with_all = ["stdout", "validate", "table", "no_truth"])]
    pub(crate) every: u32,
    /// Days between a date and the label horizon of truth.csv
    #[arg(long, default_value_t = TruthPlan::default().gap_days, conflicts_with_all = ["stdout", "validate", "table", "no_truth"])]
    pub(crate) gap: u32,
    /// Days of the label horizon of truth.csv
    #[arg(long, default_value_t = TruthPlan::default().horizon_days, conflicts_with_all = ["stdout", "validate", "table", "no_truth"])]
    pub(crate) horizon: u32,
    /// Rows of the table
    #[arg(long, default_value_t = 10_000, conflicts_with_all = ["out", "stdout", "validate"])]
    pub(crate) rows: u32,
    /// How many times faster than it happened the log is replayed; 0 or max is as fast as possible
    #[arg(long, value_name = "N", default_value = "max", allow_hyphen_values = true, conflicts_with_all = ["out", "validate", "table"])]
    pub(crate) speed: Speed,
}

impl Arguments {
    pub(crate) fn world_options(&self) -> WorldOptions {
        let Self { tenants, days, seed, start, scenario, .. } = *self;
        WorldOptions { tenants, days, seed, start, scenario }
    }

    pub(crate) fn truth_plan(&self) -> TruthPlan {
        TruthPlan { every_days: self.every, gap_days: self.gap, horizon_days: self.horizon }
    }
}

/// The pace of a replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    Max,
    Times(f64),
}

#[derive(Debug, thiserror::Error)]
#[error("speed {found:?} is neither a number above 0 nor \"max\"")]
pub(crate) struct SpeedError {
    found: String,
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(word: &str) -> Result<Self, SpeedError> {
        match word.parse::<f64>() {
            _ if word == "max" => Ok(Self::Max),
            Ok(0.0) => Ok(Self::Max),
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ => Err(SpeedError { found: word.to_owned() }),
        }
    }
}
