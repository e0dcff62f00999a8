//! Learners: hyperparameters plus `fit`.

mod bins;
mod calibrator;
mod forest;
mod grow;
#[cfg(feature = "linfa")]
mod linfa;
mod observations;
mod progress;
mod random;
mod split;
mod weights;

pub use calibrator::CalibratorLearner;
pub use forest::{FittedForest, ForestTrial, RandomForestLearner};
#[cfg(feature = "linfa")]
pub use linfa::{LinfaError, linfa_schema};
pub use observations::{FitError, Observations};
pub use progress::Progress;
pub use weights::ClassWeight;
