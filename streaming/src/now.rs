//! The clock of this machine: what reads and writes asks it, and the processor never does.

use std::time::{SystemTime, UNIX_EPOCH};

use churn_events::Timestamp;

/// How far our clock may be ahead of a stream's, in milliseconds. AWS takes nothing that was signed further in its future, and
/// refuses to read from any time that has not come for it yet.
pub(crate) const CLOCK_AHEAD_MS: i64 = 5 * 60 * 1_000;

/// The time, in milliseconds; a clock that is before 1970 is at it.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
