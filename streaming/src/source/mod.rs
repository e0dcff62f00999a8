//! Where records come from.

#[cfg(any(feature = "kinesis", test))]
mod alignment;
mod file;
// Without the feature, what needs no client is tested.
#[cfg(any(feature = "kinesis", test))]
pub(crate) mod kinesis;
mod line_reader;
mod pace;
mod pipe;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use file::FileSource;

use crate::{Batch, Position};

/// A stream, or several, that is read to its end or for ever.
pub trait Source {
    /// The next records of some shard.
    ///
    /// Shards come in any order, the records of each in its own; a shard that came of others (by a split or a merge)
    /// gives its first record after their last.
    ///
    /// # Errors
    /// When the source cannot be read and trying again is no use.
    fn next(&mut self, wait: Duration) -> Result<Next, SourceError>;

    /// The names of the shards that it reads now: each of them gives records, or the word that it has none, again and again
    /// while the service answers. Nobody waits for others. A source that comes to an end has no need to say.
    fn reading(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Is told what was checkpointed: the last position of each shard that will not be asked for again.
    ///
    /// # Errors
    /// When the source keeps positions itself, and cannot.
    fn note_checkpoint(&mut self, _positions: &BTreeMap<String, Position>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// What a source has to say.
#[derive(Debug)]
pub enum Next {
    /// Records, or the word that a shard had none.
    Batch(Batch),
    /// Nothing came while waiting.
    Idle,
    /// There will be nothing more.
    End,
}

/// Why a source cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {name}")]
pub struct SourceError {
    /// The source as it was named, or the part of it that is at fault.
    pub name: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SourceError {
    /// Something is wrong with the source of that name.
    pub fn new(name: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { name: name.into(), source: source.into() }
    }
}
