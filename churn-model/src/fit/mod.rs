//! Learners: hyperparameters plus `fit`.

mod bins;
mod calibrator;
mod candidate;
mod cholesky;
mod design;
mod forest;
mod grow;
#[cfg(test)]
mod grow_reference;
mod linear;
#[cfg(feature = "linfa")]
mod linfa;
mod observations;
mod progress;
mod random;
mod split;
mod tree;
mod weighted_rows;
mod weights;

pub use calibrator::CalibratorLearner;
pub use candidate::{Algorithm, Candidate, Learner, best_of};
pub use forest::{FittedForest, ForestTrial, RandomForestLearner};
pub use linear::{FittedLinear, LinearLearner, LinearTrial};
#[cfg(feature = "linfa")]
pub use linfa::{LinfaError, linfa_schema};
pub use observations::{FitError, Observations};
pub use progress::{Progress, Step};
pub use tree::{DecisionTreeLearner, FittedTree, TreeTrial};
pub use weighted_rows::WeightedRows;
pub use weights::ClassWeight;
