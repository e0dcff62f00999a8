//! Fitting: from a feature matrix and labels to a calibrated model.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use churn_features::FeatureSchema;
use churn_model::evaluate::choose_threshold;
use churn_model::fit::{
    Algorithm, CalibratorLearner, Candidate, DecisionTreeLearner, Learner, LinearLearner, Progress,
    RandomForestLearner, Step, WeightedRows, best_of,
};
use churn_model::{ModelCard, ReferenceHistogram, Threshold, ThresholdRule};
use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::campaign::Campaign;
use crate::error::{FitError, message};
use crate::features::{Features, refuse_infinite};
use crate::model::threshold_of;
use crate::running::{Raised, note_raised, run, take_raised};

/// Fits one learner of a kind, or all and keeps the best (`auto`), calibrates it and chooses its threshold.
///
/// Returns the bytes of the model file and what was learned on the way.
#[pyfunction]
#[pyo3(signature = (
    algorithm, features, labels, options, *, weights=None, groups=None, calibration="auto", threshold=None,
    campaign=None, label="label", seed=0, n_jobs=None, progress=None
))]
#[expect(clippy::too_many_arguments, reason = "each is a keyword of the Python call")]
pub(crate) fn fit<'py>(
    py: Python<'py>,
    algorithm: &str,
    features: &Features,
    labels: PyReadonlyArray1<'py, bool>,
    options: Options,
    weights: Option<PyReadonlyArray1<'py, f32>>,
    groups: Option<PyReadonlyArray1<'py, u64>>,
    calibration: &str,
    threshold: Option<f64>,
    campaign: Option<PyRef<'py, Campaign>>,
    label: &str,
    seed: u64,
    n_jobs: Option<i32>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyDict>)> {
    if threshold.is_some() && campaign.is_some() {
        return Err(FitError::new_err("both a threshold and a campaign, which chooses one, are given; leave one out"));
    }
    let learners = learners(algorithm, &options, seed)?;
    let calibration = calibration_of(calibration)?;
    let threshold = threshold.map(threshold_of).transpose()?;
    let rule = match threshold {
        Some(_) => ThresholdRule::Fixed,
        None => {
            ThresholdRule::Profit { campaign: campaign.map_or_else(churn_model::Campaign::default, |given| given.0) }
        }
    };
    let matrix: PyReadonlyArray2<'py, f32> = features
        .array(py)
        .try_readonly()
        .map_err(|error| FitError::new_err(format!("the feature matrix cannot be read: {error}")))?;
    let matrix = matrix.as_array();
    let labels = labels.as_array().to_vec();
    let weights = weights.map(|weights| weights.as_array().to_vec());
    let groups = groups.map(|groups| groups.as_array().to_vec());
    let job = Job { schema: &features.schema, learners, calibration, rule, threshold, label, seed };
    let raised = Raised::default();
    let fitted = run(py, n_jobs, |is_stopped| {
        refuse_infinite(&features.schema, matrix)?;
        let rows = WeightedRows::new(matrix, labels, weights, groups).map_err(fit_error)?;
        let step = |step: Step| {
            if let Some(callback) = &progress {
                let word = if step == Step::Trial { "trial" } else { "part" };
                if let Err(error) = Python::attach(|py| callback.call1(py, (word,)).map(drop)) {
                    note_raised(&raised, error);
                    is_stopped.store(true, Ordering::Relaxed);
                }
            }
        };
        let steps = if progress.is_some() { Progress::new(&step) } else { Progress::silent() };
        let (bytes, kept) = job.run(&rows, steps.until(is_stopped))?;
        let honest_scores = rows.of_given(&kept.honest_scores);
        Ok::<_, PyErr>((bytes, kept, honest_scores))
    })?;
    take_raised(&raised)?;
    let (bytes, kept, honest_scores) = fitted?;
    let info = PyDict::new(py);
    info.set_item("algorithm", kept.algorithm.name())?;
    info.set_item("honest_scores", honest_scores.into_pyarray(py))?;
    info.set_item("honest_log_loss", kept.honest_log_loss)?;
    info.set_item("criterion", kept.criterion)?;
    info.set_item("notes", &kept.notes)?;
    info.set_item("caveats", &kept.caveats)?;
    Ok((PyBytes::new(py, &bytes), info))
}

/// Hyperparameters as Python passes them, spelled as in Rust; what is `None` is chosen.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Options {
    n_trees: Option<usize>,
    max_depth: Option<u32>,
    min_leaf: Option<u32>,
    features_per_split: Option<usize>,
    complexity: Option<f64>,
    penalty: Option<f64>,
    l1_ratio: Option<f64>,
}

fn learners(algorithm: &str, options: &Options, seed: u64) -> PyResult<Vec<Learner>> {
    let learner = |algorithm: Algorithm| match algorithm {
        Algorithm::RandomForest => {
            let defaults = RandomForestLearner::default();
            Learner::RandomForest(RandomForestLearner {
                n_trees: options.n_trees.unwrap_or(defaults.n_trees),
                max_depth: options.max_depth.unwrap_or(defaults.max_depth),
                min_leaf: options.min_leaf,
                features_per_split: options.features_per_split,
                seed,
                ..defaults
            })
        }
        Algorithm::DecisionTree => {
            let defaults = DecisionTreeLearner::default();
            Learner::DecisionTree(DecisionTreeLearner {
                max_depth: options.max_depth.unwrap_or(defaults.max_depth),
                min_leaf: options.min_leaf.unwrap_or(defaults.min_leaf),
                complexity: options.complexity,
                seed,
                ..defaults
            })
        }
        Algorithm::LinearLearner => {
            let defaults = LinearLearner::default();
            Learner::Linear(LinearLearner {
                penalty: options.penalty,
                l1_ratio: options.l1_ratio.unwrap_or(defaults.l1_ratio),
                seed,
                ..defaults
            })
        }
    };
    if algorithm == "auto" {
        return Ok(Algorithm::ALL.map(learner).into());
    }
    match Algorithm::ALL.into_iter().find(|known| known.name() == algorithm) {
        Some(known) => Ok(vec![learner(known)]),
        None => Err(FitError::new_err(format!(
            "algorithm is {algorithm:?}; expected auto, random-forest, decision-tree or linear-learner"
        ))),
    }
}

fn calibration_of(word: &str) -> PyResult<CalibratorLearner> {
    match word {
        "auto" => Ok(CalibratorLearner::Auto),
        "none" => Ok(CalibratorLearner::Identity),
        "logistic" => Ok(CalibratorLearner::Logistic),
        "isotonic" => Ok(CalibratorLearner::Isotonic),
        _ => Err(FitError::new_err(format!(
            "calibration is {word:?}; expected \"auto\", \"none\", \"logistic\" or \"isotonic\""
        ))),
    }
}

/// What is fitted, and what becomes of it.
struct Job<'a> {
    schema: &'a FeatureSchema,
    learners: Vec<Learner>,
    calibration: CalibratorLearner,
    rule: ThresholdRule,
    threshold: Option<f64>,
    label: &'a str,
    seed: u64,
}

fn fit_error(error: churn_model::fit::FitError) -> PyErr {
    FitError::new_err(message(&error))
}

impl Job<'_> {
    fn run(&self, rows: &WeightedRows<'_>, progress: Progress<'_>) -> PyResult<(Vec<u8>, Candidate)> {
        let observations = rows.observations(self.schema).map_err(fit_error)?;
        let mut candidates = Vec::with_capacity(self.learners.len());
        for learner in &self.learners {
            match learner.fit_candidate(&observations, self.calibration, &progress) {
                Ok(candidate) => candidates.push(candidate),
                // Of several learners, those compete that can.
                Err(churn_model::fit::FitError::TooMany { .. }) if self.learners.len() > 1 => {}
                Err(error) => return Err(fit_error(error)),
            }
        }
        if candidates.is_empty() {
            return Err(FitError::new_err("there are too many columns, observations or nodes for every learner"));
        }
        let kept = candidates.swap_remove(best_of(&candidates, rows.labels()));
        let bytes = self.model(&kept, rows)?;
        Ok((bytes, kept))
    }

    fn model(&self, kept: &Candidate, rows: &WeightedRows<'_>) -> PyResult<Vec<u8>> {
        let column = |position: usize| rows.features().column(position).to_vec();
        let features = self.schema.features().iter().enumerate();
        let references = features.map(|(at, feature)| ReferenceHistogram::of(feature, column(at))).collect();
        let n_churned = rows.labels().iter().filter(|&&label| label).count() as u64;
        let card = ModelCard {
            algorithm: kept.algorithm.name().to_owned(),
            label: self.label.to_owned(),
            point_in_time: false,
            n_observations: rows.labels().len() as u64,
            n_churned,
            seed: self.seed,
            hyperparameters: kept.hyperparameters.clone(),
            metrics: BTreeMap::from([(format!("{}.log_loss", kept.criterion), kept.honest_log_loss)]),
            caveats: kept.caveats.clone(),
        };
        let threshold = self.threshold(kept, rows)?;
        let (kind, calibrator) = (kept.kind.clone(), kept.calibrator.clone());
        let model = churn_model::Model::new(self.schema.clone(), kind, calibrator, threshold, references, card)
            .map_err(|error| FitError::new_err(message(&error)))?;
        model.to_bytes().map_err(|error| FitError::new_err(message(&error)))
    }

    fn threshold(&self, kept: &Candidate, rows: &WeightedRows<'_>) -> PyResult<Threshold> {
        if let Some(score) = self.threshold {
            return Ok(Threshold { score, rule: ThresholdRule::Fixed });
        }
        let scored = kept.honest_scores.iter().zip(rows.labels()).filter(|(score, _)| !score.is_nan());
        let (scores, labels): (Vec<f64>, Vec<bool>) = scored.map(|(&score, &label)| (score, label)).unzip();
        choose_threshold(self.rule, &scores, &labels)
            .map_err(|error| FitError::new_err(format!("no threshold can be chosen: {}", message(&error))))
    }
}

/// Numbers for groups that have names: equal ones where the names are.
#[pyfunction]
pub(crate) fn group_numbers<'py>(py: Python<'py>, names: Vec<String>) -> Bound<'py, numpy::PyArray1<u64>> {
    let numbers: Vec<u64> = names.iter().map(|name| churn_training_data::group_of(name)).collect();
    numbers.into_pyarray(py)
}
