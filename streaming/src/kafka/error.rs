use std::fmt;

use rdkafka::error::KafkaError as ClientError;

/// What a client said, in brackets.
struct Aside<'a>(&'a Option<String>);

impl fmt::Display for Aside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |said| write!(f, " ({said})"))
    }
}

/// Why a Kafka topic cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// Nobody is there to ask.
    #[error("no broker is named; name one with --kafka-property bootstrap.servers=HOST:PORT")]
    NoBrokers,
    /// A property is none, or has a value that it cannot have.
    #[error("cannot make a Kafka client of these --kafka-property")]
    Client {
        /// Why not.
        source: ClientError,
    },
    /// Brokers did not answer.
    #[error("brokers do not answer{}", Aside(last_error))]
    Unreachable {
        /// What the client said last.
        last_error: Option<String>,
        /// What it was asked for.
        source: ClientError,
    },
    /// There is no such topic, or it may not be read.
    #[error("the brokers do not give topic {topic:?}: {reason}")]
    Topic {
        /// The topic.
        topic: String,
        /// Kafka's own words.
        reason: String,
    },
    /// The topic has fewer partitions.
    #[error("topic {topic:?} has {found} partitions, from 0 on; --kafka-partitions asks for {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// How many it has.
        found: usize,
        /// What was asked for.
        partition: i32,
    },
    /// A tenant's events would come to different processes.
    #[error(
        "topics {first:?} and {second:?} have {in_first} and {in_second} partitions; with --kafka-partitions they must have \
         equally many, so that all events of a tenant come to one process"
    )]
    Uneven {
        /// A topic.
        first: String,
        /// How many partitions it has.
        in_first: usize,
        /// Another topic.
        second: String,
        /// How many partitions that has.
        in_second: usize,
    },
    /// States are here that would not be kept up to date.
    #[error(
        "the checkpoint holds states of {shard}, which is not read now; a partition's states cannot leave their folder: name \
         the same topics and --kafka-partitions as before, or an empty folder for --state"
    )]
    LeftOut {
        /// The partition.
        shard: String,
    },
    /// Records were lost before they were read.
    #[error(
        "{shard} does not keep records {next} to {last} any more, which were not read yet; to go on without them, add \
         --kafka-property auto.offset.reset=earliest"
    )]
    Gone {
        /// The partition.
        shard: String,
        /// The first that is missing.
        next: i64,
        /// The last that is missing.
        last: i64,
    },
    /// The topic is not the one that was read.
    #[error(
        "{shard} ends before record {end}, and the checkpoint is at record {position}; it was made anew or cut off: name an \
         empty folder for --state"
    )]
    Cut {
        /// The partition.
        shard: String,
        /// The checkpoint's position.
        position: i64,
        /// The number that the next record will have.
        end: i64,
    },
    /// Records that were to be read next were removed while reading.
    #[error(
        "records of topic {topic:?} were removed before they were read; start again to hear which, or to go on without them, \
         add --kafka-property auto.offset.reset=earliest"
    )]
    Removed {
        /// The topic.
        topic: String,
    },
    /// The client has given up.
    #[error("the Kafka client cannot go on")]
    Fatal {
        /// Why not.
        source: ClientError,
    },
    /// Messages were not taken.
    #[error("{n} messages were not delivered{}; they are made again from the last checkpoint on", Aside(last_error))]
    Undelivered {
        /// How many.
        n: u64,
        /// What the client said last.
        last_error: Option<String>,
        /// What happened to the first of them.
        source: ClientError,
    },
}
