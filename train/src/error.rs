use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What can go wrong in a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line cannot be used, or asked for help.
    #[error("{text}")]
    Usage {
        /// What to show.
        text: String,
        /// 2 for a mistake, 0 for help.
        exit_code: i32,
    },
    /// `hyperparameters.json` cannot be used.
    #[error("{path:?}: {problem}")]
    Hyperparameters {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {path:?}; nothing was left half-written")]
    WriteFile {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The table, or the folds, cannot be used.
    #[error(transparent)]
    Data(#[from] churn_training_data::Error),
    /// A learner cannot be fitted.
    #[error("cannot fit {what}")]
    Fit {
        /// What was being fitted.
        what: String,
        /// Why.
        source: churn_model::fit::FitError,
    },
    /// Scores cannot be evaluated.
    #[error("cannot evaluate {what}")]
    Evaluate {
        /// What was being evaluated.
        what: String,
        /// Why.
        source: churn_model::evaluate::EvaluateError,
    },
    /// One side of a split has a single label.
    #[error("{part} has {n} rows and all of them {label}; give more data or another split")]
    OneLabel {
        /// The part, such as `the test split`.
        part: String,
        /// Its rows.
        n: usize,
        /// What all of them did.
        label: &'static str,
    },
    /// Rows that belong together stand in two folds.
    #[error(
        "row {row} belongs to a group that stands in fold {first} and in fold {second}; scores would leak from one to the other"
    )]
    StraddlingGroup {
        /// Zero-based row.
        row: usize,
        /// Fold of the group's first row.
        first: u32,
        /// Fold of this one.
        second: u32,
    },
    /// The model file cannot be read.
    #[error(transparent)]
    ReadModel(#[from] churn_model::ReadError),
    /// The model file cannot be written.
    #[error(transparent)]
    WriteModel(#[from] churn_model::WriteError),
    /// The thread pool cannot be started.
    #[error("cannot start {n_threads} threads")]
    Threads {
        /// Threads asked for.
        n_threads: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
}

impl Error {
    /// Tells what went wrong and returns the exit code to end with.
    pub fn report(&self) -> ExitCode {
        // A reader that has gone away is no reason to do anything else.
        let _ = match self {
            Self::Usage { text, exit_code: 0 } => write!(std::io::stdout(), "{text}"),
            Self::Usage { text, .. } => write!(std::io::stderr(), "{text}"),
            _ => writeln!(std::io::stderr(), "error: {}", self.line()),
        };
        ExitCode::from(self.exit_code() as u8)
    }

    /// The exit code of a program that ends with this: 2 for wrong usage, else 1.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Usage { exit_code, .. } => *exit_code,
            Self::Hyperparameters { .. } => 2,
            _ => 1,
        }
    }

    /// The message and its sources in one line.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        line
    }
}
