use churn_events::{Event, Timestamp};

use crate::Kept;

/// Milliseconds in an hour.
const HOUR_MS: i64 = 3_600_000;

/// How a tenant state treats late, early and repeated events, and how much it remembers at most.
///
/// All states that meet, by [`merge`](crate::TenantState::merge) or one after the other, use the same options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateOptions {
    /// An event received more than this after it occurred is dropped; 3 days. `tenant.created`, `tenant.updated` and
    /// `tenant.cancelled` are never late.
    pub allowed_lateness_ms: i64,
    /// An event that occurred up to this after it was received occurred when it was received; 5 minutes. One further
    /// ahead is held back until its time comes.
    pub max_skew_ms: i64,
    /// For how long after an event occurred others may still change what it counts for; 3.5 days, and never less than
    /// the allowed lateness and the 12 h of the longest session. States of parts of a log that are cut in any other way
    /// than by user and job merge exactly when this is as long as the log, up to 120 days.
    pub settle_ms: i64,
    /// Users remembered at most; 1,048,576. Over it, those not seen for longest are forgotten.
    pub max_users: usize,
    /// Jobs remembered at most; 262,144. Over it the oldest are forgotten, and count as unfinished when they had not
    /// ended.
    pub max_jobs_in_flight: usize,
    /// Events held back at most; 256. Further ones are dropped.
    pub max_held_back: usize,
    /// What states keep; everything. A model that reads few features leaves the rest out:
    /// `StateOptions { kept: reader.needs(), ..StateOptions::default() }`.
    pub kept: Kept,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self {
            allowed_lateness_ms: 72 * HOUR_MS,
            max_skew_ms: HOUR_MS / 12,
            settle_ms: 84 * HOUR_MS,
            max_users: 1 << 20,
            max_jobs_in_flight: 1 << 18,
            max_held_back: 256,
            kept: Kept::ALL,
        }
    }
}

impl StateOptions {
    /// When an event counts as having occurred: one that lies up to the allowed skew ahead of its arrival occurred when
    /// it was received, so that nothing known on a date occurred after it.
    pub fn occurred_at(&self, event: &Event<'_>) -> Timestamp {
        let ahead_ms = event.occurred_at.millis().saturating_sub(event.received_at.millis());
        if (1..=self.max_skew_ms).contains(&ahead_ms) { event.received_at } else { event.occurred_at }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It counts, or it is of a kind of which nothing is kept.
    Counted,
    /// It was received too late, and dropped.
    Late,
    /// It was there already, and changed nothing.
    Duplicate,
    /// It lies in the future, and will count when its time comes.
    HeldBack,
    /// It lies in the future, and there is no room for another such event, or outside the years 1970 to 2147.
    Dropped,
}
