//! A model made ready to answer requests.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use churn_model::{DriftMonitor, Explainer, Model, ReadError, Scorer};

use crate::company::{CompanyMapping, NoMapping};
use crate::row::RowSchema;

/// Why no model can be served from a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The folder is not there.
    #[error("no model folder {path:?}; mount what train has written there, or name another one with --model")]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be read.
    #[error("cannot read folder {path:?}")]
    ReadFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No model file in the folder.
    #[error("no model file in {path:?}: expected model.safetensors, found {}", found(others))]
    NoFile {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        others: Vec<String>,
    },
    /// Several model files, none of them with the usual name.
    #[error("several model files in {path:?} ({}); name the one to serve model.safetensors", files.join(", "))]
    SeveralFiles {
        /// The folder.
        path: PathBuf,
        /// Their names.
        files: Vec<String>,
    },
    /// The model file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn found(others: &[String]) -> String {
    if others.is_empty() { "nothing".to_owned() } else { others.join(", ") }
}

/// The usual name of a model file.
const MODEL_FILE: &str = "model.safetensors";

/// A model with all that requests need of it; shared by all threads.
#[derive(Debug)]
pub struct ServedModel {
    id: String,
    model: Model,
    scorer: Scorer,
    /// Made when reasons are first asked for: it takes nearly twice the memory of model and scorer.
    explainer: OnceLock<Explainer>,
    rows: RowSchema,
    companies: Result<CompanyMapping, NoMapping>,
    drift: Mutex<DriftMonitor>,
}

impl ServedModel {
    /// Reads the model file at a path, or the one in a folder.
    ///
    /// # Errors
    /// When there is no such file, or it is not a model file.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let file = if path.is_dir() { model_file(path)? } else { path.to_owned() };
        if !file.exists() {
            return Err(LoadError::NoFolder { path: path.to_owned() });
        }
        let model = Model::read(&file)?;
        Ok(Self::new(model))
    }

    /// Makes a model ready.
    pub fn new(model: Model) -> Self {
        Self {
            id: model.id().map(|id| id.to_string()).unwrap_or_default(),
            scorer: Scorer::new(&model),
            explainer: OnceLock::new(),
            rows: RowSchema::new(model.schema()),
            companies: CompanyMapping::new(model.schema()),
            drift: Mutex::new(DriftMonitor::new(&model)),
            model,
        }
    }

    /// The digest of the model file.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The scorer.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// What gives reasons.
    pub fn explainer(&self) -> &Explainer {
        self.explainer.get_or_init(|| self.model.explainer())
    }

    /// How the features are found in requests.
    pub(crate) fn rows(&self) -> &RowSchema {
        &self.rows
    }

    /// How companies fill the features, where they can.
    pub fn companies(&self) -> Result<&CompanyMapping, &NoMapping> {
        self.companies.as_ref()
    }

    /// Counts rows that were scored, for telling drift.
    pub(crate) fn observe(&self, rows: &[f32]) {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).observe(rows);
    }

    /// The features that have drifted, the farthest first; see [`DriftMonitor::most_drifted`].
    #[cfg(feature = "http")]
    pub(crate) fn drift(&self) -> Vec<(&str, f64)> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).most_drifted(self.model.schema())
    }
}

/// The model file of a folder: `model.safetensors`, or the only other one. Names that begin with a dot are not looked at.
pub(crate) fn model_file(folder: &Path) -> Result<PathBuf, LoadError> {
    let fail = |source| LoadError::ReadFolder { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    if names.iter().any(|name| name == MODEL_FILE) {
        return Ok(folder.join(MODEL_FILE));
    }
    let files: Vec<String> = names.iter().filter(|name| name.ends_with(".safetensors")).cloned().collect();
    match files.as_slice() {
        [file] => Ok(folder.join(file)),
        [] => Err(LoadError::NoFile { path: folder.to_owned(), others: names }),
        _ => Err(LoadError::SeveralFiles { path: folder.to_owned(), files }),
    }
}
