//! The model of the original system's seven columns, as a yardstick for what the other features add.

use churn_features::{FeatureSchema, ORIGINAL_COLUMNS};

use crate::Error;
use crate::config::TrainConfig;
use crate::console::Console;
use crate::over_time::OriginalFacts;
use crate::procedure::Procedure;
use crate::rows::Rows;

/// Fits and tests the whole procedure on the columns that the original system had; `None` where one of them is missing.
///
/// # Errors
/// When a learner cannot be fitted on them.
pub(crate) fn original(
    config: &TrainConfig,
    schema: &FeatureSchema,
    fit: &Rows,
    calibration: Option<&Rows>,
    test: &Rows,
    console: &Console,
) -> Result<Option<OriginalFacts>, Error> {
    let Some(columns) =
        ORIGINAL_COLUMNS.iter().map(|(_, feature)| schema.position(feature)).collect::<Option<Vec<usize>>>()
    else {
        return Ok(None);
    };
    let features = columns.iter().map(|&column| schema.features()[column].clone()).collect();
    let few = FeatureSchema::new(features).expect("this cannot fail because the features come from a sound schema");
    let procedure = Procedure { config, schema: &few };
    let calibration = calibration.map(|rows| rows.columns(&columns));
    let fitted =
        procedure.fit(&fit.columns(&columns), calibration.as_ref(), console, Some("the original's seven columns"))?;
    let kept = fitted.kept();
    let (_, test) = procedure.test(kept, &test.columns(&columns))?;
    Ok(Some(OriginalFacts {
        features: few.features().iter().map(|feature| feature.name().to_owned()).collect(),
        algorithm: kept.algorithm,
        test,
    }))
}
