//! Why something cannot be measured.

use crate::threshold::CampaignError;

/// Why a metric, a curve or a threshold cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Two inputs that belong together differ in length.
    #[error("{what} has {found} entries where {expected} are expected")]
    Length {
        /// The input that does not fit.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        expected: usize,
    },
    /// Nothing to measure.
    #[error("there are no observations to measure")]
    Empty,
    /// The metric compares churned with stayed observations, and one kind is absent.
    #[error("all {n} observations are labelled {label}; this needs both kinds")]
    OneLabel {
        /// Number of observations.
        n: usize,
        /// The label that all of them bear.
        label: &'static str,
    },
    /// A score that cannot be ranked.
    #[error("observation {row}: the score is not a number")]
    NotANumber {
        /// Zero-based row.
        row: usize,
    },
    /// A score that is no probability where one is needed.
    #[error("observation {row}: the score {score} is no probability between 0 and 1")]
    NotAProbability {
        /// Zero-based row.
        row: usize,
        /// The score found.
        score: f64,
    },
    /// A number that says how to measure is outside its range.
    #[error("{name} is {found}; expected {expected}")]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// The value found, as text.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The campaign cannot be used.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// No threshold is precise enough.
    #[error("no threshold reaches a precision of {at_least}; the best reachable is {best}")]
    PrecisionOutOfReach {
        /// The precision asked for.
        at_least: f64,
        /// The highest precision of any threshold.
        best: f64,
    },
    /// A threshold given by hand has nothing to be chosen by.
    #[error("the threshold rule is fixed: its score is given by hand and cannot be chosen from labels")]
    FixedRule,
    /// A group of columns names a column that the feature matrix does not have.
    #[error("column group {group:?} names column {column}; the feature matrix has {n_columns}")]
    UnknownColumn {
        /// Name of the group.
        group: String,
        /// Zero-based column.
        column: usize,
        /// Columns of the feature matrix.
        n_columns: usize,
    },
    /// A group of columns without columns.
    #[error("column group {group:?} has no columns")]
    EmptyGroup {
        /// Name of the group.
        group: String,
    },
}
