//! Models fitted by other libraries, brought into ours, so that one scorer, file and explanation serve them all.
//!
//! An imported model decides as the original does on every f32 feature vector, bit for bit where trees are walked, and
//! sends missing values (NaN) where the original does. Models of Rust libraries are read from memory, those of XGBoost
//! and LightGBM from the files that these write.

#[cfg(any(feature = "xgboost", feature = "lightgbm"))]
mod foreign_file;
#[cfg(feature = "lightgbm")]
mod lightgbm;
#[cfg(feature = "linfa")]
mod linfa;
#[cfg(feature = "smartcore")]
mod smartcore;
#[cfg(any(feature = "linfa", feature = "smartcore", feature = "lightgbm"))]
mod split_value;
#[cfg(feature = "xgboost")]
mod xgboost;

#[cfg(feature = "linfa")]
pub use linfa::LinfaLogistic;
#[cfg(feature = "smartcore")]
pub use smartcore::LeafValue;

use std::collections::VecDeque;

use churn_features::FeatureSchema;

use crate::forest::{MAX_NODES, Node, SplitRule, Tree, TreeError};
use crate::linear::TermError;
#[cfg(any(feature = "linfa", feature = "smartcore"))]
use crate::linear::{LinearModel, Standardised, Term};
use crate::model::ModelError;

#[cfg(any(feature = "linfa", feature = "smartcore", feature = "lightgbm"))]
use split_value::GoesLeft;

/// Why a model fitted elsewhere cannot be brought into ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The schema has a category, where the model was fitted on plain numbers.
    #[error("feature {feature:?} is a category; the model was fitted on numbers, so list its one-hot columns instead")]
    Category {
        /// Name of the feature.
        feature: String,
    },
    /// The model reads another number of features than the schema has.
    #[error("the model reads {found} features, the schema has {expected}")]
    Width {
        /// Features that the model reads.
        found: usize,
        /// Features in the schema.
        expected: usize,
    },
    /// The model was fitted on columns of other names, or in another order.
    #[error("column {column} was {found:?} when the model was fitted; the schema has {expected:?} there")]
    FeatureName {
        /// Zero-based position of the column.
        column: usize,
        /// The name that the model holds.
        found: String,
        /// The name in the schema.
        expected: String,
    },
    /// The label that should mean churn is none of the model's.
    #[error("label {label} is none that the model gives: {known}")]
    Label {
        /// The label asked for.
        label: String,
        /// The labels that the model gives, as text.
        known: String,
    },
    /// The model tells more than two classes apart.
    #[error("the model tells {found} classes apart; churn models know two")]
    Classes {
        /// Number of classes found.
        found: usize,
    },
    /// The model holds nothing: it was made, but never fitted.
    #[error("the model has not been fitted")]
    NotFitted,
    /// A split value that is no number, or that sends every value left.
    #[error("tree {tree} splits feature {feature:?} at {split_value}, which is no place between values")]
    SplitValue {
        /// Zero-based position of the tree.
        tree: usize,
        /// Name of the feature.
        feature: String,
        /// The split value found.
        split_value: f64,
    },
    /// The nodes of a tree do not make a tree, or not one that the library would have fitted.
    #[error("tree {tree}: {problem}")]
    Structure {
        /// Zero-based position of the tree.
        tree: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The model does not serialize, or into something else than expected.
    #[error("the serialized model holds something else than this release of the library writes")]
    Serialized(#[source] serde_json::Error),
    /// Something that files of that library can hold and models here cannot.
    #[error("{what} {found:?} is not read; read are {known}")]
    Unsupported {
        /// What it is about: the objective, the booster, and so on.
        what: &'static str,
        /// What the file says.
        found: String,
        /// What could be read.
        known: &'static str,
    },
    /// An entry of the file, outside its trees, that says something that cannot be.
    #[error("{key} is {found:?}, which {problem}")]
    Entry {
        /// Name of the entry.
        key: &'static str,
        /// What the file says.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A line of a text file that is missing or says something that cannot be.
    #[error("line {line}, {key}: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What the line is about.
        key: &'static str,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A split on levels where the schema has a number, or the other way round.
    #[error("tree {tree} splits feature {feature:?} as a {found}; in the schema it is a {expected}")]
    Kind {
        /// Zero-based position of the tree.
        tree: usize,
        /// Name of the feature.
        feature: String,
        /// What the split takes it for.
        found: &'static str,
        /// What it is in the schema.
        expected: &'static str,
    },
    /// A category split on a level that the schema does not have.
    #[error(
        "a split of feature {feature:?} asks for level {code}; levels count from 0 to {last}, and never beyond 253"
    )]
    Level {
        /// Name of the feature.
        feature: String,
        /// The level that the model asks for.
        code: u64,
        /// The last level of the schema.
        last: usize,
    },
    /// The names in the file do not make a schema.
    #[error("the features of the file do not make a schema")]
    Schema(#[from] churn_features::Error),
    /// The trees do not make a forest.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The parts do not make a model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The weights do not make a linear model.
    #[error(transparent)]
    Term(#[from] TermError),
}

/// The page about imports, so that its example is compiled.
#[cfg(all(doctest, feature = "xgboost"))]
#[doc = include_str!("../../../docs/imports.md")]
struct ImportsPage;

/// One node of another library's tree; `N` is how that library points at a node.
enum Foreign<N> {
    Leaf { value: f32, cover: f32 },
    Split { feature: usize, rule: SplitRule, missing_left: bool, cover: f32, left: N, right: N },
}

/// Brings another library's tree into ours, breadth first.
///
/// `most_nodes` ends the walk where nodes that were read from a file point back at each other.
fn plant<N>(
    schema: &FeatureSchema,
    tree: usize,
    root: N,
    most_nodes: usize,
    mut read: impl FnMut(N) -> Result<Foreign<N>, ImportError>,
) -> Result<Tree, ImportError> {
    let fail = |problem| Err(ImportError::Structure { tree, problem });
    let most_nodes = most_nodes.min(MAX_NODES);
    let empty = Node::Leaf { value: 0.0, cover: 0.0 };
    let mut nodes = vec![empty];
    let mut to_read = VecDeque::from([(0, root)]);
    while let Some((at, source)) = to_read.pop_front() {
        nodes[at] = match read(source)? {
            Foreign::Leaf { value, cover } => Node::Leaf { value, cover },
            Foreign::Split { feature, rule, missing_left, cover, left, right } => {
                let (Some(known), Ok(position)) = (schema.features().get(feature), u16::try_from(feature)) else {
                    return fail("a split reads a column beyond the last feature");
                };
                if known.is_category() != matches!(rule, SplitRule::Levels(_)) {
                    let found = if known.is_category() { "number" } else { "category" };
                    let (feature, expected) = (known.name().to_owned(), known.kind().word());
                    return Err(ImportError::Kind { tree, feature, found, expected });
                }
                let first = nodes.len();
                if first + 2 > most_nodes {
                    return fail("too many nodes, or nodes with more than one parent");
                }
                nodes.extend([empty, empty]);
                to_read.extend([(first, left), (first + 1, right)]);
                Node::Split { feature: position, rule, missing_left, left: first as u32, cover }
            }
        };
    }
    Ok(Tree { nodes })
}

/// The rule of ours that sends the same values left.
#[cfg(any(feature = "linfa", feature = "smartcore", feature = "lightgbm"))]
fn numeric_rule(
    schema: &FeatureSchema,
    tree: usize,
    feature: usize,
    goes_left: GoesLeft,
) -> Result<SplitRule, ImportError> {
    goes_left.split_value().map(SplitRule::Below).ok_or_else(|| {
        let feature = schema.features().get(feature).map_or_else(String::new, |known| known.name().to_owned());
        ImportError::SplitValue { tree, feature, split_value: goes_left.number() }
    })
}

/// A logistic regression on untransformed values.
#[cfg(any(feature = "linfa", feature = "smartcore"))]
fn plain_linear(schema: &FeatureSchema, intercept: f64, weights: Vec<f64>) -> Result<LinearModel, ImportError> {
    check_numbers(schema)?;
    check_width(schema, weights.len())?;
    let term = |weight| Term::Numeric {
        value: Standardised { mean: 0.0, scale: 1.0, weight },
        signed_log: None,
        missing_weight: 0.0,
    };
    Ok(LinearModel::new(schema, intercept, weights.into_iter().map(term).collect())?)
}

#[cfg(any(feature = "linfa", feature = "smartcore"))]
fn check_numbers(schema: &FeatureSchema) -> Result<(), ImportError> {
    match schema.features().iter().find(|feature| feature.is_category()) {
        Some(feature) => Err(ImportError::Category { feature: feature.name().to_owned() }),
        None => Ok(()),
    }
}

fn check_width(schema: &FeatureSchema, found: usize) -> Result<(), ImportError> {
    let expected = schema.len();
    if found == expected { Ok(()) } else { Err(ImportError::Width { found, expected }) }
}
