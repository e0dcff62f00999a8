//! The random forest learner (Breiman 2001), on histograms and with a bootstrap by group.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::bins::BinnedFeatures;
use super::calibrator::calibrated_log_loss;
use super::grow::{Grower, GrownTree, Growth, Item};
use super::random::{Random, poisson_draws, subkey};
use super::weights::{ClassWeight, WholeWeights};
use super::{FitError, Observations, Progress, Step};
use crate::calibrator::RawScale;
use crate::forest::{Combine, ForestModel, MAX_FEATURES, MAX_LEVEL_SETS};

/// Fits a [`ForestModel`] of many trees, each on a bootstrap of the groups and on a few features per split.
///
/// # Example
/// ```
/// use churn_features::{Feature, FeatureSchema};
/// use churn_model::fit::{Observations, RandomForestLearner};
/// use ndarray::Array2;
///
/// let schema = FeatureSchema::new(vec![Feature::numeric("days_since_login")])?;
/// let features = Array2::from_shape_fn((200, 1), |(row, _)| row as f32);
/// let labels: Vec<bool> = (0..200).map(|row| row >= 120).collect();
/// let learner = RandomForestLearner { n_trees: 50, seed: 7, ..RandomForestLearner::default() };
/// let model = learner.fit(&Observations::new(&schema, features.view(), &labels)?)?;
/// assert!(model.raw_score(&[150.0]) > 0.9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RandomForestLearner {
    /// Number of trees, 1 to 65,535.
    pub n_trees: usize,
    /// Splits between a root and its leaves, at most; 1 to 64.
    pub max_depth: u32,
    /// Weight of each leaf, at least. `None` chooses it, by the log loss of calibrated out-of-bag scores.
    pub min_leaf: Option<u32>,
    /// Features tried per split. `None` takes the rounded square root of the number of features; where the leaf size is
    /// chosen, half and twice as many are compared with it.
    pub features_per_split: Option<usize>,
    /// How much the two labels count.
    pub class_weight: ClassWeight,
    /// Seed of the bootstraps and of the features tried.
    pub seed: u64,
}

impl Default for RandomForestLearner {
    fn default() -> Self {
        Self {
            n_trees: 300,
            max_depth: 24,
            min_leaf: None,
            features_per_split: None,
            class_weight: ClassWeight::Equal,
            seed: 0,
        }
    }
}

/// One setting that was tried on the way to a forest.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ForestTrial {
    /// Weight of each leaf, at least.
    pub min_leaf: u32,
    /// Features tried per split.
    pub features_per_split: usize,
    /// Log loss of the calibrated out-of-bag scores.
    pub log_loss: f64,
}

/// A forest, and what was learned about it on the way.
#[derive(Debug, Clone)]
pub struct FittedForest {
    /// The forest.
    pub model: ForestModel,
    /// Per observation, the mean churn share over the trees whose bootstrap left its group out; NaN where none did.
    pub out_of_bag: Vec<f64>,
    /// Weight of each leaf, at least, as used.
    pub min_leaf: u32,
    /// Features tried per split, as used.
    pub features_per_split: usize,
    /// The settings compared to find these two; empty when both were given.
    pub trials: Vec<ForestTrial>,
}

impl RandomForestLearner {
    /// Fits a forest.
    ///
    /// # Errors
    /// When a hyperparameter is out of range, or there are too many features, observations or, in the end, nodes; a
    /// larger leaf size gives fewer.
    /// # Cost
    /// O(trees x depth x observations x features per split), on all threads of the current rayon pool. The model does
    /// not depend on their number.
    pub fn fit(&self, observations: &Observations<'_>) -> Result<ForestModel, FitError> {
        let prepared = self.prepare(observations)?;
        let (growth, _) = self.choose(&prepared, &Progress::silent())?;
        let bags = Bags { n_trees: self.n_trees, scores_out_of_bag: false };
        assemble(self.grow(&prepared, &growth, bags, &Progress::silent(), |tree| prepared.model(tree))?.0)
    }

    /// Fits a forest, and scores every observation by the trees that have not seen its group.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and when it is stopped.
    /// # Cost
    /// As [`fit`](Self::fit), and O(trees x depth) per observation for the out-of-bag scores.
    pub fn fit_out_of_bag(
        &self,
        observations: &Observations<'_>,
        progress: &Progress<'_>,
    ) -> Result<FittedForest, FitError> {
        let prepared = self.prepare(observations)?;
        let (growth, trials) = self.choose(&prepared, progress)?;
        let bags = Bags { n_trees: self.n_trees, scores_out_of_bag: true };
        let (trees, out_of_bag) = self.grow(&prepared, &growth, bags, progress, |tree| prepared.model(tree))?;
        Ok(FittedForest {
            model: assemble(trees)?,
            out_of_bag,
            min_leaf: (f64::from(growth.min_leaf) * prepared.weights.unit()).round() as u32,
            features_per_split: growth.features_per_split,
            trials,
        })
    }

    fn prepare<'a>(&self, observations: &Observations<'a>) -> Result<Prepared<'a>, FitError> {
        let width = observations.schema().len();
        if width > MAX_FEATURES {
            return Err(FitError::TooMany { what: "features", found: width, most: MAX_FEATURES });
        }
        check("n_trees", self.n_trees, (1..=MAX_TREES).contains(&self.n_trees), "1 to 65535")?;
        check("max_depth", self.max_depth, (1..=64).contains(&self.max_depth), "1 to 64")?;
        check("min_leaf", self.min_leaf.unwrap_or(1), self.min_leaf != Some(0), "at least 1")?;
        let features_per_split = self.features_per_split.unwrap_or(1);
        check(
            "features_per_split",
            features_per_split,
            (1..=width).contains(&features_per_split),
            "1 to the number of features",
        )?;
        let weights = WholeWeights::new(observations, self.class_weight)?;
        Ok(Prepared { observations: *observations, binned: BinnedFeatures::new(observations), weights })
    }
}

pub(crate) fn check(
    name: &'static str,
    found: impl ToString,
    is_fine: bool,
    expected: &'static str,
) -> Result<(), FitError> {
    if is_fine { Ok(()) } else { Err(FitError::Hyperparameter { name, found: found.to_string(), expected }) }
}

/// Trees that the packed out-of-bag counters can count.
const MAX_TREES: usize = u16::MAX as usize;

struct Prepared<'a> {
    observations: Observations<'a>,
    binned: BinnedFeatures,
    weights: WholeWeights,
}

impl Prepared<'_> {
    /// A grown tree as a forest of its own, which takes a third of the memory.
    fn model(&self, tree: &GrownTree) -> ForestModel {
        let tree = tree.to_tree(self.binned.binnings(), self.weights.unit());
        ForestModel::new(self.observations.schema(), Combine::MeanShare, &[tree])
            .expect("this cannot fail because grown trees are sound and the schema fits them")
    }
}

/// What is grown and looked at.
#[derive(Debug, Clone, Copy)]
struct Bags {
    n_trees: usize,
    scores_out_of_bag: bool,
}

fn assemble(trees: Vec<ForestModel>) -> Result<ForestModel, FitError> {
    let n_nodes: usize = trees.iter().map(ForestModel::n_nodes).sum();
    let mut trees = trees.into_iter();
    let mut forest = trees.next().expect("this cannot fail because there is at least one tree");
    for tree in trees {
        // Category splits run out before nodes do; either way larger leaves help.
        forest.append(tree).map_err(|_| FitError::TooMany { what: "nodes", found: n_nodes, most: MAX_LEVEL_SETS })?;
    }
    Ok(forest)
}

/// Leaf size that the search starts from, and the sizes it walks over in either direction.
const FIRST_LEAF_SIZE: u32 = 10;
const LARGER_LEAF_SIZES: [u32; 6] = [20, 30, 50, 100, 200, 500];
const SMALLER_LEAF_SIZES: [u32; 4] = [5, 3, 2, 1];

/// Observations times trees that one comparison is worth; beyond, it grows fewer trees, but never below
/// [`LEAST_TRIAL_TREES`].
const TRIAL_WORK: usize = 10_000_000;
const LEAST_TRIAL_TREES: usize = 50;

impl RandomForestLearner {
    /// Settles leaf size and features per split: given ones as they are, open ones by out-of-bag log loss.
    ///
    /// The loss falls and then rises with the leaf size, so the search walks from a middling one while it falls, and
    /// then tries half and twice as many features. All forests compared see the same bootstraps.
    fn choose(&self, prepared: &Prepared<'_>, progress: &Progress<'_>) -> Result<(Growth, Vec<ForestTrial>), FitError> {
        let width = prepared.binned.width();
        let root = ((width as f64).sqrt().round() as usize).max(1);
        let mut features_per_split = self.features_per_split.unwrap_or(root);
        if let Some(min_leaf) = self.min_leaf {
            return Ok((self.growth(prepared, min_leaf, features_per_split), Vec::new()));
        }
        let n = prepared.observations.n_observations();
        let total = prepared.observations.total_weight();
        let n_trees = self.n_trees.min((TRIAL_WORK / n).max(LEAST_TRIAL_TREES));
        let bags = Bags { n_trees, scores_out_of_bag: true };
        let mut trials: Vec<ForestTrial> = Vec::new();
        let mut try_setting = |min_leaf, features_per_split| {
            let growth = self.growth(prepared, min_leaf, features_per_split);
            let (_, out_of_bag) = self.grow(prepared, &growth, bags, &progress.without_steps(), |_| ())?;
            let log_loss = calibrated_log_loss(RawScale::Share, &out_of_bag, &prepared.observations);
            progress.step(Step::Trial);
            trials.push(ForestTrial { min_leaf, features_per_split, log_loss });
            Ok(log_loss)
        };
        let mut min_leaf = FIRST_LEAF_SIZE;
        let mut best = try_setting(min_leaf, features_per_split)?;
        for sizes in [LARGER_LEAF_SIZES.as_slice(), &SMALLER_LEAF_SIZES] {
            for &size in sizes.iter().filter(|&&size| f64::from(size) * 4.0 <= total) {
                let log_loss = try_setting(size, features_per_split)?;
                // Nor is it better where no row was ever left out and there is no loss to compare.
                let is_better = log_loss < best;
                if !is_better {
                    break;
                }
                (best, min_leaf) = (log_loss, size);
            }
            if min_leaf != FIRST_LEAF_SIZE {
                break;
            }
        }
        if self.features_per_split.is_none() {
            for features in [root.div_ceil(2), (2 * root).min(width)].into_iter().filter(|&features| features != root) {
                let log_loss = try_setting(min_leaf, features)?;
                if log_loss < best {
                    (best, features_per_split) = (log_loss, features);
                }
            }
        }
        Ok((self.growth(prepared, min_leaf, features_per_split), trials))
    }

    fn growth(&self, prepared: &Prepared<'_>, min_leaf: u32, features_per_split: usize) -> Growth {
        let min_leaf = prepared.weights.to_units(f64::from(min_leaf));
        Growth { max_depth: self.max_depth, min_leaf, features_per_split }
    }

    /// Grows trees, each on its own bag, until it is stopped; returns what `keep` makes of them and the out-of-bag scores
    /// asked for.
    fn grow<T: Send>(
        &self,
        prepared: &Prepared<'_>,
        growth: &Growth,
        bags: Bags,
        progress: &Progress<'_>,
        keep: impl Fn(&GrownTree) -> T + Sync,
    ) -> Result<(Vec<T>, Vec<f64>), FitError> {
        let Prepared { observations, binned, .. } = prepared;
        let n_scored = if bags.scores_out_of_bag { observations.n_observations() } else { 0 };
        let out_of_bag: Vec<AtomicU64> = (0..n_scored).map(|_| AtomicU64::new(0)).collect();
        let grow_one = |(grower, items): &mut (Grower<'_>, Vec<Item>), tree: usize| {
            progress.check()?;
            let key = draw_bag(items, prepared, subkey(self.seed, tree as u64));
            let grown = grower.grow(items, growth, &mut Random::new(key));
            for (row, sum) in out_of_bag.iter().enumerate().take_while(|_| !progress.is_stopped()) {
                if poisson_draws(key, observations.group(row)) == 0 {
                    let bins = &binned.rows()[row * binned.width()..][..binned.width()];
                    let share = grown.nodes[grown.leaf(bins)].tally.share();
                    sum.fetch_add(ONE_TREE + (share * SHARE_ONE).round() as u64, Ordering::Relaxed);
                }
            }
            progress.step(Step::Part);
            Ok(keep(&grown))
        };
        let grower = || (Grower::new(binned, *progress), Vec::new());
        let trees: Result<Vec<T>, FitError> = (0..bags.n_trees).into_par_iter().map_init(grower, grow_one).collect();
        // The last trees may have been left half grown.
        progress.check()?;
        Ok((trees?, out_of_bag.into_iter().map(|sum| mean_share(sum.into_inner())).collect()))
    }
}

/// Out-of-bag sums are whole numbers, so that they do not depend on the order in which threads add to them: the number
/// of trees in the upper 16 bits, the sum of their shares in steps of `2^-32` in the lower 48.
const ONE_TREE: u64 = 1 << 48;
const SHARE_ONE: f64 = (1_u64 << 32) as f64;

fn mean_share(sum: u64) -> f64 {
    match sum >> 48 {
        0 => f64::NAN,
        n_trees => (sum & (ONE_TREE - 1)) as f64 / SHARE_ONE / n_trees as f64,
    }
}

/// Fills `items` with the rows drawn; returns the key of the draw, which is another than `key` where that drew nothing.
fn draw_bag(items: &mut Vec<Item>, prepared: &Prepared<'_>, mut key: u64) -> u64 {
    let Prepared { observations, weights, .. } = prepared;
    let labels = observations.labels();
    loop {
        items.clear();
        items.extend((0..labels.len()).filter_map(|row| {
            let weight = poisson_draws(key, observations.group(row)) * weights.units(row);
            (weight > 0).then(|| Item::new(row as u32, weight, labels[row]))
        }));
        if !items.is_empty() {
            return key;
        }
        key = subkey(key, 0);
    }
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};
    use ndarray::Array2;

    use super::*;

    #[test]
    fn out_of_bag_scores_are_means_over_the_trees_whose_bag_missed_the_group() {
        let schema = FeatureSchema::new(vec![Feature::numeric("x"), Feature::numeric("y")]).expect("valid");
        let mut random = Random::new(2);
        let features = Array2::from_shape_fn((90, 2), |_| random.below(40) as f32);
        let labels: Vec<bool> = (0..90).map(|row| random.below(60) as f32 > features[[row, 0]]).collect();
        let groups: Vec<u64> = (0..90).map(|row| row / 3 * 1_000).collect();
        let observations = Observations::new(&schema, features.view(), &labels).expect("valid");
        let observations = observations.with_groups(&groups).expect("as many");
        let learner = RandomForestLearner { n_trees: 4, min_leaf: Some(2), seed: 3, ..RandomForestLearner::default() };
        let fitted = learner.fit_out_of_bag(&observations, &Progress::silent()).expect("fits");
        let trees: Vec<ForestModel> = fitted
            .model
            .trees()
            .map(|tree| ForestModel::new(&schema, Combine::MeanShare, &[tree]).expect("sound"))
            .collect();
        let mut n_missing = 0;
        for (row, &group) in groups.iter().enumerate() {
            let draws = |tree: usize| poisson_draws(subkey(3, tree as u64), group);
            let shares: Vec<f64> = (0..4)
                .filter(|&tree| draws(tree) == 0)
                .map(|tree| trees[tree].raw_score(&features.row(row).to_vec()))
                .collect();
            let found = fitted.out_of_bag[row];
            if shares.is_empty() {
                assert!(found.is_nan(), "row {row} was in every bag and scores {found}");
                n_missing += 1;
            } else {
                let expected = shares.iter().sum::<f64>() / shares.len() as f64;
                assert!((found - expected).abs() < 1e-7, "row {row}: {found} instead of {expected}");
            }
        }
        assert!((3..60).contains(&n_missing), "{n_missing}");
    }
}
