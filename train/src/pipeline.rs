//! The whole job: read, split, fit, calibrate, evaluate, write.

use std::path::{Path, PathBuf};

use churn_features::FeatureSchema;
use churn_model::{Model, ModelCard, ModelKind, ReferenceHistogram};
use churn_training_data::{TableOptions, TrainingSet, read_table, stratified_split};

use crate::candidates::Candidate;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::cross_validation::{self, cross_validate};
use crate::evaluation::{baseline, evaluate, importance, score_all, segments};
use crate::outcome::{CandidateOutcome, Outcome, Split};
use crate::procedure::Procedure;
use crate::rows::{Rows, need_both_labels};
use crate::run_folder::{Prediction, RunFolder};
use crate::{Error, demonstration, run_folder, summary};

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
    let n_threads = config.threads.map_or(0, usize::from); // 0: as many as there are cores
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .map_err(|source| Error::Threads { n_threads, source })?;
    pool.install(|| run(config, console))
}

fn run(config: &TrainConfig, console: &Console) -> Result<Finished, Error> {
    run_folder::refuse_file(config.out.as_deref().unwrap_or(Path::new(RUNS)))?;
    let (set, source) = read(config)?;
    let columns = set.describe();
    summary::print_columns(console, &source, &set, &columns);
    let folds = cross_validation::folds(config, &set, &source)?;

    let (fit_rows, test_rows) = stratified_split(set.labels(), set.groups(), config.test_share, config.seed)?;
    for (rows, name) in [(&test_rows, "test"), (&fit_rows, "fit")] {
        need_both_labels(&set, rows, &format!("the {name} split of {source:?}"), "--test-share or --seed")?;
    }
    let (fit, test) = (Rows::of(&set, &fit_rows), Rows::of(&set, &test_rows));
    let split = Split {
        n_fit: fit.len(),
        n_fit_churned: fit.n_churned(),
        n_test: test.len(),
        n_test_churned: test.n_churned(),
        group: group_name(config, &set),
    };
    summary::print_split(console, &split);

    let procedure = Procedure { config, schema: set.schema() };
    let fitted = procedure.fit(&fit, None, console, None)?;
    let kept = fitted.kept();
    let threshold = procedure.threshold(&kept.honest_scores, &fit.labels)?;
    let outcomes: Vec<CandidateOutcome> =
        fitted.candidates.iter().map(|candidate| procedure.outcome(candidate, &test)).collect::<Result<_, _>>()?;
    summary::print_candidates(console, &outcomes, fitted.chosen);

    let cross_validation = folds.as_ref().map(|folds| cross_validate(&procedure, &set, folds, console)).transpose()?;
    let (cross_validation, out_of_fold) = cross_validation.unzip();

    let bar = console.progress("evaluating", 0);
    let test_scores = score_all(test.features.view(), |rows| kept.scores(rows));
    let evaluate_error = |source| Error::Evaluate { what: "the test split".to_owned(), source };
    let evaluation = evaluate(&test_scores, &test.labels, &threshold, &config.campaign()).map_err(evaluate_error)?;
    let (importance, n_importance) =
        importance(set.schema(), &test, config.seed, |rows| kept.scores(rows)).map_err(evaluate_error)?;
    let baseline = baseline(set.schema(), &fit, &test, &config.campaign(), config.seed)?;
    bar.finish_and_clear();

    let mut outcome = Outcome {
        model_id: String::new(),
        source,
        label: set.label_values().to_string(),
        columns,
        split,
        chosen: fitted.chosen,
        candidates: outcomes,
        test: evaluation,
        cross_validation,
        baseline,
        segments: segments(set.schema(), &importance, &test, &test_scores, &threshold),
        importance,
        n_importance,
        calibrator: kept.calibrator.clone(),
        threshold,
        campaign: config.campaign(),
        rules: rules(kept, set.schema()),
        caveats: Vec::new(),
        seed: config.seed,
        over_time: None,
    };
    outcome.caveats = [summary::caveats(&outcome), kept.caveats.clone()].concat();
    let model = model(&outcome, kept, set.schema(), &fit);
    let model_bytes = model.to_bytes()?;
    outcome.model_id = churn_model::ModelId::of_bytes(&model_bytes).to_string();

    let mut scores = vec![f64::NAN; set.n_observations()];
    fit_rows.iter().zip(&kept.honest_scores).for_each(|(&row, &score)| scores[row] = score);
    test_rows.iter().zip(&test_scores).for_each(|(&row, &score)| scores[row] = score);
    let mut is_test = vec![false; set.n_observations()];
    test_rows.iter().for_each(|&row| is_test[row] = true);
    let predictions: Vec<Prediction> = (0..set.n_observations())
        .map(|row| Prediction { row, split: if is_test[row] { "test" } else { "fit" }, score: scores[row] })
        .collect();

    let folder = config.out.clone().unwrap_or_else(|| Path::new(RUNS).join(&outcome.model_id));
    let mut files = RunFolder::new();
    files.add_metrics(&outcome);
    files.add_predictions(&set, &predictions, &threshold);
    if let (Some(folds), Some(out_of_fold)) = (&folds, &out_of_fold) {
        files.add_out_of_fold(&set, folds, out_of_fold);
    }
    files.add("model-card.md", crate::card::model_card(&outcome).into_bytes());
    files.add("report.html", crate::report::render(&outcome).into_bytes());
    files.add(MODEL_FILE, model_bytes);
    files.write(&folder)?;
    summary::print_results(console, &outcome, &folder);
    Ok(Finished { folder, outcome })
}

/// Folder of the runs that have none of their own.
const RUNS: &str = "runs";

/// Name of the model file in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";

fn read(config: &TrainConfig) -> Result<(TrainingSet, String), Error> {
    let Some(path) = &config.table else {
        return demonstration::training_set();
    };
    let mut options = match &config.label {
        Some(label) => TableOptions::new(label),
        None => TableOptions::headerless(),
    };
    options.id.clone_from(&config.id);
    options.group.clone_from(&config.group);
    options.weight.clone_from(&config.weight);
    options.drop.clone_from(&config.drop);
    options.category.clone_from(&config.category);
    options.positive.clone_from(&config.positive);
    let set = TrainingSet::from_table(read_table(path, &options)?)?;
    let name = path.file_name().map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    Ok((set, name.into_owned()))
}

fn group_name(config: &TrainConfig, set: &TrainingSet) -> Option<String> {
    set.groups()?;
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
        point_in_time: false,
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
