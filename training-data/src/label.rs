use churn_events::{Event, EventKind, ObservationDate, Timestamp};

use crate::ObservationPlan;
use crate::days::DaySet;

/// What counts as churn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelRule {
    /// `tenant.cancelled` occurs inside the label horizon. At risk is who has not cancelled.
    #[default]
    Cancelled,
    /// No `job.submitted` occurs in the whole label horizon. At risk is who has not cancelled and has a job in the
    /// lookback.
    Usage,
}

impl LabelRule {
    /// The word for this rule in options, files and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Usage => "usage",
        }
    }

    /// The rule of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Cancelled, Self::Usage].into_iter().find(|rule| rule.word() == word)
    }
}

/// What became of a tenant that was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Churned,
    Stayed,
    /// It cancelled before the label horizon began: too early to be acted on, too late to have stayed.
    CancelledInGap,
    /// The log ends before the label horizon does.
    Censored,
}

/// How a tenant stood on an observation date, by what was known then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not yet a tenant, or one no more.
    Absent,
    TooYoung,
    /// Without a job in the lookback, where the label rule asks for one.
    Inactive,
    AtRisk,
}

/// What labels are derived from: when a tenant came, cancelled and submitted jobs.
///
/// All of it is kept to the end of the log, because an event received late may still change what happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelTracker {
    /// Sorted; a creation comes after a cancellation at the same instant, and nothing is held twice.
    lifecycle: Vec<Lifecycle>,
    first_event: Option<Timestamp>,
    job_days: DaySet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lifecycle {
    at: Timestamp,
    is_creation: bool,
}

impl LabelTracker {
    /// Takes in an event that occurred at `at`; one that was dropped from the tenant state begins no tenure.
    pub(crate) fn apply(&mut self, event: &Event<'_>, at: Timestamp, is_dropped: bool) {
        match event.kind {
            EventKind::TenantCreated(_) => self.insert(Lifecycle { at, is_creation: true }),
            EventKind::TenantCancelled { .. } => self.insert(Lifecycle { at, is_creation: false }),
            EventKind::JobSubmitted { .. } => self.job_days.insert(at.date().days()),
            _ => {}
        }
        if !is_dropped {
            self.first_event = Some(self.first_event.map_or(at, |first| first.min(at)));
        }
    }

    fn insert(&mut self, lifecycle: Lifecycle) {
        if let Err(position) = self.lifecycle.binary_search(&lifecycle) {
            self.lifecycle.insert(position, lifecycle);
        }
    }

    /// How the tenant stands on `date`, by the events taken in so far.
    pub(crate) fn standing(&self, date: ObservationDate, plan: &ObservationPlan) -> Standing {
        let Some(start) = self.tenure_start(date) else { return Standing::Absent };
        // In whole days, as the feature tenure_days counts them.
        let tenure_days = i64::from(date.days()) - i64::from(start.date().days());
        if tenure_days < i64::from(plan.min_tenure_days) {
            return Standing::TooYoung;
        }
        let lookback = plan.lookback_days as i32;
        match plan.rule {
            LabelRule::Usage if !self.job_days.any_in(date.days().saturating_sub(lookback), date.days()) => {
                Standing::Inactive
            }
            LabelRule::Usage | LabelRule::Cancelled => Standing::AtRisk,
        }
    }

    /// When the tenure in force at `date` began: the first creation since the last cancellation, or the first event of
    /// a tenant that was never created nor cancelled.
    ///
    /// The feature `tenure_days` has a second rule of its own in the tenant state, because a state forgets what a label has
    /// to know of earlier dates, and the two know different events: a label's are all of the log. On what was known at an
    /// observation date they agree, and `tests/point_in_time.rs` holds them to it.
    pub(crate) fn tenure_start(&self, date: ObservationDate) -> Option<Timestamp> {
        let before = &self.lifecycle[..self.lifecycle.partition_point(|lifecycle| lifecycle.at < date.start())];
        let since = before.iter().rposition(|lifecycle| !lifecycle.is_creation).map_or(0, |position| position + 1);
        match before.get(since) {
            Some(creation) => Some(creation.at),
            None if since == 0 => self.first_event.filter(|&first| first < date.start()),
            None => None,
        }
    }

    /// What became of the tenant after `date`, by everything in the log, which ends at `end`.
    pub(crate) fn fate(&self, date: ObservationDate, plan: &ObservationPlan, end: ObservationDate) -> Fate {
        let (from, to) = plan.label_horizon(date);
        if to > end.start() {
            // Also when a cancellation is already known: of such dates only those who churned would be kept.
            return Fate::Censored;
        }
        if self.tenure_start(date).is_none() || self.cancels_in(date.start(), from) {
            return Fate::CancelledInGap;
        }
        let is_churn = match plan.rule {
            LabelRule::Cancelled => self.cancels_in(from, to),
            LabelRule::Usage => !self.job_days.any_in(from.date().days(), to.date().days()),
        };
        if is_churn { Fate::Churned } else { Fate::Stayed }
    }

    fn cancels_in(&self, from: Timestamp, to: Timestamp) -> bool {
        self.cancellations().any(|at| from <= at && at < to)
    }

    /// When the tenant cancelled, in order of time.
    pub(crate) fn cancellations(&self) -> impl Iterator<Item = Timestamp> {
        self.lifecycle.iter().filter(|lifecycle| !lifecycle.is_creation).map(|lifecycle| lifecycle.at)
    }

    /// The days with jobs.
    pub(crate) fn job_days(&self) -> &DaySet {
        &self.job_days
    }
}
