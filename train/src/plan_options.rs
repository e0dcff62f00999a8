//! What to observe: a log of events or a simulated world, and the plan that observations are made by.

use std::path::{Path, PathBuf};

use churn_events::ObservationDate;
use churn_simulator::WorldOptions;
use churn_training_data::{LabelRule, ObservationPlan};
use clap::{Args, Command, ValueEnum};

use crate::Error;
use crate::over_time::SplitKind;

/// Options about events, shared by the programs that assemble a training set.
#[derive(Debug, Clone, Args)]
pub struct PlanOptions {
    /// Log of events: JSON Lines of CloudEvents, plain, gzip or zstd; several files are merged by the time received
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "tenants", help_heading = "Events")]
    pub events: Vec<PathBuf>,
    /// Tenants of the simulated world that is observed where there is no log
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Events")]
    pub tenants: u32,
    /// Days of the simulated world
    #[arg(long, value_name = "DAYS", default_value_t = 730, conflicts_with = "events", help_heading = "Events")]
    pub days: u32,
    /// Day that the log ends on, as 2026-01-01: everything before it has been received [default: the last day in it]
    #[arg(long, value_name = "DATE", requires = "events", help_heading = "Events")]
    pub log_end: Option<ObservationDate>,
    /// When records without a time of their own were received, as 2026-01-01: the original system's company records
    #[arg(long, value_name = "DATE", requires = "events", help_heading = "Events")]
    pub received_at: Option<ObservationDate>,
    /// File for events that cannot be read, with the reason; without it they are only counted
    #[arg(long, value_name = "FILE", requires = "events", help_heading = "Events")]
    pub dead_letters: Option<PathBuf>,
    /// JSON object whose keys are the options of the plan below; options given here win
    #[arg(long, value_name = "FILE", help_heading = "Observation plan")]
    pub plan: Option<PathBuf>,

    /// What counts as churn: the tenant cancels, or submits no job
    #[arg(long, value_enum, default_value_t = Rule::Cancelled, help_heading = "Observation plan")]
    pub rule: Rule,
    /// Days from one observation date to the next; whole weeks keep weekdays alike
    #[arg(long, value_name = "DAYS", default_value_t = 28, help_heading = "Observation plan")]
    pub every: u32,
    /// Days before the observation date that features may see, up to 90; features that look further back are left out
    #[arg(long, value_name = "DAYS", default_value_t = 90, help_heading = "Observation plan")]
    pub lookback: u32,
    /// Days left after the observation date so that somebody can act
    #[arg(long, value_name = "DAYS", default_value_t = 14, help_heading = "Observation plan")]
    pub gap: u32,
    /// Days in which churn is looked for, behind the gap
    #[arg(long, value_name = "DAYS", default_value_t = 60, help_heading = "Observation plan")]
    pub horizon: u32,
    /// Days that a tenant has to be there before it is observed
    #[arg(long, value_name = "DAYS", default_value_t = 28, help_heading = "Observation plan")]
    pub min_tenure: u32,
    /// First observation date, as 2026-01-01 [default: as early as features can be known]
    #[arg(long, value_name = "DATE", help_heading = "Observation plan")]
    pub from: Option<ObservationDate>,
    /// Last observation date [default: the end of the log]
    #[arg(long, value_name = "DATE", help_heading = "Observation plan")]
    pub to: Option<ObservationDate>,
    /// Days after which an observation counts half in fitting [default: all count alike]
    #[arg(long, value_name = "DAYS", help_heading = "Observation plan")]
    pub half_life: Option<u32>,
    /// How the test is cut off: the latest dates, or some of the tenants at all dates
    #[arg(long, value_enum, default_value_t = SplitKind::Time, help_heading = "Observation plan")]
    pub split: SplitKind,
    /// Share of the observations, before the test's, that calibrator and threshold come from; 0 takes them from scores
    /// of the fit split that are honest without
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, help_heading = "Observation plan")]
    pub calibration_share: f64,
}

/// What counts as churn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rule {
    /// The tenant cancels inside the label horizon.
    Cancelled,
    /// The tenant submits no job in the whole label horizon.
    Usage,
}

impl PlanOptions {
    /// A command that has these options only, as they may stand in a file.
    pub(crate) fn command() -> Command {
        Self::augment_args(Command::new("plan"))
    }

    /// Refuses an output, or dead letters, that would replace one of the files of the log.
    ///
    /// # Errors
    /// See [`Error::OutIsInput`].
    pub(crate) fn refuse_output_over_input(&self, out: Option<&Path>) -> Result<(), Error> {
        let inputs: Vec<PathBuf> = self.events.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let is_input = |path: &&Path| path.canonicalize().is_ok_and(|path| inputs.contains(&path));
        match self.dead_letters.as_deref().into_iter().chain(out).find(is_input) {
            Some(path) => Err(Error::OutIsInput { path: path.to_owned() }),
            None => Ok(()),
        }
    }

    /// The world that is simulated where there is no log.
    pub fn world(&self, seed: u64) -> WorldOptions {
        WorldOptions { tenants: self.tenants, days: self.days, seed, ..WorldOptions::default() }
    }

    /// The plan that these options describe.
    pub fn observation_plan(&self) -> ObservationPlan {
        ObservationPlan {
            every_days: self.every,
            lookback_days: self.lookback,
            gap_days: self.gap,
            horizon_days: self.horizon,
            min_tenure_days: self.min_tenure,
            rule: match self.rule {
                Rule::Cancelled => LabelRule::Cancelled,
                Rule::Usage => LabelRule::Usage,
            },
            first: self.from,
            last: self.to,
            age_half_life_days: self.half_life,
            ..ObservationPlan::default()
        }
    }
}
