use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::context::WriterContext;
use super::{KafkaError, KafkaOptions};
use crate::{DeadLetter, Retries, ScoreRecord, Sink, SinkError, SinkPosition};

/// How long a full queue is waited for before what became of messages is looked at again.
const QUEUE_WAIT: Duration = Duration::from_millis(100);

/// The same while messages are waited for that are under way.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// Of a dead letter's text, what is kept where the whole is too large for a message.
const LETTER_CHARS: usize = 64 << 10;

/// Produces score records to a topic as JSON; the key is the tenant, of a dead letter its shard.
///
/// The producer is idempotent: a message that is sent again by it stands once, and those of a key in the order in which
/// they were made. What was produced after the last checkpoint is produced again after a crash, with the same `id`.
pub struct KafkaSink {
    name: String,
    topic: String,
    producer: BaseProducer<WriterContext>,
}

impl KafkaSink {
    /// A sink that connects when it is given something.
    ///
    /// # Errors
    /// When properties cannot be so.
    pub fn new(topic: &str, options: &KafkaOptions, retries: Arc<Retries>) -> Result<Self, SinkError> {
        let name = format!("kafka:{topic}");
        let fail = |error: KafkaError| SinkError::new(&name, error);
        // The partitioner is the one of Java clients: a tenant's score records lie where other producers put them.
        let defaults = [("partitioner", "murmur2_random"), ("statistics.interval.ms", "5000")];
        let config = options.config(&defaults, &[("enable.idempotence", "true")]).map_err(fail)?;
        let producer = config.create_with_context(WriterContext::new(retries));
        let producer = producer.map_err(|source| fail(KafkaError::Client { source }))?;
        Ok(Self { topic: topic.to_owned(), producer, name })
    }

    fn fail(&self, error: KafkaError) -> SinkError {
        SinkError::new(&self.name, error)
    }

    fn check(&self) -> Result<(), SinkError> {
        self.producer.poll(Duration::ZERO);
        self.producer.context().check().map_err(|error| self.fail(error))
    }

    /// Gives a message to the client, and waits when that has too many; whether it could be taken at all.
    fn send(&self, key: &str, data: &[u8]) -> Result<bool, SinkError> {
        let mut record = BaseRecord::to(&self.topic).key(key).payload(data);
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(true),
                Err((ClientError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    self.producer.poll(QUEUE_WAIT);
                    self.check()?;
                }
                Err((ClientError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), _)) => return Ok(false),
                Err((source, _)) => return Err(self.fail(KafkaError::Undelivered { n: 1, last_error: None, source })),
            }
        }
    }

    fn json(&self, item: &impl serde::Serialize) -> Result<Vec<u8>, SinkError> {
        serde_json::to_vec(item).map_err(|source| SinkError::new(&self.name, source))
    }
}

impl Sink for KafkaSink {
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError> {
        for record in records {
            if !self.send(&record.tenant, &self.json(record)?)? {
                let source = ClientError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
                return Err(self.fail(KafkaError::Undelivered { n: 1, last_error: None, source }));
            }
        }
        self.check()
    }

    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        for letter in letters {
            let is_taken = self.send(&letter.source, &self.json(letter)?)?
                || self.send(&letter.source, &self.json(&letter.shortened(LETTER_CHARS))?)?
                || self.send(&letter.source, &self.json(&letter.shortened(0))?)?;
            if !is_taken {
                let source = ClientError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge);
                return Err(self.fail(KafkaError::Undelivered { n: 1, last_error: None, source }));
            }
        }
        self.check()
    }

    fn keep(&mut self) -> Result<SinkPosition, SinkError> {
        // Each message is delivered, or given up after `message.timeout.ms`.
        loop {
            match self.producer.flush(FLUSH_WAIT) {
                Ok(()) => break,
                Err(ClientError::Flush(RDKafkaErrorCode::OperationTimedOut)) => self.check()?,
                Err(source) => return Err(self.fail(KafkaError::Fatal { source })),
            }
        }
        self.check()?;
        Ok(SinkPosition::default())
    }

    /// Takes nothing back: readers tell what comes again by its `id`.
    fn restore(&mut self, _: SinkPosition) -> Result<(), SinkError> {
        Ok(())
    }
}
