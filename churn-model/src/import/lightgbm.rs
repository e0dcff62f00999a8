//! Models that LightGBM 3.x and 4.x have saved as text.
//!
//! LightGBM compares `value <= threshold` in f64, which has an equal in ours for every f32. Its leaf values are f64 and
//! become f32 here, after averaging and the objective's sigmoid parameter have been multiplied in.

mod text;
mod tree;
mod zero;

use churn_features::{Feature, FeatureSchema};

use super::ImportError;
use super::foreign_file::{MOST_LEVELS, RawMeaning, agreed_schema, model_around};
use crate::forest::{Combine, ForestModel, Node, Tree};
use crate::model::Model;

use text::{Block, ModelText};
use tree::SavedTree;

const OBJECTIVES: &str = "binary, cross_entropy, regression, regression_l1, huber, fair, quantile and mape";

impl Model {
    /// A model that LightGBM has saved with `Booster.save_model("model.txt")`: gradient boosted trees, random forests or
    /// DART, of one output.
    ///
    /// The features are those of the file; a schema given in `schema` has to agree in number and names, and says what
    /// the file does not, such as the levels of a category that did not come from a data frame.
    ///
    /// The raw score of a classifier is the log-odds, with averaging and a `sigmoid` parameter other than 1 multiplied
    /// in; its score is LightGBM's prediction. The raw score of a regression is LightGBM's prediction, its score the same
    /// cut off at 0 and 1. The threshold is 0.5, references and card are empty: [`Model::new`] puts the parts together
    /// again with better ones.
    ///
    /// # Missing
    /// As in LightGBM, split by split: NaN follows the direction learned, or counts as 0 where none was seen in training.
    /// In models fitted with `zero_as_missing` so does zero; a feature whose zeros go against their neighbours on both
    /// sides takes up to three splits in place of one, and the cover of all nodes is then 0 until
    /// [`ForestModel::with_counted_cover`] fills it in. A level that a split does not name goes right.
    /// # Errors
    /// When the file is damaged, does not fit `schema`, or holds what models here cannot: more than one class, ranking,
    /// counts, linear trees, level 254 or above.
    /// # Example
    /// ```
    /// use churn_model::Model;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/import/lightgbm-4.7.0/binary.txt");
    /// let model = Model::from_lightgbm_text(None, &std::fs::read(path)?)?;
    /// let row = vec![f32::NAN; model.schema().len()];
    /// println!("{:.3}", model.score(&row)); // what Booster.predict says
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_lightgbm_text(schema: Option<&FeatureSchema>, text: &[u8]) -> Result<Self, ImportError> {
        let text = ModelText::read(text)?;
        let header = &text.header;
        let version = header.required("version")?.1;
        if !matches!(version, "v3" | "v4") {
            return Err(ImportError::Unsupported { what: "version", found: version.to_owned(), known: "v3 and v4" });
        }
        let objective = Objective::read(header)?;
        for key in ["num_class", "num_tree_per_iteration"] {
            let found: usize = header.number(key)?;
            if found != 1 {
                let (what, found) = (key, found.to_string());
                return Err(ImportError::Unsupported { what, found, known: "models of one output" });
            }
        }
        let trees: Vec<SavedTree> = text.trees.iter().map(SavedTree::read).collect::<Result<_, _>>()?;
        if trees.is_empty() {
            return Err(ImportError::NotFitted);
        }
        let schema = read_schema(schema, &text, &trees)?;

        let is_average = header.get("average_output").is_some();
        let scale = if is_average { objective.slope / trees.len() as f64 } else { objective.slope };
        let mut planted = Vec::with_capacity(trees.len());
        let mut has_unknown_cover = false;
        for (position, tree) in trees.iter().enumerate() {
            let (tree, has_more_splits) = tree.plant(&schema, position, scale)?;
            has_unknown_cover |= has_more_splits;
            planted.push(tree);
        }
        if has_unknown_cover {
            planted.iter_mut().for_each(forget_cover);
        }
        let forest = ForestModel::new(&schema, Combine::SumLogOdds { base: 0.0 }, &planted)?;
        model_around(schema, forest, objective.meaning, format!("LightGBM {version}, {}", objective.name))
    }
}

struct Objective<'a> {
    name: &'a str,
    meaning: RawMeaning,
    /// From the sum of leaf values to log-odds.
    slope: f64,
}

impl<'a> Objective<'a> {
    fn read(header: &Block<'a>) -> Result<Self, ImportError> {
        let unsupported = |found: &str| {
            Err(ImportError::Unsupported { what: "objective", found: found.to_owned(), known: OBJECTIVES })
        };
        // LightGBM leaves the line out for an objective of the user's own.
        let Some((line, text)) = header.get("objective") else { return unsupported("none") };
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        match name {
            "binary" => {
                let sigmoid = words.find_map(|word| word.strip_prefix("sigmoid:"));
                let slope = sigmoid.and_then(|number| number.parse().ok()).filter(|&slope: &f64| slope > 0.0);
                let problem = "a positive sigmoid parameter is expected";
                let slope = slope.ok_or(ImportError::Line { line, key: "objective", problem })?;
                Ok(Self { name, meaning: RawMeaning::LogOdds, slope })
            }
            "cross_entropy" => Ok(Self { name, meaning: RawMeaning::LogOdds, slope: 1.0 }),
            // With `sqrt` the prediction is squared.
            "regression" if words.any(|word| word == "sqrt") => unsupported(text),
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" => {
                Ok(Self { name, meaning: RawMeaning::Number, slope: 1.0 })
            }
            _ => unsupported(text),
        }
    }
}

fn read_schema(
    given: Option<&FeatureSchema>,
    text: &ModelText<'_>,
    trees: &[SavedTree],
) -> Result<FeatureSchema, ImportError> {
    let (line, names) = text.header.required("feature_names")?;
    let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    let last: usize = text.header.number("max_feature_idx")?;
    if last.checked_add(1) != Some(names.len()) {
        let problem = "the number of names is not one more than max_feature_idx";
        return Err(ImportError::Line { line, key: "feature_names", problem });
    }
    let (line, infos) = text.header.required("feature_infos")?;
    let infos: Vec<&str> = infos.split_whitespace().collect();
    if infos.len() != names.len() {
        let problem = "there is not one entry per feature";
        return Err(ImportError::Line { line, key: "feature_infos", problem });
    }

    // Numbers have their range in brackets, unused features "none", categories the codes seen in training.
    let mut n_codes: Vec<Option<u64>> = infos.iter().map(|info| n_codes(info)).collect();
    for (feature, n_codes_asked) in trees.iter().flat_map(SavedTree::level_splits) {
        if let Some(n_codes) = n_codes.get_mut(feature) {
            *n_codes = Some(n_codes.unwrap_or(1).max(n_codes_asked));
        }
    }
    let is_category = n_codes.iter().filter(|n_codes| n_codes.is_some()).count();
    let mut named = text.pandas_levels.as_ref().filter(|levels| levels.len() == is_category).into_iter().flatten();
    let levels: Vec<Option<Vec<String>>> = n_codes
        .into_iter()
        .map(|n_codes| {
            let n_codes = (n_codes? as usize).min(MOST_LEVELS);
            let mut levels = named.next().cloned().unwrap_or_default();
            // Levels beyond those that schemas hold go right like unknown ones: no split can name them.
            levels.truncate(MOST_LEVELS);
            levels.extend((levels.len()..n_codes).map(|code| code.to_string()));
            Some(levels)
        })
        .collect();
    agreed_schema(given, names.len(), &names, |position, name| match &levels[position] {
        Some(levels) => Feature::category(name, levels.clone()),
        None => Feature::numeric(name),
    })
}

/// For a category one more than the highest code seen in training.
fn n_codes(info: &str) -> Option<u64> {
    if info == "none" || info.starts_with('[') {
        return None;
    }
    let codes = info.split(':').filter_map(|code| code.parse::<u64>().ok());
    codes.max().map(|last| last.saturating_add(1))
}

fn forget_cover(tree: &mut Tree) {
    for node in &mut tree.nodes {
        let (Node::Leaf { cover, .. } | Node::Split { cover, .. }) = node;
        *cover = 0.0;
    }
}
