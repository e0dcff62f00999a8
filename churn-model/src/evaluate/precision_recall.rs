//! Precision and recall: how clean the list of highest scores is, and how much of the churn it holds.

use super::error::EvaluateError;
use super::ranking::Ranking;

/// One point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecisionRecallPoint {
    /// Scores at or above it are called churn.
    pub threshold: f64,
    /// Share of churn among the observations called churn.
    pub precision: f64,
    /// Share of the churned observations that are called churn.
    pub recall: f64,
}

/// PR-AUC as average precision: precision at each distinct score, weighted by the recall it adds.
///
/// It is the area under the steps, as scikit-learn's `average_precision_score`; straight lines between the points would
/// promise precision that no threshold reaches (Davis and Goadrich 2006). The base rate is its value for random scores.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, or nobody churned.
/// # Cost
/// O(n log n).
pub fn average_precision(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_churned()?;
    Ok(area(&ranking))
}

/// The precision-recall curve: one point per distinct score, highest score first, recall never falling.
///
/// Plot it as steps: the precision of a point holds for the recall since the point before it.
///
/// # Errors
/// As [`average_precision`].
/// # Cost
/// O(n log n).
pub fn precision_recall_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<PrecisionRecallPoint>, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_churned()?;
    let n_churned = ranking.n_churned() as f64;
    let point = |reached: super::ranking::Reached| PrecisionRecallPoint {
        threshold: reached.score,
        precision: reached.precision(),
        recall: reached.n_churned as f64 / n_churned,
    };
    Ok(ranking.reached().map(point).collect())
}

/// Average precision; somebody churned.
pub(super) fn area(ranking: &Ranking) -> f64 {
    let steps = ranking.ties().iter().zip(ranking.reached());
    steps.map(|(tie, reached)| tie.n_churned as f64 * reached.precision()).sum::<f64>() / ranking.n_churned() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_scores_share_the_precision_of_the_whole_tie() {
        assert_eq!(average_precision(&[0.9, 0.4, 0.4, 0.1], &[true, true, false, false]), Ok((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(average_precision(&[0.3; 4], &[true, false, false, false]), Ok(0.25));
    }

    #[test]
    fn the_curve_ends_at_full_recall_and_the_base_rate() {
        let curve = precision_recall_curve(&[0.9, 0.4, 0.4, 0.1], &[true, true, false, false]).unwrap();
        assert_eq!(curve.len(), 3);
        assert_eq!(curve[0], PrecisionRecallPoint { threshold: 0.9, precision: 1.0, recall: 0.5 });
        assert_eq!(curve[2], PrecisionRecallPoint { threshold: 0.1, precision: 0.5, recall: 1.0 });
    }
}
