//! Some of the rows of a training set, copied together.

use ndarray::{Array2, ArrayView2, Axis};

use churn_features::FeatureSchema;
use churn_model::fit::{FitError, Observations};
use churn_training_data::TrainingSet;

use crate::Error;

/// Rows that are fitted on or tested on.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// `(n_rows, n_features)`, in schema order.
    pub(crate) features: Array2<f32>,
    /// Whether each of them churned.
    pub(crate) labels: Vec<bool>,
    groups: Option<Vec<u64>>,
    weights: Option<Vec<f32>>,
}

impl Rows {
    /// These rows of the set, checked to bear both labels; `part` names them in the error.
    pub(crate) fn of(set: &TrainingSet, rows: &[usize], part: &str) -> Result<Self, Error> {
        let chosen = Self {
            features: set.features().select(Axis(0), rows),
            labels: rows.iter().map(|&row| set.labels()[row]).collect(),
            groups: set.groups().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            weights: set.weights().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        };
        let n_churned = chosen.n_churned();
        if n_churned == 0 || n_churned == chosen.len() {
            let label = if n_churned == 0 { "stayed" } else { "churned" };
            return Err(Error::OneLabel { part: part.to_owned(), n: chosen.len(), label });
        }
        Ok(chosen)
    }

    /// Some of these rows.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self {
            features: self.features.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            groups: self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Number of rows labelled churn.
    pub(crate) fn n_churned(&self) -> usize {
        self.labels.iter().filter(|&&label| label).count()
    }

    /// What a learner is fitted on: these rows with all of their features.
    pub(crate) fn observations<'a>(&'a self, schema: &'a FeatureSchema) -> Result<Observations<'a>, FitError> {
        self.observe(schema, self.features.view())
    }

    /// The same rows with other features.
    pub(crate) fn observe<'a>(
        &'a self,
        schema: &'a FeatureSchema,
        features: ArrayView2<'a, f32>,
    ) -> Result<Observations<'a>, FitError> {
        let mut observations = Observations::new(schema, features, &self.labels)?;
        if let Some(weights) = &self.weights {
            observations = observations.with_weights(weights)?;
        }
        if let Some(groups) = &self.groups {
            observations = observations.with_groups(groups)?;
        }
        Ok(observations)
    }
}
