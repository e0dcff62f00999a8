//! A tenant's hidden life, week by week: health, and the day on which it cancels.

use churn_events::DAY_MS;

use crate::churn::{FRAILTY_SD, Hazard};
use crate::dice::{Dice, Purpose, dice};
use crate::profile::{N_REGIONS, Profile};
use crate::tenant::{Health, Means, Shocks};
use crate::world::Setting;

/// Share of cancelled tenants that subscribe again, and after how many days.
const RETURNS: f64 = 0.06;
const RETURN_DAYS: (f64, f64) = (60.0, 180.0);
/// Weeks of life before the log that are gone through for a tenant that is older than the log.
const WEEKS_BEFORE: i32 = 104;
/// Share of weeks with an outage in a region.
const OUTAGE_WEEKS: f64 = 0.03;
/// Of health's own cancellations, how many give which reason.
const REASONS: [(&str, f64); 4] = [("price", 0.25), ("missing features", 0.2), ("other vendor", 0.25), ("", 0.3)];
const ACAUSAL_REASONS: [&str; 2] = ["merger", "insolvency"];

/// How bad a week's outage is in a region: 0 for nearly every week, else what it takes off the service of its tenants.
pub(crate) fn outage(seed: u64, region: u32, week: i32) -> f64 {
    debug_assert!(region < N_REGIONS);
    draw_outage(&mut dice(seed, region, Purpose::Outage, week as u64))
}

/// The outage of a week that nothing is known of yet.
pub(crate) fn draw_outage(dice: &mut Dice) -> f64 {
    let bits = dice.unit();
    if bits < OUTAGE_WEEKS { 0.25 + 0.35 * bits / OUTAGE_WEEKS } else { 0.0 }
}

/// The end of a subscription.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancellation {
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) is_acausal: bool,
    pub(crate) reason: Option<&'static str>,
}

/// One week of a subscribed tenant.
#[derive(Debug, Clone)]
pub(crate) struct Week {
    /// The week's first day, in days since 1970; a multiple of 7.
    pub(crate) first_day: i32,
    /// The day on which this subscription began.
    pub(crate) created_day: i32,
    /// The first one is 0; one that comes back has another.
    pub(crate) subscription: u32,
    pub(crate) health: Health,
    pub(crate) shocks: Shocks,
    pub(crate) hazard: Hazard,
    pub(crate) cancellation: Option<Cancellation>,
}

/// The hidden life of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) profile: Profile,
    means: Means,
    pub(crate) log_frailty: f64,
    health: Health,
    dice: Dice,
    created_day: i32,
    subscription: u32,
    /// The first day of the next week.
    next_day: i32,
    /// It will not come again.
    is_over: bool,
}

impl Life {
    /// A tenant's life, up to the first week of the log or of the subscription, whichever is later.
    pub(crate) fn new(setting: &Setting, tenant: u32) -> Self {
        let profile = Profile::draw(setting.seed, tenant, &setting.parameters, setting.start_day, setting.days);
        let first_week = setting.start_day.div_euclid(7) * 7;
        // A tenant that was there before the log began is one that has not cancelled before: try until it is.
        for attempt in 0..64 {
            let mut life = Self::begin(setting, tenant, profile.clone(), attempt);
            let mut has_cancelled = false;
            while life.next_day < first_week && !has_cancelled {
                has_cancelled = life.next(setting).is_some_and(|week| week.cancellation.is_some());
            }
            if !has_cancelled {
                return life;
            }
        }
        let mut life = Self::begin(setting, tenant, profile, 64);
        life.next_day = first_week;
        life
    }

    fn begin(setting: &Setting, tenant: u32, profile: Profile, attempt: u64) -> Self {
        let mut dice = dice(setting.seed, tenant, Purpose::Life, attempt);
        let means = Means::draw(&mut dice, profile.never_active);
        let log_frailty = FRAILTY_SD * dice.normal();
        let health = Health::draw(&mut dice, &means);
        let first_week = setting.start_day.div_euclid(7) * 7;
        let next_day = (profile.created_day.div_euclid(7) * 7).max(first_week - 7 * WEEKS_BEFORE);
        let created_day = profile.created_day;
        Self { profile, means, log_frailty, health, dice, created_day, subscription: 0, next_day, is_over: false }
    }

    pub(crate) fn means(&self) -> &Means {
        &self.means
    }

    pub(crate) fn next_day(&self) -> i32 {
        self.next_day
    }

    /// The next week in which it is subscribed; `None` when there is none before the log ends.
    pub(crate) fn next(&mut self, setting: &Setting) -> Option<Week> {
        if self.is_over || self.next_day >= setting.end_day() {
            return None;
        }
        let first_day = self.next_day;
        self.next_day += 7;
        let outage = outage(setting.seed, self.profile.region, first_day / 7);
        let years = setting.years(first_day);
        let shocks = self.health.step(&self.means, &setting.parameters, &mut self.dice, outage, years);
        let drift = setting.parameters.hazard_drift * years;
        let hazard = Hazard::of(&self.health, &self.profile, self.log_frailty, self.created_day, first_day, drift);
        let mut week = Week {
            first_day,
            created_day: self.created_day,
            subscription: self.subscription,
            health: self.health.clone(),
            shocks,
            hazard,
            cancellation: None,
        };
        week.cancellation = self.decide(&hazard, first_day);
        if let Some(cancellation) = week.cancellation {
            self.leave(cancellation.at.div_euclid(DAY_MS) as i32);
        }
        Some(week)
    }

    /// Whether this is the week in which it cancels.
    fn decide(&mut self, hazard: &Hazard, first_day: i32) -> Option<Cancellation> {
        let from = first_day.max(self.created_day + 1);
        let days = f64::from((first_day + 7 - from).max(0));
        let acausal = hazard.acausal_per_day * days;
        let daily = hazard.per_day * days;
        let renewal = hazard.at_renewal.map_or(0.0, |(_, renewal)| renewal);
        let total = acausal + daily + renewal;
        if self.dice.unit() >= 1.0 - (-total).exp() {
            return None;
        }
        let cause = self.dice.unit() * total;
        let day = match hazard.at_renewal {
            Some((day, _)) if cause < renewal => day,
            _ => from + (self.dice.unit() * days) as i32,
        };
        let is_acausal = cause >= renewal + daily;
        let reason = match is_acausal {
            true => ACAUSAL_REASONS[self.dice.below(2) as usize],
            false => REASONS[crate::profile::pick(&mut self.dice, &REASONS.map(|(_, share)| share))].0,
        };
        // In office hours.
        let at = i64::from(day) * DAY_MS + 8 * 3_600_000 + i64::from(self.dice.below(9 * 3_600_000));
        Some(Cancellation { at, is_acausal, reason: (!reason.is_empty()).then_some(reason) })
    }

    /// After a cancellation: over, or a new subscription with a health of its own.
    fn leave(&mut self, day: i32) {
        self.is_over = !self.dice.chance(RETURNS);
        if !self.is_over {
            let days = RETURN_DAYS.0 + (RETURN_DAYS.1 - RETURN_DAYS.0) * self.dice.unit();
            self.created_day = day + days as i32;
            self.subscription += 1;
            self.next_day = self.created_day.div_euclid(7) * 7;
            self.health = Health::draw(&mut self.dice, &self.means);
        }
    }
}
