//! What a run is asked to do.

/// A learner by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Many trees, each on its own bootstrap.
    RandomForest,
    /// One pruned tree.
    DecisionTree,
    /// Logistic regression.
    LinearLearner,
}

impl Algorithm {
    /// The name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::RandomForest => "random-forest",
            Self::DecisionTree => "decision-tree",
            Self::LinearLearner => "linear-learner",
        }
    }
}
