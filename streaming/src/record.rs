use std::ops::RangeInclusive;
use std::sync::Arc;

use churn_events::Timestamp;

use crate::Position;

/// What a stream hands out: bytes that are, or should be, an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Where it stands in its shard.
    pub position: Position,
    /// When it arrived in the stream, where the stream says so.
    pub arrived_at: Option<Timestamp>,
    /// What its producer put there.
    pub data: Vec<u8>,
}

/// Records of one shard, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The shard, and where it is part of a stream that reshards, which hash keys are its own.
    pub shard: Arc<Shard>,
    /// The records; empty when the shard had none to give.
    pub records: Vec<Record>,
    /// How far the last record lies behind the end of the shard, in milliseconds, where the stream says so.
    pub behind_ms: Option<u64>,
    /// The shard has ended: it was split or merged, and gives no more after these.
    pub is_last: bool,
}

impl Batch {
    /// Records of which nothing else is known.
    pub fn new(shard: Arc<Shard>, records: Vec<Record>) -> Self {
        Self { shard, records, behind_ms: None, is_last: false }
    }
}

/// An ordered part of a stream: a shard of Kinesis, a partition of Kafka, a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The name of its stream; records of the original system have it as the source of their events.
    pub stream: String,
    /// Tells it from every other shard of all streams: positions are kept under this name.
    pub name: String,
    /// The hash keys that belong to it. Records of an aggregate that have others belong to a shard that it was split from
    /// or will be read from a sibling, and are passed over here.
    pub hash_keys: Option<RangeInclusive<u128>>,
}

impl Shard {
    /// A shard of a stream that does not reshard.
    pub fn new(stream: impl Into<String>, name: impl Into<String>) -> Self {
        Self { stream: stream.into(), name: name.into(), hash_keys: None }
    }
}
