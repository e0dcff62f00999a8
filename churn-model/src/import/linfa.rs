//! Trees and forests fitted by linfa 0.8.
//!
//! A linfa tree sends `value < split_value` left when it predicts (though it fits with `<=`); the import follows what
//! it predicts. Its leaves hold a label and no counts, so a leaf is worth 1 where it says churn and 0 elsewhere, and
//! the cover of every node is 0 until [`ForestModel::with_counted_cover`] fills it in.

mod logistic;

use std::collections::BTreeSet;

pub use logistic::LinfaLogistic;

use linfa::{Float, Label};
use linfa_ensemble::RandomForest;
use linfa_trees::{DecisionTree, TreeNode};

use churn_features::FeatureSchema;

use super::{Foreign, GoesLeft, ImportError, check_numbers, check_width, numeric_rule, plant};
use crate::forest::{Combine, ForestModel, MAX_NODES, Tree};

impl ForestModel {
    /// A decision tree fitted by `linfa_trees`.
    ///
    /// The raw score is 1 where the tree predicts `positive`, the label that means churn, and 0 elsewhere: linfa keeps
    /// no shares in its leaves. Cover is 0 everywhere; an explanation needs it, see
    /// [`with_counted_cover`](Self::with_counted_cover). Columns that were named when the tree was fitted are matched
    /// with the schema by name.
    ///
    /// # Missing
    /// NaN goes right at every split, as in linfa.
    /// # Errors
    /// When the schema has categories, another width or other names, the tree never says `positive`, or it tells more
    /// than two classes apart.
    /// # Example
    /// ```
    /// use churn_features::{Feature, FeatureSchema};
    /// use churn_model::ForestModel;
    /// use linfa::prelude::*;
    /// use ndarray_of_linfa::array; // linfa 0.8 takes arrays of ndarray 0.16
    ///
    /// let dataset = Dataset::new(array![[1.0], [2.0], [7.0], [9.0]], array![true, true, false, false]);
    /// let tree = linfa_trees::DecisionTree::params().fit(&dataset)?;
    ///
    /// let schema = FeatureSchema::new(vec![Feature::numeric("jobs")])?;
    /// let model = ForestModel::from_linfa_tree(&schema, &tree, &true)?.with_counted_cover([&[1.0_f32][..], &[9.0]]);
    /// assert_eq!(model.raw_score(&[3.0]), 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_linfa_tree<F: Float, L: Label>(
        schema: &FeatureSchema,
        tree: &DecisionTree<F, L>,
        positive: &L,
    ) -> Result<Self, ImportError> {
        check_numbers(schema)?;
        check_width(schema, width(tree))?;
        let columns: Vec<usize> = (0..schema.len()).collect();
        let mut votes = Votes::new(positive);
        let trees = [read_tree(schema, 0, tree, &columns, &mut votes)?];
        votes.check()?;
        Ok(Self::new(schema, Combine::MeanShare, &trees)?)
    }

    /// A random forest fitted by `linfa_ensemble`.
    ///
    /// The raw score is the share of trees that vote `positive`, the label that means churn. linfa decides by majority
    /// and breaks a tie at random; here a tie is a raw score of exactly 0.5, and the threshold decides. Cover is 0
    /// everywhere; an explanation needs it, see [`with_counted_cover`](Self::with_counted_cover).
    ///
    /// # Missing
    /// NaN goes right at every split, as in linfa.
    /// # Errors
    /// When the schema has categories or fewer columns than the forest reads, no tree says `positive`, or the forest
    /// tells more than two classes apart. linfa keeps neither the names nor the number of the columns that a forest was
    /// fitted on, so a schema that is too wide or in another order cannot be told from the right one.
    pub fn from_linfa_forest<F: Float, L: Label>(
        schema: &FeatureSchema,
        forest: &RandomForest<F, L>,
        positive: &L,
    ) -> Result<Self, ImportError> {
        check_numbers(schema)?;
        // Each tree was fitted on columns of its own, drawn with replacement; its splits count among those.
        if let Some(&last) = forest.model_features.iter().flatten().max()
            && last >= schema.len()
        {
            return Err(ImportError::Width { found: last + 1, expected: schema.len() });
        }
        let (n_trees, n_lists) = (forest.models.len(), forest.model_features.len());
        if n_trees != n_lists {
            return Err(ImportError::Structure { tree: n_trees.min(n_lists), problem: "it has no list of columns" });
        }
        let mut votes = Votes::new(positive);
        let mut trees = Vec::with_capacity(n_trees);
        for (position, (tree, columns)) in forest.models.iter().zip(&forest.model_features).enumerate() {
            if width(tree) != columns.len() {
                let problem = "it was fitted on another number of columns than its list has";
                return Err(ImportError::Structure { tree: position, problem });
            }
            trees.push(read_tree(schema, position, tree, columns, &mut votes)?);
        }
        votes.check()?;
        Ok(Self::new(schema, Combine::MeanShare, &trees)?)
    }
}

/// How many columns a tree was fitted on.
fn width<F: Float, L: Label>(tree: &DecisionTree<F, L>) -> usize {
    // linfa keeps the number to itself, but gives a list with one entry per column.
    tree.mean_impurity_decrease().len()
}

fn read_tree<F: Float, L: Label>(
    schema: &FeatureSchema,
    position: usize,
    tree: &DecisionTree<F, L>,
    columns: &[usize],
    votes: &mut Votes<'_, L>,
) -> Result<Tree, ImportError> {
    let fail = |problem| ImportError::Structure { tree: position, problem };
    plant(schema, position, tree.root_node(), MAX_NODES, |node: &TreeNode<F, L>| {
        if let Some(label) = node.prediction() {
            return Ok(Foreign::Leaf { value: votes.count(label), cover: 0.0 });
        }
        let (column, split_value, _) = node.split();
        let feature = *columns.get(column).ok_or_else(|| fail("a split reads a column that it was not fitted on"))?;
        check_name(schema, feature, column, node.feature_name())?;
        match node.children()[..] {
            [Some(left), Some(right)] => {
                let rule = numeric_rule(schema, position, feature, GoesLeft::Below(f64::cast(split_value)))?;
                Ok(Foreign::Split { feature, rule, missing_left: false, cover: 0.0, left: &**left, right: &**right })
            }
            _ => Err(fail("a split has a child too few")),
        }
    })
}

/// Compares the name that a split holds with the schema, where the column had one when the tree was fitted.
fn check_name(
    schema: &FeatureSchema,
    feature: usize,
    column: usize,
    found: Option<&String>,
) -> Result<(), ImportError> {
    let (Some(found), Some(expected)) = (found, schema.features().get(feature)) else { return Ok(()) };
    let unnamed = format!("feature-{column}"); // what linfa calls the columns of a dataset without names
    if *found == unnamed || found == expected.name() {
        return Ok(());
    }
    Err(ImportError::FeatureName { column: feature, found: found.clone(), expected: expected.name().to_owned() })
}

/// The labels met in leaves, and which of them means churn.
struct Votes<'a, L> {
    positive: &'a L,
    seen: BTreeSet<L>,
}

impl<'a, L: Label> Votes<'a, L> {
    fn new(positive: &'a L) -> Self {
        Self { positive, seen: BTreeSet::new() }
    }

    fn count(&mut self, label: L) -> f32 {
        let vote = if label == *self.positive { 1.0 } else { 0.0 };
        self.seen.insert(label);
        vote
    }

    fn check(&self) -> Result<(), ImportError> {
        if self.seen.len() > 2 {
            return Err(ImportError::Classes { found: self.seen.len() });
        }
        if self.seen.contains(self.positive) { Ok(()) } else { Err(unknown_label(self.positive, &self.seen)) }
    }
}

fn unknown_label<'a, L: std::fmt::Debug + 'a>(label: &L, known: impl IntoIterator<Item = &'a L>) -> ImportError {
    let known: Vec<String> = known.into_iter().map(|label| format!("{label:?}")).collect();
    ImportError::Label { label: format!("{label:?}"), known: known.join(", ") }
}
