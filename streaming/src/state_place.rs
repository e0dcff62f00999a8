//! Where checkpoints are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{CheckpointError, CheckpointFolder};

/// A place for checkpoints.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StatePlace {
    /// A folder on a disk that lasts.
    Folder(PathBuf),
    /// A table of DynamoDB.
    #[cfg(feature = "dynamodb")]
    Table(crate::TableName),
}

impl From<PathBuf> for StatePlace {
    fn from(path: PathBuf) -> Self {
        Self::Folder(path)
    }
}

impl From<&Path> for StatePlace {
    fn from(path: &Path) -> Self {
        Self::Folder(path.to_owned())
    }
}

impl StatePlace {
    /// Opens the checkpoints of a process, and waits for a while for another one to leave them.
    ///
    /// # Errors
    /// When they cannot be used, are in use, or are something else.
    pub fn open(&self, patience: Duration) -> Result<CheckpointFolder, CheckpointError> {
        match self {
            Self::Folder(path) => CheckpointFolder::open(path, patience),
            #[cfg(feature = "dynamodb")]
            Self::Table(name) => name.open(patience),
        }
    }

    /// Opens those of one shard; beside their folder stand the folders of the shards that have ended.
    ///
    /// # Errors
    /// As [`StatePlace::open`].
    pub fn open_shard(&self, shard: &str, patience: Duration) -> Result<CheckpointFolder, CheckpointError> {
        match self {
            Self::Folder(path) => CheckpointFolder::open(&path.join(shard), patience),
            #[cfg(feature = "dynamodb")]
            Self::Table(name) => name.open_shard(shard, patience),
        }
    }
}
