//! Tenants that do not exist.
//!
//! A [`World`] is a platform with tenants whose activity and whose churn share a hidden cause and nothing else. Tenants are
//! simulated one by one, each from the seed and its number alone, so any number of threads gives the same events:
//!
//! ```
//! use churn_simulator::{World, WorldOptions};
//!
//! let world = World::new(&WorldOptions { tenants: 10, days: 90, ..WorldOptions::default() })?;
//! let history = world.tenant(3);
//! assert!(history.events().all(|event| event.tenant == "comp_3"));
//! # Ok::<(), churn_simulator::Error>(())
//! ```
//!
//! What was really going on is a [`Truth`]: the hidden health and the true churn probability, for grading only.

mod activity;
mod churn;
mod dice;
mod error;
mod history;
mod life;
mod oracle;
mod profile;
mod record;
#[cfg(feature = "write")]
mod replay;
mod run;
mod scenario;
#[cfg(feature = "write")]
mod slices;
#[cfg(feature = "write")]
mod table;
mod tenant;
#[cfg(feature = "validate")]
mod validate;
mod world;
#[cfg(feature = "write")]
mod write;

pub use error::Error;
pub use history::TenantHistory;
pub use oracle::Truth;
#[cfg(feature = "write")]
pub use replay::replay;
pub use scenario::Scenario;
#[cfg(feature = "write")]
pub use table::write_table;
#[cfg(feature = "validate")]
pub use validate::{Check, Validation, validate};
pub use world::{World, WorldOptions};
#[cfg(feature = "write")]
pub use write::{Format, TruthPlan, WrittenLog, write_log, write_log_until, write_truth};
