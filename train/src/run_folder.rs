//! The files of a run, written all or none.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use churn_model::{Model, Threshold};
use churn_training_data::{Observation, TrainingSet, Unlabelled};

use crate::Error;
use crate::outcome::Outcome;
use crate::summary;
use crate::whole_files::{try_folder, write_together};

/// The score of one row by a model that had not seen it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prediction {
    /// Position in the table.
    pub(crate) row: usize,
    /// `fit`, `calibration` or `test`; empty for a row that is in none of them.
    pub(crate) split: &'static str,
    /// Churn probability; NaN where every tree had seen the row.
    pub(crate) score: f64,
}

/// Files that wait to be written together.
#[derive(Debug, Default)]
pub(crate) struct RunFolder {
    files: Vec<(&'static str, Vec<u8>)>,
}

impl RunFolder {
    /// No files yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a file.
    pub(crate) fn add(&mut self, name: &'static str, bytes: Vec<u8>) {
        self.files.push((name, bytes));
    }

    /// Takes the files of these names out, to be written elsewhere.
    pub(crate) fn take(&mut self, names: &[&str]) -> Self {
        let (taken, left) = std::mem::take(&mut self.files).into_iter().partition(|(name, _)| names.contains(name));
        self.files = left;
        Self { files: taken }
    }

    /// Adds `metrics.json`; its keys are documented in `docs/run-folder.md`.
    pub(crate) fn add_metrics(&mut self, outcome: &Outcome) {
        let text = format!("{:#}\n", metrics_json(outcome));
        self.add("metrics.json", text.into_bytes());
    }

    /// Adds `predictions.csv`: every observation that is in a part, with a score by a model that had not seen it.
    pub(crate) fn add_predictions(&mut self, set: &TrainingSet, predictions: &[Prediction], threshold: &Threshold) {
        let keys = set.keys();
        let key_names: &[&str] = match (keys.dates(), keys.are_ids()) {
            (Some(_), _) => &OBSERVATION,
            (None, true) => &["id"],
            (None, false) => &["row"],
        };
        let mut csv = Csv::new(&[key_names, &["split", "label", "score", "decision"]].concat());
        for Prediction { row, split, score } in predictions.iter().filter(|prediction| !prediction.split.is_empty()) {
            let decision = if score.is_nan() { "" } else { digit(threshold.decide(*score)) };
            let rest = [split, digit(set.labels()[*row]), &number(*score), decision];
            match keys.observation(*row) {
                Some((tenant, date)) => csv.row(&[[tenant, &date.to_string()].as_slice(), &rest].concat()),
                None => csv.row(&[[&*keys.get(*row)].as_slice(), &rest].concat()),
            }
        }
        self.add("predictions.csv", csv.bytes());
    }

    /// Adds `scores.csv`: every tenant at risk on the last observation date, the likeliest to churn first.
    pub(crate) fn add_scores(&mut self, observations: &Unlabelled, model: &Model) {
        let mut scored: Vec<(f64, Observation<'_>)> =
            observations.latest().map(|observation| (model.score(observation.features), observation)).collect();
        scored.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.tenant.cmp(other.tenant)));
        let mut csv = Csv::new(&[OBSERVATION.as_slice(), &["score", "decision"]].concat());
        for (score, Observation { tenant, date, .. }) in scored {
            csv.row(&[tenant, &date.to_string(), &number(score), digit(model.decide(score))]);
        }
        self.add(SCORES_FILE, csv.bytes());
    }

    /// Adds `oof.csv`.
    pub(crate) fn add_out_of_fold(&mut self, set: &TrainingSet, folds: &[u32], scores: &[f64]) {
        let mut csv = Csv::new(&["row", "fold", "label", "score"]);
        for (row, (fold, score)) in folds.iter().zip(scores).enumerate() {
            csv.row(&[&row.to_string(), &fold.to_string(), digit(set.labels()[row]), &number(*score)]);
        }
        self.add(OUT_OF_FOLD_FILE, csv.bytes());
    }

    /// Writes all files or none, and takes away what an earlier run left in the folder and this one did not write.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Error> {
        let new_folders: Vec<&Path> = folder.ancestors().take_while(|folder| !is_there(folder)).collect();
        let fail = |source| Error::WriteFile { path: folder.to_owned(), source };
        let files: Vec<(PathBuf, &[u8])> =
            self.files.iter().map(|(name, bytes)| (folder.join(name), bytes.as_slice())).collect();
        let written = fs::create_dir_all(folder).map_err(fail).and_then(|()| write_together(folder, &files));
        if written.is_err() {
            for folder in new_folders {
                let _ = fs::remove_dir(folder); // empty, unless somebody else has put something there
            }
        } else {
            for name in NOT_ALWAYS.iter().filter(|name| !self.files.iter().any(|(written, _)| written == *name)) {
                let _ = fs::remove_file(folder.join(name)); // or it would pass for this run's
            }
        }
        written
    }
}

const OUT_OF_FOLD_FILE: &str = "oof.csv";
/// Name of the file with a score for every tenant at risk today.
pub(crate) const SCORES_FILE: &str = "scores.csv";

/// The files that not every run writes.
const NOT_ALWAYS: [&str; 2] = [OUT_OF_FOLD_FILE, SCORES_FILE];

/// The columns that name an observation.
const OBSERVATION: [&str; 2] = ["tenant", "observation_date"];

/// Refuses a run folder that cannot be written, such as where a file is in its way, before any work is done.
///
/// # Errors
/// See [`Error::OutIsFile`] and [`Error::WriteFile`].
pub(crate) fn check_folder(folder: &Path) -> Result<(), Error> {
    let Some(found) = folder.ancestors().find(|folder| is_there(folder)) else { return Ok(()) };
    if !found.as_os_str().is_empty() && !found.is_dir() {
        return Err(Error::OutIsFile { path: folder.to_owned(), found: found.to_owned() });
    }
    try_folder(found).map_err(|source| Error::WriteFile { path: folder.to_owned(), source })
}

/// Whether there is something of that name; the empty path is the folder that relative ones start in.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.symlink_metadata().is_ok()
}

fn metrics_json(outcome: &Outcome) -> Value {
    let kept = &outcome.candidates[outcome.chosen];
    let candidates: Vec<Value> = outcome
        .candidates
        .iter()
        .map(|candidate| {
            let name = candidate.algorithm.name();
            let cv = outcome.cross_validation.as_ref().and_then(|cv| cv.candidates.get(name));
            json!({
                "algorithm": name,
                "log_loss": candidate.honest_log_loss,
                "criterion": candidate.criterion,
                "calibrator": candidate.calibrator,
                "hyperparameters": candidate.hyperparameters,
                "notes": candidate.notes,
                "fit_seconds": candidate.fit_seconds,
                "test": candidate.test,
                "cv": cv.map(|mean| json!({ "mean": mean })),
            })
        })
        .collect();
    let cv = outcome.cross_validation.as_ref().map(|cv| {
        let folds = cv.folds.iter().map(|fold| {
            let mut object = json!({ "fold": fold.fold, "algorithm": fold.algorithm.name() });
            summary::values(&fold.metrics).into_iter().for_each(|(name, value)| object[name] = json!(value));
            object
        });
        json!({ "mean": cv.mean, "folds": folds.collect::<Vec<Value>>() })
    });
    json!({
        "model_id": outcome.model_id,
        "algorithm": kept.algorithm.name(),
        "source": outcome.source,
        "label": outcome.label,
        "seed": outcome.seed,
        "split": outcome.split,
        "test": outcome.test.metrics,
        "cv": cv,
        "candidates": candidates,
        "baseline": outcome.baseline,
        "calibrator": outcome.calibrator.word(),
        "threshold": outcome.threshold,
        "confusion": {
            "true_positives": outcome.test.confusion.true_positives,
            "false_positives": outcome.test.confusion.false_positives,
            "true_negatives": outcome.test.confusion.true_negatives,
            "false_negatives": outcome.test.confusion.false_negatives,
        },
        "segments": outcome.segments,
        "caveats": outcome.caveats,
        "over_time": outcome.over_time,
    })
}

/// A CSV file in memory, where writing cannot fail.
pub(crate) struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    pub(crate) fn new(header: &[&str]) -> Self {
        let mut csv = Self(csv::Writer::from_writer(Vec::new()));
        csv.row(header);
        csv
    }

    pub(crate) fn row(&mut self, fields: &[&str]) {
        self.0.write_record(fields).expect("this cannot fail because it writes to memory, and rows have one length");
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("this cannot fail because it writes to memory")
    }
}

pub(crate) fn digit(flag: bool) -> &'static str {
    if flag { "1" } else { "0" }
}

/// A score as shortest text that reads back the same; empty for NaN.
pub(crate) fn number(score: f64) -> String {
    if score.is_nan() { String::new() } else { score.to_string() }
}
