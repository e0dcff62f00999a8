//! The whole procedure repeated on the other folds of each fold.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use churn_model::evaluate::Metrics;
use churn_training_data::{TrainingSet, read_folds, stratified_folds};

use crate::config::TrainConfig;
use crate::console::Console;
use crate::outcome::{CrossValidation, FoldOutcome};
use crate::procedure::Procedure;
use crate::rows::{Rows, need_both_labels};
use crate::{Error, summary};

/// The fold of each row, where the configuration asks for folds.
///
/// # Errors
/// When the file of folds cannot be used, or a fold would bear one label only: now, and not when that fold's turn has
/// come after an hour.
pub(crate) fn folds(config: &TrainConfig, set: &TrainingSet, source: &str) -> Result<Option<Vec<u32>>, Error> {
    let (folds, option) = match (&config.folds, config.cv) {
        (Some(path), _) => {
            let folds = read_folds(path, set.n_observations())?;
            refuse_straddling(path, set, &folds)?;
            (folds, "--folds")
        }
        (None, Some(k)) => (stratified_folds(set.labels(), set.groups(), k, config.seed)?, "--cv"),
        (None, None) => return Ok(None),
    };
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

/// Repeats choice, calibration and all; also the score of every row by the candidate that was kept without its fold.
///
/// # Errors
/// When a learner cannot be fitted without one of the folds.
pub(crate) fn cross_validate(
    procedure: &Procedure<'_>,
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
        let fitted = procedure.fit(&rest, None, console, Some(&format!("fold {fold}")))?;
        for (position, candidate) in fitted.candidates.iter().enumerate() {
            let (scores, metrics) = procedure.test(candidate, &rows)?;
            if position == fitted.chosen {
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
