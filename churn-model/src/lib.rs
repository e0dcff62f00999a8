//! Churn models: fit them, hold them, save and read them, score with them.
//!
//! A [`Model`] is what a model file holds: the features it reads, the fitted trees or weights, the calibrator that turns
//! raw scores into churn probabilities, the threshold with the costs behind it, and its model card. A [`Scorer`] is a model
//! made ready to score fast, an [`Explainer`] one made ready to say why.
//!
//! ```no_run
//! use churn_model::{Model, Scorer};
//!
//! let model = Model::read("model.safetensors".as_ref())?;
//! let scorer = Scorer::new(&model); // once
//! let row = vec![f32::NAN; model.schema().len()]; // one value per feature, NaN where it is not known
//! println!("{:.3}", scorer.score(&row));
//! # Ok::<(), churn_model::ReadError>(())
//! ```
//!
//! # Features
//! - `fit` (on by default): the learners, and `evaluate`.
//! - `evaluate`: metrics as pure functions of scores and labels.
//! - `rayon`: batches on all cores; comes with `fit`.
//! - `linfa`: models fitted by linfa, and linfa's `Fit` and `Predict` for ours.
//! - `smartcore`: models fitted by smartcore.
//! - `xgboost`: models that XGBoost has saved as JSON.
//! - `lightgbm`: models that LightGBM has saved as text.
//!
//! Without any of them the crate reads and writes models, scores and explains, with few dependencies.

mod calibrator;
mod card;
mod drift;
#[cfg(feature = "evaluate")]
pub mod evaluate;
mod explain;
mod file;
#[cfg(feature = "fit")]
pub mod fit;
mod forest;
#[cfg(any(feature = "linfa", feature = "smartcore", feature = "xgboost", feature = "lightgbm"))]
mod import;
mod linear;
#[cfg(feature = "linfa")]
mod linfa_traits;
mod model;
mod reference;
mod rules;
mod scorer;
mod signed_log;
mod threshold;

pub use calibrator::{Calibrator, CalibratorError, RawScale};
pub use card::ModelCard;
pub use drift::DriftMonitor;
pub use explain::{ExplainScratch, Explainer, Explanation, Reason, ReasonValue, Trend};
pub use file::{ModelId, ReadError, ReadProblem, WriteError};
pub use forest::{Combine, ForestModel, LevelSet, Node, NodeProblem, SplitRule, Tree, TreeError};
#[cfg(any(feature = "linfa", feature = "smartcore", feature = "xgboost", feature = "lightgbm"))]
pub use import::ImportError;
#[cfg(feature = "smartcore")]
pub use import::LeafValue;
#[cfg(feature = "linfa")]
pub use import::LinfaLogistic;
pub use linear::{LinearModel, Standardised, Term, TermError};
pub use model::{Model, ModelError, ModelKind};
pub use reference::ReferenceHistogram;
pub use scorer::{Kernel, Scorer};
pub use threshold::{Campaign, CampaignError, Threshold, ThresholdRule};
