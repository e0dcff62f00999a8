use churn_events::ObservationDate;

use crate::MAX_LEVELS;

/// What can be wrong with a feature schema, with reading features, or with a stored tenant state.
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
    /// The schema names a feature that cannot be derived from events.
    #[error("feature {name:?} is not in the catalogue")]
    NotInCatalogue {
        /// Name of the feature.
        name: String,
    },
    /// The schema gives a feature another kind than the catalogue.
    #[error("feature {feature:?} is a {found} in the schema and a {expected} in the catalogue")]
    WrongKind {
        /// Name of the feature.
        feature: String,
        /// The kind in the schema.
        found: &'static str,
        /// The kind in the catalogue.
        expected: &'static str,
    },
    /// There is not one place for each feature.
    #[error("there is room for {found} features where the reader has {expected}")]
    WrongWidth {
        /// Length of the slice.
        found: usize,
        /// Number of features.
        expected: usize,
    },
    /// Events received at or after the observation date have been applied, so what was known then is gone.
    #[error("cannot look at day {} of 1970 and on: the first date that this state can answer for is day {}", .date.days(), .first.days())]
    DatePassed {
        /// The observation date asked for.
        date: ObservationDate,
        /// The first date that can be asked for.
        first: ObservationDate,
    },
    /// A stored tenant state has a version that this build does not know.
    #[error("tenant state has format version {found}; this build reads 1 to {newest}")]
    UnknownStateVersion {
        /// The version found.
        found: u8,
        /// The newest that is read.
        newest: u8,
    },
    /// A stored tenant state is damaged.
    #[error("tenant state is damaged before byte {offset}: expected {expected} in {field:?}")]
    DamagedState {
        /// Number of bytes read so far.
        offset: usize,
        /// What was being read.
        field: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
}
