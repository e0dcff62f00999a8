//! Calibration: whether of the observations scored 30 %, 30 % churn.

use super::error::EvaluateError;
use super::ranking::{Ranking, Tie};

/// Bins of the expected calibration error.
const N_ECE_BINS: usize = 10;

/// How observations are put into bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binning {
    /// Equal ranges of score: bin `i` of `n` is `[i/n, (i+1)/n)`, and the last one ends with 1 included.
    EqualWidth,
    /// About equal numbers of observations, by rank from the lowest score up. Observations with equal scores stay
    /// together, in the bin of the first of them, so there can be fewer bins than asked for.
    EqualMass,
}

/// One row of a calibration table. Bins without observations are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationBin {
    /// Lower edge of the bin; with equal mass the lowest score in it.
    pub low: f64,
    /// Upper edge of the bin; with equal mass the highest score in it.
    pub high: f64,
    /// Number of observations.
    pub n: usize,
    /// Of these, the churned ones.
    pub n_churned: usize,
    /// Mean score.
    pub mean_score: f64,
}

impl CalibrationBin {
    /// Share of the bin's observations that churned.
    pub fn churned_share(&self) -> f64 {
        self.n_churned as f64 / self.n as f64
    }
}

/// Mean score against observed churn, bin by bin, lowest scores first.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN or outside `[0, 1]`, or `n_bins` is 0.
/// # Cost
/// O(n log n).
pub fn calibration_table(
    scores: &[f64],
    labels: &[bool],
    binning: Binning,
    n_bins: usize,
) -> Result<Vec<CalibrationBin>, EvaluateError> {
    let ranking = Ranking::of_probabilities(scores, labels)?;
    if n_bins == 0 {
        return Err(EvaluateError::Argument { name: "n_bins", found: "0".to_owned(), expected: "at least 1" });
    }
    Ok(table(&ranking, binning, n_bins))
}

/// Expected calibration error: mean over observations of the distance between mean score and observed churn in their
/// bin, with ten bins of equal width.
///
/// # Units
/// Probability, in `[0, 1]`; 0 is perfect.
/// # Errors
/// When lengths differ, there are no rows, or a score is NaN or outside `[0, 1]`.
/// # Cost
/// O(n log n).
pub fn expected_calibration_error(scores: &[f64], labels: &[bool]) -> Result<f64, EvaluateError> {
    Ok(expected_error(&Ranking::of_probabilities(scores, labels)?))
}

/// Expected calibration error; scores are probabilities.
pub(super) fn expected_error(ranking: &Ranking) -> f64 {
    let bins = table(ranking, Binning::EqualWidth, N_ECE_BINS);
    let error = |bin: &CalibrationBin| bin.n as f64 * (bin.mean_score - bin.churned_share()).abs();
    bins.iter().map(error).sum::<f64>() / ranking.n() as f64
}

fn table(ranking: &Ranking, binning: Binning, n_bins: usize) -> Vec<CalibrationBin> {
    let ties: Vec<Tie> = ranking.ties().iter().rev().copied().collect();
    let mut n_before = 0_usize;
    let bins: Vec<usize> = ties
        .iter()
        .map(|tie| {
            let bin = match binning {
                Binning::EqualWidth => width_bin(tie.score, n_bins),
                // In 128 bits, because the caller chooses `n_bins`.
                Binning::EqualMass => (n_before as u128 * n_bins as u128 / ranking.n() as u128) as usize,
            };
            n_before += tie.n();
            bin
        })
        .collect();
    let mut rest = ties.as_slice();
    bins.chunk_by(|a, b| a == b)
        .map(|same_bin| {
            let (inside, after) = rest.split_at(same_bin.len());
            rest = after;
            let (low, high) = match binning {
                Binning::EqualWidth => (edge(same_bin[0], n_bins), edge(same_bin[0] + 1, n_bins)),
                Binning::EqualMass => (inside[0].score, inside[inside.len() - 1].score),
            };
            let n = inside.iter().map(Tie::n).sum();
            CalibrationBin {
                low,
                high,
                n,
                n_churned: inside.iter().map(|tie| tie.n_churned).sum(),
                mean_score: inside.iter().map(|tie| tie.score * tie.n() as f64).sum::<f64>() / n as f64,
            }
        })
        .collect()
}

fn edge(bin: usize, n_bins: usize) -> f64 {
    bin as f64 / n_bins as f64
}

/// The bin whose edges, as floats, hold the score. Multiplying alone can miss by one: 0.29 * 100 is below 29.
fn width_bin(score: f64, n_bins: usize) -> usize {
    let guess = ((score * n_bins as f64) as usize).min(n_bins - 1);
    if score < edge(guess, n_bins) {
        guess - 1
    } else if guess + 1 < n_bins && score >= edge(guess + 1, n_bins) {
        guess + 1
    } else {
        guess
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_on_an_edge_belongs_to_the_bin_above_and_one_to_the_last() {
        for n_bins in [1, 3, 10, 100, 1000] {
            for bin in 0..n_bins {
                assert_eq!(width_bin(edge(bin, n_bins), n_bins), bin);
                assert_eq!(width_bin(edge(bin + 1, n_bins).next_down(), n_bins), bin);
            }
            assert_eq!(width_bin(1.0, n_bins), n_bins - 1);
        }
    }

    #[test]
    fn the_error_is_the_mean_distance_over_bins_that_hold_someone() {
        let error = expected_calibration_error(&[0.25, 0.25, 1.0, 1.0], &[true, false, true, true]).unwrap();
        assert_eq!(error, 0.125);
    }

    #[test]
    fn equal_mass_bins_keep_ties_together() {
        let scores = [0.1, 0.2, 0.2, 0.2, 0.3, 0.4];
        let bins = calibration_table(&scores, &[false, true, false, false, true, true], Binning::EqualMass, 3).unwrap();
        let rows: Vec<_> = bins.iter().map(|bin| (bin.low, bin.high, bin.n, bin.n_churned)).collect();
        assert_eq!(rows, [(0.1, 0.2, 4, 1), (0.3, 0.4, 2, 2)]);
    }
}
