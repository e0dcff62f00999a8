//! The forest that every library is asked for. `peers/fit_case.py` holds the same four numbers.

use churn_model::fit::RandomForestLearner;

/// Number of trees.
pub const N_TREES: usize = 100;

/// Splits between a root and its leaves, at most.
pub const MAX_DEPTH: u32 = 12;

/// Observations in each leaf, at least.
pub const MIN_LEAF: u32 = 5;

/// Features tried per split: the square root of 20, rounded.
pub const FEATURES_PER_SPLIT: usize = 4;

/// Our learner, set to that forest.
pub fn forest_learner(seed: u64) -> RandomForestLearner {
    RandomForestLearner {
        n_trees: N_TREES,
        max_depth: MAX_DEPTH,
        min_leaf: Some(MIN_LEAF),
        features_per_split: Some(FEATURES_PER_SPLIT),
        seed,
        ..RandomForestLearner::default()
    }
}
