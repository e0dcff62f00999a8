//! `Fit` of the linfa ecosystem for our learners.
//!
//! A learner's own `fit` hides the trait's method of that name, so write `Fit::fit(&learner, &dataset)`.

use linfa::dataset::{AsSingleTargets, DatasetBase};
use linfa::traits::Fit;
use ndarray::Array2;
use ndarray_of_linfa::{ArrayBase, Data, Ix2};

use churn_features::{Feature, FeatureSchema};

use super::{DecisionTreeLearner, FitError, LinearLearner, Observations, RandomForestLearner};
use crate::forest::ForestModel;
use crate::linear::LinearModel;

/// Why a learner cannot be fitted on a linfa dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinfaError {
    /// Its records, targets or weights cannot be fitted on.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Its feature names make no schema: one of them is empty or used twice, or there is no feature.
    #[error(transparent)]
    Names(#[from] churn_features::Error),
    /// linfa itself refused the dataset.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}

/// The schema that a learner sees when it is fitted on a linfa dataset, to put the fitted model into a
/// [`Model`](crate::Model) with.
///
/// A learner's own `fit` hides that of linfa's trait, so it is called as in the example.
///
/// All features are numbers. A dataset without names gets those that linfa's own trees use: `feature-0`, `feature-1`...
///
/// # Errors
/// When a name is empty or used twice, or there is no feature.
/// # Example
/// ```
/// use churn_model::fit::{DecisionTreeLearner, linfa_schema};
/// use linfa::prelude::*;
/// use ndarray_of_linfa::{Array1, Array2}; // linfa 0.8 takes arrays of ndarray 0.16
///
/// let days_since_login = Array2::from_shape_fn((200, 1), |(row, _)| row as f64);
/// let churned = Array1::from_shape_fn(200, |row| row >= 120);
/// let dataset = Dataset::new(days_since_login, churned).with_feature_names(vec!["days_since_login"]);
///
/// let model = Fit::fit(&DecisionTreeLearner::default(), &dataset)?;
/// let roc = model.predict(dataset.clone()).roc(&dataset)?;
/// assert!(roc.area_under_curve() > 0.99);
/// assert_eq!(linfa_schema(&dataset)?.position("days_since_login"), Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn linfa_schema<F, D: Data<Elem = F>, T>(
    dataset: &DatasetBase<ArrayBase<D, Ix2>, T>,
) -> Result<FeatureSchema, churn_features::Error> {
    let names = match dataset.feature_names() {
        [] => (0..dataset.records().ncols()).map(|column| format!("feature-{column}")).collect(),
        names => names.to_vec(),
    };
    FeatureSchema::new(names.into_iter().map(Feature::numeric).collect())
}

/// Fits on the records as f32, the targets as labels (`true` is churn) and the dataset's weights, where it has any.
fn fit_dataset<F, D, T, M>(
    dataset: &DatasetBase<ArrayBase<D, Ix2>, T>,
    fit: impl FnOnce(&Observations<'_>) -> Result<M, FitError>,
) -> Result<M, LinfaError>
where
    F: linfa::Float,
    D: Data<Elem = F>,
    T: AsSingleTargets<Elem = bool>,
{
    let schema = linfa_schema(dataset)?;
    let records = dataset.records();
    // Two releases of ndarray meet here, and mostly f64 and f32 too, so the records are copied, row by row.
    let values = records.iter().map(|&value| <f32 as linfa::Float>::cast(value)).collect();
    let features = Array2::from_shape_vec(records.dim(), values)
        .expect("this cannot fail because there is one value per element of the records");
    let labels: Vec<bool> = dataset.as_single_targets().iter().copied().collect();
    let observations = Observations::new(&schema, features.view(), &labels)?;
    let observations = match dataset.weights() {
        Some(weights) => observations.with_weights(weights)?,
        None => observations,
    };
    Ok(fit(&observations)?)
}

macro_rules! fits_datasets {
    ($learner:ty => $model:ty) => {
        impl<F, D, T> Fit<ArrayBase<D, Ix2>, T, LinfaError> for $learner
        where
            F: linfa::Float,
            D: Data<Elem = F>,
            T: AsSingleTargets<Elem = bool>,
        {
            type Object = $model;

            /// Fits on records, targets, weights and feature names of a dataset; `true` is churn, NaN is missing.
            ///
            /// # Errors
            /// As the learner's own `fit`, and when the feature names make no schema.
            /// # Cost
            /// As the learner's own `fit`, and one copy of the records as f32.
            fn fit(&self, dataset: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<$model, LinfaError> {
                fit_dataset(dataset, |observations| self.fit(observations))
            }
        }
    };
}

fits_datasets!(RandomForestLearner => ForestModel);
fits_datasets!(DecisionTreeLearner => ForestModel);
fits_datasets!(LinearLearner => LinearModel);
