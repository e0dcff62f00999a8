//! One forest bagged by tenant and by row, to show what an out-of-bag score is worth.

use churn_features::FeatureSchema;
use churn_model::evaluate::{EvaluateError, log_loss, roc_auc};
use churn_model::fit::{Algorithm, Candidate, FitError, FittedForest, Progress};
use churn_model::{ForestModel, ModelKind};

use crate::Error;
use crate::candidates::forest_learner;
use crate::config::TrainConfig;
use crate::evaluation::score_all;
use crate::over_time::{BagFacts, BaggingFacts};
use crate::rows::Rows;

/// Fits the forest among the candidates once more, on bags of observations instead of tenants, and tests both; `None`
/// where no forest was a candidate.
///
/// # Errors
/// When the forest cannot be fitted, or a part bears one label only.
pub(crate) fn bagging(
    config: &TrainConfig,
    schema: &FeatureSchema,
    candidates: &[Candidate],
    fit: &Rows,
    test: &Rows,
) -> Result<Option<BaggingFacts>, Error> {
    let forest = candidates.iter().find(|candidate| candidate.algorithm == Algorithm::RandomForest);
    let Some(Candidate { kind: ModelKind::Forest(model), min_leaf: Some(min_leaf), honest_raw_scores, .. }) = forest
    else {
        return Ok(None);
    };
    let evaluate_error = |source| Error::Evaluate { what: "out-of-bag scores".to_owned(), source };
    let fit_error = |source: FitError| Error::Fit { what: "a forest on bags of observations".to_owned(), source };
    let by_tenant = bag(model, *min_leaf, honest_raw_scores, fit, test);

    let alone = fit.without_groups();
    let observations = alone.observations(schema).map_err(fit_error)?;
    let FittedForest { model, out_of_bag, min_leaf, .. } =
        forest_learner(config).fit_out_of_bag(&observations, &Progress::silent()).map_err(fit_error)?;
    let by_row = bag(&model, min_leaf, &out_of_bag, fit, test);
    Ok(Some(BaggingFacts { by_tenant: by_tenant.map_err(evaluate_error)?, by_row: by_row.map_err(evaluate_error)? }))
}

fn bag(
    model: &ForestModel,
    min_leaf: u32,
    out_of_bag: &[f64],
    fit: &Rows,
    test: &Rows,
) -> Result<BagFacts, EvaluateError> {
    let scored = out_of_bag.iter().zip(&fit.labels).filter(|(score, _)| !score.is_nan());
    let (scores, labels): (Vec<f64>, Vec<bool>) = scored.map(|(&score, &label)| (score, label)).unzip();
    let test_scores = score_all(test.features.view(), |rows| model.raw_scores(rows));
    Ok(BagFacts {
        min_leaf,
        out_of_bag_roc_auc: roc_auc(&scores, &labels)?,
        out_of_bag_log_loss: log_loss(&scores, &labels)?,
        test_roc_auc: roc_auc(&test_scores, &test.labels)?,
        test_log_loss: log_loss(&test_scores, &test.labels)?,
    })
}
