//! How sessions end. A session belongs to the day of its end.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::ratio;

const MS_PER_MINUTE: f64 = 60_000.0;

/// Mean length of the sessions closed by logoff or timeout.
///
/// A logoff or timeout closes the session that its user's last login before it began, when that login was less than 12 h
/// ago, named the same session, and nothing closed it before. At the same instant a login comes before the end.
pub(crate) const SESSION_MINUTES_28: Definition = Definition {
    number: 34,
    name: "session_minutes_28",
    definition: "closed session minutes / closed sessions",
    unit: Some("minutes"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no session closed",
    family: Family::Session,
    needs: Kept::SESSIONS,
    read: |seen| seen.over(28, ratio(seen.closed_ms_28 as f64 / MS_PER_MINUTE, seen.closed_28 as f64)),
};

/// The share of session ends that were timeouts. Every logoff and timeout counts, with a known login or not; but those of
/// the same user, session and millisecond are one.
pub(crate) const TIMEOUT_SHARE_28: Definition = Definition {
    number: 35,
    name: "timeout_share_28",
    definition: "timeouts / (logoffs + timeouts)",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no logoff or timeout",
    family: Family::Session,
    needs: Kept::SESSIONS,
    read: |seen| seen.over(28, ratio(seen.timeouts_28 as f64, (seen.logoffs_28 + seen.timeouts_28) as f64)),
};
