//! Fitted learners, kept so that a run which is started again does not fit them again.
//!
//! One file per learner and part of the run, named by a digest of all that the fit depends on. The same digest means
//! the same learner bit for bit, whoever wrote the file: runs may share a folder.

use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use churn_features::FeatureSchema;
use churn_model::fit::{Algorithm, Candidate, Observations};
use churn_model::{Model, ModelCard, ReferenceHistogram, Threshold, ThresholdRule};

use crate::Error;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::run_folder;
use crate::whole_files::{PARTIAL, write_together};

/// Where one fitted learner is kept.
#[derive(Debug)]
pub(crate) struct Checkpoint(PathBuf);

/// The file: JSON, with a digest of the text of its contents.
#[derive(Debug, Serialize, Deserialize)]
struct Signed<'a> {
    digest: String,
    #[serde(borrow)]
    contents: &'a RawValue,
}

/// What is kept of a learner, with the model as a model file in Base64.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    model: String,
    /// `null` for an observation without one.
    honest_raw_scores: Vec<Option<f64>>,
    honest_log_loss: f64,
    min_leaf: Option<u32>,
    notes: Vec<String>,
    fit_seconds: f64,
}

/// Why a file that is there is of no use.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Base64(#[from] base64::DecodeError),
    #[error(transparent)]
    Model(#[from] churn_model::ReadError),
    #[error("it is not as it was written")]
    Digest,
    #[error("it is of other observations")]
    Other,
}

/// Makes ready the folder that the configuration names: what a process was writing when it ended is taken away.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn prepare(config: &TrainConfig) -> Result<(), Error> {
    let Some(folder) = config.checkpoints.as_deref() else { return Ok(()) };
    run_folder::check_folder(folder)?;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            let _ = std::fs::remove_dir_all(entry.path()); // it harms nobody
        }
    }
    Ok(())
}

impl Checkpoint {
    /// The place of a learner in the folder that the configuration names, if it names one.
    pub(crate) fn of(algorithm: Algorithm, config: &TrainConfig, observations: &Observations<'_>) -> Option<Self> {
        let folder = config.checkpoints.as_deref()?;
        let digest = digest(algorithm, config, observations);
        Some(Self(folder.join(format!("{}-{digest:032x}.json", algorithm.name()))))
    }

    /// The learner and the seconds that its fit took, if it is there and whole.
    pub(crate) fn read(
        &self,
        algorithm: Algorithm,
        observations: &Observations<'_>,
        console: &Console,
    ) -> Option<(Candidate, f64)> {
        match self.try_read(algorithm, observations) {
            Ok(found) => {
                console.line(format!("the {} is taken from {}", algorithm.name(), self.0.display()));
                Some(found)
            }
            Err(Damage::Read(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(damage) => {
                console.line(format!("{} is damaged and is fitted anew: {damage}", self.0.display()));
                None
            }
        }
    }

    fn try_read(&self, algorithm: Algorithm, observations: &Observations<'_>) -> Result<(Candidate, f64), Damage> {
        let bytes = std::fs::read(&self.0)?;
        let signed: Signed<'_> = serde_json::from_slice(&bytes)?;
        if signed.digest != digest_of_text(signed.contents.get()) {
            return Err(Damage::Digest);
        }
        let contents: Contents = serde_json::from_str(signed.contents.get())?;
        let model = Model::from_bytes(&BASE64_STANDARD.decode(&contents.model)?)?;
        if model.schema() != observations.schema()
            || contents.honest_raw_scores.len() != observations.n_observations()
            || model.card().algorithm != algorithm.name()
        {
            return Err(Damage::Other);
        }
        let scores = contents.honest_raw_scores.into_iter().map(|score| score.unwrap_or(f64::NAN)).collect();
        let candidate = Candidate::restored(
            algorithm,
            model.kind().clone(),
            model.calibrator().clone(),
            scores,
            contents.honest_log_loss,
        );
        let candidate = Candidate {
            hyperparameters: model.card().hyperparameters.clone(),
            caveats: model.card().caveats.clone(),
            min_leaf: contents.min_leaf,
            notes: contents.notes,
            ..candidate
        };
        Ok((candidate, contents.fit_seconds))
    }

    /// Keeps a learner. A disk that is full costs the checkpoint and not the run.
    pub(crate) fn write(&self, candidate: &Candidate, fit_seconds: f64, schema: &FeatureSchema, console: &Console) {
        if let Err(error) = self.try_write(candidate, fit_seconds, schema) {
            console.line(format!("no checkpoint of the {}: {}", candidate.algorithm.name(), error.line()));
        }
    }

    fn try_write(&self, candidate: &Candidate, fit_seconds: f64, schema: &FeatureSchema) -> Result<(), Error> {
        let scores = candidate.honest_raw_scores.iter().map(|&score| (!score.is_nan()).then_some(score)).collect();
        let contents = Contents {
            model: BASE64_STANDARD.encode(bare_model(candidate, schema).to_bytes()?),
            honest_raw_scores: scores,
            honest_log_loss: candidate.honest_log_loss,
            min_leaf: candidate.min_leaf,
            notes: candidate.notes.clone(),
            fit_seconds,
        };
        let contents = to_raw_value(&contents).expect("this cannot fail because it writes plain data to memory");
        let signed = Signed { digest: digest_of_text(contents.get()), contents: &contents };
        let json = serde_json::to_vec(&signed).expect("this cannot fail because it writes plain data to memory");
        let folder = self.0.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).map_err(|source| Error::WriteFile { path: folder.to_owned(), source })?;
        write_together(folder, &[(self.0.clone(), &json)])
    }
}

fn digest_of_text(text: &str) -> String {
    format!("{:032x}", xxh3_128(text.as_bytes()))
}

/// The learner as a model, without what is decided after the fit.
fn bare_model(candidate: &Candidate, schema: &FeatureSchema) -> Model {
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let card = ModelCard {
        algorithm: candidate.algorithm.name().to_owned(),
        hyperparameters: candidate.hyperparameters.clone(),
        caveats: candidate.caveats.clone(),
        ..ModelCard::default()
    };
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    Model::new(schema.clone(), candidate.kind.clone(), candidate.calibrator.clone(), threshold, references, card)
        .expect("this cannot fail because all parts were made for this schema")
}

/// All that a fit may depend on: every option, so that none can be forgotten, but for those that change no fit.
fn digest(algorithm: Algorithm, config: &TrainConfig, observations: &Observations<'_>) -> u128 {
    let config = TrainConfig { out: None, checkpoints: None, threads: None, repeat: None, ..config.clone() };
    let settings = format!("{} {algorithm:?} {config:?}", env!("CARGO_PKG_VERSION"));
    let schema = serde_json::to_vec(observations.schema()).expect("this cannot fail because it writes to memory");
    let mut digest = Xxh3::new();
    for part in [settings.as_bytes(), &schema] {
        digest.update(&part.len().to_le_bytes());
        digest.update(part);
    }
    observations.features().iter().for_each(|value| digest.update(&value.to_bits().to_le_bytes()));
    for (row, &label) in observations.labels().iter().enumerate() {
        digest.update(&[u8::from(label)]);
        digest.update(&observations.group(row).to_le_bytes());
        digest.update(&observations.weight(row).to_bits().to_le_bytes());
    }
    digest.digest128()
}

#[cfg(test)]
mod tests {
    use churn_features::Feature;
    use churn_model::fit::{DecisionTreeLearner, Learner, Progress, RandomForestLearner};
    use ndarray::Array2;

    use super::*;

    fn config(flags: &str) -> TrainConfig {
        let words = ["train"].into_iter().chain(flags.split_whitespace());
        TrainConfig::from_args(words.map(Into::into)).expect("sound options")
    }

    fn schema(name: &'static str) -> FeatureSchema {
        FeatureSchema::new(vec![Feature::numeric(name)]).expect("sound")
    }

    #[test]
    fn whatever_a_fit_depends_on_changes_its_digest() {
        let (plain, labels) = (Array2::from_shape_fn((4, 1), |(row, _)| row as f32), [true, false, true, false]);
        let (weights, groups) = ([1.0, 1.0, 1.0, 2.0], [0, 0, 2, 3]);
        let x = schema("x");
        let rows = Observations::new(&x, plain.view(), &labels).expect("sound");
        let of = |flags: &str, rows: &Observations<'_>| digest(Algorithm::DecisionTree, &config(flags), rows);
        let moved = {
            let mut moved = plain.clone();
            moved[[3, 0]] = f32::NAN;
            moved
        };
        let y = schema("y");
        let digests = [
            of("", &rows),
            digest(Algorithm::RandomForest, &config(""), &rows),
            of("--seed 5", &rows),
            of("--min-leaf 3", &rows),
            of("--tune 4", &rows),
            of("--calibration none", &rows),
            of("--class-weight balanced", &rows),
            of("", &Observations::new(&x, moved.view(), &labels).expect("sound")),
            of("", &Observations::new(&x, plain.view(), &[true, false, false, true]).expect("sound")),
            of("", &Observations::new(&y, plain.view(), &labels).expect("sound")),
            of("", &rows.with_weights(&weights).expect("sound")),
            of("", &rows.with_groups(&groups).expect("sound")),
        ];
        let different: std::collections::BTreeSet<u128> = digests.into_iter().collect();
        assert_eq!(different.len(), digests.len());
        assert_eq!(of("", &rows), of("--out elsewhere --threads 1 --checkpoints c", &rows));
    }

    #[test]
    fn a_candidate_comes_back_as_it_was_and_only_for_its_observations() {
        let features = Array2::from_shape_fn((60, 1), |(row, _)| (row * 7 % 60) as f32);
        let labels: Vec<bool> = (0..60).map(|row| row * 7 % 60 > 25 || row % 9 == 0).collect();
        let x = schema("x");
        let rows = Observations::new(&x, features.view(), &labels).expect("sound");
        let folder = tempfile::tempdir().expect("a folder");
        let fit = |learner: Learner| {
            learner.fit_candidate(&rows, Default::default(), &Progress::silent()).expect("is fitted")
        };
        let forest = fit(Learner::RandomForest(RandomForestLearner { n_trees: 9, ..RandomForestLearner::default() }));
        let checkpoint = Checkpoint(folder.path().join("forest.json"));
        checkpoint.try_write(&forest, 0.0, &x).expect("is written");
        let (found, _) = checkpoint.try_read(Algorithm::RandomForest, &rows).expect("is there");
        assert!(format!("{found:?}") == format!("{forest:?}") && found.min_leaf.is_some());

        let fitted = fit(Learner::DecisionTree(DecisionTreeLearner::default()));
        let checkpoint = Checkpoint(folder.path().join("tree.json"));
        checkpoint.try_write(&fitted, 1.5, &x).expect("is written");
        let (found, seconds) = checkpoint.try_read(Algorithm::DecisionTree, &rows).expect("is there");
        assert_eq!(format!("{found:?} {seconds}"), format!("{fitted:?} 1.5"));

        let fewer = Observations::new(&x, features.view().split_at(ndarray::Axis(0), 59).0, &labels[..59]);
        let damage = checkpoint.try_read(Algorithm::DecisionTree, &fewer.expect("sound")).unwrap_err();
        assert!(matches!(damage, Damage::Other), "{damage}");
        let damage = checkpoint.try_read(Algorithm::RandomForest, &rows).unwrap_err();
        assert!(matches!(damage, Damage::Other), "{damage}");
        let whole = std::fs::read(&checkpoint.0).expect("is there");
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&checkpoint.0, damaged).expect("is written");
            assert!(checkpoint.try_read(Algorithm::DecisionTree, &rows).is_err(), "byte {at}");
        }
    }
}
