//! Every feature of the catalogue, counted the slow and obvious way over raw events.
//!
//! Written from the text of the catalogue page, event by event and day by day; shares nothing with the code under test.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use churn_events::{DAY_MS, Event, EventKind, JobStatus, ObservationDate, TenantAttributes};

const LATENESS_MS: i64 = 3 * DAY_MS;
const SKEW_MS: i64 = 5 * 60_000;
const HALF_DAY_MS: i64 = DAY_MS / 2;

/// An event with the time at which it counts as having occurred.
#[derive(Clone, Copy)]
struct Known<'a> {
    ms: i64,
    event: &'a Event<'a>,
}

/// Everything known before a date, in order of occurrence.
pub struct World<'a> {
    t: i64,
    known: Vec<Known<'a>>,
}

/// Values of all 48 features, by name; `None` is missing.
pub type Values = BTreeMap<&'static str, Option<f64>>;

impl<'a> World<'a> {
    /// What is known at a date of events that came in this order.
    pub fn new(events: &'a [Event<'a>], date: ObservationDate) -> Self {
        let t = date.start().millis();
        let mut seen: HashSet<(&str, &str)> = HashSet::new();
        let mut known = Vec::new();
        for event in events {
            let (occurred, received) = (event.occurred_at.millis(), event.received_at.millis());
            let ms = if occurred - received > SKEW_MS { occurred } else { occurred.min(received) };
            let known_from = received.max(ms);
            let never_late = matches!(
                event.kind,
                EventKind::TenantCreated(_) | EventKind::TenantUpdated(_) | EventKind::TenantCancelled { .. }
            );
            let late = received - occurred > LATENESS_MS && !never_late;
            if late || known_from >= t || !seen.insert((&event.source, &event.id)) {
                continue;
            }
            known.push(Known { ms, event });
        }
        known.sort_by_key(|known| known.ms);
        Self { t, known }
    }

    fn age(&self, ms: i64) -> i64 {
        self.t / DAY_MS - ms.div_euclid(DAY_MS)
    }

    fn logins(&self) -> Vec<(i64, &'a str)> {
        let of = |known: &Known<'a>| match &known.event.kind {
            EventKind::UserLogin { user, .. } => Some((known.ms, &**user)),
            _ => None,
        };
        self.known.iter().filter_map(of).collect()
    }

    /// All submissions, the repeated ones too.
    fn submissions(&self) -> Vec<(i64, &'a str)> {
        let of = |known: &Known<'a>| match &known.event.kind {
            EventKind::JobSubmitted { user, .. } => Some((known.ms, &**user)),
            _ => None,
        };
        self.known.iter().filter_map(of).collect()
    }

    /// Each job once, at its first time: (time, job, servers, bytes).
    fn jobs(&self) -> Vec<(i64, &'a str, u32, u64)> {
        let mut seen = HashMap::new();
        for known in &self.known {
            if let EventKind::JobSubmitted { job, servers, data_size, .. } = &known.event.kind {
                let this = (known.ms, *data_size, *servers);
                let first = seen.entry(&**job).or_insert(this);
                *first = this.min(*first);
            }
        }
        seen.into_iter().map(|(job, (ms, bytes, servers))| (ms, job, servers, bytes)).collect()
    }

    /// Each job's first end: 0 succeeded, 1 failed, 2 cancelled.
    fn ends(&self) -> HashMap<&'a str, (i64, u8)> {
        let mut ends = HashMap::new();
        for known in &self.known {
            let (job, how) = match &known.event.kind {
                EventKind::JobTerminated { job, status: JobStatus::Succeeded } => (&**job, 0),
                EventKind::JobTerminated { job, status: JobStatus::Failed } => (&**job, 1),
                EventKind::JobCancelled { job } => (&**job, 2),
                _ => continue,
            };
            let first = ends.entry(job).or_insert((known.ms, how));
            *first = (known.ms, how).min(*first);
        }
        ends
    }

    /// Seat changes that count: (time, +1 or -1).
    fn seat_changes(&self) -> Vec<(i64, i64)> {
        let mut last: HashMap<&str, (i64, i64)> = HashMap::new();
        let mut changes = Vec::new();
        let mut marks: Vec<(i64, i64, &str)> = Vec::new();
        for known in &self.known {
            match &known.event.kind {
                EventKind::UserAdded { user } => marks.push((known.ms, 1, user)),
                EventKind::UserDeleted { user } => marks.push((known.ms, -1, user)),
                _ => {}
            }
        }
        marks.sort_by_key(|(ms, change, _)| (*ms, -change));
        for (ms, change, user) in marks {
            let repeated = last.get(user).is_some_and(|(at, before)| *before == change && ms - at < 84 * DAY_MS);
            last.insert(user, (ms, change));
            if !repeated {
                changes.push((ms, change));
            }
        }
        changes
    }

    /// Closed sessions: (time of the end, length).
    fn closed_sessions(&self) -> Vec<(i64, i64)> {
        let mut by_user: BTreeMap<&str, Vec<(i64, bool, &str)>> = BTreeMap::new();
        for known in &self.known {
            match &known.event.kind {
                EventKind::UserLogin { user, session } => {
                    by_user.entry(user).or_default().push((known.ms, false, session));
                }
                EventKind::UserLogoff { user, session } | EventKind::UserSessionTimeout { user, session } => {
                    by_user.entry(user).or_default().push((known.ms, true, session));
                }
                _ => {}
            }
        }
        let mut closed = Vec::new();
        for marks in by_user.values_mut() {
            marks.sort_by_key(|(ms, is_end, _)| (*ms, *is_end));
            let mut open: Option<(i64, &str)> = None;
            for (ms, is_end, session) in marks {
                if !*is_end {
                    open = Some((*ms, session));
                } else if let Some((began, opened)) = open
                    && opened == *session
                {
                    if *ms - began < HALF_DAY_MS {
                        closed.push((*ms, *ms - began));
                    }
                    open = None;
                }
            }
        }
        closed
    }

    fn attribute<T>(&self, before_ms: i64, of: impl Fn(&'a TenantAttributes<'a>) -> Option<T>) -> Option<T> {
        let mut value = None;
        for known in self.known.iter().filter(|known| known.ms < before_ms) {
            if let EventKind::TenantCreated(attributes) | EventKind::TenantUpdated(attributes) = &known.event.kind
                && let Some(new) = of(attributes)
            {
                value = Some(new);
            }
        }
        value
    }

    /// The industry as of the date.
    pub fn industry(&self) -> Option<&'a str> {
        self.attribute(self.t, |attributes| attributes.industry.as_deref())
    }

    fn tenure(&self) -> i64 {
        let mut marks: Vec<(i64, bool)> = Vec::new();
        for known in &self.known {
            match &known.event.kind {
                EventKind::TenantCreated(_) => marks.push((known.ms, true)),
                EventKind::TenantCancelled { .. } => marks.push((known.ms, false)),
                _ => {}
            }
        }
        marks.sort_unstable();
        // A cancellation at the very end ends a life whose tenure is still told.
        while marks.last().is_some_and(|(_, created)| !created) {
            marks.pop();
        }
        let last_cancelled = marks.iter().rposition(|(_, created)| !created);
        let life = &marks[last_cancelled.map_or(0, |position| position + 1)..];
        let first_event = self.known.first().map(|known| known.ms);
        life.first().map(|(ms, _)| *ms).or(first_event).map_or(0, |ms| self.age(ms))
    }

    /// All features.
    pub fn values(&self, levels: &[String]) -> Values {
        let mut values = Values::new();
        let tenure = self.tenure();
        let within = |ms: i64, days: i64| self.age(ms) <= days;
        let over = |days: i64, value: Option<f64>| value.filter(|_| tenure >= days);
        let ratio = |a: f64, b: f64| (b != 0.0).then(|| a / b);
        let trend = |a: f64, b: f64| ratio(a, b).map(|value| value.min(10.0));

        let (logins, jobs, submissions, ends) = (self.logins(), self.jobs(), self.submissions(), self.ends());
        let n_logins = |days| logins.iter().filter(|login| within(login.0, days)).count() as f64;
        let n_jobs = |days| jobs.iter().filter(|job| within(job.0, days)).count() as f64;
        let data = |days| jobs.iter().filter(|job| within(job.0, days)).map(|job| job.3).sum::<u64>() as f64;
        let activity: Vec<(i64, &str)> = logins.iter().chain(&submissions).copied().collect();
        let users = |from: i64, to: i64| {
            let aged = activity.iter().filter(|(ms, _)| (from..=to).contains(&self.age(*ms)));
            aged.map(|(_, user)| *user).collect::<HashSet<_>>().len() as f64
        };

        // Tenant.
        let code = self.industry().and_then(|name| levels.iter().position(|level| level == name));
        values.insert("industry", code.map(|code| code as f64));
        values.insert("revenue", self.attribute(self.t, |attributes| attributes.revenue));
        let employees = self.attribute(self.t, |attributes| attributes.employees).map(f64::from);
        values.insert("employees", employees);
        values.insert("sentiment", self.attribute(self.t, |attributes| attributes.sentiment));
        values.insert("tenure_days", Some(tenure as f64));

        // Charge.
        let charge_at =
            |ms| self.attribute(ms, |attributes| attributes.monthly_charge).map(|charge| charge.cents() as f64);
        let charge = charge_at(self.t);
        let charge_then = charge_at(self.t - 90 * DAY_MS);
        values.insert("monthly_charge", charge.map(|cents| cents / 100.0));
        let bills = self.known.iter().filter_map(|known| match &known.event.kind {
            EventKind::TenantBilled { amount } => Some(amount.cents()),
            _ => None,
        });
        let bills: Vec<i64> = bills.collect();
        let billed = bills.iter().sum::<i64>() as f64 / 100.0;
        values.insert("total_charge", (!bills.is_empty() || tenure <= 31).then_some(billed));
        let change = charge.and_then(|now| ratio(now, charge_then?)).map(|ratio| ratio - 1.0);
        values.insert("charge_change_90", over(90, change));
        values.insert("charge_per_job", charge.map(|cents| cents / 100.0 / n_jobs(30).max(1.0)));

        // Jobs.
        values.insert("job30", Some(n_jobs(30)));
        values.insert("job90", Some(n_jobs(90)));
        values.insert("jobs_7", Some(n_jobs(7)));
        let before = (n_jobs(90) - n_jobs(30)) / 60.0;
        values.insert("job_trend_30_90", over(90, trend(n_jobs(30) / 30.0, before)));
        values.insert("jobs_per_active_user_28", over(28, ratio(n_jobs(28), users(1, 28))));
        let since_job = jobs.iter().map(|job| self.age(job.0)).min();
        values.insert("days_since_job", since_job.map(|days| days as f64));
        let job_days: BTreeSet<i64> = jobs.iter().map(|job| self.age(job.0)).filter(|age| *age <= 90).collect();
        let recency = (job_days.len() >= 3).then(|| {
            let ages: Vec<i64> = job_days.iter().copied().collect();
            let gaps: Vec<f64> = ages.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            ages[0] as f64 / (gaps.iter().sum::<f64>() / gaps.len() as f64)
        });
        values.insert("job_recency_ratio", recency);
        let ended =
            |how: &[u8]| ends.values().filter(|(ms, ended)| within(*ms, 28) && how.contains(ended)).count() as f64;
        values.insert("cancel_rate_28", Some((ended(&[2]) + 1.0) / (ended(&[0, 1, 2]) + 10.0)));
        values.insert("fail_rate_28", Some((ended(&[1]) + 1.0) / (ended(&[0, 1]) + 10.0)));
        let due: Vec<_> = jobs.iter().filter(|job| (3..=30).contains(&self.age(job.0))).collect();
        let unfinished = due.iter().filter(|job| !ends.contains_key(job.1)).count() as f64;
        values.insert("unfinished_rate_28", over(30, ratio(unfinished, due.len() as f64)));
        values.insert("job_hours_p50", self.median_run_hours(&jobs, &ends));
        let servers = jobs.iter().filter(|job| within(job.0, 28)).map(|job| u64::from(job.2)).sum::<u64>() as f64;
        values.insert("servers_per_job_28", over(28, ratio(servers, n_jobs(28))));

        // Data.
        values.insert("data_gb_28", Some(data(28) / 1e9));
        values.insert("data_trend_28_90", over(90, trend(data(28) / 28.0, (data(90) - data(28)) / 62.0)));
        values.insert("data_gb_per_job_28", over(28, ratio(data(28) / 1e9, n_jobs(28))));

        // Logins.
        values.insert("logins_1", Some(n_logins(1)));
        values.insert("logins_7", Some(n_logins(7)));
        values.insert("logins_28", Some(n_logins(28)));
        let before = (n_logins(28) - n_logins(7)) / 21.0;
        values.insert("login_trend_7_28", over(28, trend(n_logins(7) / 7.0, before)));
        let before = (n_logins(90) - n_logins(28)) / 62.0;
        values.insert("login_trend_28_90", over(90, trend(n_logins(28) / 28.0, before)));
        values.insert("days_since_login", logins.iter().map(|login| self.age(login.0)).min().map(|days| days as f64));
        let login_days: BTreeSet<i64> = logins.iter().map(|login| self.age(login.0)).collect();
        let job_days: BTreeSet<i64> = jobs.iter().map(|job| self.age(job.0)).collect();
        let recent: Vec<i64> = login_days.iter().copied().filter(|age| *age <= 28).collect();
        let idle = recent.iter().filter(|age| !job_days.contains(age)).count() as f64;
        values.insert("idle_login_share_28", over(28, ratio(idle, recent.len() as f64)));

        // Usage.
        let active = |age: i64| login_days.contains(&age) || job_days.contains(&age);
        values.insert("active_days_28", Some((1..=28).filter(|age| active(*age)).count() as f64));
        let text: String = (1..=tenure.min(90)).map(|age| if active(age) { 'x' } else { '.' }).collect();
        let gap = text.split('x').map(str::len).max().unwrap_or(0) as f64;
        values.insert("longest_gap_90", over(7, Some(gap)));
        let usage = |week: i64| {
            let inside = |ms: i64| (7 * week + 1..=7 * week + 7).contains(&self.age(ms));
            (logins.iter().filter(|login| inside(login.0)).count() + jobs.iter().filter(|job| inside(job.0)).count())
                as f64
        };
        let n_weeks = (tenure / 7).min(12);
        // Slope = (mean of products - product of means) / (mean of squares - square of mean).
        let points: Vec<(f64, f64)> = (0..n_weeks).map(|week| (-week as f64, (1.0 + usage(week)).ln())).collect();
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
        let slope = (mean(&|p| p.0 * p.1) - x * y) / (mean(&|p| p.0 * p.0) - x * x);
        values.insert("usage_slope_12w", over(28, Some(slope)));
        let past: Vec<f64> = (1..n_weeks).map(usage).collect();
        let m = past.iter().sum::<f64>() / past.len() as f64;
        let s2 = past.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (past.len() as f64 - 1.0);
        values.insert("usage_z_7", over(35, Some((usage(0) - m) / (s2 + m + 1.0).sqrt())));

        // Sessions.
        let closed = self.closed_sessions();
        let closed: Vec<f64> =
            closed.iter().filter(|(ms, _)| within(*ms, 28)).map(|(_, length)| *length as f64 / 60_000.0).collect();
        values.insert("session_minutes_28", over(28, ratio(closed.iter().sum(), closed.len() as f64)));
        let count = |of: fn(&EventKind<'_>) -> bool| {
            self.known.iter().filter(|known| within(known.ms, 28) && of(&known.event.kind)).count() as f64
        };
        let logoffs = count(|kind| matches!(kind, EventKind::UserLogoff { .. }));
        let timeouts = count(|kind| matches!(kind, EventKind::UserSessionTimeout { .. }));
        values.insert("timeout_share_28", over(28, ratio(timeouts, logoffs + timeouts)));

        // Seats.
        let changes = self.seat_changes();
        let seats = changes.iter().map(|(_, change)| change).sum::<i64>().max(0) as f64;
        let then = changes.iter().filter(|(ms, _)| !within(*ms, 90)).map(|(_, change)| change).sum::<i64>().max(0);
        let changed = |by: i64| changes.iter().filter(|(ms, change)| within(*ms, 28) && *change == by).count() as f64;
        values.insert("seats", Some(seats));
        values.insert("seats_added_28", Some(changed(1)));
        values.insert("seats_deleted_28", Some(changed(-1)));
        values.insert("seats_change_90", over(90, ratio(seats, then as f64).map(|ratio| ratio - 1.0)));
        values.insert("seat_penetration", employees.and_then(|people| ratio(seats, people)));
        values.insert("seat_utilisation_28", (seats > 0.0).then(|| users(1, 28) / seats.max(users(1, 28))));

        // Users.
        values.insert("active_users_7", Some(users(1, 7)));
        values.insert("active_users_28", Some(users(1, 28)));
        let daily = (1..=28).map(|age| users(age, age)).sum::<f64>() / 28.0;
        values.insert("stickiness_28", over(28, ratio(daily, users(1, 28))));
        let change = ratio(users(1, 28), users(29, 56)).map(|ratio| ratio - 1.0);
        values.insert("active_users_change_28", over(56, change));
        let mut by_user: HashMap<&str, f64> = HashMap::new();
        for (ms, user) in &activity {
            if self.in_week_slots(*ms) {
                *by_user.entry(user).or_default() += 1.0;
            }
        }
        let busiest = by_user.values().copied().fold(0.0, f64::max);
        values.insert("top_user_share_28", ratio(busiest, by_user.values().sum()));
        values
    }

    fn in_week_slots(&self, ms: i64) -> bool {
        let week = |day: i64| day.div_euclid(7);
        let last = week(self.t / DAY_MS - 1);
        (last - 3..=last).contains(&week(ms.div_euclid(DAY_MS)))
    }

    fn median_run_hours(&self, jobs: &[(i64, &str, u32, u64)], ends: &HashMap<&str, (i64, u8)>) -> Option<f64> {
        let mut bars: BTreeMap<u32, usize> = BTreeMap::new();
        for (submitted, job, ..) in jobs {
            let Some((ended, _)) = ends.get(job) else { continue };
            if self.in_week_slots(*ended) {
                let seconds = ((ended - submitted).max(0) / 1000) as u64;
                *bars.entry(if seconds == 0 { 0 } else { seconds.ilog2() + 1 }).or_default() += 1;
            }
        }
        let half = bars.values().sum::<usize>() as f64 / 2.0;
        let mut before = 0.0;
        for (bar, n) in bars {
            let after = before + n as f64;
            if after >= half {
                let low = if bar == 0 { return Some(0.0) } else { 2_f64.powi(bar as i32 - 1) };
                return Some(low * 2_f64.powf((half - before) / n as f64) / 3600.0);
            }
            before = after;
        }
        None
    }
}
