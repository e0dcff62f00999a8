use std::path::PathBuf;

use churn_events::ObservationDate;

/// What can be wrong with a world, or with writing it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("scenario {found:?} is not known; there are steady, seasonal, onboarding and drifting")]
    /// No scenario of that name.
    UnknownScenario {
        /// The word.
        found: String,
    },
    #[error("{option} is {found}; expected {least} to {most}")]
    /// An option is outside its bounds.
    OutOfRange {
        /// Which option.
        option: &'static str,
        /// What it was.
        found: i64,
        /// The smallest allowed.
        least: i64,
        /// The largest allowed.
        most: i64,
    },
    #[error("the first day is {found}; expected {first} to {last}")]
    /// A log is to begin on a day whose events it may not hold.
    StartOutOfRange {
        /// The day.
        found: ObservationDate,
        /// The first one allowed.
        first: ObservationDate,
        /// The last one allowed.
        last: ObservationDate,
    },
    #[error("folder {path:?} holds a simulated log already ({found:?}); name another folder, or empty this one first")]
    /// The files of two worlds would pass for one log.
    HoldsLog {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        found: String,
    },
    #[error("stopped before the log was complete; nothing of it was kept")]
    /// Whoever asked for a log wants it no more.
    Stopped,
    #[error("format {found:?} is not known; there are jsonl, jsonl.gz and parquet")]
    /// No format of that name.
    UnknownFormat {
        /// The word.
        found: String,
    },
    #[error("cannot write {path:?}")]
    /// A file or folder could not be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    #[cfg(feature = "write")]
    #[error("cannot write {path:?} as parquet")]
    /// A Parquet file could not be written.
    WriteParquet {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    #[error("cannot write to standard output")]
    /// What a replay writes to took no more.
    Replay {
        /// Why.
        source: std::io::Error,
    },
}
