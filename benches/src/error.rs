use std::path::PathBuf;

/// Why a benchmark cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder for the table cannot be made.
    #[error("cannot make the folder {path:?}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A part of the table cannot be read.
    #[error("cannot read {path:?}; `fit_case --prepare` or `score_case` writes it")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ndarray_npy::ReadNpyError,
    },
    /// A part of the table cannot be written.
    #[error("cannot write {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ndarray_npy::WriteNpyError,
    },
    /// Files that hold another table than asked for.
    #[error("{path:?} holds a table of shape {found:?}; expected {expected:?}")]
    Shape {
        /// The folder.
        path: PathBuf,
        /// Rows and columns found.
        found: [usize; 2],
        /// Rows and columns asked for.
        expected: [usize; 2],
    },
    /// Threads cannot be started.
    #[error("cannot start {n_threads} threads")]
    Threads {
        /// How many were asked for.
        n_threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
    /// The thread that draws events is gone.
    #[error("the thread that draws events broke off")]
    Drawing,
    /// A case measures nothing.
    #[error("a case is repeated at least once")]
    NoRepeats,
    /// Scores cannot be measured against labels.
    #[error("cannot tell how good the scores are")]
    Quality {
        /// Why not.
        source: churn_model::evaluate::EvaluateError,
    },
    /// The learner refuses, ours or another one.
    #[error("cannot fit the model")]
    Fit {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Features cannot be read out of a store.
    #[error("cannot read features")]
    Features {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A learner's own error.
    pub fn fit(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Fit { source: source.into() }
    }

    /// An error of the features.
    pub fn features(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Features { source: source.into() }
    }
}
