//! The true churn probability, for grading only. No learner may see it.

use churn_events::{DAY_MS, ObservationDate};

use crate::churn::Hazard;
use crate::dice::{Purpose, dice};
use crate::life::{Life, Week, draw_outage};
use crate::world::Setting;

/// Futures that one probability is averaged over.
const N_ROLLOUTS: u64 = 64;

/// What nobody can see of one tenant: health, and how likely it really is to cancel.
#[derive(Debug, Clone)]
pub struct Truth {
    setting: Setting,
    tenant: u32,
    life: Life,
    weeks: Vec<Week>,
}

impl Truth {
    pub(crate) fn of(setting: &Setting, tenant: u32) -> Self {
        let mut life = Life::new(setting, tenant);
        let mut weeks = Vec::new();
        while let Some(week) = life.next(setting) {
            weeks.push(week);
        }
        Self { setting: setting.clone(), tenant, life, weeks }
    }

    /// The state that is in force on a date, if the tenant is subscribed then: that of the week the day before falls into.
    ///
    /// The first day of a week so sees nothing of the week that begins with it.
    fn week_at(&self, date: ObservationDate) -> Option<&Week> {
        let first_day = (date.days() - 1).div_euclid(7) * 7;
        let index = self.weeks.partition_point(|week| week.first_day <= first_day);
        let week = self.weeks[..index].last().filter(|week| week.first_day == first_day)?;
        let has_begun = week.created_day < date.days();
        let has_ended = week.cancellation.is_some_and(|cancellation| cancellation.at < date.start().millis());
        (has_begun && !has_ended).then_some(week)
    }

    /// Hidden health, averaged over the weeks that count for a decision; `None` while it is not subscribed.
    ///
    /// # Units
    /// What it takes off the log hazard of churn: 0 is a middling tenant, +1 is 2.7 times safer.
    pub fn health_at(&self, date: ObservationDate) -> Option<f64> {
        self.week_at(date).map(|week| week.health.average)
    }

    /// The true probability, given the hidden state at the date, of cancelling in `[date + gap, date + gap + horizon)`
    /// when it does not cancel in the gap; `None` while it is not subscribed.
    ///
    /// The state includes the frailty that no event shows. Its futures are drawn 64 times, health only and never an
    /// event, and the survival of each is exact; so the same question has the same answer.
    ///
    /// # Cost
    /// About 64 times a week's step for each week ahead: 50 µs for the default plan.
    pub fn churn_probability(&self, date: ObservationDate, gap_days: u32, horizon_days: u32) -> Option<f64> {
        let week = self.week_at(date)?;
        let day = date.days();
        let from = day.saturating_add_unsigned(gap_days);
        let to = from.saturating_add_unsigned(horizon_days);
        let profile = &self.life.profile;
        let (mut survives_gap, mut churns) = (0.0, 0.0);
        for rollout in 0..N_ROLLOUTS {
            let mut dice = dice(self.setting.seed, self.tenant, Purpose::Oracle, (day as u64) << 8 | rollout);
            let mut health = week.health.clone();
            let mut hazard = week.hazard;
            let mut first_day = week.first_day;
            let (mut in_gap, mut in_horizon) = (0.0, 0.0);
            loop {
                let end = first_day + 7;
                in_gap += hazard.over(first_day.max(day), end.min(from));
                in_horizon += hazard.over(first_day.max(from), end.min(to));
                first_day = end;
                if first_day >= to {
                    break;
                }
                let outage = draw_outage(&mut dice);
                let years = self.setting.years(first_day);
                health.step(self.life.means(), &self.setting.parameters, &mut dice, outage, years);
                let drift = self.setting.parameters.hazard_drift * years;
                hazard = Hazard::of(&health, profile, self.life.log_frailty, week.created_day, first_day, drift);
            }
            let survival = f64::exp(-in_gap);
            survives_gap += survival;
            churns += survival * -f64::exp_m1(-in_horizon);
        }
        Some(churns / survives_gap)
    }

    /// When it cancelled, and whether for a reason that has nothing to do with health.
    pub fn cancellations(&self) -> impl Iterator<Item = (ObservationDate, bool)> {
        self.weeks.iter().filter_map(|week| week.cancellation).map(|cancellation| {
            (ObservationDate::from_days(cancellation.at.div_euclid(DAY_MS) as i32), cancellation.is_acausal)
        })
    }
}
