//! What the files of other libraries leave open: a schema from their names, and the parts of a [`Model`] around a forest.

use std::collections::BTreeMap;

use churn_features::{Feature, FeatureSchema};

use super::{ImportError, check_width};
use crate::calibrator::Calibrator;
use crate::card::ModelCard;
use crate::forest::{ForestModel, LevelSet, MAX_FEATURES, TreeError};
use crate::model::{Model, ModelKind};
use crate::reference::ReferenceHistogram;
use crate::threshold::{Threshold, ThresholdRule};

/// Most levels that a category feature may have.
pub(super) const MOST_LEVELS: usize = 254;

/// What the raw score of an imported forest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawMeaning {
    /// Log-odds of churn.
    LogOdds,
    /// A regression's estimate of the label, which was 0 or 1.
    Number,
}

/// The forest as a whole model, with what its file does not hold left empty.
pub(super) fn model_around(
    schema: FeatureSchema,
    forest: ForestModel,
    meaning: RawMeaning,
    algorithm: String,
) -> Result<Model, ImportError> {
    let calibrator = match meaning {
        RawMeaning::LogOdds => Calibrator::Identity,
        // Level outside its knots and straight between them: the estimate itself, cut off at 0 and 1.
        RawMeaning::Number => Calibrator::Isotonic { raw_scores: vec![0.0, 1.0], probabilities: vec![0.0, 1.0] },
    };
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let card = ModelCard {
        algorithm,
        label: "unknown: the file of the other library does not say".to_owned(),
        hyperparameters: BTreeMap::new(),
        caveats: vec!["imported: the file does not tell what the model was fitted and tested on".to_owned()],
        ..ModelCard::default()
    };
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    Ok(Model::new(schema, ModelKind::Forest(forest), calibrator, threshold, references, card)?)
}

/// The schema given, after comparing it with the file, or the one that the file's own features make.
///
/// `names` is empty where the file has none; `feature` makes the feature of a position and a name.
pub(super) fn agreed_schema(
    given: Option<&FeatureSchema>,
    n_features: usize,
    names: &[String],
    feature: impl Fn(usize, String) -> Feature,
) -> Result<FeatureSchema, ImportError> {
    let Some(given) = given else {
        if n_features > MAX_FEATURES {
            return Err(TreeError::TooLarge.into());
        }
        let name = |position: usize| names.get(position).cloned().unwrap_or_else(|| format!("f{position}"));
        return Ok(FeatureSchema::new((0..n_features).map(|at| feature(at, name(at))).collect())?);
    };
    check_width(given, n_features)?;
    match given.features().iter().zip(names).position(|(known, name)| known.name() != name) {
        Some(column) => {
            let expected = given.features()[column].name().to_owned();
            Err(ImportError::FeatureName { column, found: names[column].clone(), expected })
        }
        None => Ok(given.clone()),
    }
}

/// The set of the category codes that a split of `feature` asks for.
pub(super) fn level_set(
    schema: &FeatureSchema,
    feature: usize,
    codes: impl IntoIterator<Item = u64>,
) -> Result<LevelSet, ImportError> {
    // A feature beyond the schema, or one that is no category, is refused where the split is planted.
    let known = schema.features().get(feature).filter(|known| known.is_category());
    let n_levels = known.map_or(MOST_LEVELS, |known| known.levels().len());
    let mut set = LevelSet::default();
    for code in codes {
        match u8::try_from(code) {
            Ok(code) if usize::from(code) < n_levels => set.insert(code),
            _ => {
                let feature = known.map_or_else(String::new, |known| known.name().to_owned());
                return Err(ImportError::Level { feature, code, last: n_levels.saturating_sub(1) });
            }
        }
    }
    Ok(set)
}
