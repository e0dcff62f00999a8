//! How good scores are: metrics, curves, thresholds and importance, as pure functions over scores and labels.
//!
//! `scores` are `f64`, `labels` are `true` for churned; row `i` of both is the same observation. No function changes its
//! inputs, and no value depends on the order of rows. Every function costs O(n log n) or less unless it says otherwise.

mod calibration;
mod confusion;
mod error;
mod gains;
#[cfg(feature = "fit")]
mod importance;
mod metrics;
mod precision_recall;
mod probability;
mod profit;
mod ranking;
mod roc;
mod threshold_choice;

pub use calibration::{Binning, CalibrationBin, calibration_table, expected_calibration_error};
pub use confusion::Confusion;
pub use error::EvaluateError;
pub use gains::{GainsPoint, gains_curve, lift_at_count, lift_at_share};
#[cfg(feature = "fit")]
pub use importance::{ColumnGroup, Importance, MeanChange, permutation_importance};
pub use metrics::Metrics;
pub use precision_recall::{PrecisionRecallPoint, average_precision, precision_recall_curve};
pub use probability::{brier, log_loss};
pub use profit::{ExpectedMaximumProfit, ProfitPoint, expected_maximum_profit, maximum_profit, profit_curve};
pub use roc::{RocAuc, RocPoint, roc_auc, roc_auc_interval, roc_curve};
pub use threshold_choice::choose_threshold;
