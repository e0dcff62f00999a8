//! Trees and forests: flat node arrays and the plain walk over them.
//!
//! A random forest, a single decision tree and an additive (boosted) ensemble are one thing here: trees whose leaf
//! values are averaged or summed. The walk in this file is the obvious one.

mod cover;

use serde::{Deserialize, Serialize};

use churn_features::FeatureSchema;

use crate::calibrator::RawScale;

/// Most features that a forest can tell apart; one more value of the 16-bit index marks a leaf.
pub(crate) const MAX_FEATURES: usize = LEAF as usize;

/// Most nodes of a forest; the positions of trees and children are 32-bit.
pub(crate) const MAX_NODES: usize = u32::MAX as usize;

/// Most level sets of a forest; a category split keeps the position of its set in an f32, which is exact up to here.
pub(crate) const MAX_LEVEL_SETS: usize = 1 << 24;

/// Rows that one tree is walked for at a time: few enough for their features to stay in the second-level cache.
const BLOCK_ROWS: usize = 512;

/// Partial sums of a raw score: the leaf value of tree `t` goes to sum `t % LANES`. Fixed, so that kernels that walk as
/// many trees side by side add in the same order as the plain walk.
pub(crate) const LANES: usize = 16;

/// The total of the partial sums, a power of two, halves added to halves.
pub(crate) fn reduce<const N: usize>(mut sums: [f64; N]) -> f64 {
    let mut width = N / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// In place of a feature, marks a leaf.
pub(crate) const LEAF: u16 = u16::MAX;

/// A set of category codes, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LevelSet([u64; 4]);

impl LevelSet {
    /// The set whose 256 bits are given, lowest code in the lowest bit of the first word.
    pub fn from_words(words: [u64; 4]) -> Self {
        Self(words)
    }

    /// The 256 bits, lowest code in the lowest bit of the first word.
    pub fn words(&self) -> [u64; 4] {
        self.0
    }

    /// Whether `code` is in the set.
    pub fn contains(&self, code: u8) -> bool {
        self.0[usize::from(code >> 6)] >> (code & 63) & 1 == 1
    }

    /// Adds `code` to the set.
    pub fn insert(&mut self, code: u8) {
        self.0[usize::from(code >> 6)] |= 1 << (code & 63);
    }
}

impl FromIterator<u8> for LevelSet {
    fn from_iter<I: IntoIterator<Item = u8>>(codes: I) -> Self {
        let mut set = Self::default();
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}

/// Which observations a split sends left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplitRule {
    /// Those with `value < split_value`; for numeric and boolean features.
    Below(f32),
    /// Those whose level is in the set; for categories.
    Levels(LevelSet),
}

/// One node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// An end of the tree.
    Leaf {
        /// Churn share, or an addend to the log-odds in an additive ensemble.
        value: f32,
        /// Weight of the observations that reached this node when the tree was fitted.
        cover: f32,
    },
    /// A question with two answers.
    Split {
        /// Position of the feature in the schema.
        feature: u16,
        /// Who goes left.
        rule: SplitRule,
        /// Whether observations go left whose value is missing, or is a level that the schema does not have.
        missing_left: bool,
        /// Position of the left child in the tree; the right one follows it.
        left: u32,
        /// Weight of the observations that reached this node when the tree was fitted.
        cover: f32,
    },
}

/// One tree: its root is the first node, and children stand behind their parents.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// How the values of the leaves reached become a raw score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Combine {
    /// Their mean: the mean churn share of a random forest or a decision tree.
    MeanShare,
    /// Their sum and a base value: the log-odds of an additive ensemble.
    SumLogOdds {
        /// Log-odds before any tree is asked.
        base: f64,
    },
}

impl Combine {
    /// What the raw score is.
    pub(crate) fn scale(self) -> RawScale {
        match self {
            Self::MeanShare => RawScale::Share,
            Self::SumLogOdds { .. } => RawScale::LogOdds,
        }
    }

    /// The raw score, of the sum of the leaf values reached.
    pub(crate) fn of_sum(self, sum: f64, n_trees: usize) -> f64 {
        match self {
            Self::MeanShare => sum / n_trees as f64,
            Self::SumLogOdds { base } => base + sum,
        }
    }
}

/// What can be wrong with the trees that a forest is made of.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// No trees.
    #[error("a forest needs at least one tree")]
    NoTrees,
    /// More features than node arrays can index, or more nodes than they can count.
    #[error("a forest holds at most {MAX_FEATURES} features, {MAX_NODES} nodes and {MAX_LEVEL_SETS} category splits")]
    TooLarge,
    /// The base value of an additive ensemble is not finite.
    #[error("the base value of the ensemble is not finite")]
    Base,
    /// A tree without nodes.
    #[error("tree {tree} has no nodes")]
    EmptyTree {
        /// Zero-based position of the tree.
        tree: usize,
    },
    /// A node that breaks the shape of a tree or says something that cannot be.
    #[error("tree {tree}, node {node}: {problem}")]
    Node {
        /// Zero-based position of the tree.
        tree: usize,
        /// Zero-based position of the node in its tree.
        node: usize,
        /// What is wrong with it.
        problem: NodeProblem,
    },
}

/// What can be wrong with one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeProblem {
    /// The feature is not in the schema.
    #[error("splits on a feature that the schema does not have")]
    UnknownFeature,
    /// A numeric rule on a category or the other way round.
    #[error("the split rule does not fit the kind of the feature")]
    WrongRule,
    /// The split value is NaN.
    #[error("the split value is not a number")]
    SplitValue,
    /// The leaf value is not finite, or not a share where shares are averaged.
    #[error("the leaf value is not finite, or is no share between 0 and 1")]
    LeafValue,
    /// The cover is negative or not finite.
    #[error("the cover is negative or not finite")]
    Cover,
    /// Children outside the tree, or not behind their parent.
    #[error("its children do not stand behind it in the tree")]
    Children,
    /// A node that nobody or more than one parent points at.
    #[error("it is the child of no node or of more than one")]
    Parents,
}

/// A fitted forest: a random forest, one decision tree, or an additive ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestModel {
    combine: Combine,
    /// Number of levels of each category feature; `None` for other kinds.
    n_levels: Vec<Option<u8>>,
    /// Where each tree's nodes start, and one more entry for the end.
    tree_starts: Vec<u32>,
    feature: Vec<u16>,
    /// Split value, leaf value, or the position of a category split's level set; level sets stand in node order.
    value: Vec<f32>,
    left: Vec<u32>,
    missing_left: Vec<bool>,
    cover: Vec<f32>,
    level_sets: Vec<LevelSet>,
}

/// A forest's arrays, borrowed; see the fields of [`ForestModel`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForestArrays<'a> {
    pub(crate) tree_starts: &'a [u32],
    pub(crate) feature: &'a [u16],
    pub(crate) value: &'a [f32],
    pub(crate) left: &'a [u32],
    pub(crate) missing_left: &'a [bool],
    pub(crate) cover: &'a [f32],
    pub(crate) level_sets: &'a [LevelSet],
}

impl ForestModel {
    /// Puts trees together, after checking that every walk over them stays inside and ends.
    ///
    /// # Errors
    /// The first thing wrong with any tree; see [`TreeError`].
    pub fn new(schema: &FeatureSchema, combine: Combine, trees: &[Tree]) -> Result<Self, TreeError> {
        let mut forest = Self::without_trees(schema, combine, trees.iter().map(|tree| tree.nodes.len()).sum())?;
        trees.iter().try_for_each(|tree| forest.push_tree(tree))?;
        if trees.is_empty() { Err(TreeError::NoTrees) } else { Ok(forest) }
    }

    /// A forest to push trees into, with room for `n_nodes`; not a usable model before it has one.
    pub(crate) fn without_trees(schema: &FeatureSchema, combine: Combine, n_nodes: usize) -> Result<Self, TreeError> {
        if schema.len() > MAX_FEATURES || n_nodes > MAX_NODES {
            return Err(TreeError::TooLarge);
        }
        if let Combine::SumLogOdds { base } = combine
            && !base.is_finite()
        {
            return Err(TreeError::Base);
        }
        Ok(Self {
            combine,
            n_levels: schema.features().iter().map(|f| f.is_category().then_some(f.levels().len() as u8)).collect(),
            tree_starts: vec![0],
            feature: Vec::with_capacity(n_nodes),
            value: Vec::with_capacity(n_nodes),
            left: Vec::with_capacity(n_nodes),
            missing_left: Vec::with_capacity(n_nodes),
            cover: Vec::with_capacity(n_nodes),
            level_sets: Vec::new(),
        })
    }

    /// Adds a tree after checking it.
    pub(crate) fn push_tree(&mut self, tree: &Tree) -> Result<(), TreeError> {
        check_tree(tree, self.n_trees(), &self.n_levels, self.combine)?;
        let is_category_split = |node: &&Node| matches!(node, Node::Split { rule: SplitRule::Levels(_), .. });
        let n_level_sets = tree.nodes.iter().filter(is_category_split).count();
        if self.n_nodes() + tree.nodes.len() > MAX_NODES || self.level_sets.len() + n_level_sets > MAX_LEVEL_SETS {
            return Err(TreeError::TooLarge);
        }
        tree.nodes.iter().for_each(|node| self.push(node));
        self.tree_starts.push(self.feature.len() as u32);
        Ok(())
    }

    /// Moves the trees of `other` behind those of this forest, which was made for the same schema.
    #[cfg(feature = "fit")]
    pub(crate) fn append(&mut self, other: Self) -> Result<(), TreeError> {
        let (n_nodes, n_level_sets) = (self.n_nodes(), self.level_sets.len());
        if n_nodes + other.n_nodes() > MAX_NODES || n_level_sets + other.level_sets.len() > MAX_LEVEL_SETS {
            return Err(TreeError::TooLarge);
        }
        let is_category_split = |feature: u16| feature != LEAF && self.n_levels[usize::from(feature)].is_some();
        let values = other.value.iter().zip(&other.feature);
        self.value.extend(values.map(|(&value, &feature)| {
            if is_category_split(feature) { (value as usize + n_level_sets) as f32 } else { value }
        }));
        self.tree_starts.extend(other.tree_starts[1..].iter().map(|&end| end + n_nodes as u32));
        self.feature.extend(other.feature);
        self.left.extend(other.left);
        self.missing_left.extend(other.missing_left);
        self.cover.extend(other.cover);
        self.level_sets.extend(other.level_sets);
        Ok(())
    }

    /// The arrays as they stand in the model file.
    pub(crate) fn arrays(&self) -> ForestArrays<'_> {
        ForestArrays {
            tree_starts: &self.tree_starts,
            feature: &self.feature,
            value: &self.value,
            left: &self.left,
            missing_left: &self.missing_left,
            cover: &self.cover,
            level_sets: &self.level_sets,
        }
    }

    fn push(&mut self, node: &Node) {
        let (feature, value, left, missing_left, cover) = match *node {
            Node::Leaf { value, cover } => (LEAF, value, 0, false, cover),
            Node::Split { feature, rule, missing_left, left, cover } => {
                let value = match rule {
                    SplitRule::Below(split_value) => split_value,
                    SplitRule::Levels(set) => {
                        self.level_sets.push(set);
                        (self.level_sets.len() - 1) as f32
                    }
                };
                (feature, value, left, missing_left, cover)
            }
        };
        self.feature.push(feature);
        self.value.push(value);
        self.left.push(left);
        self.missing_left.push(missing_left);
        self.cover.push(cover);
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.tree_starts.len() - 1
    }

    /// Number of nodes in all trees.
    pub fn n_nodes(&self) -> usize {
        self.feature.len()
    }

    /// Number of features in a feature vector.
    pub fn n_features(&self) -> usize {
        self.n_levels.len()
    }

    /// Number of levels of each feature; 0 where it is no category.
    pub(crate) fn level_counts(&self) -> impl Iterator<Item = u8> + '_ {
        self.n_levels.iter().map(|n_levels| n_levels.unwrap_or(0))
    }

    /// How leaf values become a raw score.
    pub fn combine(&self) -> Combine {
        self.combine
    }

    /// A copy of one tree.
    ///
    /// # Panics
    /// When `tree` is not below [`n_trees`](Self::n_trees).
    pub fn tree(&self, tree: usize) -> Tree {
        let (start, end) = (self.tree_starts[tree] as usize, self.tree_starts[tree + 1] as usize);
        Tree { nodes: (start..end).map(|node| self.node(node)).collect() }
    }

    /// Copies of all trees.
    pub fn trees(&self) -> impl Iterator<Item = Tree> + '_ {
        (0..self.n_trees()).map(|tree| self.tree(tree))
    }

    fn node(&self, at: usize) -> Node {
        let (feature, value, cover) = (self.feature[at], self.value[at], self.cover[at]);
        if feature == LEAF {
            return Node::Leaf { value, cover };
        }
        let rule = if self.n_levels[usize::from(feature)].is_some() {
            SplitRule::Levels(self.level_sets[value as usize])
        } else {
            SplitRule::Below(value)
        };
        Node::Split { feature, rule, missing_left: self.missing_left[at], left: self.left[at], cover }
    }

    /// The raw score of one feature vector: mean churn share, or log-odds of an additive ensemble.
    ///
    /// # Missing
    /// NaN, and a category code that is no level, follow the direction that each split learned for them.
    /// # Panics
    /// When `row` is not [`n_features`](Self::n_features) long.
    /// # Cost
    /// O(trees x depth); no allocation.
    pub fn raw_score(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.n_features(), "a feature vector has one value per feature");
        let mut sums = [0.0; LANES];
        for tree in 0..self.n_trees() {
            sums[tree % LANES] += f64::from(self.leaf_value(tree, row));
        }
        self.combine.of_sum(reduce(sums), self.n_trees())
    }

    /// The raw scores of many feature vectors, bit for bit those of [`raw_score`](Self::raw_score).
    ///
    /// Each tree is walked for a block of rows before the next one is, so that it is fetched from memory once a block.
    ///
    /// # Shape
    /// `rows` is row-major `(n_rows, n_features)`; the result is `(n_rows,)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn raw_scores(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.n_features();
        assert_eq!(rows.len() % width, 0, "rows hold one value per feature each");
        let mut scores = Vec::with_capacity(rows.len() / width);
        for rows in rows.chunks(BLOCK_ROWS * width) {
            let mut sums = vec![[0.0; LANES]; rows.len() / width];
            for tree in 0..self.n_trees() {
                for (row, sums) in rows.chunks_exact(width).zip(&mut sums) {
                    sums[tree % LANES] += f64::from(self.leaf_value(tree, row));
                }
            }
            scores.extend(sums.into_iter().map(|sums| self.combine.of_sum(reduce(sums), self.n_trees())));
        }
        scores
    }

    fn leaf_value(&self, tree: usize, row: &[f32]) -> f32 {
        let start = self.tree_starts[tree] as usize;
        let mut at = start;
        while self.feature[at] != LEAF {
            let goes_left = self.goes_left(at, row[usize::from(self.feature[at])]);
            at = start + self.left[at] as usize + usize::from(!goes_left);
        }
        self.value[at]
    }

    fn goes_left(&self, at: usize, value: f32) -> bool {
        if value.is_nan() {
            return self.missing_left[at];
        }
        match self.n_levels[usize::from(self.feature[at])] {
            None => value < self.value[at],
            Some(n_levels) => match level_code(value, n_levels) {
                None => self.missing_left[at],
                Some(code) => self.level_sets[self.value[at] as usize].contains(code),
            },
        }
    }
}

/// The level code that a category's value holds, or `None` when it is missing or no level.
pub(crate) fn level_code(value: f32, n_levels: u8) -> Option<u8> {
    let code = value as u8; // saturates, and takes NaN to 0
    (f32::from(code) == value && code < n_levels).then_some(code)
}

fn check_tree(tree: &Tree, position: usize, n_levels: &[Option<u8>], combine: Combine) -> Result<(), TreeError> {
    if tree.nodes.is_empty() {
        return Err(TreeError::EmptyTree { tree: position });
    }
    let fail = |node, problem| Err(TreeError::Node { tree: position, node, problem });
    let mut has_parent = vec![false; tree.nodes.len()];
    has_parent[0] = true;
    for (at, node) in tree.nodes.iter().enumerate() {
        let cover = match *node {
            Node::Leaf { value, cover } => {
                let fits = combine != Combine::MeanShare || (0.0..=1.0).contains(&value);
                if !value.is_finite() || !fits {
                    return fail(at, NodeProblem::LeafValue);
                }
                cover
            }
            Node::Split { feature, rule, left, cover, .. } => {
                let Some(n_levels) = n_levels.get(usize::from(feature)) else {
                    return fail(at, NodeProblem::UnknownFeature);
                };
                match rule {
                    SplitRule::Below(value) if value.is_nan() => return fail(at, NodeProblem::SplitValue),
                    SplitRule::Below(_) if n_levels.is_some() => return fail(at, NodeProblem::WrongRule),
                    SplitRule::Levels(_) if n_levels.is_none() => return fail(at, NodeProblem::WrongRule),
                    SplitRule::Below(_) | SplitRule::Levels(_) => {}
                }
                let left = left as usize;
                if left <= at || left + 1 >= tree.nodes.len() {
                    return fail(at, NodeProblem::Children);
                }
                for child in [left, left + 1] {
                    if std::mem::replace(&mut has_parent[child], true) {
                        return fail(child, NodeProblem::Parents);
                    }
                }
                cover
            }
        };
        if !(cover.is_finite() && cover >= 0.0) {
            return fail(at, NodeProblem::Cover);
        }
    }
    match has_parent.iter().position(|&has| !has) {
        Some(orphan) => fail(orphan, NodeProblem::Parents),
        None => Ok(()),
    }
}
