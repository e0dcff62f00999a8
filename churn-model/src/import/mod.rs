//! Models fitted by other Rust libraries, brought into ours, so that one scorer, file and explanation serve them all.
//!
//! An imported model decides as the original does on every f32 feature vector, bit for bit where trees are walked. Both
//! libraries send a missing value (NaN) right at every split, and so does the import.

#[cfg(feature = "linfa")]
mod linfa;
#[cfg(feature = "smartcore")]
mod smartcore;
mod split_value;

#[cfg(feature = "linfa")]
pub use linfa::LinfaLogistic;
#[cfg(feature = "smartcore")]
pub use smartcore::LeafValue;

use std::collections::VecDeque;

use churn_features::FeatureSchema;

use crate::forest::{MAX_NODES, Node, SplitRule, Tree, TreeError};
use crate::linear::{LinearModel, Standardised, Term, TermError};

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
    /// The trees do not make a forest.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The weights do not make a linear model.
    #[error(transparent)]
    Term(#[from] TermError),
}

/// One node of another library's tree; `N` is how that library points at a node.
enum Foreign<N> {
    Leaf { value: f32, cover: f32 },
    Split { feature: usize, goes_left: GoesLeft, cover: f32, left: N, right: N },
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
            Foreign::Split { feature, goes_left, cover, left, right } => {
                let (Some(known), Ok(position)) = (schema.features().get(feature), u16::try_from(feature)) else {
                    return fail("a split reads a column beyond the last feature");
                };
                let Some(split_value) = goes_left.split_value() else {
                    let feature = known.name().to_owned();
                    return Err(ImportError::SplitValue { tree, feature, split_value: goes_left.number() });
                };
                let first = nodes.len();
                if first + 2 > most_nodes {
                    return fail("too many nodes, or nodes with more than one parent");
                }
                nodes.extend([empty, empty]);
                to_read.extend([(first, left), (first + 1, right)]);
                let rule = SplitRule::Below(split_value);
                Node::Split { feature: position, rule, missing_left: false, left: first as u32, cover }
            }
        };
    }
    Ok(Tree { nodes })
}

/// A logistic regression on untransformed values.
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
