//! Models that XGBoost 1.7 to 3.x has saved as JSON.
//!
//! XGBoost compares as we do, `value < split_value` in f32, sends missing values where a split has learned to, and adds
//! up leaf values; so trees come over bit for bit. It adds in f32 where we add in f64: the raw scores differ by what its
//! rounding loses.

mod saved;
mod tree;

use churn_features::{Feature, FeatureKind, FeatureSchema};

use super::ImportError;
use super::foreign_file::{MOST_LEVELS, RawMeaning, agreed_schema, model_around};
use crate::forest::{Combine, ForestModel};
use crate::model::Model;

use saved::{Booster, Saved, TreesOfModel};

const OBJECTIVES: &str = "binary:logistic, binary:logitraw, reg:logistic, reg:squarederror, reg:absoluteerror and \
                          reg:pseudohubererror";

impl Model {
    /// A model that XGBoost has saved with `Booster.save_model("model.json")`: gradient boosted trees, random forests or
    /// DART, of one output.
    ///
    /// The features are those of the file, `f0`, `f1` and so on where it has no names; a schema given in `schema` has to
    /// agree in number and names, and says what the file does not, such as the levels of a category. All trees count, as
    /// in `Booster.predict`, also those after the best iteration of early stopping.
    ///
    /// The raw score is XGBoost's margin. The score is its prediction for `binary:logistic` and `reg:logistic`, and the
    /// probability of the margin for `binary:logitraw`; that of a regression is its prediction, cut off at 0 and 1. The
    /// threshold is 0.5, references and card are empty: [`Model::new`] puts the parts together again with better ones.
    ///
    /// # Missing
    /// As in XGBoost, in the direction that each split has learned. XGBoost sends a category that it has never seen
    /// left, and so does the import for every level of the schema; a value that is no level at all is missing. In a file
    /// without level names a category has levels 0 to 253, so that codes up to there do as in XGBoost.
    /// # Errors
    /// When the file is damaged, is no JSON (XGBoost's own default is UBJSON), does not fit `schema`, or holds what
    /// models here cannot: more than one class or target, linear boosters, ranking, counts, survival, level 254 or above.
    /// # Example
    /// ```
    /// use churn_model::Model;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/import/xgboost-3.2.0/logistic.json");
    /// let model = Model::from_xgboost_json(None, &std::fs::read(path)?)?;
    /// let row = vec![f32::NAN; model.schema().len()];
    /// println!("{:.3}", model.score(&row)); // what Booster.predict says
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_xgboost_json(schema: Option<&FeatureSchema>, json: &[u8]) -> Result<Self, ImportError> {
        let Saved { learner, version } = Saved::read(json)?;
        let (trees, weights) = trees_and_weights(learner.gradient_booster)?;
        let objective = learner.objective.name;
        let param = learner.learner_model_param;
        let (meaning, base_is_probability) = match objective.as_str() {
            "binary:logistic" | "reg:logistic" => (RawMeaning::LogOdds, true),
            "binary:logitraw" => (RawMeaning::LogOdds, false),
            "reg:squarederror" | "reg:absoluteerror" | "reg:pseudohubererror" => (RawMeaning::Number, false),
            _ => {
                return Err(ImportError::Unsupported { what: "objective", found: objective, known: OBJECTIVES });
            }
        };
        refuse_several("num_class", param.num_class.0)?;
        refuse_several("num_target", param.num_target.0)?;

        let base = param.base_score.single()?;
        // In f32, as XGBoost computes it.
        let base = f64::from(if base_is_probability { -(1.0 / base - 1.0).ln() } else { base });

        let n_features = param.num_feature.0 as usize;
        let (names, types) = (&learner.feature_names, &learner.feature_types);
        for (key, found) in [("feature_names", names.len()), ("feature_types", types.len())] {
            if found != 0 && found != n_features {
                let problem = "is another number of entries than num_feature";
                return Err(ImportError::Entry { key, found: found.to_string(), problem });
            }
        }
        let is_split_by_level = split_by_level(&trees, n_features);
        let schema = agreed_schema(schema, n_features, names, |position, name| {
            let named = types.get(position).map(String::as_str);
            Feature::new(
                name,
                match named {
                    Some("c" | "categorical") => FeatureKind::Category { levels: levels(&trees, position) },
                    _ if is_split_by_level[position] => FeatureKind::Category { levels: levels(&trees, position) },
                    Some("i") => FeatureKind::Boolean,
                    _ => FeatureKind::Numeric,
                },
            )
        })?;

        let mut forest = ForestModel::without_trees(&schema, Combine::SumLogOdds { base }, 0)?;
        for (position, tree) in trees.trees.iter().enumerate() {
            let weight = weights.as_ref().map_or(1.0, |weights| weights[position]);
            forest.push_tree(&tree.plant(&schema, position, weight)?)?;
        }
        if trees.trees.is_empty() {
            return Err(ImportError::NotFitted);
        }
        let version = version.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
        model_around(schema, forest, meaning, format!("XGBoost {version}, {objective}"))
    }
}

/// The trees, and for DART what each one weighs.
fn trees_and_weights(booster: Booster) -> Result<(TreesOfModel, Option<Vec<f32>>), ImportError> {
    let missing = |key| ImportError::Entry { key, found: "missing".to_owned(), problem: "leaves no trees to read" };
    let (model, weights) = match booster.name.as_str() {
        "gbtree" => (booster.model, None),
        "dart" => {
            let weights = booster.weight_drop.ok_or_else(|| missing("weight_drop"))?;
            (booster.gbtree.and_then(|inner| inner.model), Some(weights))
        }
        _ => {
            let known = "gbtree and dart";
            return Err(ImportError::Unsupported { what: "booster", found: booster.name, known });
        }
    };
    let model = model.ok_or_else(|| missing("gradient_booster.model"))?;
    match weights {
        Some(weights) if weights.len() != model.trees.len() => {
            let (key, problem) = ("weight_drop", "is another number of weights than there are trees");
            Err(ImportError::Entry { key, found: weights.len().to_string(), problem })
        }
        weights => Ok((model, weights)),
    }
}

fn refuse_several(what: &'static str, found: u32) -> Result<(), ImportError> {
    if found <= 1 {
        return Ok(());
    }
    Err(ImportError::Unsupported { what, found: found.to_string(), known: "models of one output" })
}

/// For each feature whether any tree splits it by its levels.
fn split_by_level(model: &TreesOfModel, n_features: usize) -> Vec<bool> {
    // Features that no tree splits need no entry of their own, so that a large number costs nothing.
    let mut is_split = Vec::new();
    for feature in model.trees.iter().flat_map(|tree| tree.features_split_by_level()) {
        if feature < n_features.min(crate::forest::MAX_FEATURES) {
            is_split.resize(is_split.len().max(feature + 1), false);
            is_split[feature] = true;
        }
    }
    is_split.resize(n_features.min(crate::forest::MAX_FEATURES), false);
    is_split
}

/// The names of a category's levels where the file has them (XGBoost 3.1 and later, fitted on data frames), else numbers.
fn levels(model: &TreesOfModel, position: usize) -> Vec<String> {
    let named = model.cats.as_ref().and_then(|cats| cats.enc.get(position)).map(saved::Levels::names);
    named.filter(|names| !names.is_empty()).unwrap_or_else(|| (0..MOST_LEVELS).map(|code| code.to_string()).collect())
}
