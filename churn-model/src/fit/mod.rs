//! Learners: hyperparameters plus `fit`.

mod observations;

pub use observations::{FitError, Observations};
