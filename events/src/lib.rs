//! What a tenant did, and when.
//!
//! An [`Event`] is one fact about a tenant, with the time it occurred and the time it was received. Everything else in
//! this project stands on these types: the simulator makes events, features are derived from them.

mod event;
mod money;
mod time;

pub use event::{Event, EventKind, JobStatus, TenantAttributes};
pub use money::Money;
pub use time::{DAY_MS, ObservationDate, Timestamp};
