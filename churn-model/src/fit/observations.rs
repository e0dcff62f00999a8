use ndarray::{ArrayView2, Axis};

use churn_features::FeatureSchema;

/// What a learner is fitted on: one row per observation, borrowed.
///
/// # Shape
/// `features` is `(n_observations, n_features)` in schema order; every other slice is `(n_observations,)`.
/// # Missing
/// NaN in `features`. Category values are level codes; a code that is no level counts as missing.
#[derive(Debug, Clone, Copy)]
pub struct Observations<'a> {
    schema: &'a FeatureSchema,
    features: ArrayView2<'a, f32>,
    labels: &'a [bool],
    weights: Option<&'a [f32]>,
    groups: Option<&'a [u64]>,
}

/// Why a learner cannot be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
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
    /// All observations bear the same label.
    #[error("all {n_observations} observations are labelled {label}; a model needs both kinds")]
    OneLabel {
        /// Number of observations.
        n_observations: usize,
        /// The label that all of them bear.
        label: &'static str,
    },
    /// A value that no learner can use.
    #[error("observation {row}, feature {feature:?}: the value is infinite")]
    Infinite {
        /// Zero-based row.
        row: usize,
        /// Name of the feature.
        feature: String,
    },
    /// A weight that is no weight.
    #[error("observation {row}: the weight {weight} is negative or not finite")]
    Weight {
        /// Zero-based row.
        row: usize,
        /// The weight found.
        weight: f32,
    },
    /// A hyperparameter outside its range.
    #[error("hyperparameter {name} is {found}; expected {expected}")]
    Hyperparameter {
        /// Name of the hyperparameter.
        name: &'static str,
        /// The value found, as text.
        found: String,
        /// What it may be.
        expected: &'static str,
    },
    /// More observations or features than the histograms can count, or more nodes than a forest can hold.
    #[error("{found} {what}; at most {most} can be fitted")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The caller asked for an end.
    #[error("fitting was stopped")]
    Stopped,
}

impl<'a> Observations<'a> {
    /// Puts features and labels together after checking that they can be fitted on.
    ///
    /// # Errors
    /// When lengths do not fit together, a value is infinite, or all labels are equal.
    pub fn new(schema: &'a FeatureSchema, features: ArrayView2<'a, f32>, labels: &'a [bool]) -> Result<Self, FitError> {
        check_length("a feature vector", features.ncols(), schema.len())?;
        check_length("labels", labels.len(), features.nrows())?;
        let n_churned = labels.iter().filter(|&&label| label).count();
        if n_churned == 0 || n_churned == labels.len() {
            let label = if n_churned == 0 { "stayed" } else { "churned" };
            return Err(FitError::OneLabel { n_observations: labels.len(), label });
        }
        for (row, values) in features.axis_iter(Axis(0)).enumerate() {
            if let Some(column) = values.iter().position(|value| value.is_infinite()) {
                return Err(FitError::Infinite { row, feature: schema.features()[column].name().to_owned() });
            }
        }
        Ok(Self { schema, features, labels, weights: None, groups: None })
    }

    /// The same observations, counted `weights` times each.
    ///
    /// # Errors
    /// When a weight is negative or not finite, the number of weights is wrong, or only one label is left.
    pub fn with_weights(mut self, weights: &'a [f32]) -> Result<Self, FitError> {
        check_length("weights", weights.len(), self.n_observations())?;
        if let Some((row, &weight)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
            return Err(FitError::Weight { row, weight });
        }
        for (label, word) in [(true, "stayed"), (false, "churned")] {
            if !self.labels.iter().zip(weights).any(|(&l, &w)| l == label && w > 0.0) {
                return Err(FitError::OneLabel { n_observations: weights.len(), label: word });
            }
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// The same observations, where rows with equal `groups` (such as those of one tenant) stay together in bootstraps
    /// and folds. Draws depend on these numbers and not on the order of the rows.
    ///
    /// # Errors
    /// When there is not one group per observation.
    pub fn with_groups(mut self, groups: &'a [u64]) -> Result<Self, FitError> {
        check_length("groups", groups.len(), self.n_observations())?;
        self.groups = Some(groups);
        Ok(self)
    }

    /// Number of observations.
    pub fn n_observations(&self) -> usize {
        self.labels.len()
    }

    /// The features, in order.
    pub fn schema(&self) -> &'a FeatureSchema {
        self.schema
    }

    /// The feature matrix.
    pub fn features(&self) -> ArrayView2<'a, f32> {
        self.features
    }

    /// Whether each observation churned.
    pub fn labels(&self) -> &'a [bool] {
        self.labels
    }

    /// How often each observation counts, where given.
    pub fn weights(&self) -> Option<&'a [f32]> {
        self.weights
    }

    /// How often the observation in that row counts.
    pub fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| f64::from(weights[row]))
    }

    /// How often all observations count together.
    pub(crate) fn total_weight(&self) -> f64 {
        (0..self.n_observations()).map(|row| self.weight(row)).sum()
    }

    /// The number that rows which stay together share: the group where given, else the row's own number.
    pub fn group(&self, row: usize) -> u64 {
        self.groups.map_or(row as u64, |groups| groups[row])
    }
}

fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), FitError> {
    if found == expected { Ok(()) } else { Err(FitError::Length { what, found, expected }) }
}
