//! The learners that compete, as the configuration has them.

use std::time::Instant;

use churn_model::fit::{
    Algorithm, Candidate, DecisionTreeLearner, FitError, Learner, LinearLearner, Observations, Progress,
    RandomForestLearner, Step,
};

use crate::Error;
use crate::checkpoints::Checkpoint;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::tune::Search;

/// Fits each learner that the configuration asks for, and measures how long each took in seconds; `part` names what it is
/// fitted for, where that is a part of the job.
///
/// # Errors
/// When a learner cannot be fitted.
pub(crate) fn fit_candidates(
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
    part: Option<&str>,
) -> Result<(Vec<Candidate>, Vec<f64>), Error> {
    let algorithms = config.algorithm.algorithms().iter();
    algorithms.map(|&algorithm| fit(algorithm, config, observations, console, part)).collect()
}

fn fit(
    algorithm: Algorithm,
    config: &TrainConfig,
    observations: &Observations<'_>,
    console: &Console,
    part: Option<&str>,
) -> Result<(Candidate, f64), Error> {
    let checkpoint = Checkpoint::of(algorithm, config, observations);
    if let Some(fitted) = checkpoint.as_ref().and_then(|kept| kept.read(algorithm, observations, console)) {
        return Ok(fitted);
    }
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
    let fitted = learner(algorithm, config, observations, &progress).and_then(|(learner, note)| {
        let mut candidate = learner.fit_candidate(observations, config.calibration.learner(), &progress)?;
        candidate.notes.splice(0..0, note);
        Ok(candidate)
    });
    bar.finish_and_clear();
    let (candidate, seconds) = (fitted.map_err(fit_error)?, started.elapsed().as_secs_f64());
    if let Some(checkpoint) = checkpoint {
        checkpoint.write(&candidate, seconds, observations.schema(), console);
    }
    Ok((candidate, seconds))
}

/// The learner that the configuration asks for, after a search where it asks for one, which leaves a note.
fn learner(
    algorithm: Algorithm,
    config: &TrainConfig,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<(Learner, Option<String>), FitError> {
    let search = config.tune.map(|n_settings| Search { config, observations, progress, n_settings });
    let settings = |n_tried: usize| format!("the best of {n_tried} settings");
    Ok(match (algorithm, search) {
        (Algorithm::RandomForest, None) => (Learner::RandomForest(forest_learner(config)), None),
        (Algorithm::RandomForest, Some(search)) => {
            let (best, n_tried) = search.forest(forest_learner(config))?;
            (Learner::RandomForest(best), Some(settings(n_tried)))
        }
        (Algorithm::DecisionTree, None) => (Learner::DecisionTree(tree_learner(config)), None),
        (Algorithm::DecisionTree, Some(search)) => {
            let (best, n_tried) = search.tree(tree_learner(config))?;
            (Learner::DecisionTree(best), Some(settings(n_tried)))
        }
        (Algorithm::LinearLearner, None) => (Learner::Linear(linear_learner(config)), None),
        (Algorithm::LinearLearner, Some(search)) => {
            let (best, n_tried) = search.linear(linear_learner(config))?;
            let note = format!("the best of {n_tried} shares of the penalty on absolute weights");
            (Learner::Linear(best), Some(note))
        }
    })
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

fn tree_learner(config: &TrainConfig) -> DecisionTreeLearner {
    let defaults = DecisionTreeLearner::default();
    DecisionTreeLearner {
        max_depth: config.max_depth.unwrap_or(defaults.max_depth),
        min_leaf: config.min_leaf.unwrap_or(defaults.min_leaf),
        complexity: config.complexity,
        class_weight: config.class_weight,
        seed: config.seed,
        ..defaults
    }
}

fn linear_learner(config: &TrainConfig) -> LinearLearner {
    let defaults = LinearLearner::default();
    LinearLearner {
        penalty: config.penalty,
        l1_ratio: config.l1_ratio.unwrap_or(defaults.l1_ratio),
        class_weight: config.class_weight,
        seed: config.seed,
        ..defaults
    }
}
