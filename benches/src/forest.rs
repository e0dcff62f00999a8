//! The forest that every library is asked for. `peers/fit_case.py` holds the same four numbers.

use churn_features::FeatureSchema;
use churn_model::fit::{Observations, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use ndarray::ArrayView2;

use crate::Error;
use crate::table::{Table, schema};

/// Number of trees.
pub const N_TREES: usize = 100;

/// Splits between a root and its leaves, at most.
pub const MAX_DEPTH: u32 = 12;

/// Observations in each leaf, at least.
pub const MIN_LEAF: u32 = 5;

/// Features tried per split: the square root of 20, rounded.
pub const FEATURES_PER_SPLIT: usize = 4;

/// Our learner, set to that forest.
pub fn forest_learner(seed: u64) -> RandomForestLearner {
    RandomForestLearner {
        n_trees: N_TREES,
        max_depth: MAX_DEPTH,
        min_leaf: Some(MIN_LEAF),
        features_per_split: Some(FEATURES_PER_SPLIT),
        seed,
        ..RandomForestLearner::default()
    }
}

/// A forest of that shape, fitted on the table, as a model.
///
/// # Errors
/// When it cannot be fitted.
pub fn forest_model(table: &Table, n_trees: usize, max_depth: u32, seed: u64) -> Result<Model, Error> {
    forest_model_on(schema(), table.features.view(), &table.labels, n_trees, max_depth, seed)
}

/// The same, fitted on any features, `(n_observations, n_features)`.
///
/// # Errors
/// When it cannot be fitted.
pub fn forest_model_on(
    schema: FeatureSchema,
    features: ArrayView2<'_, f32>,
    labels: &[bool],
    n_trees: usize,
    max_depth: u32,
    seed: u64,
) -> Result<Model, Error> {
    let observations = Observations::new(&schema, features, labels).map_err(Error::fit)?;
    let learner = RandomForestLearner { n_trees, max_depth, ..forest_learner(seed) };
    let forest = learner.fit(&observations).map_err(Error::fit)?;
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    let kind = ModelKind::Forest(forest);
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).map_err(Error::fit)
}
