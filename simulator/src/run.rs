//! A tenant on its way through the log: a hidden life, users, and the events of one week after the other.

use churn_events::DAY_MS;

use crate::activity::{self, Climate, Outbox, Users};
use crate::dice::{Dice, Purpose, dice};
use crate::life::{Life, Week};
use crate::profile::{MONTH_DAYS, Profile};
use crate::record::{Change, Record, What};
use crate::world::Setting;

const HOUR_MS: i64 = 3_600_000;

/// One tenant, some weeks into the log. All it remembers is what the coming weeks need.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    life: Life,
    tenant: u32,
    users: Users,
    subscription: Option<u32>,
    /// Seats that the charge is for.
    charged_seats: u32,
    price_factor: f64,
    next_seq: u32,
    /// What `tenant.created` and `tenant.updated` said, by the `of` of their records.
    pub(crate) changes: Vec<Change>,
    /// What is received after the weeks gone through.
    pending: Vec<Record>,
}

impl Run {
    pub(crate) fn new(setting: &Setting, tenant: u32) -> Self {
        Self {
            life: Life::new(setting, tenant),
            tenant,
            users: Users { users: Vec::new(), next_user: 1 },
            subscription: None,
            charged_seats: 0,
            price_factor: 1.0,
            next_seq: 1,
            changes: Vec::new(),
            pending: Vec::new(),
        }
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.life.profile
    }

    /// Appends, in no order, what is received before `day` (a multiple of 7, or the end of the log).
    pub(crate) fn advance_to(&mut self, setting: &Setting, day: i32, out: &mut Vec<Record>) {
        while self.life.next_day() < day {
            let Some(week) = self.life.next(setting) else { break };
            self.week(setting, &week);
        }
        let until = i64::from(day) * DAY_MS;
        self.pending.retain(|record| {
            if record.received < until {
                out.push(*record);
            }
            record.received >= until
        });
    }

    /// Whether it cancels then; what is left of its life is gone through without its activity.
    #[cfg(feature = "write")]
    pub(crate) fn cancels_in(mut self, setting: &Setting, horizon: std::ops::Range<i64>) -> bool {
        let in_pending = |record: &Record| record.what == What::Cancelled && horizon.contains(&record.received);
        if self.pending.iter().any(in_pending) {
            return true;
        }
        while let Some(week) = self.life.next(setting) {
            if let Some(cancellation) = week.cancellation {
                return horizon.contains(&cancellation.at);
            }
        }
        false
    }

    fn week(&mut self, setting: &Setting, week: &Week) {
        let mut dice = dice(setting.seed, self.tenant, Purpose::Activity, week.first_day as u64);
        let from = i64::from(setting.start_day) * DAY_MS;
        let end = i64::from(setting.end_day()) * DAY_MS;
        let to = week.cancellation.map_or(end, |cancellation| cancellation.at.min(end));
        if let Some(cancellation) = week.cancellation {
            // A cancelled tenant is silent, and so is what was still under way from it.
            self.pending.retain(|record| record.received < cancellation.at);
        }
        let mut records = std::mem::take(&mut self.pending);
        let n_before = records.len();
        let mut out = Outbox { tenant: self.tenant, next_seq: &mut self.next_seq, from, to, records: &mut records };
        let is_new = self.subscription != Some(week.subscription);
        if is_new {
            self.subscription = Some(week.subscription);
            let profile = &self.life.profile;
            let is_import = week.created_day < setting.start_day;
            let office_hour = 7 * HOUR_MS + i64::from(dice.below(8 * HOUR_MS as u32));
            let created = i64::from(week.created_day) * DAY_MS + office_hour;
            let begin = created.max(from);
            self.users = Users::draw(profile.seats, self.users.next_user, profile, &mut dice);
            self.charged_seats = profile.seats;
            self.price_factor = week.health.price_factor;
            // An old tenant is imported when the log begins: it occurred long ago and is received now.
            let change = Change::Attributes {
                with_name: true,
                revenue: profile.tells_revenue.then_some(profile.revenue),
                employees: Some(profile.employees),
                sentiment: Some(sentiment(week, &mut dice)),
                charge: Some(profile.charge(self.charged_seats, self.price_factor)),
            };
            let received = if is_import { from + i64::from(dice.below(HOUR_MS as u32)) } else { created };
            out.note(received, created, What::Created, self.changes.len() as u32, 0);
            self.changes.push(change);
            let after = received.max(begin);
            if is_import {
                // The opening balance: all bills so far in one.
                let months = (setting.start_day - week.created_day) / MONTH_DAYS;
                let charge = profile.charge(self.charged_seats, self.price_factor).cents();
                if months > 0 {
                    out.note(after + 1, after + 1, What::Billed, 0, (charge * i64::from(months)) as u64);
                }
            }
            for index in 0..self.users.users.len() {
                let number = self.users.users[index].number;
                // A new tenant hands out its seats within its first hour.
                let later = if is_import { 2 + index as i64 } else { 60_000 + (dice.unit() * 3.4e6) as i64 };
                out.note(after + later, after + later, What::UserAdded, number, 0);
            }
        }
        let profile = &self.life.profile;
        // Nothing happens before the tenant subscribed.
        out.from = out.from.max(i64::from(week.created_day) * DAY_MS + 16 * HOUR_MS).max(from + HOUR_MS);
        let years = setting.years(week.first_day);
        let climate = Climate {
            profile,
            health: &week.health,
            shocks: &week.shocks,
            age_weeks: f64::from((week.first_day - week.created_day).max(0)) / 7.0,
            log_season: season(setting.parameters.season_swing, profile, week.first_day)
                + setting.parameters.usage_drift * years,
        };
        if week.shocks.champion_left && !is_new {
            activity::champion_leaves(week.first_day, &mut self.users, &mut out, &mut dice);
        }
        activity::take_seats(week.first_day, &climate, &mut self.users, &mut out, &mut dice);
        activity::week(week.first_day, &climate, &self.users, &mut out, &mut dice);
        activity::add_seats(week.first_day, &climate, &mut self.users, &mut out, &mut dice);
        // Two in the morning: the bills, and what changed with them.
        let seats = self.users.users.len() as u32;
        for day in week.first_day..week.first_day + 7 {
            let at = i64::from(day) * DAY_MS + 2 * HOUR_MS;
            let age = day - week.created_day;
            if age <= 0 {
                continue;
            }
            let price_factor = week.health.price_factor;
            if age % MONTH_DAYS == 0 {
                if seats != self.charged_seats || price_factor != self.price_factor {
                    self.charged_seats = seats;
                    self.price_factor = price_factor;
                    let charge = Some(profile.charge(seats, price_factor));
                    out.note(at, at, What::Updated, self.changes.len() as u32, 0);
                    self.changes.push(Change::Attributes {
                        with_name: false,
                        revenue: None,
                        employees: None,
                        sentiment: None,
                        charge,
                    });
                }
                let cents = profile.charge(self.charged_seats, self.price_factor).cents() as u64;
                out.note(at + HOUR_MS, at + HOUR_MS, What::Billed, 0, cents);
            }
            if age % 91 == 0 {
                out.note(at + 1, at + 1, What::Updated, self.changes.len() as u32, 0);
                let employees = (age % 364 == 0).then(|| {
                    let growth = dice.log_normal(1.02, 0.08);
                    (f64::from(profile.employees) * growth.powi(age / 364)).max(1.0) as u32
                });
                let sentiment = Some(sentiment(week, &mut dice));
                self.changes.push(Change::Attributes {
                    with_name: false,
                    revenue: None,
                    employees,
                    sentiment,
                    charge: None,
                });
            }
        }
        if let Some(cancellation) = week.cancellation.filter(|cancellation| (from..end).contains(&cancellation.at)) {
            out.to = end;
            out.note(cancellation.at, cancellation.at, What::Cancelled, self.changes.len() as u32, 0);
            self.changes.push(Change::Reason(cancellation.reason));
        }
        debug_assert!(records[n_before..].iter().all(|record| record.received <= to));
        self.pending = records;
    }
}

impl Outbox<'_> {
    /// Emits what the platform's own systems report: once, and when they say.
    fn note(&mut self, received: i64, occurred: i64, what: What, of_or_user: u32, amount: u64) {
        if received >= self.to || received < self.from {
            return;
        }
        let is_user = what == What::UserAdded;
        let (user, of) = if is_user { (of_or_user, 0) } else { (0, of_or_user) };
        let seq = *self.next_seq;
        *self.next_seq += 1;
        self.records.push(Record {
            received,
            occurred,
            amount,
            tenant: self.tenant,
            seq,
            user,
            of,
            servers: 0,
            what,
            is_duplicate: false,
        });
    }
}

/// What people say about the company: a faint and noisy echo of how it is doing.
fn sentiment(week: &Week, dice: &mut Dice) -> f64 {
    let tone = (0.16 * week.health.average + 0.40 * dice.normal() + 0.15).tanh();
    (tone * 100.0).round() / 100.0
}

/// Log of the season's factor: the region's year, and the tenant's own quiet weeks.
fn season(swing: f64, profile: &Profile, first_day: i32) -> f64 {
    // Weeks since a year's begin; the quarter of a day that a year is longer does not matter here.
    let week = (f64::from(first_day) / 365.25).fract() * 52.18;
    // Low in August (week 32) and around New Year, high in November: holidays less in Asia than in Europe.
    let depth = [1.4, 1.0, 0.7][profile.region as usize];
    let dip = |middle: f64, width: f64| {
        let away = (week - middle + 26.09).rem_euclid(52.18) - 26.09;
        (-(away / width).powi(2)).exp()
    };
    let year = dip(46.0, 5.0) - 1.2 * dip(32.0, 2.5) - 2.0 * dip(52.0, 1.3);
    let own = profile.quiet_weeks.map_or(0.0, |(first, weeks)| {
        let since = (week as i32 - first).rem_euclid(52);
        if since < weeks { -3.0 } else { 0.0 }
    });
    swing * depth * year + own
}
