use churn_events::{Event, EventKind, ObservationDate};
use churn_features::{Applied, StateOptions, TenantState};

use crate::label::LabelTracker;
use crate::usage::{WeeklyUsage, week_of};

/// What is remembered about one tenant while a log is read.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) state: TenantState,
    pub(crate) label: LabelTracker,
    pub(crate) usage: WeeklyUsage,
    /// Whether the state has taken in an event.
    pub(crate) has_state: bool,
    /// The first day on which an event was known, wherever it stands in the log.
    pub(crate) first_known: ObservationDate,
    /// The first observation date that could be emitted.
    pub(crate) first: ObservationDate,
    /// The next observation date; everything from the first one up to it has been emitted.
    pub(crate) next: ObservationDate,
    /// The last observation date that was emitted.
    pub(crate) emitted: Option<ObservationDate>,
}

impl Observer {
    pub(crate) fn new(next: ObservationDate) -> Self {
        Self {
            state: TenantState::new(),
            label: LabelTracker::default(),
            usage: WeeklyUsage::default(),
            has_state: false,
            first_known: next,
            first: next,
            next,
            emitted: None,
        }
    }

    /// Sets the first observation date, before the state takes in its first event.
    pub(crate) fn start(&mut self, first: ObservationDate) {
        (self.first, self.next) = (first, first);
    }

    /// Whether an observation has been emitted that would know the event, had it come in its place.
    pub(crate) fn is_out_of_order(&self, event: &Event<'_>) -> bool {
        self.emitted.is_some_and(|emitted| event.received_at < emitted.start())
    }

    /// Takes in an event; every observation date up to its arrival has been emitted.
    pub(crate) fn apply(&mut self, event: &Event<'_>, options: &StateOptions) -> Applied {
        self.has_state = true;
        let applied = self.state.apply(event, options);
        let at = options.occurred_at(event);
        self.label.apply(event, at, matches!(applied, Applied::Late | Applied::Dropped));
        let is_usage = matches!(event.kind, EventKind::UserLogin { .. } | EventKind::JobSubmitted { .. });
        if is_usage && matches!(applied, Applied::Counted | Applied::HeldBack) {
            self.usage.count(week_of(at.date().days()));
        }
        applied
    }

    /// Takes in an event that was received after the end of the log: no observation knows it, and labels follow what
    /// occurred.
    pub(crate) fn apply_after_end(&mut self, event: &Event<'_>, options: &StateOptions) {
        self.label.apply(event, options.occurred_at(event), true);
    }
}
