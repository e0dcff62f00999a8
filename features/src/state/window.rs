use churn_events::ObservationDate;

use super::TenantState;
use super::horizon::first_date;
use crate::observed::MAX_LOOKBACK_DAYS;
use crate::{Error, Kept};

/// What a tenant did in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WindowCounts {
    /// Logins.
    pub logins: u64,
    /// Jobs submitted.
    pub jobs: u64,
    /// Data of the jobs submitted, in bytes.
    pub data_bytes: u64,
    /// Users with a login or job.
    pub active_users: u64,
}

impl TenantState {
    /// Counts what happened in the so many days before an observation date, as features count it.
    ///
    /// # Errors
    /// [`Error::WindowTooLong`] when the window is longer than 90 days, [`Error::DatePassed`] as in
    /// [`TenantState::features_at`], [`Error::NotKept`] when the state keeps less than [`Kept::WINDOW_COUNTS`].
    pub fn counts_at(&self, date: ObservationDate, window_days: u32) -> Result<WindowCounts, Error> {
        if window_days > MAX_LOOKBACK_DAYS {
            return Err(Error::WindowTooLong { found: window_days, most: MAX_LOOKBACK_DAYS });
        }
        let (needed, kept) = (Kept::WINDOW_COUNTS, self.kept);
        if !kept.contains(needed) {
            return Err(Error::NotKept { feature: "counts of a window", needed, kept });
        }
        let first = first_date(self.clock_ms);
        if date.days() < first {
            return Err(Error::DatePassed { date, first: ObservationDate::from_days(first) });
        }
        let then = self.with_held_back_until(date);
        let mut window = WindowCounts::default();
        for (day, slot) in then.counts.activity.iter() {
            if (1..=i64::from(window_days)).contains(&(i64::from(date.days()) - i64::from(day))) {
                window.logins += u64::from(slot.logins);
                window.jobs += u64::from(slot.jobs);
                window.data_bytes = window.data_bytes.saturating_add(slot.data_bytes);
            }
        }
        window.active_users = then.users.n_active(date.days(), window_days);
        Ok(window)
    }
}
