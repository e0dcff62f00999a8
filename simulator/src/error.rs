use std::path::PathBuf;

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
    #[error("cannot write {path:?}")]
    /// A file or folder could not be written.
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
