//! Forests whose scores are explained.

use churn_model::fit::{Observations, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};

use crate::Error;
use crate::forest::forest_learner;
use crate::table::{Table, schema};

/// A forest of that shape, fitted on the table, as a model.
///
/// # Errors
/// When it cannot be fitted.
pub fn forest_model(table: &Table, n_trees: usize, max_depth: u32, seed: u64) -> Result<Model, Error> {
    let schema = schema();
    let observations = Observations::new(&schema, table.features.view(), &table.labels).map_err(Error::fit)?;
    let learner = RandomForestLearner { n_trees, max_depth, ..forest_learner(seed) };
    let forest = learner.fit(&observations).map_err(Error::fit)?;
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    let kind = ModelKind::Forest(forest);
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).map_err(Error::fit)
}
