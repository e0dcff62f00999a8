//! What a tenant did, and when.
//!
//! An [`Event`] is one fact about a tenant, with the time it occurred and the time it was received. Everything else in
//! this project stands on these types: the simulator makes events, features are derived from them.
//!
//! Events are written and read as CloudEvents 1.0 in JSON: [`encode`] and [`decode`] for one, [`read_log`] for files of
//! them. `docs/events.md` describes the form.

mod data;
mod decode;
mod encode;
#[cfg(feature = "log")]
mod error;
mod event;
mod event_types;
mod flat;
mod legacy;
#[cfg(feature = "log")]
mod log;
mod malformed;
mod money;
mod rfc3339;
mod schemas;
mod time;
#[cfg(feature = "whole-file")]
mod whole_file;

#[doc(hidden)]
pub use decode::decode_all_ways;
pub use decode::{MAX_LINE_BYTES, decode, decode_arrived};
pub use encode::encode;
#[cfg(feature = "log")]
pub use error::Error;
pub use event::{Event, EventKind, JobStatus, TenantAttributes};
pub use event_types::TYPE_PREFIX;
pub use flat::FlatEvent;
#[cfg(feature = "log")]
pub use legacy::LegacyTable;
pub use legacy::{CompanyField, INDUSTRIES, LegacyFormat, MAX_JOBS_PER_RECORD, RecordOrigin, decode_legacy_json};
#[cfg(feature = "log")]
pub use log::{
    BrokenFile, LogOptions, LogReport, MalformedLine, decompressed, read_log, read_log_from, read_logs_from,
};
pub use malformed::{Malformed, Reason};
pub use money::Money;
pub use rfc3339::{TimeError, beginning};
pub use schemas::{EventSchema, event_schemas};
pub use time::{DAY_MS, ObservationDate, Timestamp};
#[cfg(feature = "whole-file")]
pub use whole_file::WholeFile;
