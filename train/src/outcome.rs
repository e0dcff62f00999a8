//! What a run found out: everything that the report, the model card and `metrics.json` are written from.

use std::collections::BTreeMap;

use serde::Serialize;

use churn_features::Feature;
use churn_model::evaluate::{
    CalibrationBin, Confusion, GainsPoint, Importance, Metrics, PrecisionRecallPoint, ProfitPoint, RocPoint,
};
use churn_model::{Calibrator, Campaign, Threshold};
use churn_training_data::ColumnSummary;

use crate::OverTime;
use churn_model::fit::Algorithm;

/// Everything worth telling about one run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// First 12 hex digits of the model file's digest.
    pub model_id: String,
    /// Name of the source, without its folder.
    pub source: String,
    /// How the label was read: its column and what its values mean.
    pub label: String,
    /// Every column of the source.
    pub columns: Vec<ColumnSummary>,
    /// The features, in the order in which the model takes them.
    pub features: Vec<Feature>,
    /// Which rows were used for what.
    pub split: Split,
    /// Position in `candidates` of the one that was kept.
    pub chosen: usize,
    /// The learners compared, in the order tried.
    pub candidates: Vec<CandidateOutcome>,
    /// The kept model on the test split.
    pub test: Evaluation,
    /// Cross-validation of the whole procedure, where asked for.
    pub cross_validation: Option<CrossValidation>,
    /// The best single feature, as a yardstick.
    pub baseline: Baseline,
    /// How much the kept model needs each feature, most needed first; measured on the test split.
    pub importance: Vec<Importance>,
    /// Observations that the importance was measured on.
    pub n_importance: usize,
    /// How well the kept model does in parts of the test split.
    pub segments: Vec<Segment>,
    /// The map from raw scores to scores.
    pub calibrator: Calibrator,
    /// The score at or above which someone acts.
    pub threshold: Threshold,
    /// The campaign that every profit is reckoned for, whatever the threshold was chosen by.
    pub campaign: Campaign,
    /// A decision tree as readable rules, where one was kept.
    pub rules: Option<String>,
    /// What a user of the model has to know.
    pub caveats: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Words behind the program's name that repeat the run, where it was started by a command line.
    pub repeat: Option<Vec<String>>,
    /// What only a log with times can tell; `None` for a flat table.
    pub over_time: Option<OverTime>,
}

/// Which rows were used for what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    /// Observations that models were fitted on, and calibrated where no others were kept for that.
    pub n_fit: usize,
    /// Of these, the ones labelled churn.
    pub n_fit_churned: usize,
    /// Observations that models were only calibrated on; their threshold comes from them, too.
    pub n_calibration: usize,
    /// Observations held out for the test.
    pub n_test: usize,
    /// Of these, the ones labelled churn.
    pub n_test_churned: usize,
    /// Whether these are others than those fitted on, as they are but for sets too small to hold any out.
    pub is_test_held_out: bool,
    /// Name of the column whose equal values kept rows together.
    pub group: Option<String>,
}

/// One learner and how it did.
#[derive(Debug, Clone)]
pub struct CandidateOutcome {
    /// Which learner.
    pub algorithm: Algorithm,
    /// Log loss on observations of the fit split that the model had not seen, calibrated; the least one is kept, a tree only when it is clearly better.
    pub honest_log_loss: f64,
    /// How these scores came to be: `out-of-bag` or `cross-validated`.
    pub criterion: &'static str,
    /// Metrics on the test split, shown but not chosen by.
    pub test: Metrics,
    /// Hyperparameters as used, by name.
    pub hyperparameters: BTreeMap<String, serde_json::Value>,
    /// Which calibrator its scores got.
    pub calibrator: &'static str,
    /// What happened on the way, such as a fit that did not converge.
    pub notes: Vec<String>,
    /// Wall time of fitting.
    pub fit_seconds: f64,
}

/// Scores held against labels, in numbers and as curves.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The numbers.
    pub metrics: Metrics,
    /// The ROC curve.
    pub roc: Vec<RocPoint>,
    /// The precision-recall curve.
    pub precision_recall: Vec<PrecisionRecallPoint>,
    /// Mean score and churn share per bin of equally many observations.
    pub calibration: Vec<CalibrationBin>,
    /// Churn found per share contacted.
    pub gains: Vec<GainsPoint>,
    /// Profit per share contacted.
    pub profit: Vec<ProfitPoint>,
    /// Counts at the threshold.
    pub confusion: Confusion,
    /// Observations per score bin of width 1/40: stayed, churned.
    pub histogram: Vec<(usize, usize)>,
}

/// The whole procedure repeated on every fold.
#[derive(Debug, Clone)]
pub struct CrossValidation {
    /// Mean over folds of every metric of the kept candidates.
    pub mean: BTreeMap<&'static str, f64>,
    /// What each fold kept and how it did.
    pub folds: Vec<FoldOutcome>,
    /// Mean over folds of every metric per learner.
    pub candidates: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
}

/// One fold of a cross-validation.
#[derive(Debug, Clone)]
pub struct FoldOutcome {
    /// Number of the fold.
    pub fold: u32,
    /// The learner kept without it.
    pub algorithm: Algorithm,
    /// How that did on it.
    pub metrics: Metrics,
}

/// What the best single feature reaches, in three splits of a tree.
#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    /// Name of the feature.
    pub feature: String,
    /// Metrics on the test split.
    pub test: Metrics,
}

/// A part of the test split.
#[derive(Debug, Clone, Serialize)]
pub struct Segment {
    /// The feature that it is a part by.
    pub feature: String,
    /// The level, or the range of a number.
    pub part: String,
    /// Observations in it.
    pub n: usize,
    /// Of these, the ones labelled churn.
    pub n_churned: usize,
    /// Mean score.
    pub mean_score: f64,
    /// ROC-AUC, where both labels occur.
    pub roc_auc: Option<f64>,
    /// Share of its observations at or above the threshold.
    pub decided_share: f64,
}

impl Segment {
    /// Churned observations below which nothing firm can be said of a segment.
    pub const FEW_CHURNED: usize = 20;

    /// Whether there are too few churned observations to say anything firm.
    pub fn is_small(&self) -> bool {
        self.n_churned < Self::FEW_CHURNED
    }

    /// ROC-AUC, where there are enough churned observations for it to mean something.
    pub(crate) fn firm_roc_auc(&self) -> Option<f64> {
        self.roc_auc.filter(|_| !self.is_small())
    }
}
