//! What a model is for, what it was fitted on, how well it does and where it fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The model card that travels inside the model file.
///
/// It holds no date of its own making: the same seed and data give the same bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelCard {
    /// The learner: `random-forest`, `decision-tree` or `linear-learner`, or where an imported model comes from.
    pub algorithm: String,
    /// What a label of churn means, and how it was read.
    pub label: String,
    /// Whether every feature was known before its observation date, as far as this can be assured.
    pub point_in_time: bool,
    /// Observations that the model was fitted on.
    pub n_observations: u64,
    /// Of these, the ones labelled churn.
    pub n_churned: u64,
    /// Seed of everything random.
    pub seed: u64,
    /// Hyperparameters as used, by their names.
    pub hyperparameters: BTreeMap<String, serde_json::Value>,
    /// Metrics by their documented keys, such as `test.roc_auc`.
    pub metrics: BTreeMap<String, f64>,
    /// What a user of the model has to know.
    pub caveats: Vec<String>,
}
