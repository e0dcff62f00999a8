use churn_events::Event;

use crate::profile::Profile;
use crate::record::{Change, Record, TextTable};
use crate::run::Run;
use crate::world::Setting;

/// What one tenant did, in the order in which it was received.
#[derive(Debug)]
pub struct TenantHistory {
    profile: Profile,
    changes: Vec<Change>,
    records: Vec<Record>,
    texts: TextTable,
}

impl TenantHistory {
    pub(crate) fn simulate(setting: &Setting, tenant: u32) -> Self {
        let mut run = Run::new(setting, tenant);
        let mut records = Vec::new();
        run.advance_to(setting, setting.end_day(), &mut records);
        records.sort_unstable_by_key(Record::order);
        let profile = run.profile().clone();
        let texts = TextTable::of(&records, &profile);
        Self { profile, changes: run.changes, records, texts }
    }

    /// The tenant.
    pub fn id(&self) -> &str {
        &self.profile.id
    }

    /// How many events there are.
    pub fn n_events(&self) -> usize {
        self.records.len()
    }

    /// The events, in received order.
    ///
    /// # Cost
    /// No allocation: the events borrow from this history.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        let records = self.records.iter().enumerate();
        records.map(|(index, record)| self.texts.event(index, record, &self.profile, &self.changes))
    }
}
