//! Facts about subscriptions, from hidden lives alone.
//!
//! A world has a few hundred cancellations, too few to tell a hazard by month of tenure. Lives cost next to nothing without
//! their events, so these facts are those of many more tenants of the same kind: the world's own are the first of them.

use churn_events::DAY_MS;
use rayon::prelude::*;

use crate::World;
use crate::life::Life;

/// Months of tenure for which there is a hazard.
const TENURE_MONTHS: usize = 16;
/// At least so many lives are looked at.
const N_LIVES: u32 = 30_000;

#[derive(Debug, Default)]
pub(super) struct Lives {
    n_days: u64,
    n_cancelled: u64,
    n_acausal: u64,
    /// Per 30 days of tenure: days at risk, and cancellations.
    by_tenure: [(u64, u64); TENURE_MONTHS],
}

impl Lives {
    pub(super) fn of(world: &World) -> Self {
        let lives = (0..world.n_tenants().max(N_LIVES)).into_par_iter();
        lives.map(|tenant| Self::of_one(world, tenant)).reduce(Self::default, Self::add)
    }

    fn of_one(world: &World, tenant: u32) -> Self {
        let setting = &world.setting;
        let mut lives = Self::default();
        let mut life = Life::new(setting, tenant);
        while let Some(week) = life.next(setting) {
            let cancelled = week.cancellation.map(|cancellation| cancellation.at.div_euclid(DAY_MS) as i32);
            let from = week.first_day.max(setting.start_day).max(week.created_day);
            let to = cancelled.unwrap_or(week.first_day + 7).min(setting.end_day());
            let month = |day: i32| ((day - week.created_day) / 30) as usize;
            for day in from..to {
                lives.n_days += 1;
                if let Some(month) = lives.by_tenure.get_mut(month(day)) {
                    month.0 += 1;
                }
            }
            if let Some(day) = cancelled.filter(|day| (setting.start_day..setting.end_day()).contains(day)) {
                lives.n_cancelled += 1;
                lives.n_acausal += u64::from(week.cancellation.is_some_and(|cancellation| cancellation.is_acausal));
                if let Some(month) = lives.by_tenure.get_mut(month(day)) {
                    month.1 += 1;
                }
            }
        }
        lives
    }

    fn add(mut self, other: Self) -> Self {
        self.n_days += other.n_days;
        self.n_cancelled += other.n_cancelled;
        self.n_acausal += other.n_acausal;
        for (a, b) in self.by_tenure.iter_mut().zip(other.by_tenure) {
            *a = (a.0 + b.0, a.1 + b.1);
        }
        self
    }

    /// Cancellations per tenant and year.
    pub(super) fn yearly_churn(&self) -> f64 {
        self.n_cancelled as f64 * 365.0 / self.n_days.max(1) as f64
    }

    /// The share of cancellations that have nothing to do with health.
    pub(super) fn acausal_share(&self) -> f64 {
        self.n_acausal as f64 / self.n_cancelled as f64
    }

    /// Cancellations per tenant and year, in months `[from, to)` of tenure.
    pub(super) fn yearly_hazard(&self, months: std::ops::Range<usize>) -> f64 {
        let (days, cancelled) =
            self.by_tenure[months].iter().fold((0, 0), |sum, month| (sum.0 + month.0, sum.1 + month.1));
        cancelled as f64 * 365.0 / days.max(1) as f64
    }
}
