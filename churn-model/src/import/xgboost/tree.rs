//! One tree of XGBoost: columns with an entry per node, and the levels of category splits beside them.

use serde::Deserialize;

use churn_features::FeatureSchema;

use crate::forest::{LevelSet, SplitRule, Tree};
use crate::import::foreign_file::level_set;
use crate::import::{Foreign, ImportError, plant};

/// What XGBoost saves of a tree, as far as it is read here.
#[derive(Deserialize)]
pub(super) struct SavedTree {
    /// -1 at a leaf.
    left_children: Vec<i32>,
    right_children: Vec<i32>,
    split_indices: Vec<u32>,
    /// Split value, or at a leaf its value; `None` also where XGBoost wrote a number that is not finite.
    split_conditions: Vec<Option<f32>>,
    default_left: Vec<u8>,
    /// Weight of the observations at each node, as their second derivatives; trees with many outputs do not have it.
    #[serde(default)]
    sum_hessian: Vec<Option<f32>>,
    /// 1 where a split asks for levels.
    #[serde(default)]
    split_type: Vec<u8>,
    /// The levels that go right, of all category splits.
    #[serde(default)]
    categories: Vec<u64>,
    /// Which nodes are category splits.
    #[serde(default)]
    categories_nodes: Vec<usize>,
    /// Where the levels of each one start.
    #[serde(default)]
    categories_segments: Vec<usize>,
    #[serde(default)]
    categories_sizes: Vec<usize>,
}

impl SavedTree {
    /// The same tree with our nodes; `weight` multiplies its leaves.
    pub(super) fn plant(&self, schema: &FeatureSchema, position: usize, weight: f32) -> Result<Tree, ImportError> {
        let fail = |problem| ImportError::Structure { tree: position, problem };
        let n_nodes = self.left_children.len();
        let lengths = [
            (self.right_children.len(), "right_children is not as long as left_children"),
            (self.split_indices.len(), "split_indices is not as long as left_children"),
            (self.split_conditions.len(), "split_conditions is not as long as left_children"),
            (self.default_left.len(), "default_left is not as long as left_children"),
            (self.sum_hessian.len(), "sum_hessian is not as long as left_children"),
        ];
        if let Some((_, problem)) = lengths.into_iter().find(|&(length, _)| length != n_nodes) {
            return Err(fail(problem));
        }
        if n_nodes == 0 {
            return Err(fail("it has no nodes"));
        }
        let level_sets = self.level_sets(schema, position)?;
        plant(schema, position, 0, n_nodes, |at: usize| {
            let left = *self.left_children.get(at).ok_or_else(|| fail("a split has a child that does not exist"))?;
            let (value, cover) = (self.split_conditions[at].unwrap_or(f32::NAN), self.sum_hessian[at]);
            let cover = cover.unwrap_or(f32::NAN);
            if left == -1 {
                return Ok(Foreign::Leaf { value: weight * value, cover });
            }
            let child =
                |child: i32| usize::try_from(child).map_err(|_| fail("a split has a child that does not exist"));
            let (left, right) = (child(left)?, child(self.right_children[at])?);
            let rule = match level_sets[at] {
                Some(set) => SplitRule::Levels(set),
                None if self.is_split_by_level(at) => return Err(fail("a category split has no levels")),
                None => SplitRule::Below(value),
            };
            let missing_left = self.default_left[at] != 0;
            let feature = self.split_indices[at] as usize;
            Ok(Foreign::Split { feature, rule, missing_left, cover, left, right })
        })
    }

    /// The features that are split by their levels.
    pub(super) fn features_split_by_level(&self) -> impl Iterator<Item = usize> + '_ {
        let splits = self.left_children.iter().zip(&self.split_indices).enumerate();
        let by_level = splits.filter(|&(at, (&left, _))| left != -1 && self.is_split_by_level(at));
        by_level.map(|(_, (_, &feature))| feature as usize)
    }

    fn is_split_by_level(&self, at: usize) -> bool {
        self.split_type.get(at).is_some_and(|&split_type| split_type == 1)
    }

    /// For each node the levels that go left: in XGBoost those that its split does not name.
    fn level_sets(&self, schema: &FeatureSchema, position: usize) -> Result<Vec<Option<LevelSet>>, ImportError> {
        let fail = |problem| ImportError::Structure { tree: position, problem };
        let n_splits = self.categories_nodes.len();
        if self.categories_segments.len() != n_splits || self.categories_sizes.len() != n_splits {
            return Err(fail("categories_segments or categories_sizes is not as long as categories_nodes"));
        }
        let mut sets = vec![None; self.left_children.len()];
        let mut rest = self.categories.as_slice();
        for ((&node, &start), &size) in
            self.categories_nodes.iter().zip(&self.categories_segments).zip(&self.categories_sizes)
        {
            // One behind the other, so that no level is read twice.
            let follows = start == self.categories.len() - rest.len();
            let (codes, behind) = rest
                .split_at_checked(size)
                .filter(|_| follows)
                .ok_or_else(|| fail("categories_segments and categories_sizes do not cut up categories"))?;
            rest = behind;
            if !self.is_split_by_level(node) || node >= sets.len() {
                return Err(fail("categories_nodes names a node that is no category split"));
            }
            let right = level_set(schema, self.split_indices[node] as usize, codes.iter().copied())?;
            sets[node] = Some(LevelSet::from_words(right.words().map(|word| !word)));
        }
        Ok(sets)
    }
}
