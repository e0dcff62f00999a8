//! States that shards leave behind when they end.
//!
//! A tenant always belongs to the shard whose hash keys include its own. So whoever has a tenant's states among the shards
//! that have ended is a forebear of the shard that gets its events now, and the last one, by its number, has the newest
//! state. Nobody needs to know who was split into whom, or merged.

use std::fs;
use std::io;
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
    /// What is no folder of a shard's name, such as the `lost+found` of a disk, is none of theirs and not looked into.
    ///
    /// # Cost
    /// Of all that they left: the states of tenants that belong to other heirs are read, too.
    pub(crate) fn read(parent: &Path, heir: &str, options: &StoreOptions) -> Result<Option<Self>, CheckpointError> {
        let fail = |source| CheckpointError::File { path: parent.to_owned(), source };
        let mut ended = Vec::new();
        for entry in fs::read_dir(parent).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_other = name.to_str().is_some_and(is_shard_name) && name != heir;
            if is_other && is_folder(&path)? && CheckpointFolder::has_ended(&path)? {
                ended.push(path);
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

/// Whether a shard may have that name, and a folder, too: nothing in it leads elsewhere.
pub(crate) fn is_shard_name(name: &str) -> bool {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_plain && !name.trim_matches('.').is_empty()
}

fn is_folder(path: &Path) -> Result<bool, CheckpointError> {
    match fs::metadata(path) {
        Ok(found) => Ok(found.is_dir()),
        // A link to nothing, or one that was removed just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CheckpointError::File { path: path.to_owned(), source }),
    }
}
