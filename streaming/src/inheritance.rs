//! States that shards leave behind when they end.
//!
//! A tenant always belongs to the shard whose hash keys include its own. So whoever has a tenant's states among the shards
//! that have ended is a forebear of the shard that gets its events now, and the last one, by its number, has the newest
//! state. Nobody needs to know who was split into whom, or merged.

use std::fs;
use std::path::Path;

use churn_features::{FeatureStore, StoreOptions, TenantState};

use crate::checkpoint::{CheckpointError, CheckpointFolder};
use crate::marks::{Mark, Marks};

/// The last states of tenants in shards that have ended.
#[derive(Debug)]
pub(crate) struct Inheritance {
    store: FeatureStore,
    marks: Marks,
}

impl Inheritance {
    /// Reads what the shards left behind whose folders are in that one, except the heir's; nothing when none has ended.
    ///
    /// # Cost
    /// Of all that they left: the states of tenants that belong to other heirs are read, too.
    pub(crate) fn read(parent: &Path, heir: &str, options: &StoreOptions) -> Result<Option<Self>, CheckpointError> {
        let fail = |source| CheckpointError::File { path: parent.to_owned(), source };
        let mut ended = Vec::new();
        for entry in fs::read_dir(parent).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if entry.file_name() != heir && CheckpointFolder::has_ended(&entry.path())? {
                ended.push(entry.path());
            }
        }
        if ended.is_empty() {
            return Ok(None);
        }
        // Numbers of shards have leading zeros.
        ended.sort_unstable();
        let options = StoreOptions { max_tenants: usize::MAX, ..*options };
        let mut inheritance = Self { store: FeatureStore::new(options), marks: Marks::default() };
        for path in ended {
            CheckpointFolder::read_into(&path, &mut inheritance.store, &mut inheritance.marks)?;
        }
        Ok(Some(inheritance))
    }

    /// What was left of a tenant.
    pub(crate) fn of(&self, tenant: &str) -> Option<(TenantState, Option<Mark>)> {
        self.store.state(tenant).map(|state| (state.clone(), self.marks.get(tenant).copied()))
    }
}
