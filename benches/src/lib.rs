//! What the benchmarks share: a synthetic table, the forest everybody is asked for, and how a fit is measured.
//!
//! - `cargo bench -p churn-benches --bench fit` times our learners.
//! - `benches/peers/run.sh` fits the same forest with other libraries, each in a process of its own, and prints one
//!   table of time, memory and quality. `docs/performance.md` says what came out.
//! - `benches/peers/score.sh` does the same for scoring.

mod activity;
mod case;
mod error;
mod forest;
mod process;
mod row_time;
#[cfg(feature = "rust-peers")]
pub mod rust_peers;
mod stream;
mod table;
mod table_files;

pub use activity::ActivityPlan;
pub use case::{CaseArgs, CaseReport};
pub use error::Error;
pub use forest::{FEATURES_PER_SPLIT, MAX_DEPTH, MIN_LEAF, N_TREES, forest_learner, forest_model, forest_model_on};
pub use process::{cpu_seconds, peak_mib, resident_mib};
pub use row_time::{batch_us, cold_row_us, median, row_us};
pub use stream::{BATCH_RECORDS, EndlessStream, stream_model, warm_processor};
pub use table::{DrawnObservation, N_FEATURES, ObservationSource, Part, Table, schema};
pub use table_files::{read_table, write_table};
