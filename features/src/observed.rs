use crate::job::N_RUN_TIME_BARS;

/// Days that the longest window looks back, and so the longest lookback that a tenant state can answer.
pub const MAX_LOOKBACK_DAYS: u32 = 90;

/// The same as a number of days held.
pub(crate) const LOOKBACK_DAYS: usize = MAX_LOOKBACK_DAYS as usize;

/// What a tenant state knows at an observation date, as the integers that every feature is computed from.
///
/// Days are told by their age: 1 is the day before the observation date.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    pub(crate) tenure_days: i32,
    pub(crate) revenue: Option<f64>,
    pub(crate) employees: Option<u32>,
    pub(crate) sentiment: Option<f64>,
    pub(crate) charge_cents: Option<i64>,
    pub(crate) charge_cents_90_days_ago: Option<i64>,
    pub(crate) billed_cents: i128,
    pub(crate) n_bills: u64,
    /// Sums over the days up to an age, by age; see [`Observed::sum_up`].
    logins: [u64; LOOKBACK_DAYS + 1],
    jobs: [u64; LOOKBACK_DAYS + 1],
    data_bytes: [u64; LOOKBACK_DAYS + 1],
    /// Whether there was a login, or a job, on the day of each age; that of age 1 is the lowest bit.
    pub(crate) login_days: u128,
    pub(crate) job_days: u128,
    pub(crate) days_since_job: Option<i32>,
    pub(crate) days_since_login: Option<i32>,
    pub(crate) servers_28: u64,
    pub(crate) cancelled_28: u64,
    pub(crate) terminated_28: u64,
    pub(crate) failed_28: u64,
    pub(crate) unfinished_3_to_30: u64,
    pub(crate) run_times: [u64; N_RUN_TIME_BARS],
    pub(crate) closed_ms_28: u64,
    pub(crate) closed_28: u64,
    pub(crate) logoffs_28: u64,
    pub(crate) timeouts_28: u64,
    pub(crate) seats: u64,
    pub(crate) seats_90_days_ago: u64,
    pub(crate) seats_added_28: u64,
    pub(crate) seats_deleted_28: u64,
    pub(crate) active_users_7: u64,
    pub(crate) active_users_28: u64,
    pub(crate) active_users_28_before: u64,
    pub(crate) user_days_28: u64,
    pub(crate) top_user_activity: u64,
    pub(crate) users_activity: u64,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            tenure_days: 0,
            revenue: None,
            employees: None,
            sentiment: None,
            charge_cents: None,
            charge_cents_90_days_ago: None,
            billed_cents: 0,
            n_bills: 0,
            logins: [0; LOOKBACK_DAYS + 1],
            jobs: [0; LOOKBACK_DAYS + 1],
            data_bytes: [0; LOOKBACK_DAYS + 1],
            login_days: 0,
            job_days: 0,
            days_since_job: None,
            days_since_login: None,
            servers_28: 0,
            cancelled_28: 0,
            terminated_28: 0,
            failed_28: 0,
            unfinished_3_to_30: 0,
            run_times: [0; N_RUN_TIME_BARS],
            closed_ms_28: 0,
            closed_28: 0,
            logoffs_28: 0,
            timeouts_28: 0,
            seats: 0,
            seats_90_days_ago: 0,
            seats_added_28: 0,
            seats_deleted_28: 0,
            active_users_7: 0,
            active_users_28: 0,
            active_users_28_before: 0,
            user_days_28: 0,
            top_user_activity: 0,
            users_activity: 0,
        }
    }
}

impl Observed {
    /// Notes what happened on the day of that age; ages out of the lookback are left out.
    pub(crate) fn set_day(&mut self, age: usize, logins: u32, jobs: u32, data_bytes: u64) {
        if (1..=LOOKBACK_DAYS).contains(&age) {
            self.logins[age] = u64::from(logins);
            self.jobs[age] = u64::from(jobs);
            self.data_bytes[age] = data_bytes;
            self.login_days |= u128::from(logins > 0) << (age - 1);
            self.job_days |= u128::from(jobs > 0) << (age - 1);
        }
    }

    /// Turns the days noted into sums, once all are there.
    pub(crate) fn sum_up(&mut self) {
        for age in 1..=LOOKBACK_DAYS {
            self.logins[age] += self.logins[age - 1];
            self.jobs[age] += self.jobs[age - 1];
            self.data_bytes[age] = self.data_bytes[age].saturating_add(self.data_bytes[age - 1]);
        }
    }

    pub(crate) fn logins(&self, window_days: usize) -> u64 {
        self.logins[window_days]
    }

    pub(crate) fn jobs(&self, window_days: usize) -> u64 {
        self.jobs[window_days]
    }

    pub(crate) fn data_bytes(&self, window_days: usize) -> u64 {
        self.data_bytes[window_days]
    }

    /// Logins and jobs in a week counted back from the observation date; 0 is the last one.
    pub(crate) fn usage_in_week(&self, week: usize) -> u64 {
        let (young, old) = (7 * week, 7 * week + 7);
        self.logins[old] - self.logins[young] + self.jobs[old] - self.jobs[young]
    }

    /// The ratio, unless its window is longer than the tenant's tenure.
    pub(crate) fn over(&self, window_days: i32, ratio: f64) -> f64 {
        if self.tenure_days >= window_days { ratio } else { f64::NAN }
    }
}

/// The days up to that age, which is 127 at most, in the way of [`Observed::login_days`].
pub(crate) const fn days_up_to(age: u32) -> u128 {
    (1 << age) - 1
}

/// A ratio, missing where there is nothing to divide by.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> f64 {
    if denominator == 0.0 { f64::NAN } else { numerator / denominator }
}

/// Per day now against per day before, each a sum and its days; at most 10.
pub(crate) fn trend(now: (u64, u32), before: (u64, u32)) -> f64 {
    if before.0 == 0 {
        return f64::NAN;
    }
    let per_day = |(sum, days): (u64, u32)| sum as f64 / f64::from(days);
    (per_day(now) / per_day(before)).min(10.0)
}

/// Cents as dollars.
pub(crate) fn dollars(cents: i64) -> f64 {
    cents as f64 / 100.0
}
