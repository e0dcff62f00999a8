//! Events in, score records out.

#[cfg(feature = "aws")]
mod aws;
mod dead_letter;
#[cfg(feature = "kinesis")]
mod kinesis_error;
mod position;
mod record;
mod retries;
mod score_record;
mod sink;
mod source;

#[cfg(feature = "aws")]
pub use aws::{Aws, AwsError};
pub use dead_letter::DeadLetter;
#[cfg(feature = "kinesis")]
pub use kinesis_error::KinesisError;
pub use position::{NoSequenceNumber, Position, SequenceNumber};
pub use record::{Batch, Record, Shard};
pub use retries::{Backoff, Retries, Retry};
pub use score_record::{CompanyNumbers, EventIdentity, ScoreRecord};
#[cfg(feature = "kinesis")]
pub use sink::kinesis::KinesisSink;
pub use sink::{Sink, SinkError, SinkPosition};
#[cfg(feature = "kinesis")]
pub use source::kinesis::{InitialPosition, KinesisSource, KinesisStart, Notice};
pub use source::{Next, Source, SourceError};

/// What a checkpoint says about positions.
#[derive(Debug, Clone, Copy)]
pub struct Checkpointed<'a> {
    /// The last position of each shard that states and sinks are complete up to, by the shard's name.
    pub positions: &'a std::collections::BTreeMap<String, Position>,
}
