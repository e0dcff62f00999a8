//! The numbers a model is judged by, together.

use serde::{Deserialize, Serialize};

use super::error::EvaluateError;
use super::ranking::Ranking;
use super::{calibration, gains, precision_recall, probability, profit, roc};
use crate::threshold::Campaign;

/// Share of observations at which [`Metrics::lift_10`] is taken.
const LIFT_SHARE: f64 = 0.1;

/// What a model achieves on one set of observations; the field names are the keys of `metrics.json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of observations.
    pub n: usize,
    /// Of these, the ones labelled churn.
    pub n_churned: usize,
    /// `n_churned / n`.
    pub base_rate: f64,
    /// Area under the ROC curve; see [`roc_auc`](super::roc_auc).
    pub roc_auc: f64,
    /// Lower end of its 95 % interval; see [`roc_auc_interval`](super::roc_auc_interval).
    pub roc_auc_low: f64,
    /// Upper end of its 95 % interval.
    pub roc_auc_high: f64,
    /// Area under the precision-recall curve; see [`average_precision`](super::average_precision).
    pub pr_auc: f64,
    /// Log loss in nats; see [`log_loss`](super::log_loss).
    pub log_loss: f64,
    /// Brier score; see [`brier`](super::brier).
    pub brier: f64,
    /// Expected calibration error; see [`expected_calibration_error`](super::expected_calibration_error).
    pub ece: f64,
    /// Lift at the 10 % highest scores; see [`lift_at_share`](super::lift_at_share).
    pub lift_10: f64,
    /// Expected maximum profit per tenant; see [`expected_maximum_profit`](super::expected_maximum_profit).
    pub empc: f64,
    /// Share of tenants contacted for it.
    pub empc_fraction: f64,
}

impl Metrics {
    /// Measures scores against labels.
    ///
    /// The same rows in another order give the same numbers, bit for bit.
    ///
    /// # Errors
    /// When lengths differ, there are no rows, a score is NaN or outside `[0, 1]`, only one label is present, or the
    /// campaign is unusable.
    /// # Cost
    /// O(n log n): one sort, and O(n) memory. A million distinct scores take about 0.1 s.
    /// # Example
    /// ```
    /// use churn_model::Campaign;
    /// use churn_model::evaluate::Metrics;
    ///
    /// let metrics = Metrics::of(&[0.8, 0.3, 0.4, 0.1], &[true, true, false, false], &Campaign::default())?;
    /// assert_eq!((metrics.n, metrics.base_rate, metrics.roc_auc), (4, 0.5, 0.75));
    /// # Ok::<(), churn_model::evaluate::EvaluateError>(())
    /// ```
    pub fn of(scores: &[f64], labels: &[bool], campaign: &Campaign) -> Result<Self, EvaluateError> {
        let ranking = Ranking::of_probabilities(scores, labels)?;
        ranking.needs_both_labels()?;
        let auc = roc::delong(&ranking);
        let best = profit::expected_maximum(&ranking, campaign)?;
        Ok(Self {
            n: ranking.n(),
            n_churned: ranking.n_churned(),
            base_rate: ranking.base_rate(),
            roc_auc: auc.value,
            roc_auc_low: auc.low,
            roc_auc_high: auc.high,
            pr_auc: precision_recall::area(&ranking),
            log_loss: probability::mean_log_loss(&ranking),
            brier: probability::mean_squared_error(&ranking),
            ece: calibration::expected_error(&ranking),
            lift_10: gains::lift(&ranking, LIFT_SHARE * ranking.n() as f64),
            empc: best.profit_per_tenant,
            empc_fraction: best.contacted_share,
        })
    }
}
