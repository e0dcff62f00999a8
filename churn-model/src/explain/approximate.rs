//! The approximate mode: each step down a tree is credited to the feature that was asked for.
//!
//! # Source
//! Saabas, A. (2014), Interpreting random forests. It adds up, but credits splits near the root too little, and differs
//! from Shapley values where features work together; see Lundberg et al. (2020).

use super::paths::means;
use super::question::{Levels, Question};
use crate::forest::{Combine, ForestModel, Node, SplitRule, Tree};

/// Trees that are walked at the same time, so that the processor waits for several nodes at once.
const LANES: usize = 8;

/// A node: 16 bytes, four to a cache line.
#[derive(Debug, Clone, Copy)]
struct Place {
    question: Question,
    /// The left child; the right one follows. A leaf's right child is the leaf itself, and there everybody goes.
    left: u32,
    /// The value to expect here, or the leaf's.
    mean: f32,
}

/// A forest made ready for raw scores and approximate contributions.
#[derive(Debug, Clone)]
pub(super) struct MeanForest {
    places: Vec<Place>,
    roots: Vec<Root>,
    levels: Levels,
    combine: Combine,
}

#[derive(Debug, Clone, Copy)]
struct Root {
    at: u32,
    depth: u32,
    mean: f64,
}

impl MeanForest {
    pub(super) fn new(forest: &ForestModel) -> Self {
        let mut this = Self {
            places: Vec::with_capacity(forest.n_nodes() + 1),
            roots: Vec::with_capacity(forest.n_trees()),
            levels: Levels::of(forest),
            combine: forest.combine(),
        };
        let ahead = this.levels.question(0, SplitRule::Below(f32::NAN), false);
        // A leaf with a place before it, where lanes wait that have no tree.
        this.places.extend([Place { question: ahead, left: 0, mean: 0.0 }; 2]);
        forest.trees().for_each(|tree| this.push(&tree, ahead));
        this
    }

    fn push(&mut self, tree: &Tree, ahead: Question) {
        let start = self.places.len() as u32;
        let means = means(tree);
        let mut depths = vec![0; tree.nodes.len()];
        for (at, (node, mean)) in tree.nodes.iter().zip(&means).enumerate() {
            let (question, left) = match *node {
                Node::Leaf { .. } => (ahead, start + at as u32 - 1),
                Node::Split { feature, rule, missing_left, left, .. } => {
                    depths[left as usize] = depths[at] + 1;
                    depths[left as usize + 1] = depths[at] + 1;
                    (self.levels.question(feature, rule, missing_left), start + left)
                }
            };
            self.places.push(Place { question, left, mean: *mean as f32 });
        }
        let depth = depths.into_iter().max().unwrap_or(0);
        self.roots.push(Root { at: start, depth, mean: means[0] });
    }

    /// What a sum over the trees has to be divided by.
    pub(super) fn divisor(&self) -> f64 {
        match self.combine {
            Combine::MeanShare => self.roots.len() as f64,
            Combine::SumLogOdds { .. } => 1.0,
        }
    }

    fn raw(&self, sum: f64) -> f64 {
        match self.combine {
            Combine::MeanShare => sum / self.divisor(),
            Combine::SumLogOdds { base } => base + sum,
        }
    }

    /// The raw score before any feature is known.
    pub(super) fn base_value(&self) -> f64 {
        self.raw(self.roots.iter().map(|root| root.mean).sum())
    }

    /// The raw score, bit for bit that of [`ForestModel::raw_score`]; each step of the walk is handed to `step` with its
    /// feature and what it changed.
    #[inline(always)]
    pub(super) fn walk(&self, row: &[f32], mut step: impl FnMut(usize, f64)) -> f64 {
        let mut sum = 0.0;
        for roots in self.roots.chunks(LANES) {
            let depth = roots.iter().map(|root| root.depth).max().unwrap_or(0);
            let (mut at, mut mean) = ([1; LANES], [0.0; LANES]);
            for (lane, root) in roots.iter().enumerate() {
                (at[lane], mean[lane]) = (root.at, root.mean);
            }
            for _ in 0..depth {
                for lane in 0..LANES {
                    let place = self.places[at[lane] as usize];
                    at[lane] = place.left + u32::from(!self.levels.goes_left(place.question, row));
                    let next = f64::from(self.places[at[lane] as usize].mean);
                    step(usize::from(place.question.feature), next - mean[lane]);
                    mean[lane] = next;
                }
            }
            sum = roots.iter().zip(mean).fold(sum, |sum, (_, mean)| sum + mean);
        }
        self.raw(sum)
    }
}
