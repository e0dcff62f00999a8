//! The plan that observations are made by, as options.

use std::path::PathBuf;

use churn_events::ObservationDate;
use churn_training_data::{LabelRule, ObservationPlan};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Command};

use crate::hyperparameters::PLAN;

/// An [`ObservationPlan`] on the command line.
#[derive(Debug, Clone, Args)]
pub struct PlanOptions {
    /// JSON object whose keys are the options of the plan below; options given here win
    #[arg(id = "plan", long, value_name = "FILE", help_heading = "Observation plan")]
    pub file: Option<PathBuf>,
    /// What counts as churn: the tenant cancels, or submits no job in the whole label horizon
    #[arg(long, default_value = LabelRule::Cancelled.word(), value_parser = rules(), help_heading = "Observation plan")]
    pub rule: LabelRule,
    /// Days from one observation date to the next; whole weeks keep weekdays alike
    #[arg(long, value_name = "DAYS", default_value_t = ObservationPlan::default().every_days, value_parser = whole_days, help_heading = "Observation plan")]
    pub every: u32,
    /// Days before the observation date that features may see, up to 90; features that look further back are left out
    #[arg(long, value_name = "DAYS", default_value_t = ObservationPlan::default().lookback_days, value_parser = whole_days, help_heading = "Observation plan")]
    pub lookback: u32,
    /// Days left after the observation date so that somebody can act
    #[arg(long, value_name = "DAYS", default_value_t = ObservationPlan::default().gap_days, value_parser = whole_days, help_heading = "Observation plan")]
    pub gap: u32,
    /// Days in which churn is looked for, behind the gap
    #[arg(long, value_name = "DAYS", default_value_t = ObservationPlan::default().horizon_days, value_parser = whole_days, help_heading = "Observation plan")]
    pub horizon: u32,
    /// Days that a tenant has to be there before it is observed
    #[arg(long, value_name = "DAYS", default_value_t = ObservationPlan::default().min_tenure_days, value_parser = whole_days, help_heading = "Observation plan")]
    pub min_tenure: u32,
    /// First observation date, as 2026-01-01, or the next day that begins a week of the grid (a Thursday) [default: as
    /// early as features can be known]
    #[arg(long, value_name = "DATE", help_heading = "Observation plan")]
    pub from: Option<ObservationDate>,
    /// Last observation date [default: the end of the log]
    #[arg(long, value_name = "DATE", help_heading = "Observation plan")]
    pub to: Option<ObservationDate>,
    /// Days after which an observation counts half in fitting [default: all count alike]
    #[arg(long, value_name = "DAYS", value_parser = whole_days, help_heading = "Observation plan")]
    pub half_life: Option<u32>,
}

/// A number of days as text.
fn whole_days(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number of days, 0 or more".to_owned())
}

/// The words for the label rules.
fn rules() -> impl TypedValueParser<Value = LabelRule> {
    let words = [LabelRule::Cancelled, LabelRule::Usage].map(LabelRule::word);
    PossibleValuesParser::new(words).map(|word| LabelRule::of_word(&word).unwrap_or_default())
}

impl PlanOptions {
    /// A command that has these options only, as they may stand in a file.
    pub(crate) fn command() -> Command {
        Self::augment_args(Command::new(PLAN))
    }

    /// The plan that these options describe.
    pub fn plan(&self) -> ObservationPlan {
        ObservationPlan {
            every_days: self.every,
            lookback_days: self.lookback,
            gap_days: self.gap,
            horizon_days: self.horizon,
            min_tenure_days: self.min_tenure,
            rule: self.rule,
            first: self.from,
            last: self.to,
            age_half_life_days: self.half_life,
            ..ObservationPlan::default()
        }
    }
}
