use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use crate::Position;

/// What is kept of a tenant between invocations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantItem {
    /// How often it was written; 0 is never.
    pub version: u64,
    /// The tenant's state, as `docs/state-format.md` has it.
    pub state: Vec<u8>,
    /// What was said of it last, as JSON; nothing when nothing was.
    pub mark: Option<String>,
    /// The last of its records that was taken in from each shard, by the shard's name.
    pub positions: BTreeMap<String, Position>,
}

/// Where states live.
pub trait StateStore {
    /// The items of these tenants, those that there are; what was written is read, by whomever.
    ///
    /// # Errors
    /// When they cannot be read.
    fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError>;

    /// Writes an item if the one that is there has the version before it, or there is none and the version is 1.
    ///
    /// # Errors
    /// [`PutError::Conflict`] when it has another one; nothing has changed then.
    fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError>;
}

/// Why states cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the states of tenants")]
pub struct StoreError {
    /// Why.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Why a state cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// Somebody else has written it meanwhile.
    #[error("the state has been written by another invocation meanwhile")]
    Conflict,
    /// The store does not take it.
    #[error("cannot write the state of a tenant")]
    Store {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// States in memory, for tests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemoryStore {
    /// The items by tenant.
    pub items: HashMap<String, TenantItem>,
}

impl StateStore for MemoryStore {
    fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError> {
        let item = |tenant: &&str| Some(((*tenant).to_owned(), self.items.get(*tenant)?.clone()));
        Ok(tenants.iter().filter_map(item).collect())
    }

    fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError> {
        let found = self.items.get(tenant).map_or(0, |item| item.version);
        if found + 1 != item.version {
            return Err(PutError::Conflict);
        }
        self.items.insert(tenant.to_owned(), item);
        Ok(())
    }
}
