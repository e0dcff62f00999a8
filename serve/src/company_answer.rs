//! What is said of a company, wherever it is asked.

use serde::Serialize;

use crate::company::{CompanyRow, Unknown};
use crate::served_model::ServedModel;

/// Reasons in one answer.
const REASONS: usize = 3;

/// The answer to a company JSON. Its first field is the whole answer of the original system.
///
/// # Example
/// ```json
/// {"churn":true,"probability":0.83,"threshold":0.31,"model":"5a3e61c07d12","reasons":["…"],"missing":["totalFee"]}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompanyAnswer {
    /// Whether somebody should act.
    pub churn: bool,
    /// The score.
    pub probability: f64,
    /// The score at or above which somebody should act, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// What scored: the id of the model file, or the name of an endpoint.
    pub model: String,
    /// The largest contributions as sentences, largest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Facts that the model reads and the body did not tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<&'static str>,
    /// Number of further features that no fact of a company fills: the score knows nothing of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub unfilled: usize,
    /// What the body told and the model does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl CompanyAnswer {
    /// Scores and explains a row that a mapping of the model's own schema has made.
    ///
    /// # Panics
    /// When the row does not have one value per feature of the model.
    pub fn new(row: CompanyRow, model: &ServedModel) -> Self {
        let score = model.scorer().score(&row.values);
        let reasons = model.explainer().reasons(&row.values, REASONS);
        let threshold = model.model().threshold();
        Self {
            churn: threshold.decide(score),
            probability: score,
            threshold: Some(threshold.score),
            model: model.id().to_owned(),
            reasons: reasons.iter().map(ToString::to_string).collect(),
            missing: row.missing,
            unfilled: row.unfilled,
            unknown: row.unknown,
        }
    }
}
