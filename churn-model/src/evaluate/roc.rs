//! ROC: how well scores put churned observations above those that stayed.

use super::error::EvaluateError;
use super::ranking::Ranking;

/// 97.5 % quantile of the standard normal distribution: the half-width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;

/// Area under the ROC curve with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocAuc {
    /// The share of (churned, stayed) pairs that the scores put in the right order; a tie counts one half.
    pub value: f64,
    /// Lower end of the 95 % interval, not below 0.
    pub low: f64,
    /// Upper end of the 95 % interval, not above 1.
    pub high: f64,
}

/// One point of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Scores at or above it are called churn; `None` at the origin, where none is.
    pub threshold: Option<f64>,
    /// Share of stayed observations called churn.
    pub false_positive_rate: f64,
    /// Share of churned observations called churn.
    pub true_positive_rate: f64,
}

/// The area under the ROC curve.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN, or only one label is present.
/// # Cost
/// O(n log n).
/// # Example
/// ```
/// use churn_model::evaluate::roc_auc;
///
/// let auc = roc_auc(&[0.9, 0.4, 0.4, 0.1], &[true, true, false, false])?;
/// assert_eq!(auc, 0.875);
/// # Ok::<(), churn_model::evaluate::EvaluateError>(())
/// ```
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_both_labels()?;
    Ok(area(&ranking))
}

/// The area under the ROC curve with its 95 % interval.
///
/// The interval is normal with DeLong's variance, cut to `[0, 1]`. It takes rows as independent: with several
/// observations of one tenant it is too narrow. Where labels are perfectly separated the variance estimate is 0, and so
/// is the width. From fewer than two churned or two stayed observations no variance can be estimated: the interval is
/// then all of `[0, 1]`.
///
/// # Errors
/// As [`roc_auc`].
/// # Cost
/// O(n log n).
/// # Source
/// DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837-845; by ranks after Sun and Xu, IEEE Signal Processing
/// Letters 21 (2014) 1389-1393.
pub fn roc_auc_interval(scores: &[f64], labels: &[bool]) -> Result<RocAuc, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_both_labels()?;
    Ok(delong(&ranking))
}

/// The ROC curve: the origin, then one point per distinct score, highest score first; the last one is (1, 1).
///
/// # Errors
/// As [`roc_auc`].
/// # Cost
/// O(n log n).
pub fn roc_curve(scores: &[f64], labels: &[bool]) -> Result<Vec<RocPoint>, EvaluateError> {
    let ranking = Ranking::new(scores, labels)?;
    ranking.needs_both_labels()?;
    let (n_churned, n_stayed) = (ranking.n_churned() as f64, ranking.n_stayed() as f64);
    let origin = RocPoint { threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 };
    let points = ranking.reached().map(|reached| RocPoint {
        threshold: Some(reached.score),
        false_positive_rate: reached.n_stayed as f64 / n_stayed,
        true_positive_rate: reached.n_churned as f64 / n_churned,
    });
    Ok(std::iter::once(origin).chain(points).collect())
}

/// The area, counted in half pairs; both labels are present.
pub(super) fn area(ranking: &Ranking) -> f64 {
    let mut churned_above = 0_u64;
    let mut half_pairs = 0_u64;
    for tie in ranking.ties() {
        half_pairs += tie.n_stayed as u64 * (2 * churned_above + tie.n_churned as u64);
        churned_above += tie.n_churned as u64;
    }
    half_pairs as f64 / (2.0 * ranking.n_churned() as f64 * ranking.n_stayed() as f64)
}

/// The area and its interval; both labels are present.
///
/// Sun and Xu get each observation's structural component from its mid-rank. Tied observations have the same one, so
/// a sum over distinct scores, weighted by counts, is the same sum.
pub(super) fn delong(ranking: &Ranking) -> RocAuc {
    let value = area(ranking);
    if ranking.n_churned() < 2 || ranking.n_stayed() < 2 {
        return RocAuc { value, low: 0.0, high: 1.0 };
    }
    let (n_churned, n_stayed) = (ranking.n_churned() as f64, ranking.n_stayed() as f64);
    let mut churned_above = 0;
    let mut stayed_below = ranking.n_stayed();
    let (mut spread_churned, mut spread_stayed) = (0.0, 0.0);
    for tie in ranking.ties() {
        stayed_below -= tie.n_stayed;
        let beaten = (stayed_below as f64 + 0.5 * tie.n_stayed as f64) / n_stayed;
        let beaten_by = (churned_above as f64 + 0.5 * tie.n_churned as f64) / n_churned;
        spread_churned += tie.n_churned as f64 * (beaten - value).powi(2);
        spread_stayed += tie.n_stayed as f64 * (beaten_by - value).powi(2);
        churned_above += tie.n_churned;
    }
    let variance = spread_churned / (n_churned - 1.0) / n_churned + spread_stayed / (n_stayed - 1.0) / n_stayed;
    let half_width = Z_95 * variance.sqrt();
    RocAuc { value, low: (value - half_width).max(0.0), high: (value + half_width).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_counts_one_half() {
        assert_eq!(roc_auc(&[0.5, 0.5], &[true, false]), Ok(0.5));
        assert_eq!(roc_auc(&[2.0, 1.0, 1.0], &[true, true, false]), Ok(0.75));
    }

    #[test]
    fn the_interval_claims_nothing_where_a_label_has_one_observation() {
        let auc = roc_auc_interval(&[0.9, 0.8, 0.7], &[true, false, false]).unwrap();
        assert_eq!(auc, RocAuc { value: 1.0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_curve_goes_from_the_origin_to_one_with_a_point_per_distinct_score() {
        let curve = roc_curve(&[0.9, 0.4, 0.4, 0.1], &[true, true, false, false]).unwrap();
        let points: Vec<_> = curve.iter().map(|p| (p.threshold, p.false_positive_rate, p.true_positive_rate)).collect();
        assert_eq!(points, [(None, 0.0, 0.0), (Some(0.9), 0.0, 0.5), (Some(0.4), 0.5, 1.0), (Some(0.1), 1.0, 1.0)]);
    }
}
