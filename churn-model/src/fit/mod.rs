//! Learners: hyperparameters plus `fit`.

mod bins;
mod calibrator;
mod forest;
mod grow;
mod observations;
mod progress;
mod random;
mod split;
mod weights;

pub use calibrator::CalibratorLearner;
pub use forest::{FittedForest, ForestTrial, RandomForestLearner};
pub use observations::{FitError, Observations};
pub use progress::Progress;
pub use weights::ClassWeight;
