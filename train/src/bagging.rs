//! One forest bagged by tenant and by row, to show what an out-of-bag score is worth.

use churn_features::FeatureSchema;
use churn_model::evaluate::{log_loss, roc_auc};
use churn_model::fit::{FitError, FittedForest, Progress, RandomForestLearner};

use crate::Error;
use crate::config::TrainConfig;
use crate::evaluation::score_all;
use crate::over_time::{BagFacts, BaggingFacts};
use crate::rows::Rows;

/// Fits a forest on bags of tenants and one on bags of observations, and tests both.
///
/// # Errors
/// When a forest cannot be fitted, or a part bears one label only.
pub(crate) fn bagging(
    config: &TrainConfig,
    schema: &FeatureSchema,
    fit: &Rows,
    test: &Rows,
) -> Result<BaggingFacts, Error> {
    Ok(BaggingFacts {
        by_tenant: bag(config, schema, fit, test)?,
        by_row: bag(config, schema, &fit.without_groups(), test)?,
    })
}

fn bag(config: &TrainConfig, schema: &FeatureSchema, fit: &Rows, test: &Rows) -> Result<BagFacts, Error> {
    let fit_error = |source: FitError| Error::Fit { what: "a forest".to_owned(), source };
    let observations = fit.observations(schema).map_err(fit_error)?;
    let learner = RandomForestLearner {
        n_trees: config.n_trees,
        class_weight: config.class_weight,
        seed: config.seed,
        ..RandomForestLearner::default()
    };
    let FittedForest { model, out_of_bag, min_leaf, .. } =
        learner.fit_out_of_bag(&observations, &Progress::silent()).map_err(fit_error)?;
    let scored = out_of_bag.iter().zip(&fit.labels).filter(|(score, _)| !score.is_nan());
    let (scores, labels): (Vec<f64>, Vec<bool>) = scored.map(|(&score, &label)| (score, label)).unzip();
    let test_scores = score_all(test.features.view(), |rows| model.raw_scores(rows));
    let evaluate_error = |source| Error::Evaluate { what: "out-of-bag scores".to_owned(), source };
    Ok(BagFacts {
        min_leaf,
        out_of_bag_roc_auc: roc_auc(&scores, &labels).map_err(evaluate_error)?,
        out_of_bag_log_loss: log_loss(&scores, &labels).map_err(evaluate_error)?,
        test_roc_auc: roc_auc(&test_scores, &test.labels).map_err(evaluate_error)?,
        test_log_loss: log_loss(&test_scores, &test.labels).map_err(evaluate_error)?,
    })
}
