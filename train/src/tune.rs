//! Search for hyperparameters, judged by the log loss of calibrated scores that no model had seen.
//!
//! Settings come from a Halton sequence: it fills the space more evenly than random draws do (Bergstra and Bengio 2012)
//! and needs no seed. The first setting is always the one that would be used without a search, and what the flags fix
//! stays as it is.

use churn_model::RawScale;
use churn_model::fit::{DecisionTreeLearner, FitError, LinearLearner, Observations, Progress, RandomForestLearner};

use crate::config::TrainConfig;

/// A search over so many settings.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a, 'o, 'p> {
    pub(crate) config: &'a TrainConfig,
    pub(crate) observations: &'a Observations<'o>,
    pub(crate) progress: &'a Progress<'p>,
    pub(crate) n_settings: usize,
}

/// The best setting, and how many were tried.
pub(crate) type Best<L> = (L, usize);

impl Search<'_, '_, '_> {
    /// The best leaf size, features per split and depth.
    ///
    /// # Errors
    /// When a forest cannot be fitted.
    pub(crate) fn forest(&self, learner: RandomForestLearner) -> Result<Best<RandomForestLearner>, FitError> {
        let Self { config, observations, progress, .. } = *self;
        let width = observations.schema().len();
        let is_open = config.min_leaf.is_none() || config.features_per_split.is_none() || config.max_depth.is_none();
        let setting = |i| RandomForestLearner {
            min_leaf: config.min_leaf.or(Some(between(1, self.largest_leaf(), halton(i, 2)))),
            features_per_split: config.features_per_split.or(Some(1 + (halton(i, 3) * width as f64) as usize)),
            max_depth: config.max_depth.unwrap_or_else(|| between(4, 32, halton(i, 5))),
            ..learner
        };
        self.best(learner.clone(), is_open.then_some(setting), |learner| {
            let fitted = learner.fit_out_of_bag(observations, progress)?;
            let used = RandomForestLearner {
                min_leaf: Some(fitted.min_leaf),
                features_per_split: Some(fitted.features_per_split),
                ..learner
            };
            Ok((used, self.loss(RawScale::Share, &fitted.out_of_bag)?))
        })
    }

    /// The best depth and leaf size.
    ///
    /// # Errors
    /// When a tree cannot be fitted.
    pub(crate) fn tree(&self, learner: DecisionTreeLearner) -> Result<Best<DecisionTreeLearner>, FitError> {
        let Self { config, observations, progress, .. } = *self;
        let is_open = config.min_leaf.is_none() || config.max_depth.is_none();
        let setting = |i| DecisionTreeLearner {
            min_leaf: config.min_leaf.unwrap_or_else(|| between(1, self.largest_leaf(), halton(i, 2))),
            max_depth: config.max_depth.unwrap_or_else(|| between(2, 20, halton(i, 3))),
            ..learner
        };
        self.best(learner.clone(), is_open.then_some(setting), |learner| {
            let fitted = learner.fit_out_of_fold(observations, progress)?;
            Ok((learner, self.loss(RawScale::Share, &fitted.out_of_fold)?))
        })
    }

    /// The best share of the penalty on absolute weights; each is tried with the whole path of penalties.
    ///
    /// # Errors
    /// When a linear model cannot be fitted.
    pub(crate) fn linear(&self, learner: LinearLearner) -> Result<Best<LinearLearner>, FitError> {
        let Self { config, observations, progress, .. } = *self;
        let is_open = config.l1_ratio.is_none();
        let setting = |i| LinearLearner { l1_ratio: if i == 1 { 1.0 } else { halton(i - 1, 2) }, ..learner };
        self.best(learner.clone(), is_open.then_some(setting), |learner| {
            let fitted = learner.fit_out_of_fold(observations, progress)?;
            Ok((learner, self.loss(RawScale::LogOdds, &fitted.out_of_fold)?))
        })
    }

    /// The best of `first` and, where anything is open, of the settings that follow it.
    fn best<L>(
        &self,
        first: L,
        setting: Option<impl Fn(usize) -> L>,
        judge: impl Fn(L) -> Result<(L, f64), FitError>,
    ) -> Result<Best<L>, FitError> {
        let mut best = judge(first)?;
        let mut n_tried = 1;
        for i in 1..self.n_settings {
            let Some(setting) = &setting else { break };
            let judged = judge(setting(i))?;
            n_tried += 1;
            if judged.1 < best.1 {
                best = judged;
            }
        }
        Ok((best.0, n_tried))
    }

    fn loss(&self, scale: RawScale, raw_scores: &[f64]) -> Result<f64, FitError> {
        self.config.calibration.learner().log_loss(scale, raw_scores, self.observations)
    }

    /// Leaves larger than a fiftieth of the observations tell nothing apart.
    fn largest_leaf(&self) -> u32 {
        (self.observations.n_observations() / 50).clamp(2, 1_000) as u32
    }
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
