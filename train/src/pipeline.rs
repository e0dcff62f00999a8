//! The whole job: read, split, fit, calibrate, evaluate, write.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use churn_features::FeatureSchema;
use churn_model::evaluate::{Metrics, choose_threshold};
use churn_model::{Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use churn_training_data::{TableOptions, TrainingSet, read_folds, read_table, stratified_folds, stratified_split};

use crate::candidates::{Candidate, best_of, fit_candidates};
use crate::config::{ThresholdChoice, TrainConfig};
use crate::console::Console;
use crate::evaluation::{baseline, evaluate, importance, score_all, segments};
use crate::outcome::{CandidateOutcome, CrossValidation, FoldOutcome, Outcome, Split};
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
    let folds = read_or_make_folds(config, &set, &source)?;

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

    let judge = Judge { config, schema: set.schema() };
    let (candidates, chosen) = judge.fit(&fit, console, None)?;
    let kept = &candidates[chosen];
    let threshold = judge.threshold(kept, &fit.labels)?;
    let outcomes: Vec<CandidateOutcome> =
        candidates.iter().map(|candidate| judge.outcome(candidate, &test)).collect::<Result<_, _>>()?;
    summary::print_candidates(console, &outcomes, chosen);

    let cross_validation = match &folds {
        Some(folds) => Some(judge.cross_validate(&set, folds, console)?),
        None => None,
    };
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
        chosen,
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

fn read_or_make_folds(config: &TrainConfig, set: &TrainingSet, source: &str) -> Result<Option<Vec<u32>>, Error> {
    let (folds, option) = match (&config.folds, config.cv) {
        (Some(path), _) => {
            let folds = read_folds(path, set.n_observations())?;
            refuse_straddling(path, set, &folds)?;
            (folds, "--folds")
        }
        (None, Some(k)) => (stratified_folds(set.labels(), set.groups(), k, config.seed)?, "--cv"),
        (None, None) => return Ok(None),
    };
    // Now, and not when that fold's turn has come after an hour.
    for fold in 0..n_folds(&folds) {
        let rows: Vec<usize> = (0..folds.len()).filter(|&row| folds[row] == fold).collect();
        need_both_labels(set, &rows, &format!("fold {fold} of {source:?}"), option)?;
    }
    Ok(Some(folds))
}

fn n_folds(folds: &[u32]) -> u32 {
    folds.iter().max().map_or(0, |last| last + 1)
}

/// A group on both sides of a fold would be scored by a model that knows it.
fn refuse_straddling(path: &Path, set: &TrainingSet, folds: &[u32]) -> Result<(), Error> {
    let mut fold_of_group = HashMap::new();
    for (row, &group) in set.groups().unwrap_or_default().iter().enumerate() {
        let first = *fold_of_group.entry(group).or_insert(folds[row]);
        if first != folds[row] {
            return Err(Error::StraddlingGroup { path: path.to_owned(), row, first, second: folds[row] });
        }
    }
    Ok(())
}

fn group_name(config: &TrainConfig, set: &TrainingSet) -> Option<String> {
    set.groups()?;
    config.group.clone().or_else(|| config.id.clone())
}

/// Fits and compares candidates, always in the same way.
struct Judge<'a> {
    config: &'a TrainConfig,
    schema: &'a FeatureSchema,
}

impl Judge<'_> {
    fn fit(&self, fit: &Rows, console: &Console, fold: Option<u32>) -> Result<(Vec<Candidate>, usize), Error> {
        let observations =
            fit.observations(self.schema).map_err(|source| Error::Fit { what: "a model".to_owned(), source })?;
        let candidates = fit_candidates(self.config, &observations, console, fold)?;
        let chosen = best_of(&candidates, &fit.labels);
        Ok((candidates, chosen))
    }

    fn threshold(&self, kept: &Candidate, labels: &[bool]) -> Result<Threshold, Error> {
        let rule = match (self.config.threshold_rule(), self.config.threshold) {
            (Some(rule), _) => rule,
            (None, ThresholdChoice::Score(score)) => return Ok(Threshold { score, rule: ThresholdRule::Fixed }),
            (None, _) => unreachable!("every other choice is a rule"),
        };
        let scored = kept.honest_scores.iter().zip(labels).filter(|(score, _)| !score.is_nan());
        let (scores, labels): (Vec<f64>, Vec<bool>) = scored.map(|(&score, &label)| (score, label)).unzip();
        choose_threshold(rule, &scores, &labels)
            .map_err(|source| Error::Evaluate { what: "the threshold".to_owned(), source })
    }

    fn metrics(&self, candidate: &Candidate, rows: &Rows) -> Result<(Vec<f64>, Metrics), Error> {
        let scores = score_all(rows.features.view(), |rows| candidate.scores(rows));
        let metrics = Metrics::of(&scores, &rows.labels, &self.config.campaign())
            .map_err(|source| Error::Evaluate { what: format!("the {}", candidate.algorithm.name()), source })?;
        Ok((scores, metrics))
    }

    fn outcome(&self, candidate: &Candidate, test: &Rows) -> Result<CandidateOutcome, Error> {
        Ok(CandidateOutcome {
            algorithm: candidate.algorithm,
            honest_log_loss: candidate.honest_log_loss,
            criterion: candidate.criterion,
            test: self.metrics(candidate, test)?.1,
            hyperparameters: candidate.hyperparameters.clone(),
            calibrator: candidate.calibrator.word(),
            notes: candidate.notes.clone(),
            fit_seconds: candidate.fit_seconds,
        })
    }

    /// Repeats choice, calibration and all on the other folds of each fold. Also returns the score of every row by the
    /// candidate that was kept without its fold.
    fn cross_validate(
        &self,
        set: &TrainingSet,
        folds: &[u32],
        console: &Console,
    ) -> Result<(CrossValidation, Vec<f64>), Error> {
        let mut out_of_fold = vec![f64::NAN; folds.len()];
        let mut outcomes = Vec::new();
        let mut per_algorithm: BTreeMap<&'static str, Vec<Metrics>> = BTreeMap::new();
        for fold in 0..n_folds(folds) {
            let (held_out, rest): (Vec<usize>, Vec<usize>) = (0..folds.len()).partition(|&row| folds[row] == fold);
            let (rest, rows) = (Rows::of(set, &rest), Rows::of(set, &held_out));
            let (candidates, chosen) = self.fit(&rest, console, Some(fold))?;
            for (position, candidate) in candidates.iter().enumerate() {
                let (scores, metrics) = self.metrics(candidate, &rows)?;
                if position == chosen {
                    held_out.iter().zip(scores).for_each(|(&row, score)| out_of_fold[row] = score);
                    summary::print_fold(console, fold, candidate.algorithm, &metrics);
                    outcomes.push(FoldOutcome { fold, algorithm: candidate.algorithm, metrics });
                }
                per_algorithm.entry(candidate.algorithm.name()).or_default().push(metrics);
            }
        }
        let mean = mean_metrics(outcomes.iter().map(|outcome| &outcome.metrics));
        let candidates = per_algorithm.iter().map(|(&name, metrics)| (name, mean_metrics(metrics.iter()))).collect();
        let cross_validation = CrossValidation { mean, folds: outcomes, candidates };
        summary::print_cross_validation(console, &cross_validation);
        Ok((cross_validation, out_of_fold))
    }
}

fn mean_metrics<'a>(metrics: impl Iterator<Item = &'a Metrics>) -> BTreeMap<&'static str, f64> {
    let mut sums: BTreeMap<&'static str, f64> = BTreeMap::new();
    let mut n = 0.0;
    for metrics in metrics {
        summary::values(metrics).into_iter().for_each(|(name, value)| *sums.entry(name).or_default() += value);
        n += 1.0;
    }
    sums.values_mut().for_each(|sum| *sum /= n);
    sums
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
