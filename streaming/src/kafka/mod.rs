//! Kafka as source and sink, by librdkafka.

mod context;
mod error;
mod options;
mod sink;
mod source;
mod topic;

pub use error::KafkaError;
pub use options::{KafkaOptions, KafkaPartitions, KafkaProperty, NoKafkaPartitions, NoKafkaProperty};
pub use sink::KafkaSink;
pub use source::KafkaSource;
