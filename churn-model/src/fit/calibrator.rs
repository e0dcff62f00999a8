//! Fitting calibrators on scores that the model could not have learned by heart.

use super::random::subkey;
use super::{FitError, Observations};
use crate::calibrator::{Calibrator, RawScale, sigmoid};

/// How a calibrator is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CalibratorLearner {
    /// The one of the three with the least cross-validated log loss; isotonic only where there are enough points.
    #[default]
    Auto,
    /// None: the raw score is a probability, up to its scale.
    Identity,
    /// A straight line in log-odds (Platt 1999).
    Logistic,
    /// A never-decreasing function (Zadrozny and Elkan 2002).
    Isotonic,
}

/// Folds of the cross-validation between calibrators.
const N_FOLDS: u64 = 5;

/// Points of the rarer label below which an isotonic map mostly makes ties, and the ranking worse (Niculescu-Mizil and
/// Caruana 2005 find about a thousand).
const LEAST_FOR_ISOTONIC: usize = 1_000;

/// How much better than the simpler calibrator the next one has to be, in log loss per observation.
const WORTH_IT: f64 = 1e-4;

impl CalibratorLearner {
    /// Fits a calibrator on raw scores of observations that the model had not seen; rows whose score is NaN or whose
    /// weight is 0 are left out.
    ///
    /// # Shape
    /// `raw_scores` is `(n_observations,)`.
    /// # Errors
    /// When the lengths differ, or the rows that are left bear one label only.
    /// # Cost
    /// O(n log n).
    pub fn fit(
        self,
        scale: RawScale,
        raw_scores: &[f64],
        observations: &Observations<'_>,
    ) -> Result<Calibrator, FitError> {
        let points = checked_points(scale, raw_scores, observations)?;
        Ok(self.settle(scale, &points).fit_points(&points))
    }

    /// Log loss of the scores after calibration, cross-validated; of the best calibrator for [`Auto`](Self::Auto).
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn log_loss(
        self,
        scale: RawScale,
        raw_scores: &[f64],
        observations: &Observations<'_>,
    ) -> Result<f64, FitError> {
        let points = checked_points(scale, raw_scores, observations)?;
        Ok(self.settle(scale, &points).cross_validated_log_loss(scale, &points))
    }

    /// Replaces [`Auto`](Self::Auto) by what it stands for on these points.
    fn settle(self, scale: RawScale, points: &[Point]) -> Self {
        if self != Self::Auto {
            return self;
        }
        let n_churned = points.iter().filter(|point| point.churned).count();
        let may_bend = n_churned.min(points.len() - n_churned) >= LEAST_FOR_ISOTONIC;
        let mut best = (Self::Identity, f64::INFINITY);
        for learner in [Self::Identity, Self::Logistic, Self::Isotonic] {
            if learner == Self::Isotonic && !may_bend {
                continue;
            }
            let loss = learner.cross_validated_log_loss(scale, points);
            if loss < best.1 - WORTH_IT {
                best = (learner, loss);
            }
        }
        best.0
    }

    fn cross_validated_log_loss(self, scale: RawScale, points: &[Point]) -> f64 {
        let mut loss = 0.0;
        for fold in 0..N_FOLDS {
            let (held_out, rest): (Vec<Point>, Vec<Point>) =
                points.iter().partition(|point| subkey(CALIBRATION_FOLDS, point.group) % N_FOLDS == fold);
            let calibrator = self.fit_points(&rest);
            loss +=
                held_out.iter().map(|point| point.weight * point.loss(calibrator.score(scale, point.raw))).sum::<f64>();
        }
        loss / points.iter().map(|point| point.weight).sum::<f64>()
    }

    fn fit_points(self, points: &[Point]) -> Calibrator {
        match self {
            Self::Auto | Self::Identity => Calibrator::Identity,
            Self::Logistic => logistic(points),
            // A fold may hold every group there is.
            Self::Isotonic if points.is_empty() => Calibrator::Identity,
            Self::Isotonic => isotonic(points),
        }
    }
}

/// Separates the folds between calibrators from every other draw.
const CALIBRATION_FOLDS: u64 = 0xCA11;

/// Log loss after a logistic calibration, over the observations that have a score.
pub(crate) fn calibrated_log_loss(scale: RawScale, raw_scores: &[f64], observations: &Observations<'_>) -> f64 {
    CalibratorLearner::Logistic.cross_validated_log_loss(scale, &points(scale, raw_scores, observations))
}

/// Log loss of log-odds as they are.
pub(crate) fn mean_log_loss(log_odds: &[f64], observations: &Observations<'_>) -> f64 {
    let points = points(RawScale::LogOdds, log_odds, observations);
    let loss: f64 = points.iter().map(|p| p.weight * p.loss(sigmoid(p.log_odds))).sum();
    loss / points.iter().map(|point| point.weight).sum::<f64>()
}

#[derive(Debug, Clone, Copy)]
struct Point {
    raw: f64,
    log_odds: f64,
    churned: bool,
    weight: f64,
    group: u64,
}

impl Point {
    fn loss(&self, score: f64) -> f64 {
        let right = if self.churned { score } else { 1.0 - score };
        -right.max(LEAST_PROBABILITY).ln()
    }
}

/// A probability of 0 that comes true would be infinitely wrong; this keeps a comparison finite.
const LEAST_PROBABILITY: f64 = 1e-6;

fn checked_points(
    scale: RawScale,
    raw_scores: &[f64],
    observations: &Observations<'_>,
) -> Result<Vec<Point>, FitError> {
    let n = observations.n_observations();
    if raw_scores.len() != n {
        return Err(FitError::Length { what: "raw scores", found: raw_scores.len(), expected: n });
    }
    let points = points(scale, raw_scores, observations);
    let n_churned = points.iter().filter(|point| point.churned).count();
    if n_churned == 0 || n_churned == points.len() {
        let label = if n_churned == 0 { "stayed" } else { "churned" };
        return Err(FitError::OneLabel { n_observations: points.len(), label });
    }
    Ok(points)
}

fn points(scale: RawScale, raw_scores: &[f64], observations: &Observations<'_>) -> Vec<Point> {
    let point = |(row, &raw): (usize, &f64)| Point {
        raw,
        log_odds: scale.log_odds(raw),
        churned: observations.labels()[row],
        weight: observations.weight(row),
        group: observations.group(row),
    };
    let scored = raw_scores.iter().enumerate().filter(|(_, raw)| !raw.is_nan());
    let mut points: Vec<Point> = scored.map(point).filter(|point| point.weight > 0.0).collect();
    // Sums over points must not depend on the order of rows.
    points.sort_unstable_by(|a, b| {
        let by_score = a.raw.total_cmp(&b.raw).then(a.churned.cmp(&b.churned));
        by_score.then(a.weight.total_cmp(&b.weight)).then(a.group.cmp(&b.group))
    });
    points
}

/// Newton's method on the two parameters. Labels are drawn a little inwards, as Platt (1999) does, so that scores which
/// separate the labels do not ask for an infinite slope.
fn logistic(points: &[Point]) -> Calibrator {
    let churned: f64 = points.iter().filter(|point| point.churned).map(|point| point.weight).sum();
    let stayed: f64 = points.iter().filter(|point| !point.churned).map(|point| point.weight).sum();
    let line = Line { points, high: (churned + 1.0) / (churned + 2.0), low: 1.0 / (stayed + 2.0) };
    // Intercept and slope, the last step taken and how steeply the loss fell at its start.
    let (mut at, mut step, mut descent) = ([0.0, 1.0], [0.0; 2], 0.0);
    for _ in 0..NEWTON_STEPS {
        let (mut gradient, mut hessian) = line.derivatives(at);
        if gradient[0] * step[0] + gradient[1] * step[1] > descent / 2.0 {
            // The loss fell and rose again on the way: a step this long can lead round in circles.
            (step, descent) = (step.map(|step| step / 2.0), descent / 2.0);
            at = [at[0] - step[0], at[1] - step[1]];
            continue;
        }
        step = newton_step(gradient, hessian);
        let is_least = at[1] < LEAST_SLOPE * (1.0 + 1e-9);
        if is_least && (gradient[1] >= 0.0 || step[1] < 0.0) {
            // The slope cannot fall any further: only the intercept is free.
            (gradient[1], hessian[1]) = (0.0, 0.0);
            step = newton_step(gradient, hessian);
        } else if at[1] + step[1] < LEAST_SLOPE {
            let share = (at[1] - LEAST_SLOPE) / -step[1];
            step = step.map(|step| share * step);
        }
        let length = step[0].abs().max(step[1].abs());
        // Far away the sigmoid is flat, and its curvature says little.
        step = step.map(|step| step * (MAX_STEP / length).min(1.0));
        descent = (gradient[0] * step[0] + gradient[1] * step[1]).abs();
        at = [at[0] + step[0], (at[1] + step[1]).max(LEAST_SLOPE)];
        if length < 1e-10 {
            break;
        }
    }
    let [intercept, slope] = at;
    if slope.is_finite() && intercept.is_finite() {
        Calibrator::Logistic { slope, intercept }
    } else {
        Calibrator::Identity
    }
}

/// Where the quadratic with this gradient and Hessian is lowest.
fn newton_step(gradient: [f64; 2], hessian: [f64; 3]) -> [f64; 2] {
    let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
    [
        (hessian[1] * gradient[1] - hessian[2] * gradient[0]) / determinant,
        (hessian[1] * gradient[0] - hessian[0] * gradient[1]) / determinant,
    ]
}

/// What a line in log-odds is fitted to: points, and the probabilities that stand for the two labels.
struct Line<'a> {
    points: &'a [Point],
    high: f64,
    low: f64,
}

impl Line<'_> {
    /// Gradient and Hessian (its three entries) of the loss by intercept and slope.
    fn derivatives(&self, [intercept, slope]: [f64; 2]) -> ([f64; 2], [f64; 3]) {
        let (mut gradient, mut hessian) = ([RIDGE * intercept, RIDGE * (slope - 1.0)], [RIDGE, 0.0, RIDGE]);
        for point in self.points {
            let (x, p) = (point.log_odds, sigmoid(slope * point.log_odds + intercept));
            let residual = point.weight * (p - if point.churned { self.high } else { self.low });
            let curvature = point.weight * p * (1.0 - p);
            gradient[0] += residual;
            gradient[1] += residual * x;
            hessian[0] += curvature;
            hessian[1] += curvature * x;
            hessian[2] += curvature * x * x;
        }
        (gradient, hessian)
    }
}

const NEWTON_STEPS: usize = 100;

/// Pulls towards the scores as they are, so that a line through a single score is not left to rounding.
const RIDGE: f64 = 1e-6;

const MAX_STEP: f64 = 2.0;

/// A calibrator never turns the order of raw scores around.
const LEAST_SLOPE: f64 = 1e-3;

/// Pool-adjacent-violators (Best and Chakravarti 1990) over distinct raw scores.
///
/// Every pool keeps its two ends as knots, so that it stays level and lines join the pools. Own code, because the one
/// of `linfa-linear` 0.8 reads its knots off unsorted rows, does not pool ties, and pools one block too many when it
/// steps back; it differs from the min-max formula that the test below checks this one against.
fn isotonic(points: &[Point]) -> Calibrator {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.raw.total_cmp(&b.raw));
    let mut pools: Vec<Pool> = Vec::new();
    // Equal raw scores are one place; which of them is sorted first must not decide what they are pooled with.
    for ties in sorted.chunk_by(|a, b| a.raw == b.raw) {
        let raw = ties[0].raw;
        let weight = ties.iter().map(|point| point.weight).sum();
        let churned = ties.iter().filter(|point| point.churned).map(|point| point.weight).sum();
        let mut pool = Pool { first: raw, last: raw, churned, weight };
        while let Some(before) = pools.last().filter(|before| before.share() >= pool.share()) {
            pool = Pool {
                first: before.first,
                last: pool.last,
                churned: before.churned + pool.churned,
                weight: before.weight + pool.weight,
            };
            pools.pop();
        }
        pools.push(pool);
    }
    let mut shares: Vec<f64> = pools.iter().map(Pool::share).collect();
    if let [low, next, ..] = shares.as_mut_slice() {
        *low = low.max(pools[0].margin().min(*next));
    }
    if let [.., next, high] = shares.as_mut_slice() {
        *high = high.min((1.0 - pools[pools.len() - 1].margin()).max(*next));
    }
    let (mut raw_scores, mut probabilities) = (Vec::new(), Vec::new());
    for (pool, share) in pools.iter().zip(shares) {
        raw_scores.push(pool.first);
        probabilities.push(share);
        if pool.first < pool.last {
            raw_scores.push(pool.last);
            probabilities.push(share);
        }
    }
    Calibrator::Isotonic { raw_scores, probabilities }
}

#[derive(Debug, Clone, Copy)]
struct Pool {
    first: f64,
    last: f64,
    churned: f64,
    weight: f64,
}

impl Pool {
    fn share(&self) -> f64 {
        self.churned / self.weight
    }

    /// How far the share of the lowest and the highest pool keeps off 0 and 1: no number of observations makes a fact
    /// certain, and a probability of 0 that comes true is infinitely wrong (Krichevsky and Trofimov 1981 for the 1/2).
    fn margin(&self) -> f64 {
        0.5 / (self.weight + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};
    use ndarray::Array2;

    use super::super::random::Random;
    use super::*;

    /// Shares, and labels drawn with their squares as probabilities.
    fn too_high_shares(n: usize) -> (Vec<f64>, Vec<bool>) {
        let mut random = Random::new(1);
        let mut uniform = move || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        (0..n).map(|_| (uniform(), uniform())).map(|(share, draw)| (share, draw < share * share)).unzip()
    }

    fn fit(learner: CalibratorLearner, raw: &[f64], labels: &[bool]) -> Calibrator {
        let schema = FeatureSchema::new(vec![Feature::numeric("n")]).expect("valid");
        let features = Array2::zeros((labels.len(), 1));
        let observations = Observations::new(&schema, features.view(), labels).expect("valid");
        learner.fit(RawScale::Share, raw, &observations).expect("both labels")
    }

    #[test]
    fn each_calibrator_moves_scores_towards_the_truth() {
        let (raw, labels) = too_high_shares(20_000);
        for (learner, most) in [(CalibratorLearner::Logistic, 0.05), (CalibratorLearner::Isotonic, 0.04)] {
            let calibrator = fit(learner, &raw, &labels);
            assert_eq!(calibrator.check(), Ok(()));
            for share in [0.2, 0.4, 0.6, 0.8] {
                let score = calibrator.score(RawScale::Share, share);
                assert!((score - share * share).abs() < most, "{learner:?}: {share} became {score}");
            }
        }
    }

    #[test]
    fn auto_leaves_alone_what_is_calibrated_and_mends_what_is_not() {
        let (raw, labels) = too_high_shares(20_000);
        let squares: Vec<f64> = raw.iter().map(|share| share * share).collect();
        assert_eq!(fit(CalibratorLearner::Auto, &squares, &labels), Calibrator::Identity);
        assert_ne!(fit(CalibratorLearner::Auto, &raw, &labels), Calibrator::Identity);
    }

    #[test]
    fn scores_that_separate_the_labels_stay_finite() {
        let raw: Vec<f64> = (0..100).map(|i| if i < 60 { 0.0 } else { 1.0 }).collect();
        let labels: Vec<bool> = (0..100).map(|i| i >= 60).collect();
        for learner in [CalibratorLearner::Logistic, CalibratorLearner::Isotonic, CalibratorLearner::Auto] {
            let calibrator = fit(learner, &raw, &labels);
            let (low, high) = (calibrator.score(RawScale::Share, 0.0), calibrator.score(RawScale::Share, 1.0));
            assert_eq!(calibrator.check(), Ok(()));
            assert!(low < 0.03 && high > 0.97, "{learner:?}: {low} and {high}");
        }
    }

    /// The isotonic fit at one place is the largest, over all starts before it, of the smallest mean, over all ends
    /// behind it (Robertson, Wright and Dykstra 1988, theorem 1.4.4).
    fn isotonic_by_min_max(labels: &[bool], at: usize) -> f64 {
        let mean = |part: &[bool]| part.iter().filter(|&&label| label).count() as f64 / part.len() as f64;
        let least =
            |start: usize| (at..labels.len()).map(|end| mean(&labels[start..=end])).fold(f64::INFINITY, f64::min);
        (0..=at).map(least).fold(0.0, f64::max)
    }

    #[test]
    fn isotonic_equals_the_min_max_formula() {
        let (raw, labels) = too_high_shares(300);
        let mut pairs: Vec<(f64, bool)> = raw.into_iter().zip(labels).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (raw, labels): (Vec<f64>, Vec<bool>) = pairs.into_iter().unzip();
        let calibrator = fit(CalibratorLearner::Isotonic, &raw, &labels);
        let expected: Vec<f64> = (0..raw.len()).map(|at| isotonic_by_min_max(&labels, at)).collect();
        let (lowest, highest) = (expected[0], expected[expected.len() - 1]);
        for (&raw, &expected) in raw.iter().zip(&expected) {
            if expected > lowest && expected < highest {
                assert!((calibrator.score(RawScale::Share, raw) - expected).abs() < 1e-12, "at {raw}");
            }
        }
    }
}
