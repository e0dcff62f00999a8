//! The learners that compete, each judged on observations that it had not seen.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use churn_model::ModelKind;
use churn_model::fit::{DecisionTreeLearner, FitError, LinearLearner, Observations, Progress, RandomForestLearner};
use churn_model::{Calibrator, RawScale};

use crate::config::{Algorithm, TrainConfig};
use crate::console::Console;
use crate::{Error, tune};

/// A fitted learner and how it did on what it had not seen.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Which learner.
    pub(crate) algorithm: Algorithm,
    /// What it fitted.
    pub(crate) kind: ModelKind,
    /// The map from its raw scores to probabilities.
    pub(crate) calibrator: Calibrator,
    /// Calibrated score of every observation by models that had not seen it; NaN where there is none.
    pub(crate) honest_scores: Vec<f64>,
    /// Cross-validated log loss of these, the calibrator included.
    pub(crate) honest_log_loss: f64,
    /// How these scores came to be.
    pub(crate) criterion: &'static str,
    /// Hyperparameters as used, by name.
    pub(crate) hyperparameters: BTreeMap<String, Value>,
    /// What happened on the way.
    pub(crate) notes: Vec<String>,
    /// Wall time of fitting.
    pub(crate) fit_seconds: f64,
}

impl Candidate {
    /// Calibrated scores of feature vectors.
    pub(crate) fn score(&self, row: &[f32]) -> f64 {
        self.calibrator.score(self.kind.raw_scale(), self.kind.raw_score(row))
    }
}

/// Fits each learner that the configuration asks for.
///
/// # Errors
/// When a learner cannot be fitted.
pub(crate) fn fit_candidates(
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
) -> Result<Vec<Candidate>, Error> {
    config.algorithm.algorithms().iter().map(|&algorithm| fit(algorithm, config, observations, console)).collect()
}

/// Position of the candidate with the least honest log loss; the first of equals.
pub(crate) fn best_of(candidates: &[Candidate]) -> usize {
    let losses = candidates.iter().map(|candidate| candidate.honest_log_loss).enumerate();
    losses.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(position, _)| position)
}

/// What a learner leaves behind before calibration.
struct Fitted {
    kind: ModelKind,
    honest_raw_scores: Vec<f64>,
    criterion: &'static str,
    hyperparameters: Vec<(&'static str, Value)>,
    notes: Vec<String>,
}

fn fit(
    algorithm: Algorithm,
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
) -> Result<Candidate, Error> {
    let started = Instant::now();
    let fit_error = |source: FitError| Error::Fit { what: format!("the {}", algorithm.name()), source };
    let n_steps = if algorithm == Algorithm::RandomForest && config.tune.is_none() { config.n_trees as u64 } else { 0 };
    let bar = console.progress(algorithm.name(), n_steps as usize);
    let step = || bar.inc(1);
    let progress = Progress::new(&step);
    let fitted = match algorithm {
        Algorithm::RandomForest => fit_forest(config, observations, &progress),
        Algorithm::DecisionTree => fit_tree(config, observations, &progress),
        Algorithm::LinearLearner => fit_linear(config, observations, &progress),
    };
    bar.finish_and_clear();
    let Fitted { kind, honest_raw_scores, criterion, hyperparameters, notes } = fitted.map_err(fit_error)?;
    let scale = kind.raw_scale();
    let learner = config.calibration.learner();
    let honest_log_loss = learner.log_loss(scale, &honest_raw_scores, observations).map_err(fit_error)?;
    let calibrator = learner.fit(scale, &honest_raw_scores, observations).map_err(fit_error)?;
    Ok(Candidate {
        algorithm,
        honest_scores: honest_raw_scores.iter().map(|&raw| calibrate(&calibrator, scale, raw)).collect(),
        kind,
        calibrator,
        honest_log_loss,
        criterion,
        hyperparameters: hyperparameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        notes,
        fit_seconds: started.elapsed().as_secs_f64(),
    })
}

fn calibrate(calibrator: &Calibrator, scale: RawScale, raw: f64) -> f64 {
    if raw.is_nan() { raw } else { calibrator.score(scale, raw) }
}

fn fit_forest(
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Fitted, FitError> {
    let defaults = RandomForestLearner::default();
    let mut learner = RandomForestLearner {
        n_trees: config.n_trees,
        max_depth: config.max_depth.unwrap_or(defaults.max_depth),
        min_leaf: config.min_leaf,
        features_per_split: config.features_per_split,
        class_weight: config.class_weight,
        seed: config.seed,
    };
    let mut notes = Vec::new();
    if let Some(n_settings) = config.tune {
        learner = tune::forest(learner, observations, n_settings, progress)?;
        notes.push(format!("the best of {n_settings} settings"));
    }
    let fitted = learner.fit_out_of_bag(observations, progress)?;
    if !fitted.trials.is_empty() {
        let sizes: Vec<u32> = fitted.trials.iter().map(|trial| trial.min_leaf).collect();
        let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
        notes.push(format!("leaf size chosen by out-of-bag log loss between {least} and {most}"));
    }
    let n_unseen = fitted.out_of_bag.iter().filter(|raw| raw.is_nan()).count();
    if n_unseen > 0 {
        notes.push(format!("{n_unseen} observations were in every bag and have no out-of-bag score"));
    }
    Ok(Fitted {
        kind: ModelKind::Forest(fitted.model),
        honest_raw_scores: fitted.out_of_bag,
        criterion: "out-of-bag",
        hyperparameters: vec![
            ("n_trees", json!(learner.n_trees)),
            ("max_depth", json!(learner.max_depth)),
            ("min_leaf", json!(fitted.min_leaf)),
            ("features_per_split", json!(fitted.features_per_split)),
        ],
        notes,
    })
}

fn fit_tree(
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Fitted, FitError> {
    let defaults = DecisionTreeLearner::default();
    let mut learner = DecisionTreeLearner {
        max_depth: config.max_depth.unwrap_or(defaults.max_depth),
        min_leaf: config.min_leaf.unwrap_or(defaults.min_leaf),
        complexity: config.complexity,
        class_weight: config.class_weight,
        seed: config.seed,
        ..defaults
    };
    let mut notes = Vec::new();
    if let Some(n_settings) = config.tune {
        learner = tune::tree(learner, observations, n_settings, progress)?;
        notes.push(format!("the best of {n_settings} settings"));
    }
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    notes.push(format!("{} leaves", fitted.model.n_nodes().div_ceil(2)));
    Ok(Fitted {
        kind: ModelKind::Forest(fitted.model),
        honest_raw_scores: fitted.out_of_fold,
        criterion: "cross-validated",
        hyperparameters: vec![
            ("max_depth", json!(learner.max_depth)),
            ("min_leaf", json!(learner.min_leaf)),
            ("complexity", json!(fitted.complexity)),
        ],
        notes,
    })
}

fn fit_linear(
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Fitted, FitError> {
    let mut learner = LinearLearner {
        penalty: config.penalty,
        l1_ratio: config.l1_ratio,
        class_weight: config.class_weight,
        seed: config.seed,
        ..LinearLearner::default()
    };
    let mut notes = Vec::new();
    if let Some(n_settings) = config.tune {
        learner = tune::linear(learner, observations, n_settings, progress)?;
        notes.push("the best of several shares of absolute penalty".to_owned());
    }
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    notes.push(match fitted.has_converged {
        true => format!("converged in {} steps", fitted.n_steps),
        false => format!("did NOT converge in {} steps; a larger --penalty helps", fitted.n_steps),
    });
    Ok(Fitted {
        kind: ModelKind::Linear(fitted.model),
        honest_raw_scores: fitted.out_of_fold,
        criterion: "cross-validated",
        hyperparameters: vec![("penalty", json!(fitted.penalty)), ("l1_ratio", json!(learner.l1_ratio))],
        notes,
    })
}
