//! Health to cancellation: a hazard per week, that knows health and frailty and not one event.

use crate::profile::{MONTH_DAYS, Profile, YEAR_DAYS};
use crate::tenant::Health;

/// Log hazard per day of a middling tenant that is past its first months.
const BASE_LOG_HAZARD: f64 = -11.2;
/// Standard deviation of what makes one tenant cancel sooner than another of equal health.
pub(crate) const FRAILTY_SD: f64 = 0.1;
/// The first months: so much more on the log hazard at first, fading over so many days.
const FIRST_MONTHS: (f64, f64) = (2.6, 75.0);
/// Cancellations per day that have nothing to do with health (mergers, insolvencies), of a middling tenant.
const ACAUSAL_PER_DAY: f64 = 0.031 / 365.0;
/// What an annual contract puts off between its renewals, as a share of the hazard, and what a renewal brings then, in days
/// of hazard.
const ANNUAL_BETWEEN: f64 = 0.9;
const ANNUAL_RENEWAL_DAYS: f64 = 35.0;

/// The cumulative hazards of one week (or of what of it is looked at).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hazard {
    /// On each day, from health: only where a contract can be broken between its renewals.
    pub(crate) per_day: f64,
    /// At the renewal, from health; and on which day that falls, where it falls into the week.
    pub(crate) at_renewal: Option<(i32, f64)>,
    /// On each day, from anything else.
    pub(crate) acausal_per_day: f64,
}

impl Hazard {
    /// The hazard of the week that starts on `week_start`, of a tenant that subscribed on `created_day`.
    pub(crate) fn of(
        health: &Health,
        profile: &Profile,
        log_frailty: f64,
        created_day: i32,
        week_start: i32,
        drift: f64,
    ) -> Self {
        let age = f64::from((week_start - created_day).max(0));
        let log_hazard =
            BASE_LOG_HAZARD - health.average + log_frailty + FIRST_MONTHS.0 * (-age / FIRST_MONTHS.1).exp() + drift;
        let daily = log_hazard.exp();
        let acausal_per_day = ACAUSAL_PER_DAY * profile.mortality();
        let every = if profile.is_annual { YEAR_DAYS } else { MONTH_DAYS };
        // The first day from the week's first on that is a whole number of terms after the start.
        let since = week_start - created_day;
        let next = week_start + (every - since.rem_euclid(every)) % every;
        let is_renewal = next < week_start + 7 && next > created_day;
        let (per_day, days) = match profile.is_annual {
            true => (ANNUAL_BETWEEN * daily, ANNUAL_RENEWAL_DAYS),
            false => (0.0, f64::from(MONTH_DAYS)),
        };
        Self { per_day, at_renewal: is_renewal.then_some((next, days * daily)), acausal_per_day }
    }

    /// The cumulative hazard over the days `[from, to)`, all inside this week.
    pub(crate) fn over(&self, from: i32, to: i32) -> f64 {
        let days = f64::from((to - from).max(0));
        let renewal = self.at_renewal.filter(|(day, _)| (from..to).contains(day)).map_or(0.0, |(_, hazard)| hazard);
        days * (self.per_day + self.acausal_per_day) + renewal
    }
}
