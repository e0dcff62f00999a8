//! The score at which decisions are best by a measure that no rule of a model file stands for.

use churn_model::evaluate::{EvaluateError, PrecisionRecallPoint, precision_recall_curve};

use crate::config::ThresholdChoice;

/// The best score, the highest of equals; that of the highest score where none reaches what is asked for.
///
/// # Errors
/// When a score is no number, or nobody churned.
pub(crate) fn best_score(choice: ThresholdChoice, scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    let n_churned = labels.iter().filter(|&&label| label).count() as f64;
    let worth = |point: &PrecisionRecallPoint| {
        let PrecisionRecallPoint { precision, recall, .. } = *point;
        match choice {
            // A hair below, because a recall of 0.8 may be 4 of 5.
            ThresholdChoice::Recall(at_least) if recall < at_least - 1e-12 => f64::NEG_INFINITY,
            ThresholdChoice::Recall(_) => precision,
            ThresholdChoice::FBeta(beta) => {
                let squared = beta * beta;
                let weighed = squared * precision + recall;
                if weighed > 0.0 { (1.0 + squared) * precision * recall / weighed } else { 0.0 }
            }
            // Decisions that are right beyond those of calling nobody churn: true less false positives.
            _ if precision > 0.0 => recall * n_churned * (2.0 - 1.0 / precision),
            _ => f64::NEG_INFINITY,
        }
    };
    let mut points = precision_recall_curve(scores, labels)?;
    points.sort_by(|a, b| b.threshold.total_cmp(&a.threshold));
    let mut best: Option<(f64, f64)> = None;
    for point in &points {
        let worth = worth(point);
        if best.is_none_or(|(most, _)| worth > most) {
            best = Some((worth, point.threshold));
        }
    }
    Ok(best.map_or(1.0, |(_, threshold)| threshold))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 6] = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4];
    const LABELS: [bool; 6] = [true, true, false, true, false, true];

    fn best(choice: ThresholdChoice) -> f64 {
        best_score(choice, &SCORES, &LABELS).unwrap()
    }

    #[test]
    fn a_recall_floor_is_kept_at_the_best_precision() {
        assert_eq!(best(ThresholdChoice::Recall(0.5)), 0.8);
        assert_eq!(best(ThresholdChoice::Recall(0.75)), 0.6);
        assert_eq!(best(ThresholdChoice::Recall(1.0)), 0.4);
    }

    #[test]
    fn accuracy_and_f_beta_weigh_errors_differently() {
        assert_eq!(best(ThresholdChoice::Accuracy), 0.8);
        assert_eq!(best(ThresholdChoice::FBeta(0.5)), 0.8);
        assert_eq!(best(ThresholdChoice::FBeta(2.0)), 0.4);
    }
}
