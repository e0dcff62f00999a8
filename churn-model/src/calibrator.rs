//! From a raw score to a probability.

use serde::{Deserialize, Serialize};

/// What a model's raw score is, before calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawScale {
    /// A churn share in `[0, 1]`.
    Share,
    /// The log-odds of churn.
    LogOdds,
}

impl RawScale {
    /// The raw score as log-odds; shares of 0 and 1 are moved a little inwards so that they have any.
    pub fn log_odds(self, raw: f64) -> f64 {
        match self {
            Self::Share => {
                let share = raw.clamp(SHARE_MARGIN, 1.0 - SHARE_MARGIN);
                (share / (1.0 - share)).ln()
            }
            Self::LogOdds => raw,
        }
    }

    /// The raw score as a probability.
    pub fn probability(self, raw: f64) -> f64 {
        match self {
            Self::Share => raw,
            Self::LogOdds => sigmoid(raw),
        }
    }
}

const SHARE_MARGIN: f64 = 1e-3;

/// `1 / (1 + exp(-x))`, without overflow on either side.
pub(crate) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

/// Maps a raw score to the churn probability; never decreasing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Calibrator {
    /// The raw score is a probability already, up to its scale.
    Identity,
    /// `sigmoid(slope * log-odds + intercept)` (Platt 1999, on log-odds).
    Logistic {
        /// Positive.
        slope: f64,
        /// Shift in log-odds.
        intercept: f64,
    },
    /// Straight lines between knots, level outside them (isotonic regression, Zadrozny and Elkan 2002).
    Isotonic {
        /// Raw scores, increasing.
        raw_scores: Vec<f64>,
        /// Probabilities at the knots, never decreasing.
        probabilities: Vec<f64>,
    },
}

/// What can be wrong with a calibrator read from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the calibrator is not a never-decreasing map to probabilities")]
pub struct CalibratorError;

impl Calibrator {
    /// The score of a raw score, in `[0, 1]`.
    ///
    /// # Cost
    /// O(1), or O(log knots) for the isotonic one; no allocation.
    pub fn score(&self, scale: RawScale, raw: f64) -> f64 {
        match self {
            Self::Identity => scale.probability(raw),
            Self::Logistic { slope, intercept } => sigmoid(slope * scale.log_odds(raw) + intercept),
            Self::Isotonic { raw_scores, probabilities } => {
                let above = raw_scores.partition_point(|&knot| knot <= raw);
                if above == 0 {
                    return probabilities[0];
                }
                let (x0, y0) = (raw_scores[above - 1], probabilities[above - 1]);
                if above == raw_scores.len() {
                    return y0;
                }
                let (x1, y1) = (raw_scores[above], probabilities[above]);
                (y0 + (y1 - y0) * ((raw - x0) / (x1 - x0))).min(y1)
            }
        }
    }

    /// The scores of raw scores, in place.
    pub fn scores(&self, scale: RawScale, mut raw: Vec<f64>) -> Vec<f64> {
        raw.iter_mut().for_each(|raw| *raw = self.score(scale, *raw));
        raw
    }

    /// The word for it in messages and files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Identity => "none",
            Self::Logistic { .. } => "logistic",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// Refuses what would not be a never-decreasing map to probabilities.
    ///
    /// # Errors
    /// For numbers that are not finite, lists of different lengths, or a falling or out-of-range map.
    pub fn check(&self) -> Result<(), CalibratorError> {
        let sound = match self {
            Self::Identity => true,
            Self::Logistic { slope, intercept } => slope.is_finite() && *slope > 0.0 && intercept.is_finite(),
            Self::Isotonic { raw_scores, probabilities } => {
                !raw_scores.is_empty()
                    && raw_scores.len() == probabilities.len()
                    && raw_scores.iter().all(|x| x.is_finite())
                    && raw_scores.windows(2).all(|pair| pair[0] < pair[1])
                    && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
                    && probabilities.windows(2).all(|pair| pair[0] <= pair[1])
            }
        };
        if sound { Ok(()) } else { Err(CalibratorError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isotonic_is_linear_between_knots_and_level_outside() {
        let calibrator = Calibrator::Isotonic { raw_scores: vec![0.2, 0.4], probabilities: vec![0.1, 0.5] };
        let score = |raw| calibrator.score(RawScale::Share, raw);
        assert_eq!((score(0.0), score(0.2), score(0.4), score(1.0)), (0.1, 0.1, 0.5, 0.5));
        assert!((score(0.3) - 0.3).abs() < 1e-15);
    }

    #[test]
    fn logistic_with_slope_one_returns_the_share() {
        let calibrator = Calibrator::Logistic { slope: 1.0, intercept: 0.0 };
        assert!((calibrator.score(RawScale::Share, 0.3) - 0.3).abs() < 1e-15);
        assert!((calibrator.score(RawScale::LogOdds, 0.0) - 0.5).abs() < 1e-15);
        assert_eq!(calibrator.score(RawScale::LogOdds, -800.0), 0.0);
        assert_eq!(calibrator.score(RawScale::LogOdds, 800.0), 1.0);
    }

    #[test]
    fn a_falling_map_is_refused() {
        let falling = Calibrator::Isotonic { raw_scores: vec![0.1, 0.2], probabilities: vec![0.5, 0.4] };
        assert_eq!(falling.check(), Err(CalibratorError));
        assert_eq!(Calibrator::Logistic { slope: f64::NAN, intercept: 0.0 }.check(), Err(CalibratorError));
        assert_eq!(Calibrator::Isotonic { raw_scores: vec![], probabilities: vec![] }.check(), Err(CalibratorError));
    }
}
