//! Forests that do not fit compact words: more features or split values than there are slots, trees of very many nodes.

use super::compact::LANES;
use crate::forest::{ForestModel, LevelSet, Node, SplitRule, level_code};

/// A node of 16 bytes, whose question is put to the value itself.
#[derive(Debug, Clone, Copy)]
struct WideNode {
    /// Values below go left; nothing is below the NaN of a category split.
    split_value: f32,
    /// Position of the left child, with the right one behind it; of a leaf, its own.
    left: u32,
    /// Position of a level set, or the bits of a leaf's value.
    extra: u32,
    feature: u16,
    missing_left: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Leaf,
    Number,
    Category,
}

/// The nodes of all trees, one after the other.
#[derive(Debug, Clone)]
pub(super) struct WideForest {
    nodes: Vec<WideNode>,
    roots: Vec<u32>,
    depths: Vec<u32>,
    n_levels: Vec<u8>,
    level_sets: Vec<LevelSet>,
}

impl WideForest {
    pub(super) fn new(forest: &ForestModel) -> Self {
        let mut wide = Self {
            nodes: Vec::with_capacity(forest.n_nodes()),
            roots: Vec::with_capacity(forest.n_trees()),
            depths: Vec::with_capacity(forest.n_trees()),
            n_levels: forest.level_counts().collect(),
            level_sets: Vec::new(),
        };
        for tree in forest.trees() {
            let start = wide.nodes.len() as u32;
            wide.roots.push(start);
            let mut depths = vec![0_u32; tree.nodes.len()];
            for (position, node) in tree.nodes.iter().enumerate() {
                let made = match *node {
                    Node::Leaf { value, .. } => WideNode {
                        split_value: f32::NAN,
                        left: start + position as u32,
                        extra: value.to_bits(),
                        feature: 0,
                        missing_left: true,
                        kind: Kind::Leaf,
                    },
                    Node::Split { feature, rule, missing_left, left, .. } => {
                        depths[left as usize] = depths[position] + 1;
                        depths[left as usize + 1] = depths[position] + 1;
                        let (split_value, extra, kind) = match rule {
                            SplitRule::Below(value) => (value, 0, Kind::Number),
                            SplitRule::Levels(levels) => {
                                wide.level_sets.push(levels);
                                (f32::NAN, wide.level_sets.len() as u32 - 1, Kind::Category)
                            }
                        };
                        WideNode { split_value, left: start + left, extra, feature, missing_left, kind }
                    }
                };
                wide.nodes.push(made);
            }
            wide.depths.push(depths.into_iter().max().unwrap_or(0));
        }
        wide
    }

    /// Number of trees.
    pub(super) fn n_trees(&self) -> usize {
        self.roots.len()
    }

    /// Bytes of the nodes.
    pub(super) fn n_bytes(&self) -> usize {
        self.nodes.len() * size_of::<WideNode>()
    }

    /// Adds the leaf values of these trees, of which the first is a multiple of [`LANES`], to the partial sums.
    pub(super) fn add_trees(&self, trees: std::ops::Range<usize>, row: &[f32], sums: &mut [f64; LANES]) {
        for first in trees.clone().step_by(LANES) {
            let last = trees.end.min(first + LANES);
            let mut at = [0_u32; LANES];
            at[..last - first].copy_from_slice(&self.roots[first..last]);
            let at = &mut at[..last - first];
            let depth = self.depths[first..last].iter().copied().max().unwrap_or(0);
            for _ in 0..depth {
                for at in &mut *at {
                    let node = self.nodes[*at as usize];
                    *at = node.left + u32::from(self.goes_right(node, row));
                }
            }
            for (sum, &at) in sums.iter_mut().zip(&*at) {
                *sum += f64::from(f32::from_bits(self.nodes[at as usize].extra));
            }
        }
    }

    #[inline(always)]
    fn goes_right(&self, node: WideNode, row: &[f32]) -> bool {
        let value = row[usize::from(node.feature)];
        if node.kind == Kind::Category {
            let code = level_code(value, self.n_levels[usize::from(node.feature)]);
            return !code.map_or(node.missing_left, |code| self.level_sets[node.extra as usize].contains(code));
        }
        // Written so that nothing has to be guessed.
        let goes_left = (value < node.split_value) | (value.is_nan() & node.missing_left);
        !goes_left & (node.kind == Kind::Number)
    }
}
