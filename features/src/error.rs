use crate::MAX_LEVELS;

/// What can be wrong with a feature schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A schema without features predicts nothing.
    #[error("a feature schema needs at least one feature")]
    Empty,
    /// A feature's name is empty.
    #[error("feature {position} has an empty name")]
    EmptyName {
        /// Zero-based position in the schema.
        position: usize,
    },
    /// Features are matched by name, so two cannot share one.
    #[error("feature {name:?} stands at positions {first} and {second}; names must differ")]
    DuplicateName {
        /// The shared name.
        name: String,
        /// Zero-based position of the first one.
        first: usize,
        /// Zero-based position of the second one.
        second: usize,
    },
    /// A category level occurs twice.
    #[error("feature {feature:?} lists level {level:?} twice")]
    DuplicateLevel {
        /// Name of the feature.
        feature: String,
        /// The repeated level.
        level: String,
    },
    /// More levels than a category feature may have.
    #[error("feature {feature:?} has {found} levels; a category may have at most {MAX_LEVELS}")]
    TooManyLevels {
        /// Name of the feature.
        feature: String,
        /// Number of levels found.
        found: usize,
    },
}
