use churn_events::DAY_MS;

use crate::StateOptions;
use crate::observed::LOOKBACK_DAYS;

/// Days that a state can tell apart: 1970-01-01 to 2147-12-18. Events of other days are dropped.
pub(crate) const N_DAYS: i32 = 65_000;

/// Days for which jobs and seats are paired with what came before, and 12 h for sessions: past that, what a late event
/// counts for would depend on how late it is.
pub(crate) const SEAT_PAIR_MS: i64 = 84 * DAY_MS;
pub(crate) const JOB_PAIR_MS: i64 = 84 * DAY_MS;
pub(crate) const SESSION_MS: i64 = DAY_MS / 2;

/// Days for which slots of the short kind are kept.
pub(crate) const RECENT_DAYS: i32 = 30;

/// Longest time that things may take to settle.
const MAX_SETTLE_MS: i64 = 120 * DAY_MS;

/// From where on a state remembers, which its clock alone decides: the same events leave the same state, whatever the
/// order they came in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Horizon {
    /// First observation date that can be answered for.
    pub(crate) first_date: i32,
    settle_ms: i64,
    lateness_ms: i64,
}

impl Horizon {
    pub(crate) fn new(clock_ms: i64, options: &StateOptions) -> Self {
        let least = options.allowed_lateness_ms.clamp(0, MAX_SETTLE_MS - SESSION_MS);
        Self {
            first_date: first_date(clock_ms),
            settle_ms: options.settle_ms.clamp(least + SESSION_MS, MAX_SETTLE_MS),
            lateness_ms: least,
        }
    }

    /// First day of the windows of 90 days.
    pub(crate) fn first_day(&self) -> i32 {
        self.first_date - LOOKBACK_DAYS as i32
    }

    /// First day of the windows of 28 and 30 days.
    pub(crate) fn first_recent_day(&self) -> i32 {
        self.first_date - RECENT_DAYS
    }

    /// First of the 4 week slots.
    pub(crate) fn first_week(&self) -> i32 {
        (self.first_date - 1).div_euclid(7) - 3
    }

    /// Marks before this instant have settled. The clock may be anywhere in the day before the first date.
    pub(crate) fn settled_before_ms(&self) -> i64 {
        i64::from(self.first_date - 1) * DAY_MS - self.settle_ms
    }

    /// Seat marks before this instant pair with nothing any more.
    pub(crate) fn seats_before_ms(&self) -> i64 {
        self.settled_before_ms() - SEAT_PAIR_MS
    }

    /// Submissions before this instant pair with nothing any more.
    pub(crate) fn jobs_before_ms(&self) -> i64 {
        self.settled_before_ms() - JOB_PAIR_MS
    }

    /// For how many days before the first date events are known by their ids.
    pub(crate) fn id_days(&self) -> u8 {
        let known_ms = self.lateness_ms.max(self.settle_ms - SESSION_MS);
        (1 + (known_ms + DAY_MS - 1) / DAY_MS) as u8
    }
}

/// First observation date at or after the clock.
pub(crate) fn first_date(clock_ms: i64) -> i32 {
    (clock_ms + DAY_MS - 1).div_euclid(DAY_MS) as i32
}
