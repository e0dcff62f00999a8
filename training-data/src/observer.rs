use churn_events::{Event, EventKind, ObservationDate, Timestamp};
use churn_features::{Applied, StateOptions, TenantState};

use crate::label::LabelTracker;
use crate::usage::{WeeklyUsage, week_of};

/// What is remembered about one tenant while a log is read.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) state: TenantState,
    pub(crate) label: LabelTracker,
    pub(crate) usage: WeeklyUsage,
    /// The next observation date; everything before it has been emitted.
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
            next,
            emitted: None,
        }
    }

    /// The event as it counts: an observation that has been emitted never hears of it.
    pub(crate) fn received<'a>(&self, event: &Event<'a>) -> Option<Event<'a>> {
        let emitted = self.emitted?.start();
        (event.received_at < emitted).then(|| Event { received_at: emitted, ..event.clone() })
    }

    /// Takes in an event that was received at or after the last observation date that was emitted.
    pub(crate) fn apply(&mut self, event: &Event<'_>, options: &StateOptions) -> Applied {
        let applied = self.state.apply(event, options);
        let at = occurred_at(event, options);
        self.label.apply(event, at, matches!(applied, Applied::Late | Applied::Dropped));
        let is_usage = matches!(event.kind, EventKind::UserLogin { .. } | EventKind::JobSubmitted { .. });
        if is_usage && matches!(applied, Applied::Counted | Applied::HeldBack) {
            self.usage.count(week_of(at.date().days()));
        }
        applied
    }
}

/// When an event counts as having occurred: like tenant states do, an event from the near future occurred when it was
/// received, so that nothing known on a date occurred after it.
fn occurred_at(event: &Event<'_>, options: &StateOptions) -> Timestamp {
    let ahead_ms = event.occurred_at.millis().saturating_sub(event.received_at.millis());
    if (1..=options.max_skew_ms).contains(&ahead_ms) { event.received_at } else { event.occurred_at }
}
