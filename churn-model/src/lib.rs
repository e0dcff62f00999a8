//! Churn models: fit, hold, save, score and explain them.

mod calibrator;
mod card;
#[cfg(feature = "evaluate")]
pub mod evaluate;
#[cfg(feature = "fit")]
pub mod fit;
mod forest;
mod linear;
mod model;
mod reference;
mod rules;
mod threshold;

pub use calibrator::{Calibrator, CalibratorError, RawScale};
pub use card::ModelCard;
pub use forest::{Combine, ForestModel, LevelSet, Node, NodeProblem, SplitRule, Tree, TreeError};
pub use linear::{LinearModel, Standardised, Term, TermError};
pub use model::{Model, ModelError, ModelKind};
pub use reference::ReferenceHistogram;
pub use threshold::{Campaign, CampaignError, Threshold, ThresholdRule};
