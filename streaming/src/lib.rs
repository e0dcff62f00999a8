//! Events in, score records out: scoring inside a stream's consumer, without losing or repeating anything.
//!
//! A [`Processor`] takes records and makes score records and dead letters of them; it knows no clock, no runtime and no
//! cloud. A [`Consumer`] puts sinks and checkpoints around it. Where records come from is a [`Source`], where score records
//! go a [`Sink`]. `docs/streaming.md` is about all of it, and about the program `consume`.
//!
//! ```
//! use std::sync::Arc;
//! use churn_streaming::{Batch, Output, Position, Processor, ProcessorOptions, Record, SequenceNumber, Shard};
//!
//! let data = br#"{"specversion":"1.0","id":"1","source":"/jobs","type":"com.anycompany.bdcp.user.login","subject":"tenant-7",
//!     "time":"2026-03-01T12:30:45Z","data":{"userId":"ann","sessionId":"s-1"}}"#;
//! let record = Record { position: Position::of(SequenceNumber::from(1)), arrived_at: None, data: data.to_vec() };
//! let shard = Arc::new(Shard::new("bigdatajobs", "bigdatajobs/shardId-000000000000"));
//! let batch = Batch::new(shard, vec![record]);
//!
//! let mut processor = Processor::new(ProcessorOptions::default(), None); // a `Scoring` in its place scores
//! let mut output = Output::default();
//! processor.apply(&batch, &mut output);
//! processor.apply(&batch, &mut output); // delivered again
//! assert_eq!((processor.store().len(), processor.counts().repeated), (1, 1));
//! ```

#[cfg(feature = "aws")]
mod aws;
mod checkpoint;
mod consumer;
mod dead_letter;
mod dice;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod hottest;
mod in_full;
mod inheritance;
#[cfg(feature = "kafka")]
mod kafka;
pub mod kcl;
#[cfg(feature = "kinesis")]
mod kinesis_error;
pub mod kpl;
pub mod lambda;
mod lock;
mod marks;
mod now;
mod position;
mod processor;
mod record;
mod retries;
mod score_record;
mod score_when;
mod scoring;
mod sink;
mod source;
mod state_place;

#[cfg(feature = "aws")]
pub use aws::{Aws, AwsError};
pub use checkpoint::{CheckpointError, CheckpointFolder};
pub use consumer::{ConsumeError, Consumer, NamedSink};
pub use dead_letter::DeadLetter;
#[cfg(feature = "dynamodb")]
pub use dynamodb::{TableError, TableName};
pub use in_full::in_full;
#[cfg(feature = "kafka")]
pub use kafka::{
    KafkaError, KafkaOptions, KafkaPartitions, KafkaProperty, KafkaSink, KafkaSource, NoKafkaPartitions,
    NoKafkaProperty,
};
#[cfg(feature = "kinesis")]
pub use kinesis_error::KinesisError;
pub use now::now;
pub use position::{NoSequenceNumber, Position, SequenceNumber};
pub use processor::{Output, Processor, ProcessorOptions, RecordCounts};
pub use record::{Batch, Record, Shard};
pub use retries::{Retries, Retry};
pub use score_record::{CompanyNumbers, EventIdentity, ScoreRecord};
pub use score_when::{NoScoreWhen, ScoreWhen, parse_duration_ms};
pub use scoring::{Scoring, ScoringError};
#[cfg(feature = "kinesis")]
pub use sink::kinesis::KinesisSink;
pub use sink::objects::{ObjectFormat, ObjectSink};
#[cfg(feature = "s3")]
pub use sink::s3::S3Error;
pub use sink::{LineSink, Sink, SinkError, SinkPosition};
#[cfg(any(feature = "kinesis", test))]
pub use source::kinesis::{InitialPosition, KinesisStart};
#[cfg(feature = "kinesis")]
pub use source::kinesis::{KinesisSource, Notice};
pub use source::{FileSource, Next, Source, SourceError};
pub use state_place::StatePlace;
