//! What only a log with times can tell: who was at risk when, and what the hidden truth would allow.

use serde::Serialize;

use churn_events::ObservationDate;
use churn_model::evaluate::{Importance, Metrics};
use churn_training_data::ObservationPlan;

use churn_model::fit::Algorithm;

/// Everything that a run on a log of events finds out beyond what a flat table can tell.
#[derive(Debug, Clone, Serialize)]
pub struct OverTime {
    /// What was in the log.
    pub log: LogFacts,
    /// The plan that observations were made by.
    pub plan: ObservationPlan,
    /// How the test split was cut off.
    pub split: SplitKind,
    /// Every observation date, in order.
    pub dates: Vec<DateFacts>,
    /// Weekly usage of churners before they cancelled, beside stayers like them; empty where nobody cancelled.
    pub event_study: Vec<StudyWeek>,
    /// What the best possible score would reach on the test split; only a simulated world tells.
    pub oracle: Option<OracleFacts>,
    /// The model of the original system's seven columns, fitted and tested on the same observations.
    pub original: Option<OriginalFacts>,
    /// Out-of-bag figures of one forest, bagged in two ways.
    pub bagging: Option<BaggingFacts>,
    /// How much the kept model needs each family of features, most needed first.
    #[serde(serialize_with = "importance")]
    pub families: Vec<Importance>,
    /// Fit and test repeated while the observation date moves, where asked for.
    pub backtest: Vec<BacktestFacts>,
    /// Dates that the backtest left out, because too few churned before them or on them; 0 where none was asked for.
    pub backtest_left_out: usize,
    /// How many tenants were scored as of the last observation date.
    pub n_scored: usize,
}

/// What was in a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogFacts {
    /// Tenants that at least one event is about.
    pub n_tenants: u64,
    /// Events in the log, also those left out; malformed lines and events of unknown types are not among them.
    pub n_events: u64,
    /// Day of the first event.
    #[serde(serialize_with = "date")]
    pub first: ObservationDate,
    /// The end of the log: nothing received at or after it is known.
    #[serde(serialize_with = "date")]
    pub end: ObservationDate,
    /// What was in the log and not used, or not everywhere: the reason, such as [`LogFacts::LATE`], and how many, never 0.
    pub left_out: Vec<(String, u64)>,
}

impl LogFacts {
    /// The reason for leaving out what counts in no feature because it was received so late.
    pub const LATE: &'static str = "received too late";
    /// The reason for leaving out what had come before.
    pub const DUPLICATE: &'static str = "duplicate";
    /// The reason for leaving out what a tenant state has no room for.
    pub const DROPPED: &'static str = "beyond what a tenant state holds";
    /// The reason for leaving out of features what labels alone may know.
    pub const AFTER_END: &'static str = "received after the end of the log, known to labels only";
    /// The reason for leaving out of an observation what stood in the log after it.
    pub const OUT_OF_ORDER: &'static str = "out of order, unknown to observations made before them";
}

/// How the test split was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// The latest observation dates are the test.
    Time,
    /// Some of the tenants are the test, at all dates.
    Tenants,
}

/// What the observations of one date were used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Learners were fitted on them.
    Fit,
    /// The calibrator and the threshold come from them.
    Calibration,
    /// The model was tested on them.
    Test,
    /// Some tenants were fitted on, the others tested on.
    FitAndTest,
    /// Nothing: their label horizons reach into the next part.
    Embargo,
    /// They are scored only: the log ends before their label horizons do.
    Censored,
}

impl OverTime {
    /// Days between the last observation date of one part and the first of the next; `None` when cut by tenant.
    pub(crate) fn embargo_days(&self) -> Option<u32> {
        (self.split == SplitKind::Time).then(|| self.plan.embargo_days())
    }
}

/// One observation date.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DateFacts {
    /// The date.
    #[serde(serialize_with = "date")]
    pub date: ObservationDate,
    /// What its observations were used for.
    pub part: Part,
    /// Tenants that were observed: those at risk but for those that cancelled inside the gap.
    pub n_observed: usize,
    /// Of these, the ones that churned in the label horizon; 0 where censored.
    pub n_churned: usize,
    /// Tenants left out because they were too young.
    pub n_too_young: usize,
    /// Tenants left out because they cancelled inside the gap.
    pub n_cancelled_in_gap: usize,
}

/// One week of the event study.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudyWeek {
    /// The week relative to the cancellation: -26 to 0, where 0 is the week that ends with it.
    pub week: i32,
    /// Mean weekly usage of churners, 1 being their own level before.
    pub churners: f64,
    /// The same of stayers like them, in the same calendar weeks.
    pub stayers: f64,
    /// Churners that were there in that week.
    pub n_churners: usize,
}

/// The best possible score, on the test split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OracleFacts {
    /// What the true churn probabilities reach.
    pub test: Metrics,
    /// How far the kept model comes on the way from 0.5 to the oracle's ROC-AUC; 1 is all the way.
    pub reached: f64,
}

/// The model of the original system's columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OriginalFacts {
    /// The features it reads.
    pub features: Vec<String>,
    /// The learner that was kept, chosen as the full model's is.
    #[serde(serialize_with = "name")]
    pub algorithm: Algorithm,
    /// How it does on the test split.
    pub test: Metrics,
}

/// Out-of-bag figures beside the test's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaggingFacts {
    /// All observations of a tenant are in a bag, or none is.
    pub by_tenant: BagFacts,
    /// Every observation is drawn by itself, so that a tree may know the tenant from other dates.
    pub by_row: BagFacts,
}

/// One forest and what its out-of-bag scores promised.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BagFacts {
    /// Leaf size chosen.
    pub min_leaf: u32,
    /// Out-of-bag ROC-AUC.
    pub out_of_bag_roc_auc: f64,
    /// Out-of-bag log loss, uncalibrated.
    pub out_of_bag_log_loss: f64,
    /// ROC-AUC on the test split.
    pub test_roc_auc: f64,
    /// Log loss on the test split, uncalibrated.
    pub test_log_loss: f64,
}

/// One step of a backtest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BacktestFacts {
    /// The observation date tested on.
    #[serde(serialize_with = "date")]
    pub date: ObservationDate,
    /// Observations fitted on, all of them with labels known before that date.
    pub n_fit: usize,
    /// The learner that was kept.
    #[serde(serialize_with = "name")]
    pub algorithm: Algorithm,
    /// How it did on that date's observations.
    pub test: Metrics,
    /// ROC-AUC of the true churn probabilities on the same observations; only a simulated world tells.
    pub oracle_roc_auc: Option<f64>,
}

fn name<S: serde::Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.name())
}

fn importance<S: serde::Serializer>(families: &[Importance], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Family<'a> {
        name: &'a str,
        log_loss_increase: f64,
        roc_auc_decrease: f64,
    }
    serializer.collect_seq(families.iter().map(|family| Family {
        name: &family.name,
        log_loss_increase: family.log_loss_increase.mean,
        roc_auc_decrease: family.roc_auc_decrease.mean,
    }))
}

fn date<S: serde::Serializer>(date: &ObservationDate, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}
