//! What decisions at a threshold get right and wrong.

use super::error::EvaluateError;
use super::ranking::check_lengths;

/// Decisions at a threshold against labels; "positive" is a decision for churn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusion {
    /// Churned, and called churn.
    pub true_positives: usize,
    /// Stayed, but called churn.
    pub false_positives: usize,
    /// Stayed, and not called churn.
    pub true_negatives: usize,
    /// Churned, but not called churn.
    pub false_negatives: usize,
}

impl Confusion {
    /// Counts decisions, `score >= threshold`, by what happened.
    ///
    /// # Errors
    /// When lengths differ, there are no rows, or a score or the threshold is NaN.
    /// # Cost
    /// O(n), no allocation.
    pub fn at(threshold: f64, scores: &[f64], labels: &[bool]) -> Result<Self, EvaluateError> {
        check_lengths(scores, labels)?;
        if threshold.is_nan() {
            let found = threshold.to_string();
            return Err(EvaluateError::Argument { name: "threshold", found, expected: "a number" });
        }
        let mut counts = Self { true_positives: 0, false_positives: 0, true_negatives: 0, false_negatives: 0 };
        for (row, (&score, &churned)) in scores.iter().zip(labels).enumerate() {
            if score.is_nan() {
                return Err(EvaluateError::NotANumber { row });
            }
            match (score >= threshold, churned) {
                (true, true) => counts.true_positives += 1,
                (true, false) => counts.false_positives += 1,
                (false, false) => counts.true_negatives += 1,
                (false, true) => counts.false_negatives += 1,
            }
        }
        Ok(counts)
    }

    /// Number of observations.
    pub fn n(&self) -> usize {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// Share of churn among those called churn; `None` when nobody is.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Share of the churned that are called churn; `None` when nobody churned.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Share of the stayed that are not called churn; `None` when nobody stayed.
    pub fn specificity(&self) -> Option<f64> {
        share(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Harmonic mean of precision and recall; `None` when nobody churned and nobody is called churn.
    pub fn f1(&self) -> Option<f64> {
        self.f_beta(1.0)
    }

    /// The same mean, in which recall counts `beta` times as much as precision; `None` where [`f1`](Self::f1) is.
    pub fn f_beta(&self, beta: f64) -> Option<f64> {
        let right = (1.0 + beta * beta) * self.true_positives as f64;
        let whole = right + beta * beta * self.false_negatives as f64 + self.false_positives as f64;
        (whole > 0.0).then(|| right / whole)
    }

    /// Share of right decisions; `None` without observations.
    ///
    /// At a low base rate a model that never says churn has a high one: read it beside `1 - base rate`.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positives + self.true_negatives, self.n())
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_at_the_threshold_is_called_churn() {
        let confusion = Confusion::at(0.5, &[0.5, 0.5, 0.4, 0.9, 0.1], &[true, false, true, true, false]).unwrap();
        let expected = Confusion { true_positives: 2, false_positives: 1, true_negatives: 1, false_negatives: 1 };
        assert_eq!(confusion, expected);
        assert_eq!((confusion.precision(), confusion.recall()), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!((confusion.specificity(), confusion.f1()), (Some(0.5), Some(4.0 / 6.0)));
        assert_eq!(confusion.accuracy(), Some(0.6));
        let blinder = Confusion { false_negatives: 4, ..confusion };
        // Precision is 2/3, recall 1/3: 5 * p * r / (4 * p + r).
        assert!((blinder.f_beta(2.0).unwrap() - 10.0 / 27.0).abs() < 1e-15);
    }

    #[test]
    fn a_share_of_nobody_is_undefined() {
        let silent = Confusion::at(2.0, &[0.5], &[false]).unwrap();
        assert_eq!((silent.precision(), silent.recall(), silent.f1()), (None, None, None));
        assert_eq!((silent.specificity(), silent.accuracy()), (Some(1.0), Some(1.0)));
    }
}
