//! What is done for a shard: a consumer with a folder of checkpoints of its own.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::{Refusal, ShardWork, Start};
use crate::inheritance::{Inheritance, is_shard_name};
use crate::{Batch, CheckpointError, CheckpointFolder, ConsumeError, Consumer, DeadLetter, Shard, StatePlace};

/// How long the process that had the shard before may take to let go of its folder.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the states of a shard's tenants in a folder of the shard's name, and takes over those that ended shards left.
pub struct KclShard<F> {
    place: StatePlace,
    stream: String,
    consumer: F,
    held: Option<Held>,
}

struct Held {
    shard: Arc<Shard>,
    consumer: Consumer,
}

/// Why a shard's work cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The daemon gave the shard a name that cannot be the name of a folder.
    #[error("is given shard {found:?} where a name of letters, digits, '-', '_' and '.' is expected")]
    Name {
        /// The name.
        found: String,
    },
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The consumer cannot go on.
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    /// There is no consumer.
    #[error(transparent)]
    Begin(Box<dyn Error>),
}

impl<F: FnMut(&str, CheckpointFolder) -> Result<Consumer, Box<dyn Error>>> KclShard<F> {
    /// Checkpoints go to a folder or prefix of the shard's name in `place`; `consumer` makes what goes on from them.
    pub fn new(place: impl Into<StatePlace>, stream: impl Into<String>, consumer: F) -> Self {
        Self { place: place.into(), stream: stream.into(), consumer, held: None }
    }

    /// The consumer, while there is a shard.
    pub fn consumer(&mut self) -> Option<&mut Consumer> {
        self.held.as_mut().map(|held| &mut held.consumer)
    }
}

impl<F: FnMut(&str, CheckpointFolder) -> Result<Consumer, Box<dyn Error>>> ShardWork for KclShard<F> {
    type Error = ShardError;

    fn begin(&mut self, shard_id: &str, start: &Start, log: &mut dyn FnMut(&str)) -> Result<Arc<Shard>, ShardError> {
        if !is_shard_name(shard_id) {
            return Err(ShardError::Name { found: shard_id.to_owned() });
        }
        let folder = self.place.open_shard(shard_id, PATIENCE)?;
        let path = folder.path().to_owned();
        let position = folder.positions().get(shard_id).copied();
        match (start, position) {
            (Start::After(start), Some(position)) if *start > position => log(&format!(
                "WARNING: the daemon goes on after {start} of {shard_id}, but the states in {path:?} end at {position}: \
                 what lies between is missing in them"
            )),
            (Start::After(_) | Start::Elsewhere(_), None) => {
                let at = match start {
                    Start::After(position) => format!("after {position}"),
                    Start::Elsewhere(word) => format!("at {word}"),
                    Start::TrimHorizon => "at TRIM_HORIZON".to_owned(),
                };
                log(&format!(
                    "WARNING: the daemon begins {at} of {shard_id}, but there are no states in {path:?}: what came before \
                     is missing in them"
                ));
            }
            (_, Some(position)) => log(&format!("goes on with {shard_id} after {position}")),
            (Start::TrimHorizon, None) => log(&format!("begins with {shard_id}")),
        }
        let mut consumer = (self.consumer)(shard_id, folder).map_err(ShardError::Begin)?;
        let options = *consumer.processor().store().options();
        if let Some(inheritance) = Inheritance::read(path.parent().unwrap_or(&path), shard_id, &options)? {
            consumer.processor_mut().inherit(inheritance);
        }
        let shard = Arc::new(Shard::new(self.stream.as_str(), shard_id));
        self.held = Some(Held { shard: Arc::clone(&shard), consumer });
        Ok(shard)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), ShardError> {
        if let Some(held) = &mut self.held {
            held.consumer.apply(batch)?;
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Result<(), ShardError> {
        if let Some(held) = &mut self.held {
            let Refusal { position, field, reason, text } = refusal;
            let at = position.map_or_else(|| "unknown".to_owned(), |position| position.to_string());
            let letter = DeadLetter::new(&held.shard.name, at, *field, reason, text.as_bytes());
            held.consumer.refuse(&held.shard, *position, letter)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), ShardError> {
        if let Some(held) = &mut self.held {
            held.consumer.checkpoint()?;
        }
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), ShardError> {
        if let Some(held) = &mut self.held {
            held.consumer.checkpoint()?;
            if let Some(folder) = held.consumer.folder() {
                folder.mark_ended()?;
            }
        }
        Ok(())
    }

    fn lose_lease(&mut self) {
        // Sinks first, then the folder with its lock: nothing is written any more when the next process has it.
        self.held = None;
    }
}
