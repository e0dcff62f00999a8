//! Log loss and Brier score: how good the scores are as probabilities.

use super::error::EvaluateError;
use super::ranking::{Ranking, Tie};

/// Mean of `-ln(probability given to what happened)`.
///
/// Probabilities are kept at least `f64::EPSILON` away from 0 and 1, as scikit-learn does, so that one confident mistake
/// costs 36 and not infinity.
///
/// # Errors
/// When lengths differ, there are no rows, or a score is NaN or outside `[0, 1]`.
/// # Cost
/// O(n log n): rows are ranked first, so that the sum does not depend on their order.
pub fn log_loss(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    Ok(mean_log_loss(&Ranking::of_probabilities(scores, labels)?))
}

/// Brier score: mean squared difference between the score and what happened, 1 for churned and 0 for stayed.
///
/// # Errors
/// As [`log_loss`].
/// # Cost
/// O(n log n), as [`log_loss`].
pub fn brier(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    Ok(mean_squared_error(&Ranking::of_probabilities(scores, labels)?))
}

/// Log loss; scores are probabilities.
pub(super) fn mean_log_loss(ranking: &Ranking) -> f64 {
    let loss = |probability: f64| -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    mean(ranking, |tie| tie.n_churned as f64 * loss(tie.score) + tie.n_stayed as f64 * loss(1.0 - tie.score))
}

/// Brier score; scores are probabilities.
pub(super) fn mean_squared_error(ranking: &Ranking) -> f64 {
    mean(ranking, |tie| tie.n_churned as f64 * (1.0 - tie.score).powi(2) + tie.n_stayed as f64 * tie.score.powi(2))
}

fn mean(ranking: &Ranking, total: impl Fn(&Tie) -> f64) -> f64 {
    ranking.ties().iter().map(total).sum::<f64>() / ranking.n() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sure_mistake_costs_36_and_not_infinity() {
        let loss = log_loss(&[0.0], &[true]).unwrap();
        assert_eq!(loss, -f64::EPSILON.ln());
        assert_eq!(log_loss(&[1.0], &[false]), Ok(loss));
        assert_eq!(log_loss(&[1.0], &[true]), Ok(-(1.0 - f64::EPSILON).ln()));
    }

    #[test]
    fn one_half_everywhere_costs_ln_2_and_a_quarter() {
        assert_eq!(log_loss(&[0.5; 3], &[true, false, false]), Ok(std::f64::consts::LN_2));
        assert_eq!(brier(&[0.5; 3], &[true, false, false]), Ok(0.25));
    }
}
