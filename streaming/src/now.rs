use std::time::{SystemTime, UNIX_EPOCH};

use churn_events::Timestamp;

/// The time, in milliseconds; a clock that is before 1970 is at it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
