//! Learners: hyperparameters plus `fit`.

mod bins;
mod calibrator;
mod cholesky;
mod design;
mod forest;
mod grow;
#[cfg(test)]
mod grow_reference;
mod linear;
mod observations;
mod progress;
mod random;
mod split;
mod tree;
mod weights;

pub use calibrator::CalibratorLearner;
pub use forest::{FittedForest, ForestTrial, RandomForestLearner};
pub use linear::{FittedLinear, LinearLearner, LinearTrial};
pub use observations::{FitError, Observations};
pub use progress::Progress;
pub use tree::{DecisionTreeLearner, FittedTree, TreeTrial};
pub use weights::ClassWeight;
