use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use churn_model::fit::FitError;
use churn_training_data::AssemblyError;

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
    #[error("cannot write {path:?}; nothing was left half-written, so mend this or name another place with --out")]
    WriteFile {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The table, or the folds, cannot be used.
    #[error(transparent)]
    Data(#[from] churn_training_data::Error),
    /// A log of events cannot be read.
    #[error(transparent)]
    Events(#[from] churn_events::Error),
    /// One of several files of a log broke off, so that its tenants would look as if they had stopped.
    #[error("{path:?} breaks off, while other files go on: give the day up to which all are whole, with --log-end")]
    BrokenLog {
        /// The file.
        path: PathBuf,
    },
    /// A log is in a format that only tools for tables read.
    #[error(
        "{path:?} is Parquet; events are read from JSON Lines (plain, gzip or zstd), as simulate writes with --format jsonl \
         or jsonl.gz; what assemble has written goes behind --observations"
    )]
    ParquetLog {
        /// The file.
        path: PathBuf,
    },
    /// A table to score is Parquet.
    #[error("{path:?} is Parquet; score takes CSV: write it with assemble --out set.csv")]
    ParquetTable {
        /// The file.
        path: PathBuf,
    },
    /// What assemble has written was given as a log.
    #[error("{path:?} holds observations that assemble has written, and no events; give it behind --observations")]
    ObservationsAsLog {
        /// The file.
        path: PathBuf,
    },
    /// A folder was named as a log and holds none.
    #[error(
        "no log of events in folder {path:?}, which holds {n_others} other things; expected files named *.jsonl, \
         *.jsonl.gz or *.jsonl.zst; name files of other names one by one"
    )]
    NoLogInFolder {
        /// The folder.
        path: PathBuf,
        /// How many things are in it.
        n_others: usize,
    },
    /// A file's name does not say which format it is to have.
    #[error("--out {path:?}: expected a name that ends in .parquet or .csv, which says what to write")]
    UnknownEnding {
        /// The file.
        path: PathBuf,
    },
    /// An output would replace an input.
    #[error("{path:?} is read as well as written; name another file")]
    OutIsInput {
        /// The file.
        path: PathBuf,
    },
    /// There is no such world to simulate.
    #[error(transparent)]
    Simulate(#[from] churn_simulator::Error),
    /// A learner cannot be fitted.
    #[error("cannot fit {what}")]
    Fit {
        /// What was being fitted.
        what: String,
        /// Why.
        source: FitError,
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
    #[error("{part} has {n} of {n_all} rows and none of them {label}; give more rows, or another {option}")]
    OneLabel {
        /// The part, such as `the test split of "companies.csv"`.
        part: String,
        /// Its rows.
        n: usize,
        /// The rows of the table.
        n_all: usize,
        /// What none of them did.
        label: &'static str,
        /// What makes another part.
        option: &'static str,
    },
    /// Rows that belong together stand in two folds.
    #[error(
        "{path:?}: row {row} is in fold {second} and an earlier row of its group in fold {first}; \
         give all rows of a group the same fold"
    )]
    StraddlingGroup {
        /// The file of folds.
        path: PathBuf,
        /// Zero-based row.
        row: usize,
        /// Fold of the group's first row.
        first: u32,
        /// Fold of this one.
        second: u32,
    },
    /// The run folder cannot be a folder.
    #[error("--out {path:?}: {found:?} is a file; name a folder")]
    OutIsFile {
        /// What was asked for.
        path: PathBuf,
        /// The file that is in its way.
        found: PathBuf,
    },
    /// A file cannot be written because a folder has its name.
    #[error("cannot write {path:?}, which is a folder; name a file, or move the folder away")]
    FileIsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file is to be written where no folder is.
    #[error("cannot write {path:?}: there is no folder {folder:?}; make it, or name another place")]
    NoFolder {
        /// The file.
        path: PathBuf,
        /// The folder that it would be in.
        folder: PathBuf,
    },
    /// Standard output, a pipe or a device takes no more.
    #[error("cannot write all scores to {path:?}; what stands there is not complete")]
    WriteDevice {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The model file cannot be read.
    #[error(transparent)]
    ReadModel(#[from] churn_model::ReadError),
    /// What is to be the model file is another kind of file.
    #[error("model file {path:?} is no model file; name the model.safetensors of a run folder, which train writes")]
    NoModelFile {
        /// The file.
        path: PathBuf,
    },
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
            Self::Hyperparameters { .. } | Self::Fit { source: FitError::Hyperparameter { .. }, .. } => 2,
            _ => 1,
        }
    }

    /// The message and its sources in one line, and the option that mends it, where a library can only say what to do.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line.push_str(": ");
            line.push_str(&error.to_string());
            source = error.source();
        }
        if let Some(option) = self.option() {
            line.push_str("; the option is ");
            line.push_str(&option);
        }
        line
    }

    fn option(&self) -> Option<String> {
        let Self::Data(churn_training_data::Error::Assembly(error)) = self else { return None };
        match error {
            AssemblyError::UnsureEnd { after_last, .. } | AssemblyError::EndBeyondLog { after_last, .. } => {
                Some(format!("--log-end {after_last}"))
            }
            AssemblyError::LongLog { .. } | AssemblyError::EndBeforeLog { .. } => Some("--log-end DATE".to_owned()),
            AssemblyError::Digest { .. } => Some("--table FILE".to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use churn_events::ObservationDate;

    use super::*;

    #[test]
    fn what_a_library_asks_for_is_named_as_an_option() {
        let (end, last) = (ObservationDate::from_days(90), ObservationDate::from_days(59));
        let error = AssemblyError::EndBeyondLog { end, last, after_last: last.plus_days(1) };
        assert!(!error.to_string().contains("--"), "{error}");
        let line = Error::Data(error.into()).line();
        assert!(line.ends_with("the missing events; the option is --log-end 1970-03-02"), "{line}");
        assert!(!Error::Data(AssemblyError::EmptyLog.into()).line().contains("option"));
    }
}
