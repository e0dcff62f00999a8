use std::ops::RangeInclusive;
use std::sync::Arc;

use churn_events::{Timestamp, decode, decode_arrived};

use crate::{Position, kpl};

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

impl Record {
    /// When what it holds was received: what the event says, where it says so and it had not arrived before, and otherwise
    /// when it arrived. Of an aggregate, its first record.
    ///
    /// # Cost
    /// That of decoding an event.
    pub(crate) fn received_at(&self) -> Option<Timestamp> {
        let parts = kpl::user_records(&self.data, None).and_then(Result::ok);
        let data = parts.as_ref().and_then(|parts| parts.first()).map_or(&*self.data, |part| part.data);
        match self.arrived_at {
            None => decode(data).ok().map(|event| event.received_at),
            Some(arrived_at) => {
                Some(decode_arrived(data, arrived_at).map_or(arrived_at, |event| event.received_at.min(arrived_at)))
            }
        }
    }
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
    /// How many records the shard has behind the last one, where the stream says so.
    pub behind_records: Option<u64>,
    /// The shard has ended: it was split or merged, and gives no more after these.
    pub is_last: bool,
}

impl Batch {
    /// Records of which nothing else is known.
    pub fn new(shard: Arc<Shard>, records: Vec<Record>) -> Self {
        Self { shard, records, behind_ms: None, behind_records: None, is_last: false }
    }

    /// Whether it only says that the shard has nothing at the moment.
    pub fn is_sign_of_life(&self) -> bool {
        self.records.is_empty() && !self.is_last
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
