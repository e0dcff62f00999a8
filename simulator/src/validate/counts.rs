//! Plain numbers about a tenant on a date, by straight counting of what was received before it.
//!
//! Not the project's features, which this crate must not know: a few dozen counts that anybody would try first.

use std::collections::{HashMap, HashSet};

use churn_events::{DAY_MS, Event, EventKind, JobStatus, ObservationDate};

use crate::Truth;

/// What is counted, in the order of a row.
pub(super) const NAMES: [&str; 29] = [
    "logins 7 d",
    "logins 28 d",
    "logins 90 d",
    "jobs 7 d",
    "jobs 28 d",
    "jobs 90 d",
    "bytes 28 d",
    "days since login",
    "days since job",
    "login trend",
    "job trend",
    "active users 7 d",
    "active users 28 d",
    "users trend",
    "seats",
    "seats change 90 d",
    "active days 28 d",
    "logins per seat",
    "seats in use",
    "jobs per login",
    "failed share",
    "cancelled share",
    "tenure",
    "charge",
    "charge change 90 d",
    "employees",
    "sentiment",
    "idle login days",
    "session minutes",
];
pub(super) const WIDTH: usize = NAMES.len();

/// The gaps for which there is a label.
pub(super) const GAPS: [u32; 3] = [0, 14, 60];
pub(super) const HORIZON: u32 = 60;
/// Days of log that an observation looks back on, and between two observations.
const LOOKBACK: i32 = 90;
const EVERY: i32 = 28;
const MIN_TENURE: i32 = 28;

/// A tenant on a date.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) tenant: u32,
    pub(super) values: [f64; WIDTH],
    /// By gap, whether it cancels in the horizon after it; `None` when it cancels before, or the log ends before.
    pub(super) labels: [Option<bool>; 3],
    /// By gap, the true probability of it.
    pub(super) oracle: [f64; 3],
}

#[derive(Debug, Default, Clone)]
struct Day {
    logins: u32,
    jobs: u32,
    bytes: u64,
    failed: u32,
    ended: u32,
    cancelled: u32,
    sessions: u32,
    session_millis: i64,
    /// Who logged in or submitted, each once.
    users: Vec<u32>,
}

/// Values with the time from which they hold.
type Dated = Vec<(i64, f64)>;

/// What one tenant did by day of receipt, each event once.
#[derive(Debug, Default)]
struct Diary {
    days: Vec<Day>,
    seats: Dated,
    charges: Dated,
    employees: Dated,
    sentiments: Dated,
    /// Subscriptions: when created, and when that was cancelled.
    subscriptions: Vec<(i64, Option<i64>)>,
}

impl Diary {
    fn of(events: &[Event<'_>], start: i32, end: i32) -> Self {
        let mut diary = Self { days: vec![Day::default(); (end - start) as usize], ..Self::default() };
        let mut seen: HashSet<&str> = HashSet::with_capacity(events.len());
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut seats = 0.0;
        let mut began: HashMap<&str, i64> = HashMap::new();
        for event in events.iter().filter(|event| seen.insert(event.id.as_ref())) {
            let received = event.received_at.millis();
            let day = &mut diary.days[(event.received_at.date().days() - start) as usize];
            let mut number = |user| {
                let next = numbers.len() as u32;
                *numbers.entry(user).or_insert(next)
            };
            match &event.kind {
                EventKind::TenantCreated(attributes) | EventKind::TenantUpdated(attributes) => {
                    if matches!(event.kind, EventKind::TenantCreated(_)) {
                        diary.subscriptions.push((event.occurred_at.millis(), None));
                        seats = 0.0;
                    }
                    diary.charges.extend(attributes.monthly_charge.map(|charge| (received, charge.dollars())));
                    diary.employees.extend(attributes.employees.map(|n| (received, f64::from(n))));
                    diary.sentiments.extend(attributes.sentiment.map(|tone| (received, tone)));
                }
                EventKind::TenantCancelled { .. } => {
                    if let Some(last) = diary.subscriptions.last_mut() {
                        last.1 = Some(received);
                    }
                }
                EventKind::UserAdded { .. } | EventKind::UserDeleted { .. } => {
                    seats += if matches!(event.kind, EventKind::UserAdded { .. }) { 1.0 } else { -1.0 };
                    diary.seats.push((received, seats));
                }
                EventKind::UserLogin { user, session } => {
                    began.insert(session, event.occurred_at.millis());
                    day.logins += 1;
                    day.users.push(number(user.as_ref()));
                }
                EventKind::JobSubmitted { user, data_size, .. } => {
                    day.jobs += 1;
                    day.bytes += data_size;
                    day.users.push(number(user.as_ref()));
                }
                EventKind::JobTerminated { status, .. } => {
                    day.ended += 1;
                    day.failed += u32::from(*status == JobStatus::Failed);
                }
                EventKind::JobCancelled { .. } => day.cancelled += 1,
                EventKind::UserLogoff { session, .. } => {
                    if let Some(began) = began.get(session.as_ref()) {
                        day.sessions += 1;
                        day.session_millis += event.occurred_at.millis() - began;
                    }
                }
                _ => {}
            }
        }
        for day in &mut diary.days {
            day.users.sort_unstable();
            day.users.dedup();
        }
        diary
    }

    fn values(&self, tenure: f64, date: i32, start: i32) -> [f64; WIDTH] {
        let index = (date - start) as usize;
        let window = |days: usize, until: usize| &self.days[until.saturating_sub(days)..until];
        let count = |days: usize, of: fn(&Day) -> u64| window(days, index).iter().map(of).sum::<u64>() as f64;
        let users = |days: usize, until: usize| {
            let users: HashSet<u32> = window(days, until).iter().flat_map(|day| day.users.iter().copied()).collect();
            users.len() as f64
        };
        let since = |of: fn(&Day) -> bool| {
            let found = self.days[..index].iter().rev().position(of);
            found.map_or(365.0, |days| days as f64)
        };
        let millis = i64::from(date) * DAY_MS;
        let ago = millis - 90 * DAY_MS;
        let (l7, l28, l90) =
            (count(7, |d| d.logins.into()), count(28, |d| d.logins.into()), count(90, |d| d.logins.into()));
        let (j7, j28, j90) = (count(7, |d| d.jobs.into()), count(28, |d| d.jobs.into()), count(90, |d| d.jobs.into()));
        let ended = count(28, |d| d.ended.into());
        let (failed, cancelled) = (count(28, |d| d.failed.into()), count(28, |d| d.cancelled.into()));
        let (u28, u28_before) = (users(28, index), users(28, index - 28));
        let seats = as_of(&self.seats, millis).unwrap_or(0.0);
        let charge = as_of(&self.charges, millis).unwrap_or(0.0);
        let minutes = window(28, index).iter().map(|day| day.session_millis).sum::<i64>() as f64 / 60_000.0;
        let trend = |recent: f64, all: f64| (recent / 28.0 + 0.02) / ((all - recent) / 62.0 + 0.02);
        [
            l7,
            l28,
            l90,
            j7,
            j28,
            j90,
            count(28, |d| d.bytes),
            since(|d| d.logins > 0),
            since(|d| d.jobs > 0),
            trend(l28, l90),
            trend(j28, j90),
            users(7, index),
            u28,
            (u28 + 0.5) / (u28_before + 0.5),
            seats,
            seats / as_of(&self.seats, ago).unwrap_or(seats).max(1.0),
            window(28, index).iter().filter(|day| !day.users.is_empty()).count() as f64,
            l28 / seats.max(1.0),
            u28 / seats.max(u28).max(1.0),
            j28 / l28.max(1.0),
            (failed + 1.0) / (ended + 10.0),
            (cancelled + 1.0) / (ended + cancelled + 10.0),
            tenure,
            charge,
            charge / as_of(&self.charges, ago).unwrap_or(charge),
            as_of(&self.employees, millis).unwrap_or(0.0),
            as_of(&self.sentiments, millis).unwrap_or(0.0),
            (count(28, |d| u64::from(d.logins > 0 && d.jobs == 0)) + 1.0)
                / (count(28, |d| u64::from(d.logins > 0)) + 2.0),
            (minutes + 35.0) / (count(28, |d| d.sessions.into()) + 1.0),
        ]
    }
}

fn as_of(dated: &Dated, before: i64) -> Option<f64> {
    let index = dated.partition_point(|(from, _)| *from < before);
    index.checked_sub(1).map(|index| dated[index].1)
}

/// All observations of one tenant.
pub(super) fn rows(tenant: u32, events: &[Event<'_>], truth: &Truth, start: i32, end: i32) -> Vec<Row> {
    let diary = Diary::of(events, start, end);
    let mut rows = Vec::new();
    let first = (start + LOOKBACK).div_euclid(7) * 7 + 7;
    for date in (first..end).step_by(EVERY as usize) {
        let millis = i64::from(date) * DAY_MS;
        let current = diary.subscriptions.iter().rev().find(|(created, _)| *created < millis);
        let Some((created, cancelled)) = current.filter(|(_, cancelled)| cancelled.is_none_or(|at| at >= millis))
        else {
            continue;
        };
        let tenure = (millis - created) as f64 / DAY_MS as f64;
        if tenure < f64::from(MIN_TENURE) {
            continue;
        }
        let after = cancelled.map(|at| at.div_euclid(DAY_MS) as i32 - date);
        let mut row =
            Row { tenant, values: diary.values(tenure, date, start), labels: [None; 3], oracle: [f64::NAN; 3] };
        for (index, gap) in GAPS.into_iter().enumerate() {
            let horizon = gap as i32..(gap + HORIZON) as i32;
            if date + horizon.end <= end && after.is_none_or(|after| after >= horizon.start) {
                row.labels[index] = Some(after.is_some_and(|after| horizon.contains(&after)));
                let probability = truth.churn_probability(ObservationDate::from_days(date), gap, HORIZON);
                row.oracle[index] = probability.unwrap_or(f64::NAN);
            }
        }
        rows.push(row);
    }
    rows
}
