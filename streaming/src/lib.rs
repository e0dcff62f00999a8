//! Events in, score records out.

#[cfg(feature = "aws")]
mod aws;
mod dead_letter;
mod position;
mod record;
mod retries;
mod score_record;
mod sink;
mod source;

#[cfg(feature = "aws")]
pub use aws::{Aws, AwsError};
pub use dead_letter::DeadLetter;
pub use position::{NoSequenceNumber, Position, SequenceNumber};
pub use record::{Batch, Record, Shard};
pub use retries::{Backoff, Retries, Retry};
pub use score_record::{CompanyNumbers, EventIdentity, ScoreRecord};
pub use sink::{Sink, SinkError, SinkPosition};
#[cfg(feature = "kinesis")]
pub use source::kinesis::{InitialPosition, KinesisError, KinesisSource, KinesisStart, Notice};
pub use source::{Next, Source, SourceError};

/// What a checkpoint says about positions.
#[derive(Debug, Clone, Copy)]
pub struct Checkpointed<'a> {
    /// The last position of each shard that states and sinks are complete up to, by the shard's name.
    pub positions: &'a std::collections::BTreeMap<String, Position>,
}
