//! What is said of a company, wherever it is asked.

use churn_model::{Explainer, Scorer, Threshold};
use serde::Serialize;

use crate::company::{CompanyRow, Unknown};

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
    /// What the body told and the model does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Unknown>,
}

impl CompanyAnswer {
    /// Scores and explains a row; scorer, explainer and threshold are of one model, as is the mapping that made the row.
    pub fn new(row: CompanyRow, scorer: &Scorer, explainer: &Explainer, threshold: &Threshold, model: String) -> Self {
        let score = scorer.score(&row.values);
        let reasons = explainer.reasons(&row.values, REASONS).iter().map(ToString::to_string).collect();
        Self {
            churn: threshold.decide(score),
            probability: score,
            threshold: Some(threshold.score),
            model,
            reasons,
            missing: row.missing,
            unknown: row.unknown,
        }
    }
}
