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
    /// These rows of the set.
    pub(crate) fn of(set: &TrainingSet, rows: &[usize]) -> Self {
        Self {
            features: set.features().select(Axis(0), rows),
            labels: rows.iter().map(|&row| set.labels()[row]).collect(),
            groups: set.groups().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            weights: set.weights().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
        }
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

    /// The same rows with some of their features.
    pub(crate) fn columns(&self, columns: &[usize]) -> Self {
        Self { features: self.features.select(Axis(1), columns), ..self.clone() }
    }

    /// The same rows, each a group of its own.
    pub(crate) fn without_groups(&self) -> Self {
        Self { groups: None, ..self.clone() }
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

/// Refuses rows that bear one label only; `part` names them in the error, `option` is what makes another part.
pub(crate) fn need_both_labels(
    set: &TrainingSet,
    rows: &[usize],
    part: &str,
    option: &'static str,
) -> Result<(), Error> {
    let counts = |row: usize| set.weights().is_none_or(|weights| weights[row] > 0.0);
    let (churned, stayed): (Vec<usize>, Vec<usize>) =
        rows.iter().filter(|&&row| counts(row)).partition(|&&row| set.labels()[row]);
    let label = match (churned.is_empty(), stayed.is_empty()) {
        (true, _) => "churned",
        (_, true) => "stayed",
        _ => return Ok(()),
    };
    let left_out = if set.weights().is_some() { ", rows of weight 0 left out," } else { "" };
    let (part, n) = (format!("{part}{left_out}"), churned.len() + stayed.len());
    Err(Error::OneLabel { part, n, n_all: set.n_observations(), label, option })
}
