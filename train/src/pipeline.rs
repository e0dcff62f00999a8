//! The whole job: read, split, fit, calibrate, evaluate, write.

use std::path::{Path, PathBuf};

use churn_features::FeatureSchema;
use churn_model::evaluate::{ColumnGroup, Importance};
use churn_model::fit::Candidate;
use churn_model::{Model, ModelCard, ModelKind, ReferenceHistogram};

use crate::checkpoints;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::cross_validation::{self, cross_validate};
use crate::evaluation::{N_SEGMENT_FEATURES, baseline, evaluate, importance, score_all, segments};
use crate::observing::{Observing, date_facts};
use crate::outcome::{CandidateOutcome, Outcome, Split};
use crate::parts::Parts;
use crate::procedure::Procedure;
use crate::rows::Rows;
use crate::run_folder::{Prediction, RunFolder};
use crate::source::{self, Loaded};
use crate::{Error, run_folder, summary};

/// Where a run ended.
#[derive(Debug)]
pub struct Finished {
    /// The run folder.
    pub folder: PathBuf,
    /// What it found out.
    pub outcome: Outcome,
}

/// Trains as configured, on as many threads as configured, and writes the run folder.
///
/// # Errors
/// When an input cannot be used, a learner cannot be fitted, or the folder cannot be written; nothing is then left
/// half-written.
pub fn train(config: &TrainConfig, console: &Console) -> Result<Finished, Error> {
    on_threads(config.threads, || run(config, console))
}

/// Does something on so many threads; as many as there are cores by default.
///
/// # Errors
/// When the threads cannot be started, or with what `job` ends with.
pub(crate) fn on_threads<T: Send>(
    threads: Option<u16>,
    job: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let n_threads = threads.map_or(0, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .map_err(|source| Error::Threads { n_threads, source })?;
    pool.install(job)
}

fn run(config: &TrainConfig, console: &Console) -> Result<Finished, Error> {
    run_folder::check_folder(config.out.as_deref().unwrap_or(Path::new(RUNS)))?;
    checkpoints::prepare(config)?;
    config.events.check_outputs(None)?;
    let loaded = source::load(config, console)?;
    let Trained { outcome, files, .. } = train_on(config, &loaded, Parts::cut, console)?;
    let folder = config.out.clone().unwrap_or_else(|| Path::new(RUNS).join(&outcome.model_id));
    files.write(&folder)?;
    summary::print_results(console, &outcome);
    summary::print_files(console, &outcome, &folder);
    Ok(Finished { folder, outcome })
}

/// What training leaves behind, before anything is written.
#[derive(Debug)]
pub(crate) struct Trained {
    /// What it found out.
    pub(crate) outcome: Outcome,
    /// The files of a run folder.
    pub(crate) files: RunFolder,
    /// The model.
    pub(crate) model: Model,
    /// Which rows were for what.
    pub(crate) parts: Parts,
    /// Score of every row by a model that had not seen it, where there is one; NaN elsewhere.
    pub(crate) honest_scores: Vec<f64>,
}

/// Trains on what was loaded, cut into parts by `cut`.
///
/// # Errors
/// When the set cannot be cut, or a learner cannot be fitted.
pub(crate) fn train_on(
    config: &TrainConfig,
    loaded: &Loaded,
    cut: impl FnOnce(&TrainConfig, &Loaded) -> Result<Parts, Error>,
    console: &Console,
) -> Result<Trained, Error> {
    let set = &loaded.set;
    let columns = set.describe();
    if loaded.observed.is_none() {
        summary::print_columns(console, &loaded.source, set, &columns);
    }
    let folds = cross_validation::folds(config, set, &loaded.source)?;

    let parts = cut(config, loaded)?;
    if let Some(observed) = &loaded.observed {
        let dates = date_facts(observed, &parts);
        let facts = (&observed.log, &observed.plan, dates.as_slice());
        summary::print_observed(console, &loaded.source, facts, &columns, set.n_observations());
    }
    let (fit, test) = (Rows::of(set, &parts.fit), Rows::of(set, &parts.test));
    let calibration = (!parts.calibration.is_empty()).then(|| Rows::of(set, &parts.calibration));
    let split = Split {
        n_fit: fit.len(),
        n_fit_churned: fit.n_churned(),
        n_calibration: parts.calibration.len(),
        n_test: test.len(),
        n_test_churned: test.n_churned(),
        is_test_held_out: parts.is_test_held_out(),
        group: group_name(config, loaded, parts.by_time.is_none()),
    };
    summary::print_split(console, &split);

    let procedure = Procedure { config, schema: set.schema() };
    let fitted = procedure.fit(&fit, calibration.as_ref(), console, None)?;
    let kept = fitted.kept();
    let threshold = match &calibration {
        Some(rows) => procedure.threshold(&score_all(rows.features.view(), |rows| kept.scores(rows)), &rows.labels)?,
        None => procedure.threshold(&kept.honest_scores, &fit.labels)?,
    };
    let candidates = fitted.candidates.iter().zip(&fitted.fit_seconds);
    let outcomes: Vec<CandidateOutcome> = candidates
        .map(|(candidate, &fit_seconds)| procedure.outcome(candidate, fit_seconds, &test))
        .collect::<Result<_, _>>()?;
    summary::print_candidates(console, &outcomes, fitted.chosen);

    let cross_validation = folds.as_ref().map(|folds| cross_validate(&procedure, set, folds, console)).transpose()?;
    let (cross_validation, out_of_fold) = cross_validation.unzip();

    let bar = console.progress("evaluating", 0);
    let test_scores = score_all(test.features.view(), |rows| kept.scores(rows));
    let evaluate_error = |source| Error::Evaluate { what: "the test split".to_owned(), source };
    let evaluation = evaluate(&test_scores, &test.labels, &threshold, &config.campaign()).map_err(evaluate_error)?;
    let per_feature = ColumnGroup::per_feature(set.schema());
    let (importance, n_importance) =
        importance(&per_feature, &test, config.seed, |rows| kept.scores(rows)).map_err(evaluate_error)?;
    let baseline = baseline(set.schema(), &fit, &test, &config.campaign(), config.seed)?;
    bar.finish_and_clear();
    let over_time = match &loaded.observed {
        Some(observed) => {
            let (calibration, roc_auc) = (calibration.as_ref(), evaluation.metrics.roc_auc);
            let (parts, fit, test, fitted) = (&parts, &fit, &test, &fitted);
            let observing = Observing { config, loaded, observed, parts, fit, calibration, test, fitted, roc_auc };
            Some(observing.find(console)?)
        }
        None => None,
    };

    let segment_features = segment_features(loaded, &importance);
    let mut outcome = Outcome {
        model_id: String::new(),
        source: loaded.source.clone(),
        label: set.label_values().to_string(),
        columns,
        features: set.schema().features().to_vec(),
        split,
        chosen: fitted.chosen,
        candidates: outcomes,
        test: evaluation,
        cross_validation,
        baseline,
        segments: segments(set.schema(), &segment_features, &test, &test_scores, &threshold),
        importance,
        n_importance,
        calibrator: kept.calibrator.clone(),
        threshold,
        campaign: config.campaign(),
        rules: rules(kept, set.schema()),
        caveats: Vec::new(),
        seed: config.seed,
        repeat: config.repeat.clone(),
        over_time,
    };
    outcome.caveats = [summary::caveats(&outcome), loaded.caveats.clone(), kept.caveats.clone()].concat();
    let model = model(&outcome, kept, set.schema(), &fit);
    let model_bytes = model.to_bytes()?;
    outcome.model_id = churn_model::ModelId::of_bytes(&model_bytes).to_string();

    let mut scores = vec![f64::NAN; set.n_observations()];
    parts.fit.iter().zip(&kept.honest_scores).for_each(|(&row, &score)| scores[row] = score);
    let calibration_scores = calibration.map(|rows| score_all(rows.features.view(), |rows| kept.scores(rows)));
    parts.calibration.iter().zip(calibration_scores.unwrap_or_default()).for_each(|(&row, score)| scores[row] = score);
    if parts.is_test_held_out() {
        parts.test.iter().zip(&test_scores).for_each(|(&row, &score)| scores[row] = score);
    }
    let words = parts.words(set);
    let predictions: Vec<Prediction> =
        (0..set.n_observations()).map(|row| Prediction { row, split: words[row], score: scores[row] }).collect();

    let mut files = RunFolder::new();
    files.add_metrics(&outcome);
    files.add_predictions(set, &predictions, &threshold);
    if let Some(observed) = &loaded.observed {
        files.add_scores(&observed.censored, &model);
    }
    if let (Some(folds), Some(out_of_fold)) = (&folds, &out_of_fold) {
        files.add_out_of_fold(set, folds, out_of_fold);
    }
    files.add("model-card.md", crate::card::model_card(&outcome).into_bytes());
    files.add("report.html", crate::report::render(&outcome).into_bytes());
    files.add(MODEL_FILE, model_bytes);
    Ok(Trained { outcome, files, model, parts, honest_scores: scores })
}

/// Industry and size where they are known, because people think in them; then the features that the model needs most.
fn segment_features<'a>(loaded: &Loaded, importance: &'a [Importance]) -> Vec<&'a str> {
    let by_people = if loaded.observed.is_some() { ["industry", "employees"].as_slice() } else { &[] };
    let names = || importance.iter().map(|importance| importance.name.as_str());
    let first = names().filter(|name| by_people.contains(name));
    first.chain(names().filter(|name| !by_people.contains(name))).take(N_SEGMENT_FEATURES).collect()
}

/// Folder of the runs that have none of their own.
const RUNS: &str = "runs";

/// Name of the model file in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";

fn group_name(config: &TrainConfig, loaded: &Loaded, is_by_tenant: bool) -> Option<String> {
    loaded.set.groups()?;
    if loaded.observed.is_some() {
        // Cut by time, the tenants of the test have been fitted on at earlier dates.
        return is_by_tenant.then(|| "tenant".to_owned());
    }
    config.group.clone().or_else(|| config.id.clone())
}

fn rules(kept: &Candidate, schema: &FeatureSchema) -> Option<String> {
    match &kept.kind {
        ModelKind::Forest(forest) if forest.n_trees() == 1 => Some(forest.tree(0).rules(schema).to_string()),
        ModelKind::Forest(_) | ModelKind::Linear(_) => None,
    }
}

fn model(outcome: &Outcome, kept: &Candidate, schema: &FeatureSchema, fit: &Rows) -> Model {
    let column = |position: usize| fit.features.column(position).to_vec();
    let references =
        schema.features().iter().enumerate().map(|(at, feature)| ReferenceHistogram::of(feature, column(at))).collect();
    let test = summary::values(&outcome.test.metrics).into_iter().map(|(name, value)| (format!("test.{name}"), value));
    let card = ModelCard {
        algorithm: kept.algorithm.name().to_owned(),
        label: outcome.label.clone(),
        point_in_time: outcome.over_time.is_some(),
        n_observations: fit.len() as u64,
        n_churned: fit.n_churned() as u64,
        seed: outcome.seed,
        hyperparameters: kept.hyperparameters.clone(),
        metrics: test.collect(),
        caveats: outcome.caveats.clone(),
    };
    Model::new(schema.clone(), kept.kind.clone(), kept.calibrator.clone(), outcome.threshold, references, card)
        .expect("this cannot fail because all parts were made for this schema")
}
