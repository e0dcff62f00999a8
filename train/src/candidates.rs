//! The learners that compete, each judged on observations that it had not seen.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use churn_model::ModelKind;
use churn_model::fit::{
    DecisionTreeLearner, FitError, LinearLearner, Observations, Progress, RandomForestLearner, Step,
};
use churn_model::{Calibrator, RawScale};

use crate::Error;
use crate::config::{Algorithm, TrainConfig};
use crate::console::Console;
use crate::tune::Search;

/// A fitted learner and how it did on what it had not seen.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// Which learner.
    pub(crate) algorithm: Algorithm,
    /// What it fitted.
    pub(crate) kind: ModelKind,
    /// The map from its raw scores to probabilities.
    pub(crate) calibrator: Calibrator,
    /// Raw score of every observation by models that had not seen it; NaN where there is none.
    pub(crate) honest_raw_scores: Vec<f64>,
    /// The same, calibrated.
    pub(crate) honest_scores: Vec<f64>,
    /// Cross-validated log loss of these, the calibrator included.
    pub(crate) honest_log_loss: f64,
    /// How these scores came to be.
    pub(crate) criterion: &'static str,
    /// Hyperparameters as used, by name.
    pub(crate) hyperparameters: BTreeMap<String, Value>,
    /// The leaf size that a forest was fitted with, given or chosen.
    pub(crate) min_leaf: Option<u32>,
    /// What happened on the way.
    pub(crate) notes: Vec<String>,
    /// What a user of the model has to know, should it be kept.
    pub(crate) caveats: Vec<String>,
    /// Wall time of fitting.
    pub(crate) fit_seconds: f64,
}

impl Candidate {
    /// Calibrated scores of feature vectors that stand one after the other.
    pub(crate) fn scores(&self, rows: &[f32]) -> Vec<f64> {
        self.calibrator.scores(self.kind.raw_scale(), self.kind.raw_scores(rows))
    }
}

/// Fits each learner that the configuration asks for; `part` names what it is fitted for, where that is a part of the job.
///
/// # Errors
/// When a learner cannot be fitted.
pub(crate) fn fit_candidates(
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
    part: Option<&str>,
) -> Result<Vec<Candidate>, Error> {
    let algorithms = config.algorithm.algorithms().iter();
    algorithms.map(|&algorithm| fit(algorithm, config, observations, console, part)).collect()
}

/// Position of the candidate with the least honest log loss; the first of equals.
///
/// A single tree has to be better by more than a standard error of the paired differences: the honest scores that it is
/// judged by also chose how far to prune it, out of more settings than the others try, and its own scores vary most
/// from one sample to the next.
pub(crate) fn best_of(candidates: &[Candidate], labels: &[bool]) -> usize {
    let best = least_loss(candidates, |_| true).unwrap_or(0);
    let is_tree = |candidate: &Candidate| candidate.algorithm == Algorithm::DecisionTree;
    match least_loss(candidates, |candidate| !is_tree(candidate)) {
        Some(other)
            if is_tree(&candidates[best]) && !is_clearly_better(&candidates[best], &candidates[other], labels) =>
        {
            other
        }
        _ => best,
    }
}

fn least_loss(candidates: &[Candidate], competes: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let competing = candidates.iter().enumerate().filter(|(_, candidate)| competes(candidate));
    competing.min_by(|a, b| a.1.honest_log_loss.total_cmp(&b.1.honest_log_loss)).map(|(position, _)| position)
}

fn is_clearly_better(candidate: &Candidate, other: &Candidate, labels: &[bool]) -> bool {
    let loss = |score: f64, churned: bool| -(if churned { score } else { 1.0 - score }).max(1e-6).ln();
    let scores = candidate.honest_scores.iter().zip(&other.honest_scores).zip(labels);
    let gains: Vec<f64> = scores
        .filter(|((a, b), _)| !a.is_nan() && !b.is_nan())
        .map(|((&a, &b), &churned)| loss(b, churned) - loss(a, churned))
        .collect();
    let n = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / n;
    mean > (variance / n).sqrt()
}

/// What a learner leaves behind before calibration.
struct Fitted {
    kind: ModelKind,
    honest_raw_scores: Vec<f64>,
    criterion: &'static str,
    hyperparameters: Vec<(&'static str, Value)>,
    min_leaf: Option<u32>,
    notes: Vec<String>,
    caveats: Vec<String>,
}

fn fit(
    algorithm: Algorithm,
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
    part: Option<&str>,
) -> Result<Candidate, Error> {
    let started = Instant::now();
    let fit_error = |source: FitError| Error::Fit { what: format!("the {}", algorithm.name()), source };
    let n_steps = if algorithm == Algorithm::RandomForest && config.tune.is_none() { config.n_trees } else { 0 };
    let bar = match part {
        Some(part) => console.bar(&format!("{part}: {}", algorithm.name()), n_steps),
        None => console.progress(&format!("fitting the {}", algorithm.name()), n_steps),
    };
    let step = |step: Step| {
        if step == Step::Trial && n_steps > 0 {
            bar.inc_length(1);
        }
        bar.inc(1);
    };
    let progress = Progress::new(&step);
    let fitted = match algorithm {
        Algorithm::RandomForest => fit_forest(config, observations, &progress),
        Algorithm::DecisionTree => fit_tree(config, observations, &progress),
        Algorithm::LinearLearner => fit_linear(config, observations, &progress),
    };
    bar.finish_and_clear();
    let Fitted { kind, honest_raw_scores, criterion, hyperparameters, min_leaf, notes, caveats } =
        fitted.map_err(fit_error)?;
    let scale = kind.raw_scale();
    let learner = config.calibration.learner();
    let honest_log_loss = learner.log_loss(scale, &honest_raw_scores, observations).map_err(fit_error)?;
    let calibrator = learner.fit(scale, &honest_raw_scores, observations).map_err(fit_error)?;
    Ok(Candidate {
        algorithm,
        honest_scores: honest_raw_scores.iter().map(|&raw| calibrate(&calibrator, scale, raw)).collect(),
        honest_raw_scores,
        kind,
        calibrator,
        honest_log_loss,
        criterion,
        hyperparameters: hyperparameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        min_leaf,
        notes,
        caveats,
        fit_seconds: started.elapsed().as_secs_f64(),
    })
}

fn calibrate(calibrator: &Calibrator, scale: RawScale, raw: f64) -> f64 {
    if raw.is_nan() { raw } else { calibrator.score(scale, raw) }
}

/// The forest that was asked for.
pub(crate) fn forest_learner(config: &TrainConfig) -> RandomForestLearner {
    RandomForestLearner {
        n_trees: config.n_trees,
        max_depth: config.max_depth.unwrap_or(RandomForestLearner::default().max_depth),
        min_leaf: config.min_leaf,
        features_per_split: config.features_per_split,
        class_weight: config.class_weight,
        seed: config.seed,
    }
}

fn fit_forest(
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Fitted, FitError> {
    let mut learner = forest_learner(config);
    let mut notes = Vec::new();
    if let Some(n_settings) = config.tune {
        let search = Search { config, observations, progress, n_settings };
        let (best, n_tried) = search.forest(learner)?;
        learner = best;
        notes.push(format!("the best of {n_tried} settings"));
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
        min_leaf: Some(fitted.min_leaf),
        notes,
        caveats: Vec::new(),
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
        let search = Search { config, observations, progress, n_settings };
        let (best, n_tried) = search.tree(learner)?;
        learner = best;
        notes.push(format!("the best of {n_tried} settings"));
    }
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    notes.push(match fitted.model.n_nodes().div_ceil(2) {
        1 => "1 leaf: no split was worth it".to_owned(),
        n_leaves => format!("{n_leaves} leaves"),
    });
    Ok(Fitted {
        kind: ModelKind::Forest(fitted.model),
        honest_raw_scores: fitted.out_of_fold,
        criterion: "cross-validated",
        hyperparameters: vec![
            ("max_depth", json!(learner.max_depth)),
            ("min_leaf", json!(learner.min_leaf)),
            ("complexity", json!(fitted.complexity)),
        ],
        min_leaf: None,
        notes,
        caveats: Vec::new(),
    })
}

fn fit_linear(
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Fitted, FitError> {
    let mut caveats = Vec::new();
    let mut learner = LinearLearner {
        penalty: config.penalty,
        class_weight: config.class_weight,
        seed: config.seed,
        ..LinearLearner::default()
    };
    learner.l1_ratio = config.l1_ratio.unwrap_or(learner.l1_ratio);
    let mut notes = Vec::new();
    if let Some(n_settings) = config.tune {
        let search = Search { config, observations, progress, n_settings };
        let (best, n_tried) = search.linear(learner)?;
        learner = best;
        notes.push(format!("the best of {n_tried} shares of the penalty on absolute weights"));
    }
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    match fitted.has_converged {
        true => notes.push(format!("converged in {} steps", fitted.n_steps)),
        false => caveats
            .push(format!("the linear learner did not converge in {} steps; a larger --penalty helps", fitted.n_steps)),
    }
    Ok(Fitted {
        kind: ModelKind::Linear(fitted.model),
        honest_raw_scores: fitted.out_of_fold,
        criterion: "cross-validated",
        hyperparameters: vec![("penalty", json!(fitted.penalty)), ("l1_ratio", json!(learner.l1_ratio))],
        min_leaf: None,
        notes,
        caveats,
    })
}
