//! Events in, score records out.

mod dead_letter;
mod kpl;
mod position;
mod record;
mod score_record;
mod sink;
mod source;

pub use dead_letter::DeadLetter;
pub use kpl::{DamagedAggregate, UserRecord, hash_key, pack as pack_aggregate, user_records};
pub use position::{NoSequenceNumber, Position, SequenceNumber};
pub use record::{Batch, Record, Shard};
pub use score_record::{CompanyNumbers, EventIdentity, ScoreRecord};
pub use sink::{Sink, SinkError, SinkPosition};
pub use source::{Next, Source, SourceError};

/// What a checkpoint says about positions.
#[derive(Debug, Clone, Copy)]
pub struct Checkpointed<'a> {
    /// The last position of each shard that states and sinks are complete up to, by the shard's name.
    pub positions: &'a std::collections::BTreeMap<String, Position>,
}
