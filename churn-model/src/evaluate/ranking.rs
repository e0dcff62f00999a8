//! Scores and labels, sorted once: what every metric in this module is computed from.
//!
//! A ranking keeps how many observations churned and stayed at each distinct score, and forgets the rows. No metric can
//! therefore depend on the order of rows, tied or not, down to the last bit; and whoever needs several metrics sorts
//! once.

use super::confusion::Confusion;
use super::error::EvaluateError;

/// The observations that share one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tie {
    /// Their score.
    pub(super) score: f64,
    /// How many of them churned.
    pub(super) n_churned: usize,
    /// How many of them stayed.
    pub(super) n_stayed: usize,
}

impl Tie {
    pub(super) fn n(&self) -> usize {
        self.n_churned + self.n_stayed
    }
}

/// Counts per distinct score, highest score first.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    ties: Vec<Tie>,
    n_churned: usize,
    n_stayed: usize,
}

/// How many observations have a score of at least a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reached {
    /// The threshold.
    pub(super) score: f64,
    /// Churned observations with at least that score.
    pub(super) n_churned: usize,
    /// Stayed observations with at least that score.
    pub(super) n_stayed: usize,
}

impl Reached {
    pub(super) fn n(&self) -> usize {
        self.n_churned + self.n_stayed
    }

    pub(super) fn precision(&self) -> f64 {
        self.n_churned as f64 / self.n() as f64
    }
}

impl Ranking {
    /// Ranks scores of any scale; only their order counts.
    ///
    /// # Errors
    /// When the lengths differ, there are none, or a score is NaN.
    /// # Cost
    /// O(n log n).
    pub(super) fn new(scores: &[f64], labels: &[bool]) -> Result<Self, EvaluateError> {
        check_lengths(scores, labels)?;
        if let Some(row) = scores.iter().position(|score| score.is_nan()) {
            return Err(EvaluateError::NotANumber { row });
        }
        let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        // `==` and not `total_cmp` decides what is tied: 0 and -0 are one score, and stand together after the sort.
        let ties: Vec<Tie> = rows
            .chunk_by(|a, b| a.0 == b.0)
            .map(|tied| {
                let n_churned = tied.iter().filter(|(_, churned)| *churned).count();
                Tie { score: tied[0].0, n_churned, n_stayed: tied.len() - n_churned }
            })
            .collect();
        let n_churned = ties.iter().map(|tie| tie.n_churned).sum();
        Ok(Self { ties, n_churned, n_stayed: scores.len() - n_churned })
    }

    /// Ranks scores that are probabilities.
    ///
    /// # Errors
    /// As [`Ranking::new`], and when a score is outside `[0, 1]`.
    pub(super) fn of_probabilities(scores: &[f64], labels: &[bool]) -> Result<Self, EvaluateError> {
        let ranking = Self::new(scores, labels)?;
        match scores.iter().enumerate().find(|(_, score)| !(0.0..=1.0).contains(*score)) {
            Some((row, &score)) => Err(EvaluateError::NotAProbability { row, score }),
            None => Ok(ranking),
        }
    }

    /// The distinct scores, highest first.
    pub(super) fn ties(&self) -> &[Tie] {
        &self.ties
    }

    /// For every distinct score, highest first, who has at least that.
    pub(super) fn reached(&self) -> impl Iterator<Item = Reached> {
        self.ties.iter().scan((0, 0), |(n_churned, n_stayed), tie| {
            *n_churned += tie.n_churned;
            *n_stayed += tie.n_stayed;
            Some(Reached { score: tie.score, n_churned: *n_churned, n_stayed: *n_stayed })
        })
    }

    pub(super) fn n(&self) -> usize {
        self.n_churned + self.n_stayed
    }

    /// The decisions of a threshold that so many reach.
    pub(super) fn confusion(&self, reached: &Reached) -> Confusion {
        Confusion {
            true_positives: reached.n_churned,
            false_positives: reached.n_stayed,
            true_negatives: self.n_stayed - reached.n_stayed,
            false_negatives: self.n_churned - reached.n_churned,
        }
    }

    pub(super) fn n_churned(&self) -> usize {
        self.n_churned
    }

    pub(super) fn n_stayed(&self) -> usize {
        self.n_stayed
    }

    pub(super) fn base_rate(&self) -> f64 {
        self.n_churned as f64 / self.n() as f64
    }

    /// Refuses rankings where nobody churned.
    pub(super) fn needs_churned(&self) -> Result<(), EvaluateError> {
        if self.n_churned == 0 { Err(EvaluateError::OneLabel { n: self.n(), label: "stayed" }) } else { Ok(()) }
    }

    /// Refuses rankings where nobody churned or nobody stayed.
    pub(super) fn needs_both_labels(&self) -> Result<(), EvaluateError> {
        self.needs_churned()?;
        if self.n_stayed == 0 { Err(EvaluateError::OneLabel { n: self.n(), label: "churned" }) } else { Ok(()) }
    }
}

/// Refuses inputs that are empty or do not fit together.
pub(super) fn check_lengths(scores: &[f64], labels: &[bool]) -> Result<(), EvaluateError> {
    if scores.len() != labels.len() {
        return Err(EvaluateError::Length { what: "labels", found: labels.len(), expected: scores.len() });
    }
    if scores.is_empty() { Err(EvaluateError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_are_one_tie_whatever_the_sign_of_zero() {
        let ranking = Ranking::new(&[-0.0, 1.0, 0.0, f64::INFINITY], &[true, false, false, true]).unwrap();
        let ties: Vec<_> = ranking.ties().iter().map(|tie| (tie.score, tie.n_churned, tie.n_stayed)).collect();
        assert_eq!(ties, [(f64::INFINITY, 1, 0), (1.0, 0, 1), (0.0, 1, 1)]);
        assert!(ranking.ties()[2].score.is_sign_positive());
    }

    #[test]
    fn reached_adds_up_from_the_highest_score() {
        let ranking = Ranking::new(&[0.1, 0.9, 0.1], &[true, false, false]).unwrap();
        let reached: Vec<_> = ranking.reached().map(|r| (r.score, r.n_churned, r.n_stayed)).collect();
        assert_eq!(reached, [(0.9, 0, 1), (0.1, 1, 2)]);
    }
}
