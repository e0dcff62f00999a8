//! Lift and gains: how much of the churn the highest scores hold.
//!
//! Where the k-th row falls inside a tie, the tied rows count by expectation: each with the churn share of the tie. The
//! value is the mean over all orders of the tied rows, so it depends on none.

use super::error::EvaluateError;
use super::ranking::Ranking;

/// One point of a cumulative gains curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainsPoint {
    /// Share of all observations, highest scores first.
    pub contacted_share: f64,
    /// Share of all churned observations among them.
    pub found_share: f64,
}

/// Lift at a share of the observations: churn among the `share * n` highest scores ÷ base rate.
///
/// `share * n` may be fractional: of the last row its fraction counts. At a share of 1 the lift is 1.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, nobody churned, or `share` is not in `(0, 1]`.
/// # Cost
/// O(n log n).
pub fn lift_at_share(scores: &[f64], labels: &[bool], share: f64) -> Result<f64, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_churned()?;
    if !(share > 0.0 && share <= 1.0) {
        let found = share.to_string();
        return Err(EvaluateError::Argument { name: "share", found, expected: "above 0 and at most 1" });
    }
    Ok(lift(&ranking, share * ranking.n() as f64))
}

/// Lift at a number of observations: churn among the `count` highest scores ÷ base rate.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, nobody churned, or `count` is 0 or above the number of rows.
/// # Cost
/// O(n log n).
pub fn lift_at_count(scores: &[f64], labels: &[bool], count: usize) -> Result<f64, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_churned()?;
    if count == 0 || count > ranking.n() {
        let found = count.to_string();
        return Err(EvaluateError::Argument { name: "count", found, expected: "at least 1 and at most the rows" });
    }
    Ok(lift(&ranking, count as f64))
}

/// The cumulative gains curve: (0, 0), then one point per distinct score, highest score first; the last one is (1, 1).
///
/// Straight lines between the points are exact, because ties count by expectation.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, or nobody churned.
/// # Cost
/// O(n log n).
pub fn gains_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<GainsPoint>, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_churned()?;
    let points = ranking.reached().map(|reached| GainsPoint {
        contacted_share: reached.n() as f64 / ranking.n() as f64,
        found_share: reached.n_churned as f64 / ranking.n_churned() as f64,
    });
    Ok(std::iter::once(GainsPoint { contacted_share: 0.0, found_share: 0.0 }).chain(points).collect())
}

/// Lift at `k` rows, a number in `(0, n]`; somebody churned.
pub(super) fn lift(ranking: &Ranking, k: f64) -> f64 {
    let (mut n_above, mut churned_above) = (0, 0);
    let mut found = ranking.n_churned() as f64;
    for tie in ranking.ties() {
        if (n_above + tie.n()) as f64 > k {
            found = churned_above as f64 + (k - n_above as f64) / tie.n() as f64 * tie.n_churned as f64;
            break;
        }
        n_above += tie.n();
        churned_above += tie.n_churned;
    }
    found / k / ranking.base_rate()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_cut_tie_count_with_the_churn_share_of_the_tie() {
        let (scores, labels) = ([0.9, 0.5, 0.5, 0.5, 0.1], [true, true, false, false, false]);
        assert_eq!(lift_at_count(&scores, &labels, 1), Ok(2.5));
        assert_eq!(lift_at_count(&scores, &labels, 2), Ok((1.0 + 1.0 / 3.0) / 2.0 / 0.4));
        assert_eq!(lift_at_count(&scores, &labels, 5), Ok(1.0));
    }

    #[test]
    fn a_fraction_of_a_row_counts_as_a_fraction() {
        let (scores, labels) = ([0.9, 0.5, 0.1], [true, false, false]);
        assert_eq!(lift_at_share(&scores, &labels, 0.5), Ok(1.0 / 1.5 / (1.0 / 3.0)));
        assert!((lift_at_share(&scores, &labels, 0.1).unwrap() - 3.0).abs() < 1e-15);
    }

    #[test]
    fn gains_go_from_nothing_to_everything() {
        let curve = gains_curve(&[0.9, 0.5, 0.5], &[true, true, false]).unwrap();
        let points: Vec<_> = curve.iter().map(|p| (p.contacted_share, p.found_share)).collect();
        assert_eq!(points, [(0.0, 0.0), (1.0 / 3.0, 0.5), (1.0, 1.0)]);
    }
}
