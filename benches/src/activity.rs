//! A log of what tenants do, in the order in which it is received: for timing, and no likeness of anybody.

use churn_events::{DAY_MS, Event, EventKind, JobStatus, Money, ObservationDate, TenantAttributes, Timestamp};
use rand_distr::{Distribution, Exp, LogNormal, Uniform};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;

const SESSION_MS: f64 = 3.0e6;
const RUN_MS: f64 = 7.0e6;
const DELAY_MS: f64 = 20_000.0;
const MEDIAN_JOB_BYTES: f64 = 3.0e9;
/// A day after which what is under way ends too, so that days can be drawn one by one.
const LAST_MS: i64 = DAY_MS - 1;

/// Tenants of one size, each day as busy as every other.
#[derive(Debug, Clone, Copy)]
pub struct ActivityPlan {
    /// First day of the log.
    pub start: ObservationDate,
    /// Number of days.
    pub n_days: u32,
    /// Number of the first tenant.
    pub first_tenant: u32,
    /// Number of tenants.
    pub n_tenants: u32,
    /// Users of each; the first ones do most.
    pub n_users: u32,
    /// Sessions of a tenant per day, each with a login and most with a logoff.
    pub sessions_per_day: f64,
    /// Jobs of a tenant per day, each with an end.
    pub jobs_per_day: f64,
    /// Of the dice.
    pub seed: u64,
}

impl ActivityPlan {
    /// The date on which everything has been received.
    pub fn end(&self) -> ObservationDate {
        self.start.plus_days(self.n_days as i32 + 1)
    }

    /// The events of one day, by the time they are received; no two days hold an event twice.
    pub fn day(&self, day: u32) -> Vec<Event<'static>> {
        let dice = Pcg64Mcg::seed_from_u64(self.seed ^ (u64::from(day) << 32) ^ (u64::from(self.first_tenant) << 44));
        let mut drawn = Day { plan: *self, dice, day, events: Vec::new() };
        for tenant in self.first_tenant..self.first_tenant + self.n_tenants {
            if day == 0 {
                drawn.subscribe(tenant);
            }
            for session in 0..drawn.poisson(self.sessions_per_day) {
                drawn.session(tenant, session);
            }
            for job in 0..drawn.poisson(self.jobs_per_day) {
                drawn.job(tenant, job);
            }
        }
        drawn.events.sort_by_key(|event| event.received_at);
        drawn.events
    }
}

struct Day {
    plan: ActivityPlan,
    dice: Pcg64Mcg,
    day: u32,
    events: Vec<Event<'static>>,
}

impl Day {
    fn subscribe(&mut self, tenant: u32) {
        let attributes = TenantAttributes {
            industry: Some(["energy", "finance", "retail"][tenant as usize % 3].into()),
            employees: Some(100 + tenant % 5_000),
            monthly_charge: Some(Money::from_cents(100_000)),
            ..TenantAttributes::default()
        };
        self.push(tenant, 0, "created", EventKind::TenantCreated(attributes));
        for user in 0..self.plan.n_users {
            let name = user_name(tenant, user);
            self.push(tenant, 1, &format!("added-{user}"), EventKind::UserAdded { user: name.into() });
        }
    }

    fn session(&mut self, tenant: u32, number: u32) {
        let (ms, user) = (self.time(), self.user(tenant));
        let session = format!("s-{tenant}-{}-{number}", self.day);
        let login = EventKind::UserLogin { user: user.clone().into(), session: session.clone().into() };
        self.push(tenant, ms, &format!("login-{number}"), login);
        // One in eight never says how it ended.
        if number % 8 != 7 {
            let end_ms = (ms + self.exponential(SESSION_MS)).min(LAST_MS);
            let logoff = EventKind::UserLogoff { user: user.into(), session: session.into() };
            self.push(tenant, end_ms, &format!("logoff-{number}"), logoff);
        }
    }

    fn job(&mut self, tenant: u32, number: u32) {
        let (ms, user) = (self.time(), self.user(tenant));
        let job = format!("j-{tenant}-{}-{number}", self.day);
        let size = LogNormal::new(MEDIAN_JOB_BYTES.ln(), 1.5).expect("this cannot fail because 1.5 is finite");
        let data_size = size.sample(&mut self.dice) as u64;
        let submitted = EventKind::JobSubmitted { job: job.clone().into(), user: user.into(), servers: 4, data_size };
        self.push(tenant, ms, &format!("job-{number}"), submitted);
        let end_ms = (ms + self.exponential(RUN_MS)).min(LAST_MS);
        let status = if number % 9 == 8 { JobStatus::Failed } else { JobStatus::Succeeded };
        self.push(tenant, end_ms, &format!("end-{number}"), EventKind::JobTerminated { job: job.into(), status });
    }

    fn push(&mut self, tenant: u32, ms: i64, what: &str, kind: EventKind<'static>) {
        let occurred_ms = self.plan.start.plus_days(self.day as i32).start().millis() + ms;
        let delay_ms = self.exponential(DELAY_MS);
        self.events.push(Event {
            id: format!("{tenant}-{}-{what}", self.day).into(),
            source: "/bdcp/benchmark".into(),
            tenant: format!("t-{tenant:06}").into(),
            occurred_at: Timestamp::from_millis(occurred_ms),
            received_at: Timestamp::from_millis(occurred_ms + delay_ms),
            kind,
        });
    }

    fn time(&mut self) -> i64 {
        let day = Uniform::new(2, LAST_MS).expect("this cannot fail because a day is longer than 2 ms");
        day.sample(&mut self.dice)
    }

    fn user(&mut self, tenant: u32) -> String {
        let n_users = f64::from(self.plan.n_users);
        let rank = Exp::new(4.0 / n_users).expect("this cannot fail because there are users").sample(&mut self.dice);
        user_name(tenant, rank.min(n_users - 1.0) as u32)
    }

    fn exponential(&mut self, mean_ms: f64) -> i64 {
        let waiting = Exp::new(1.0 / mean_ms).expect("this cannot fail because means are positive");
        waiting.sample(&mut self.dice) as i64
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        // As many waiting times as fit into a day.
        let waiting = Exp::new(mean).expect("this cannot fail because means are positive");
        let mut passed = waiting.sample(&mut self.dice);
        let mut count = 0;
        while passed < 1.0 {
            count += 1;
            passed += waiting.sample(&mut self.dice);
        }
        count
    }
}

fn user_name(tenant: u32, user: u32) -> String {
    format!("u-{tenant}-{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_in_received_order_and_of_the_size_planned() {
        let plan = ActivityPlan {
            start: ObservationDate::from_days(20_000),
            n_days: 3,
            first_tenant: 0,
            n_tenants: 50,
            n_users: 20,
            sessions_per_day: 10.0,
            jobs_per_day: 5.0,
            seed: 1,
        };
        let day = plan.day(1);
        assert_eq!(day, plan.day(1));
        assert!(day.is_sorted_by_key(|event| event.received_at));
        assert!(day.iter().all(|event| event.occurred_at.date() == plan.start.plus_days(1)));
        let expected = 50.0 * (10.0 * 1.9 + 5.0 * 2.0);
        assert!((day.len() as f64 / expected - 1.0).abs() < 0.15, "{}", day.len());
        assert_eq!(plan.day(0).iter().filter(|e| matches!(e.kind, EventKind::UserAdded { .. })).count(), 1_000);
    }
}
