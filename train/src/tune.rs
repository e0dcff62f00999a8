//! Search for hyperparameters, judged by the log loss of calibrated scores that no model had seen.
//!
//! Settings come from a Halton sequence: it fills the space more evenly than random draws do (Bergstra and Bengio 2012)
//! and needs no seed. The first setting is always the one that would be used without a search.

use churn_model::RawScale;
use churn_model::fit::{
    CalibratorLearner, DecisionTreeLearner, FitError, LinearLearner, Observations, Progress, RandomForestLearner,
};

/// The best of so many settings of leaf size, features per split and depth.
///
/// # Errors
/// When a forest cannot be fitted.
pub(crate) fn forest(
    learner: RandomForestLearner,
    observations: &Observations<'_>,
    n_settings: usize,
    progress: &Progress<'_>,
) -> Result<RandomForestLearner, FitError> {
    let width = observations.schema().len();
    let most = largest_leaf(observations);
    let settings = (1..n_settings).map(|i| RandomForestLearner {
        min_leaf: Some(between(1, most, halton(i, 2))),
        features_per_split: Some(1 + (halton(i, 3) * width as f64) as usize),
        max_depth: between(4, 32, halton(i, 5)),
        ..learner
    });
    best(std::iter::once(learner.clone()).chain(settings), |learner| {
        let fitted = learner.fit_out_of_bag(observations, progress)?;
        let used = RandomForestLearner {
            min_leaf: Some(fitted.min_leaf),
            features_per_split: Some(fitted.features_per_split),
            ..learner
        };
        Ok((used, loss(RawScale::Share, &fitted.out_of_bag, observations)?))
    })
}

/// The best of so many settings of depth and leaf size.
///
/// # Errors
/// When a tree cannot be fitted.
pub(crate) fn tree(
    learner: DecisionTreeLearner,
    observations: &Observations<'_>,
    n_settings: usize,
    progress: &Progress<'_>,
) -> Result<DecisionTreeLearner, FitError> {
    let most = largest_leaf(observations);
    let settings = (1..n_settings).map(|i| DecisionTreeLearner {
        min_leaf: between(1, most, halton(i, 2)),
        max_depth: between(2, 20, halton(i, 3)),
        ..learner
    });
    best(std::iter::once(learner.clone()).chain(settings), |learner| {
        let fitted = learner.fit_out_of_fold(observations, progress)?;
        Ok((learner, loss(RawScale::Share, &fitted.out_of_fold, observations)?))
    })
}

/// The best share of the penalty on absolute weights; each is tried with the whole path of penalties.
///
/// # Errors
/// When a linear model cannot be fitted.
pub(crate) fn linear(
    learner: LinearLearner,
    observations: &Observations<'_>,
    n_settings: usize,
    progress: &Progress<'_>,
) -> Result<LinearLearner, FitError> {
    let settings = [0.5, 1.0, 0.9, 0.1].map(|l1_ratio| LinearLearner { l1_ratio, ..learner });
    best(std::iter::once(learner.clone()).chain(settings).take(n_settings), |learner| {
        let fitted = learner.fit_out_of_fold(observations, progress)?;
        Ok((learner, loss(RawScale::LogOdds, &fitted.out_of_fold, observations)?))
    })
}

fn best<L>(
    settings: impl Iterator<Item = L>,
    mut judge: impl FnMut(L) -> Result<(L, f64), FitError>,
) -> Result<L, FitError> {
    let mut best: Option<(L, f64)> = None;
    for setting in settings {
        let judged = judge(setting)?;
        if best.as_ref().is_none_or(|best| judged.1 < best.1) {
            best = Some(judged);
        }
    }
    Ok(best.expect("this cannot fail because the first setting is always there").0)
}

fn loss(scale: RawScale, raw_scores: &[f64], observations: &Observations<'_>) -> Result<f64, FitError> {
    CalibratorLearner::Auto.log_loss(scale, raw_scores, observations)
}

/// Leaves larger than a fiftieth of the observations tell nothing apart.
fn largest_leaf(observations: &Observations<'_>) -> u32 {
    (observations.n_observations() / 50).clamp(2, 1_000) as u32
}

/// A whole number between two others, evenly spread over their logarithms.
fn between(least: u32, most: u32, share: f64) -> u32 {
    let (least, most) = (f64::from(least).ln(), f64::from(most).ln());
    (least + share * (most - least)).exp().round() as u32
}

/// The radical inverse of `i` in that base, in `(0, 1)` (Halton 1960).
fn halton(mut i: usize, base: usize) -> f64 {
    let (mut inverse, mut digit) = (0.0, 1.0 / base as f64);
    while i > 0 {
        inverse += (i % base) as f64 * digit;
        i /= base;
        digit /= base as f64;
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halton_sequence_halves_what_is_left() {
        let sequence: Vec<f64> = (1..8).map(|i| halton(i, 2)).collect();
        assert_eq!(sequence, [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]);
        assert_eq!((between(1, 100, 0.0), between(1, 100, 0.5), between(1, 100, 1.0)), (1, 10, 100));
    }
}
