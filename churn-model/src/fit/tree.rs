//! The decision tree learner: one tree, pruned back to what cross-validation supports.

use rayon::prelude::*;

use super::bins::BinnedFeatures;
use super::calibrator::calibrated_log_loss;
use super::forest::check;
use super::grow::{Grower, GrownNode, GrownTree, Growth, Item};
use super::random::{Random, subkey};
use super::weights::{ClassWeight, WholeWeights};
use super::{FitError, Observations, Progress};
use crate::calibrator::RawScale;
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
    /// Gini impurity, as a share of all observations, that one more leaf must save. `None` chooses it by the log loss of
    /// calibrated out-of-fold scores.
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
    /// Log loss of the calibrated out-of-fold scores.
    pub log_loss: f64,
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
        if width >= MAX_FEATURES {
            return Err(FitError::TooMany { what: "features", found: width, most: MAX_FEATURES - 1 });
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
                let tree = self.grow(&binned, &weights, observations, |row| folds[row] != fold);
                progress.step();
                tree
            })
            .collect();
        let tree = trees.pop().expect("this cannot fail because there is one tree more than folds");
        let out_of_fold = |complexity: f64| -> Vec<f64> {
            let score = |(row, &fold): (usize, &u64)| {
                let bins = &binned.rows()[row * width..][..width];
                trees[fold as usize].share(bins, complexity)
            };
            folds.iter().enumerate().map(score).collect()
        };
        let complexities = self.complexity.map_or_else(|| tree.complexities(), |complexity| vec![complexity]);
        let trials: Vec<TreeTrial> = complexities
            .par_iter()
            .map(|&complexity| {
                let log_loss = calibrated_log_loss(RawScale::Share, &out_of_fold(complexity), observations);
                TreeTrial { complexity, log_loss }
            })
            .collect();
        // Of equals the last is the smallest tree.
        let best = trials.iter().rev().min_by(|a, b| a.log_loss.total_cmp(&b.log_loss));
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
        PrunedTree::new(Grower::new(binned).grow(&mut items, &growth, &mut Random::new(self.seed)))
    }
}

/// A tree that knows at which complexity each of its splits is no longer worth it.
struct PrunedTree {
    tree: GrownTree,
    /// Per node, the complexity from which on it is a leaf; 0 for leaves.
    leaf_from: Vec<f64>,
}

impl PrunedTree {
    /// Cuts the weakest split, the one whose leaves save the least impurity each, until only the root is left.
    fn new(tree: GrownTree) -> Self {
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
        let mut leaf_from = vec![0.0; n];
        let mut open: Vec<usize> = (0..n).filter(|&at| tree.nodes[at].split.is_some()).collect();
        let mut complexity = 0.0_f64;
        while n_leaves[0] > 1 {
            open.retain(|&at| n_leaves[at] > 1);
            let saving = |at: usize| (own[at] - below[at]) / f64::from(n_leaves[at] - 1);
            let weakest = open.iter().copied().min_by(|&a, &b| saving(a).total_cmp(&saving(b)));
            let weakest = weakest.expect("this cannot fail because the root is still split");
            complexity = complexity.max(saving(weakest));
            cut(&tree, weakest, complexity, &mut leaf_from, &mut n_leaves);
            let (saved, lost_leaves) = (own[weakest] - below[weakest], n_leaves[weakest] - 1);
            let mut at = weakest;
            loop {
                below[at] += saved;
                n_leaves[at] -= lost_leaves;
                if at == 0 {
                    break;
                }
                at = parent[at];
            }
        }
        Self { tree, leaf_from }
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

/// Marks every split below and at `root` as cut.
fn cut(tree: &GrownTree, root: usize, complexity: f64, leaf_from: &mut [f64], n_leaves: &mut [u32]) {
    let mut open = vec![root];
    while let Some(at) = open.pop() {
        if let Some((_, _, left)) = tree.nodes[at].split
            && leaf_from[at] == 0.0
        {
            leaf_from[at] = complexity.max(f64::MIN_POSITIVE);
            open.extend([left as usize, left as usize + 1]);
            if at != root {
                n_leaves[at] = 1;
            }
        }
    }
}
