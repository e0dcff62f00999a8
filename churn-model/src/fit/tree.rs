//! The decision tree learner: one tree, pruned back to what cross-validation supports.
//!
//! Trees are compared by the Brier score of out-of-fold shares as they are, not calibrated: calibration would forgive a
//! tree its overfitting, and of pure noise hundreds of leaves stayed (12 worlds of 10,000 rows: 116 on average, now 1;
//! on worlds with something to learn, calibrated scores are as good or better from 500 rows on).

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::bins::BinnedFeatures;
use super::forest::check;
use super::grow::{Grower, GrownNode, GrownTree, Growth, Item};
use super::random::{Random, subkey};
use super::split::Tally;
use super::weights::{ClassWeight, WholeWeights};
use super::{FitError, Observations, Progress, Step};
use crate::forest::{Combine, ForestModel, MAX_FEATURES};

/// Fits a [`ForestModel`] of a single tree, small enough to be read as rules.
///
/// The tree is grown deep and cut back by minimal cost-complexity pruning (Breiman et al. 1984, chapter 3).
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionTreeLearner {
    /// Splits between the root and its leaves, at most; 1 to 64.
    pub max_depth: u32,
    /// Weight of each leaf, at least.
    pub min_leaf: u32,
    /// Gini impurity, as a share of all observations, that one more leaf must save. `None` chooses it by the Brier
    /// score of out-of-fold churn shares.
    pub complexity: Option<f64>,
    /// How much the two labels count.
    pub class_weight: ClassWeight,
    /// Folds of the cross-validation that chooses the complexity and gives out-of-fold scores; 2 to 20.
    pub n_folds: usize,
    /// Seed of the folds.
    pub seed: u64,
}

impl Default for DecisionTreeLearner {
    fn default() -> Self {
        Self { max_depth: 10, min_leaf: 5, complexity: None, class_weight: ClassWeight::Equal, n_folds: 5, seed: 0 }
    }
}

/// One complexity that was tried on the way to a tree.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TreeTrial {
    /// The complexity.
    pub complexity: f64,
    /// Brier score of the out-of-fold churn shares, with sample and class weights.
    pub brier: f64,
}

/// A tree, and what was learned about it on the way.
#[derive(Debug, Clone)]
pub struct FittedTree {
    /// The tree, as a forest of one.
    pub model: ForestModel,
    /// Per observation, the churn share by a tree fitted on the other folds.
    pub out_of_fold: Vec<f64>,
    /// The complexity used.
    pub complexity: f64,
    /// The complexities compared; empty when it was given.
    pub trials: Vec<TreeTrial>,
}

/// Complexities compared, at most.
const MAX_TRIALS: usize = 32;

impl DecisionTreeLearner {
    /// Fits a tree.
    ///
    /// # Errors
    /// When a hyperparameter is out of range, or there are too many features or observations.
    /// # Cost
    /// O(depth x observations x features), once and once per fold.
    pub fn fit(&self, observations: &Observations<'_>) -> Result<ForestModel, FitError> {
        Ok(self.fit_out_of_fold(observations, &Progress::silent())?.model)
    }

    /// Fits a tree, and scores every observation by one that has not seen its group.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_out_of_fold(
        &self,
        observations: &Observations<'_>,
        progress: &Progress<'_>,
    ) -> Result<FittedTree, FitError> {
        let width = observations.schema().len();
        if width > MAX_FEATURES {
            return Err(FitError::TooMany { what: "features", found: width, most: MAX_FEATURES });
        }
        check("max_depth", self.max_depth, (1..=64).contains(&self.max_depth), "1 to 64")?;
        check("min_leaf", self.min_leaf, self.min_leaf >= 1, "at least 1")?;
        check("n_folds", self.n_folds, (2..=20).contains(&self.n_folds), "2 to 20")?;
        if let Some(complexity) = self.complexity {
            check("complexity", complexity, complexity >= 0.0, "a number of at least 0")?;
        }
        let weights = WholeWeights::new(observations, self.class_weight)?;
        let binned = BinnedFeatures::new(observations);
        let folds: Vec<u64> = (0..observations.n_observations())
            .map(|row| subkey(self.seed, observations.group(row)) % self.n_folds as u64)
            .collect();

        // The last one is the tree itself, which holds nothing out.
        let mut trees: Vec<PrunedTree> = (0..=self.n_folds as u64)
            .into_par_iter()
            .map(|fold| {
                let mut tree = self.grow(&binned, &weights, observations, progress, |row| folds[row] != fold);
                let held_out = (0..folds.len()).filter(|&row| folds[row] == fold);
                for row in held_out.take_while(|_| !progress.is_stopped()) {
                    let tally = Tally::of(weights.units(row), observations.labels()[row]);
                    tree.hold_out(&binned.rows()[row * width..][..width], tally);
                }
                progress.step(Step::Part);
                tree
            })
            .collect();
        progress.check()?;
        let tree = trees.pop().expect("this cannot fail because there is one tree more than folds");
        let out_of_fold = |complexity: f64| -> Vec<f64> {
            let score = |(row, &fold): (usize, &u64)| {
                let bins = &binned.rows()[row * width..][..width];
                trees[fold as usize].share(bins, complexity)
            };
            folds.iter().enumerate().map(score).collect()
        };
        let complexities = self.complexity.map_or_else(|| tree.complexities(), |complexity| vec![complexity]);
        let total: f64 = trees.iter().map(|tree| f64::from(tree.held_out[0].all())).sum();
        let trial = |&complexity: &f64| {
            progress.check()?;
            let errors: f64 = trees.iter().map(|tree| tree.squared_errors(complexity)).sum();
            Ok(TreeTrial { complexity, brier: errors / total })
        };
        let trials = complexities.par_iter().map(trial).collect::<Result<Vec<TreeTrial>, FitError>>()?;
        // Of equals the last is the smallest tree.
        let best = trials.iter().rev().min_by(|a, b| a.brier.total_cmp(&b.brier));
        let complexity = best.expect("this cannot fail because there is at least one complexity").complexity;
        let pruned = tree.prune(complexity).to_tree(binned.binnings(), weights.unit());
        let model = ForestModel::new(observations.schema(), Combine::MeanShare, &[pruned])
            .expect("this cannot fail because grown trees are sound and the schema fits them");
        Ok(FittedTree {
            model,
            out_of_fold: out_of_fold(complexity),
            complexity,
            trials: if self.complexity.is_some() { Vec::new() } else { trials },
        })
    }

    fn grow(
        &self,
        binned: &BinnedFeatures,
        weights: &WholeWeights,
        observations: &Observations<'_>,
        progress: &Progress<'_>,
        takes_part: impl Fn(usize) -> bool,
    ) -> PrunedTree {
        let labels = observations.labels();
        let rows = (0..labels.len()).filter(|&row| takes_part(row) && weights.units(row) > 0);
        let mut items: Vec<Item> = rows.map(|row| Item::new(row as u32, weights.units(row), labels[row])).collect();
        let growth = Growth {
            max_depth: self.max_depth,
            min_leaf: weights.to_units(f64::from(self.min_leaf)),
            features_per_split: binned.width(),
        };
        let tree = Grower::new(binned, *progress).grow(&mut items, &growth, &mut Random::new(self.seed));
        PrunedTree::new(tree, progress)
    }
}

/// A tree that knows at which complexity each of its splits is no longer worth it.
struct PrunedTree {
    tree: GrownTree,
    /// Per node, the complexity from which on it is a leaf; 0 for leaves.
    leaf_from: Vec<f64>,
    /// Per node, the held-out observations that pass it.
    held_out: Vec<Tally>,
}

impl PrunedTree {
    /// Cuts the weakest split, the one whose leaves save the least impurity each, until only the root is left, or nobody
    /// wants the tree any more.
    fn new(tree: GrownTree, progress: &Progress<'_>) -> Self {
        let n = tree.nodes.len();
        let total = f64::from(tree.nodes[0].tally.all()).max(1.0);
        let impurity = |node: &GrownNode| {
            let (all, churned) = (f64::from(node.tally.all()), f64::from(node.tally.churned()));
            if all == 0.0 { 0.0 } else { 2.0 * churned * (all - churned) / all / total }
        };
        let own: Vec<f64> = tree.nodes.iter().map(impurity).collect();
        let mut parent = vec![0; n];
        // Impurity and number of the leaves below each node; children stand behind their parents.
        let mut below = own.clone();
        let mut n_leaves = vec![1_u32; n];
        for at in (0..n).rev() {
            if let Some((_, _, left)) = tree.nodes[at].split {
                let left = left as usize;
                (parent[left], parent[left + 1]) = (at, at);
                below[at] = below[left] + below[left + 1];
                n_leaves[at] = n_leaves[left] + n_leaves[left + 1];
            }
        }
        // What each split saves per leaf; the bits of numbers that are not negative are ordered like them.
        let saving = |at: usize, below: &[f64], n_leaves: &[u32]| {
            ((own[at] - below[at]).max(0.0) / f64::from(n_leaves[at] - 1)).to_bits()
        };
        let mut leaf_from = vec![0.0; n];
        let splits = (0..n).filter(|&at| tree.nodes[at].split.is_some());
        let mut open: BTreeSet<(u64, usize)> = splits.map(|at| (saving(at, &below, &n_leaves), at)).collect();
        let mut complexity = 0.0_f64;
        while let (false, Some((weakest_saving, weakest))) = (progress.is_stopped(), open.pop_first()) {
            complexity = complexity.max(f64::from_bits(weakest_saving));
            let mut cut = vec![weakest];
            while let Some(at) = cut.pop() {
                if let Some((_, _, left)) = tree.nodes[at].split
                    && leaf_from[at] == 0.0
                {
                    leaf_from[at] = complexity.max(f64::MIN_POSITIVE);
                    open.remove(&(saving(at, &below, &n_leaves), at));
                    cut.extend([left as usize, left as usize + 1]);
                }
            }
            let (saved, lost_leaves) = (own[weakest] - below[weakest], n_leaves[weakest] - 1);
            let mut at = weakest;
            while at != 0 {
                at = parent[at];
                open.remove(&(saving(at, &below, &n_leaves), at));
                below[at] += saved;
                n_leaves[at] -= lost_leaves;
                open.insert((saving(at, &below, &n_leaves), at));
            }
        }
        Self { tree, leaf_from, held_out: vec![Tally::default(); n] }
    }

    /// Sends held-out observations down the whole tree.
    fn hold_out(&mut self, bins: &[u8], tally: Tally) {
        let mut at = 0;
        self.held_out[at] += tally;
        while let Some((feature, rule, left)) = &self.tree.nodes[at].split {
            at = *left as usize + usize::from(!rule.goes_left(bins[usize::from(*feature)]));
            self.held_out[at] += tally;
        }
    }

    /// Squared errors of the held-out observations by the tree as pruned for `complexity`.
    fn squared_errors(&self, complexity: f64) -> f64 {
        let (mut sum, mut open) = (0.0, vec![0]);
        while let Some(at) = open.pop() {
            match self.tree.nodes[at].split {
                Some((_, _, left)) if !self.is_leaf(at, complexity) => {
                    open.extend([left as usize, left as usize + 1]);
                }
                Some(_) | None => {
                    let (share, held_out) = (self.tree.nodes[at].tally.share(), self.held_out[at]);
                    let (all, churned) = (f64::from(held_out.all()), f64::from(held_out.churned()));
                    sum += churned * (1.0 - share).powi(2) + (all - churned) * share.powi(2);
                }
            }
        }
        sum
    }

    fn is_leaf(&self, at: usize, complexity: f64) -> bool {
        self.tree.nodes[at].split.is_none() || self.leaf_from[at] <= complexity
    }

    /// The churn share that an observation gets from the tree as pruned for `complexity`.
    fn share(&self, bins: &[u8], complexity: f64) -> f64 {
        let mut at = 0;
        while let (false, Some((feature, rule, left))) = (self.is_leaf(at, complexity), &self.tree.nodes[at].split) {
            at = *left as usize + usize::from(!rule.goes_left(bins[usize::from(*feature)]));
        }
        self.tree.nodes[at].tally.share()
    }

    /// Complexities that give different trees, from the whole tree to the root alone.
    fn complexities(&self) -> Vec<f64> {
        let mut steps: Vec<f64> = self.leaf_from.iter().copied().filter(|&complexity| complexity > 0.0).collect();
        steps.sort_unstable_by(f64::total_cmp);
        steps.dedup();
        // Between two steps the tree stays the same; the middle is the fairest to folds with slightly other steps.
        let mut complexities = vec![0.0];
        complexities.extend(steps.windows(2).map(|pair| (pair[0] * pair[1]).sqrt()));
        complexities.extend(steps.last());
        let n = complexities.len();
        if n <= MAX_TRIALS {
            return complexities;
        }
        (0..MAX_TRIALS).map(|i| complexities[i * (n - 1) / (MAX_TRIALS - 1)]).collect()
    }

    fn prune(&self, complexity: f64) -> GrownTree {
        let mut nodes = vec![self.tree.nodes[0]];
        let mut sources = vec![0_usize];
        let mut at = 0;
        while at < nodes.len() {
            let source = sources[at];
            nodes[at].split = match self.tree.nodes[source].split {
                Some((feature, rule, left)) if !self.is_leaf(source, complexity) => {
                    let left = left as usize;
                    let new_left = nodes.len() as u32;
                    nodes.extend([self.tree.nodes[left], self.tree.nodes[left + 1]]);
                    sources.extend([left, left + 1]);
                    Some((feature, rule, new_left))
                }
                Some(_) | None => None,
            };
            at += 1;
        }
        GrownTree { nodes }
    }
}
