//! Churn models: fit, hold, save, score and explain them.

mod calibrator;
mod card;
#[cfg(feature = "evaluate")]
pub mod evaluate;
mod file;
#[cfg(feature = "fit")]
pub mod fit;
mod forest;
#[cfg(any(feature = "linfa", feature = "smartcore"))]
mod import;
mod linear;
#[cfg(feature = "linfa")]
mod linfa_traits;
mod model;
mod reference;
mod rules;
mod threshold;

pub use calibrator::{Calibrator, CalibratorError, RawScale};
pub use card::ModelCard;
pub use file::{ModelId, ReadError, ReadProblem, WriteError};
pub use forest::{Combine, ForestModel, LevelSet, Node, NodeProblem, SplitRule, Tree, TreeError};
#[cfg(any(feature = "linfa", feature = "smartcore"))]
pub use import::ImportError;
#[cfg(feature = "smartcore")]
pub use import::LeafValue;
#[cfg(feature = "linfa")]
pub use import::LinfaLogistic;
pub use linear::{LinearModel, Standardised, Term, TermError};
pub use model::{Model, ModelError, ModelKind};
pub use reference::ReferenceHistogram;
pub use threshold::{Campaign, CampaignError, Threshold, ThresholdRule};
