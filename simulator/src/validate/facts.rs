//! What one tenant adds to the facts that are compared with real logs.

use std::collections::HashMap;

use churn_events::{DAY_MS, Event, EventKind};

/// Weeks of the event study before a cancellation.
pub(super) const STUDY_WEEKS: usize = 26;
/// Sums over tenants, and lists from which quantiles come.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) n_events: u64,
    pub(super) n_late: u64,
    pub(super) n_very_late: u64,
    pub(super) n_duplicates: u64,
    pub(super) n_after_cancellation: u64,
    pub(super) weekdays: [u64; 7],
    pub(super) run_hours: Vec<f32>,
    pub(super) jobs_per_user: Vec<u32>,
    /// Of tenants with at least 100 jobs: the coefficient of variation of the time between two.
    pub(super) arrival_variation: Vec<f64>,
    /// Of tenants with at least 40 weeks and some 20 logins and jobs in each: how alike the logs of two weeks' usage in a row are.
    pub(super) autocorrelation: Vec<f64>,
    pub(super) n_returned: u64,
    /// Usage of whole weeks, by number from the first of the log on, where subscribed all week.
    pub(super) weekly: Vec<(u32, Vec<Option<f32>>, Vec<usize>)>,
}

impl Facts {
    pub(super) fn of(tenant: u32, events: &[Event<'_>], start: i32, end: i32) -> Self {
        let mut facts = Self { n_events: events.len() as u64, ..Self::default() };
        let mut seen = std::collections::HashSet::with_capacity(events.len());
        let mut submitted: HashMap<&str, i64> = HashMap::new();
        let mut jobs_of: HashMap<&str, u32> = HashMap::new();
        let mut arrivals = Vec::new();
        let mut usage = vec![0_u32; (end - start) as usize];
        let mut cancelled_at = None;
        for event in events {
            let late = event.received_at.millis() - event.occurred_at.millis();
            let is_created = matches!(event.kind, EventKind::TenantCreated(_));
            if !is_created {
                facts.n_late += u64::from((60_000..3 * DAY_MS).contains(&late));
                facts.n_very_late += u64::from(late >= 3 * DAY_MS);
            }
            if !seen.insert(event.id.as_ref()) {
                facts.n_duplicates += 1;
                continue;
            }
            if is_created {
                facts.n_returned += u64::from(cancelled_at.is_some());
                cancelled_at = None;
            }
            facts.n_after_cancellation += u64::from(cancelled_at.is_some());
            let day = event.occurred_at.date().days() - start;
            match &event.kind {
                EventKind::TenantCancelled { .. } => cancelled_at = Some(event.received_at),
                EventKind::UserLogin { .. } => usage[day as usize] += 1,
                EventKind::JobSubmitted { job, user, .. } => {
                    usage[day as usize] += 1;
                    // 1970-01-01 was a Thursday.
                    facts.weekdays[(event.occurred_at.date().days() + 3).rem_euclid(7) as usize] += 1;
                    submitted.insert(job, event.occurred_at.millis());
                    *jobs_of.entry(user).or_default() += 1;
                    arrivals.push(event.occurred_at.millis());
                }
                EventKind::JobTerminated { job, .. } => {
                    if let Some(at) = submitted.get(job.as_ref()) {
                        facts.run_hours.push(((event.occurred_at.millis() - at) as f64 / 3_600_000.0) as f32);
                    }
                }
                _ => {}
            }
        }
        facts.jobs_per_user = jobs_of.into_values().collect();
        facts.jobs_per_user.sort_unstable();
        arrivals.sort_unstable();
        if arrivals.len() >= 100 {
            let gaps: Vec<f64> = arrivals.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            facts.arrival_variation.push(variation(&gaps));
        }
        facts.subscriptions(tenant, events, start, end, &usage);
        facts
    }

    fn subscriptions(&mut self, tenant: u32, events: &[Event<'_>], start: i32, end: i32, usage: &[u32]) {
        let created = events.iter().filter(|event| matches!(event.kind, EventKind::TenantCreated(_)));
        let cancelled: Vec<i32> = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::TenantCancelled { .. }))
            .map(|event| event.received_at.date().days())
            .collect();
        let first_week = (start + 6).div_euclid(7) * 7;
        let n_weeks = ((end - first_week) / 7).max(0) as usize;
        let mut weekly = vec![None; n_weeks];
        let mut churn_weeks = Vec::new();
        for event in created {
            let created = event.occurred_at.date().days();
            let left = cancelled.iter().copied().find(|day| *day >= created);
            let (from, to) = (created.max(start), left.unwrap_or(end));
            for (week, count) in weekly.iter_mut().enumerate() {
                let first_day = first_week + 7 * week as i32;
                if from <= first_day && first_day + 7 <= to {
                    let days = (first_day - start) as usize..(first_day - start + 7) as usize;
                    *count = Some(usage[days].iter().sum::<u32>() as f32);
                }
            }
            churn_weeks.extend(left.map(|day| ((day - first_week).max(0) / 7) as usize));
        }
        // Once for a tenant, however often it came back.
        let logs: Vec<f64> = weekly.iter().flatten().map(|count: &f32| f64::from(*count).ln_1p()).collect();
        if logs.len() >= 40 && logs.iter().sum::<f64>() / logs.len() as f64 > 3.0 {
            self.autocorrelation.push(autocorrelation(&logs));
        }
        self.weekly.push((tenant, weekly, churn_weeks));
    }

    pub(super) fn add(mut self, other: Self) -> Self {
        self.n_events += other.n_events;
        self.n_late += other.n_late;
        self.n_very_late += other.n_very_late;
        self.n_duplicates += other.n_duplicates;
        self.n_after_cancellation += other.n_after_cancellation;
        self.weekdays.iter_mut().zip(other.weekdays).for_each(|(a, b)| *a += b);
        self.run_hours.extend(other.run_hours);
        self.jobs_per_user.extend(other.jobs_per_user);
        self.arrival_variation.extend(other.arrival_variation);
        self.autocorrelation.extend(other.autocorrelation);
        self.n_returned += other.n_returned;
        self.weekly.extend(other.weekly);
        self
    }

    /// The share of all jobs that the tenth of users with most of them submits.
    pub(super) fn top_tenth_share(&self) -> f64 {
        let mut jobs = self.jobs_per_user.clone();
        jobs.sort_unstable_by(|a, b| b.cmp(a));
        let sum = |jobs: &[u32]| jobs.iter().map(|n| f64::from(*n)).sum::<f64>();
        sum(&jobs[..jobs.len() / 10]) / sum(&jobs)
    }

    /// How much less churners use than matched stayers, by weeks before the end (the first is the farthest).
    ///
    /// A churner's week counts relative to its own level before the study. Its matches are the five stayers of the nearest such
    /// level in the same calendar weeks. A value is the mean difference of logarithms.
    pub(super) fn event_study(&self) -> [f64; STUDY_WEEKS] {
        const BEFORE: usize = 6;
        const MATCHES: usize = 5;
        let window = |weeks: &[Option<f32>], end: usize| -> Option<(f64, [f64; STUDY_WEEKS])> {
            let from = end.checked_sub(STUDY_WEEKS + BEFORE)?;
            let logs: Option<Vec<f64>> =
                weeks.get(from..end)?.iter().map(|n| n.map(|n| f64::from(n).ln_1p())).collect();
            let logs = logs?;
            let level = logs[..BEFORE].iter().sum::<f64>() / BEFORE as f64;
            let mut study = [0.0; STUDY_WEEKS];
            study.iter_mut().zip(&logs[BEFORE..]).for_each(|(week, log)| *week = log - level);
            (level > 1.5).then_some((level, study))
        };
        let mut gap = [0.0; STUDY_WEEKS];
        let mut n = 0.0;
        for (_, weeks, churn_weeks) in &self.weekly {
            for &end in churn_weeks {
                let Some((level, churner)) = window(weeks, end) else { continue };
                let stayers = self.weekly.iter().filter(|(_, _, churn_weeks)| churn_weeks.is_empty());
                let mut windows: Vec<_> = stayers.filter_map(|(_, weeks, _)| window(weeks, end)).collect();
                windows.sort_by(|a, b| (a.0 - level).abs().total_cmp(&(b.0 - level).abs()));
                for (_, stayer) in windows.iter().take(MATCHES) {
                    gap.iter_mut()
                        .zip(stayer.iter().zip(churner))
                        .for_each(|(gap, (stayer, churner))| *gap += stayer - churner);
                    n += 1.0;
                }
            }
        }
        gap.map(|gap| gap / f64::max(n, 1.0))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn variation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    variance.sqrt() / mean
}

fn autocorrelation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / variance.max(1e-9)
}

/// The value below which this share of them lies.
pub(super) fn quantile<T: Copy>(values: &mut [T], share: f64, order: fn(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    let last = values.len().checked_sub(1)?;
    Some(*values.select_nth_unstable_by((last as f64 * share) as usize, order).1)
}
