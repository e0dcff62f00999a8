//! What librdkafka tells beside messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError as ClientError, KafkaResult};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::KafkaError;
use crate::{Retries, Retry};

/// What a reader and a writer note alike.
#[derive(Debug)]
struct Notes {
    retries: Arc<Retries>,
    last_error: Mutex<Option<String>>,
    /// Requests that the client has sent again so far.
    resent: AtomicU64,
}

/// What the client of a reader tells.
#[derive(Debug)]
pub(super) struct ReaderContext {
    notes: Notes,
    topic: String,
    /// Where each partition ends: the number that its next record will have.
    ends: Mutex<BTreeMap<i32, i64>>,
    /// How each partition is asked for records, as of a second ago.
    asked: Mutex<BTreeMap<i32, Asked>>,
    /// How often something was told.
    told: AtomicU64,
}

/// How a partition is asked for records: one request after another goes to its broker, each after the answer to the one
/// before, or after a connection that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    broker: i32,
    connects: i64,
    fetches: i64,
}

impl Asked {
    /// Whether one of the requests since then has been answered: with two of them, the first.
    pub(super) fn is_answered_since(&self, then: &Self) -> bool {
        self.is_connected_as(then) && self.fetches >= then.fetches.saturating_add(2)
    }

    pub(super) fn is_connected_as(&self, then: &Self) -> bool {
        (self.broker, self.connects) == (then.broker, then.connects)
    }
}

/// What the client of a writer tells.
#[derive(Debug)]
pub(super) struct WriterContext {
    notes: Notes,
    failures: Mutex<Option<(u64, ClientError)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Notes {
    fn new(retries: Arc<Retries>) -> Self {
        Self { retries, last_error: Mutex::new(None), resent: AtomicU64::new(0) }
    }

    fn note_error(&self, operation: &'static str) {
        self.retries.count(operation, Retry::Failed, 1);
    }

    fn note_reason(&self, reason: &str) {
        *lock(&self.last_error) = Some(reason.to_owned());
    }

    /// Takes note of requests that the client has sent again by itself.
    fn note_resent(&self, statistics: &Statistics) {
        let resent = statistics.brokers.values().map(|broker| broker.txretries).sum();
        let before = self.resent.fetch_max(resent, Ordering::Relaxed);
        if resent > before {
            self.retries.count("Request", Retry::Failed, resent - before);
        }
    }
}

impl ReaderContext {
    pub(super) fn new(topic: &str, retries: Arc<Retries>) -> Self {
        let (ends, asked) = (Mutex::default(), Mutex::default());
        Self { notes: Notes::new(retries), topic: topic.to_owned(), ends, asked, told: AtomicU64::new(0) }
    }

    pub(super) fn note_error(&self, operation: &'static str) {
        self.notes.note_error(operation);
    }

    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.notes.last_error).clone()
    }

    /// How many records a partition has from that one on, as of a second ago.
    pub(super) fn behind(&self, partition: i32, next: i64) -> Option<u64> {
        lock(&self.ends).get(&partition).map(|end| u64::try_from(end - next).unwrap_or(0))
    }

    /// How a partition is asked for records; `None` when no broker has it, or nothing was told yet.
    pub(super) fn asked(&self, partition: i32) -> Option<Asked> {
        lock(&self.asked).get(&partition).copied()
    }

    /// How often something was told: a poll that was, and found no message, has not looked for one behind it.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    fn note_told(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn note_asked(&self, statistics: &Statistics) {
        let mut asked = lock(&self.asked);
        asked.clear();
        for broker in statistics.brokers.values() {
            let fetches = broker.req.get("Fetch").copied().unwrap_or(0);
            let now = Asked { broker: broker.nodeid, connects: broker.connects.unwrap_or(0), fetches };
            let partitions = broker.toppars.values().filter(|partition| partition.topic == self.topic);
            asked.extend(partitions.map(|partition| (partition.partition, now)));
        }
    }
}

impl WriterContext {
    pub(super) fn new(retries: Arc<Retries>) -> Self {
        Self { notes: Notes::new(retries), failures: Mutex::new(None) }
    }

    /// Whether all messages whose fate is known were delivered.
    pub(super) fn check(&self) -> Result<(), KafkaError> {
        match lock(&self.failures).take() {
            Some((n, source)) => {
                Err(KafkaError::Undelivered { n, last_error: lock(&self.notes.last_error).clone(), source })
            }
            None => Ok(()),
        }
    }
}

impl ClientContext for ReaderContext {
    // Lines of the client's own: what matters of them comes as errors.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.note_told();
        self.notes.note_resent(&statistics);
        self.note_asked(&statistics);
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let known = topic.partitions.iter().filter(|(_, partition)| partition.ls_offset >= 0);
        lock(&self.ends).extend(known.map(|(number, partition)| (*number, partition.ls_offset)));
    }

    /// What is told here comes as the answer of a poll, too, and is counted there; this is in more words.
    fn error(&self, _: ClientError, reason: &str) {
        self.note_told();
        self.notes.note_reason(reason);
    }
}

impl ConsumerContext for ReaderContext {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.note_told();
        if result.is_err() {
            self.note_error("OffsetCommit");
        }
    }
}

impl ClientContext for WriterContext {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn stats(&self, statistics: Statistics) {
        self.notes.note_resent(&statistics);
    }

    fn error(&self, _: ClientError, reason: &str) {
        self.notes.note_error("Connect");
        self.notes.note_reason(reason);
    }
}

impl ProducerContext for WriterContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failures = lock(&self.failures);
            match &mut *failures {
                Some((n, _)) => *n += 1,
                None => *failures = Some((1, error.clone())),
            }
        }
    }
}
