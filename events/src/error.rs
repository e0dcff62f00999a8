use std::io;
use std::path::PathBuf;

/// What keeps a log from being read.
///
/// A line that is no event is none of these, nor is a file that breaks off: both are told in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of events cannot be opened.
    #[error("cannot open the event log {path:?}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of dead letters cannot be written.
    #[error("cannot write the dead letters to {path:?}")]
    DeadLetters {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
