//! One topic's partitions, read side by side.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_events::Timestamp;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError as ClientError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::context::{Asked, ReaderContext};
use super::{KafkaError, KafkaOptions};
use crate::{Batch, Position, Record, Retries, SequenceNumber, Shard};

/// Records and bytes that are handed out at once.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

/// How long brokers may take to answer the first questions.
const PATIENCE: Duration = Duration::from_secs(15);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// The same of a question that is asked while reading, and of which nothing depends on the answer.
const SHORT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client of ours does unless it is told otherwise. Positions are kept beside the states: where one is not in the
/// topic any more, nobody but an operator can say how to go on.
const DEFAULTS: [(&str, &str); 3] =
    [("group.id", "churn-consume"), ("auto.offset.reset", "error"), ("statistics.interval.ms", "1000")];

/// What must be so. A partition says when it has nothing more, and offsets are committed after checkpoints only.
const FIXED: [(&str, &str); 4] = [
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

pub(super) struct TopicReader {
    topic: String,
    consumer: BaseConsumer<ReaderContext>,
    /// The partitions that are read.
    shards: BTreeMap<i32, Arc<Shard>>,
    /// Those that are at their end, each with how it had been asked for more when it last said so.
    at_end: BTreeMap<i32, Option<Asked>>,
    /// How many the topic has.
    n_partitions: usize,
    /// What was committed of each: the number of the record that comes next.
    committed: BTreeMap<i32, i64>,
    reset: Reset,
}

/// What is done where a position is not in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    Error,
    Earliest,
    Latest,
}

impl TopicReader {
    /// Connects, and reads on behind the positions.
    pub(super) fn open(
        topic: &str,
        options: &KafkaOptions,
        retries: Arc<Retries>,
        positions: &BTreeMap<String, Position>,
    ) -> Result<Self, KafkaError> {
        let config = options.config(&DEFAULTS, &FIXED)?;
        let reset = match config.get("auto.offset.reset") {
            Some("earliest" | "smallest" | "beginning") => Reset::Earliest,
            Some("latest" | "largest" | "end") => Reset::Latest,
            _ => Reset::Error,
        };
        let consumer = config.create_with_context(ReaderContext::new(topic, retries));
        let consumer: BaseConsumer<ReaderContext> = consumer.map_err(|source| KafkaError::Client { source })?;
        let (topic_name, shards, at_end) = (topic.to_owned(), BTreeMap::new(), BTreeMap::new());
        let committed = BTreeMap::new();
        let mut reader = Self { topic: topic_name, consumer, shards, at_end, n_partitions: 0, committed, reset };
        let found = reader.ask("Metadata", PATIENCE, |reader| reader.count_partitions(REQUEST_TIMEOUT))??;
        reader.n_partitions = found;
        let wanted: Vec<i32> = match &options.partitions {
            Some(partitions) => partitions.0.iter().copied().collect(),
            None => (0..).take(found).collect(),
        };
        if let Some(&partition) = wanted.iter().find(|partition| **partition as usize >= found) {
            return Err(KafkaError::NoPartition { topic: topic.to_owned(), found, partition });
        }
        let mut starts = Vec::with_capacity(wanted.len());
        for partition in wanted {
            let position = positions.get(&reader.shard_name(partition)).map(|position| offset_of(*position));
            starts.push((partition, reader.start(partition, position)?));
        }
        reader.assign(&starts)?;
        Ok(reader)
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn n_partitions(&self) -> usize {
        self.n_partitions
    }

    pub(super) fn shard_names(&self) -> impl Iterator<Item = &str> {
        self.shards.values().map(|shard| shard.name.as_str())
    }

    pub(super) fn has(&self, shard: &str) -> bool {
        self.shard_names().any(|known| known == shard)
    }

    /// Whether a shard of that name is, or was, one of this topic's partitions.
    pub(super) fn is_of_topic(&self, shard: &str) -> bool {
        let partition = shard.strip_prefix(&self.topic).and_then(|rest| rest.strip_prefix('/'));
        partition.is_some_and(|partition| partition.parse::<u32>().is_ok())
    }

    /// Adds what has come, after waiting for it, to `ready`.
    pub(super) fn poll(&mut self, wait: Duration, ready: &mut VecDeque<Batch>) -> Result<(), KafkaError> {
        let begin = ready.len();
        let (mut wait, mut records, mut bytes) = (wait, 0, 0);
        while records < BATCH_RECORDS && bytes < BATCH_BYTES {
            let told = self.consumer.context().told();
            match self.consumer.poll(std::mem::replace(&mut wait, Duration::ZERO)) {
                None if self.consumer.context().told() != told => {}
                None => {
                    self.say_who_is_silent(ready);
                    break;
                }
                Some(Ok(message)) => {
                    records += 1;
                    bytes += message.payload_len();
                    self.at_end.remove(&message.partition());
                    self.put(&message, ready, begin);
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    if let Some(shard) = self.shards.get(&partition) {
                        ready.push_back(sign_of_life(shard));
                        self.at_end.insert(partition, None);
                    }
                }
                Some(Err(error)) => self.judge(error)?,
            }
        }
        for batch in ready.range_mut(begin..) {
            if let Some(last) = batch.records.last() {
                let partition = self.partition_of(&batch.shard);
                batch.behind_records = partition
                    .and_then(|partition| self.consumer.context().behind(partition, offset_of(last.position) + 1));
            }
        }
        Ok(())
    }

    /// Adds the word of partitions that still have nothing. A partition says once that it is at its end; from then on, every
    /// answer of its broker that brought nothing says so again, and a broker that is away says nothing.
    fn say_who_is_silent(&mut self, ready: &mut VecDeque<Batch>) {
        for (partition, then) in &mut self.at_end {
            let Some(now) = self.consumer.context().asked(*partition) else {
                // Its next leader begins anew, and may be the same.
                *then = None;
                continue;
            };
            let is_answered = then.is_some_and(|then| now.is_answered_since(&then));
            if is_answered && let Some(shard) = self.shards.get(partition) {
                ready.push_back(sign_of_life(shard));
            }
            if is_answered || then.is_none_or(|then| !now.is_connected_as(&then)) {
                *then = Some(now);
            }
        }
    }

    /// Adds a message to the batch of its partition, unless that has ended meanwhile.
    fn put(&self, message: &impl Message, ready: &mut VecDeque<Batch>, begin: usize) {
        let Some(shard) = self.shards.get(&message.partition()) else { return };
        let arrived_at = message.timestamp().to_millis().filter(|millis| *millis >= 0).map(Timestamp::from_millis);
        // A message without a payload says that a key is to be forgotten, which is no event.
        let data = message.payload().unwrap_or_default().to_vec();
        let sequence = SequenceNumber::from(u64::try_from(message.offset()).unwrap_or(0));
        let record = Record { position: Position::of(sequence), arrived_at, data };
        let batch = ready.range_mut(begin..).rfind(|batch| Arc::ptr_eq(&batch.shard, shard));
        match batch.filter(|batch| !batch.records.is_empty()) {
            Some(batch) => batch.records.push(record),
            None => ready.push_back(Batch::new(Arc::clone(shard), vec![record])),
        }
    }

    /// What the client does not mend itself is an error; anything else is counted, and goes by.
    fn judge(&self, error: ClientError) -> Result<(), KafkaError> {
        match error {
            ClientError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                Err(KafkaError::Removed { topic: self.topic.clone() })
            }
            ClientError::MessageConsumptionFatal(_) | ClientError::MessageConsumption(RDKafkaErrorCode::Fatal) => {
                Err(KafkaError::Fatal { source: error })
            }
            _ => {
                self.consumer.context().note_error("Fetch");
                Ok(())
            }
        }
    }

    /// Commits offsets, so that tools that watch consumer groups see how far we are; nobody reads them back.
    pub(super) fn commit(&mut self, positions: &BTreeMap<String, Position>) -> KafkaResult<()> {
        let mut offsets = TopicPartitionList::new();
        let mut committed = Vec::new();
        for (&partition, shard) in &self.shards {
            let Some(next) = positions.get(&shard.name).map(|position| offset_of(*position) + 1) else { continue };
            if self.committed.get(&partition) != Some(&next) {
                offsets.add_partition_offset(&self.topic, partition, Offset::Offset(next))?;
                committed.push((partition, next));
            }
        }
        if !committed.is_empty() {
            self.consumer.commit(&offsets, CommitMode::Async)?;
            self.committed.extend(committed);
        }
        Ok(())
    }

    pub(super) fn note_failed_commit(&self) {
        self.consumer.context().note_error("OffsetCommit");
    }

    /// Reads partitions, too, that the topic has been given since it was opened, from their beginning.
    pub(super) fn look_for_more(&mut self) -> Result<(), KafkaError> {
        let found = match self.count_partitions(SHORT_TIMEOUT) {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => return Ok(()),
            Err(_) => {
                self.consumer.context().note_error("Metadata");
                return Ok(());
            }
        };
        let more: Vec<(i32, Offset)> =
            (0..).take(found).skip(self.n_partitions).map(|partition| (partition, Offset::Beginning)).collect();
        if !more.is_empty() {
            self.assign(&more)?;
            self.n_partitions = found;
        }
        Ok(())
    }

    fn assign(&mut self, starts: &[(i32, Offset)]) -> Result<(), KafkaError> {
        let mut assignment = TopicPartitionList::new();
        let put = |(partition, offset): &(i32, Offset)| {
            assignment.add_partition_offset(&self.topic, *partition, *offset).map(drop)
        };
        let assigned = starts.iter().try_for_each(put).and_then(|()| self.consumer.incremental_assign(&assignment));
        assigned.map_err(|source| KafkaError::Fatal { source })?;
        for (partition, _) in starts {
            let shard = Shard::new(self.topic.clone(), self.shard_name(*partition));
            self.shards.insert(*partition, Arc::new(shard));
        }
        Ok(())
    }

    /// Where reading of a partition begins.
    fn start(&self, partition: i32, position: Option<i64>) -> Result<Offset, KafkaError> {
        let Some(position) = position else {
            return Ok(if self.reset == Reset::Latest { Offset::End } else { Offset::Beginning });
        };
        let next = position + 1;
        if self.reset == Reset::Error {
            let watermarks =
                |reader: &Self| reader.consumer.fetch_watermarks(&reader.topic, partition, REQUEST_TIMEOUT);
            let (first, end) = self.ask("ListOffsets", PATIENCE, watermarks)?;
            if next < first {
                return Err(KafkaError::Gone { shard: self.shard_name(partition), next, last: first - 1 });
            }
            if next > end {
                return Err(KafkaError::Cut { shard: self.shard_name(partition), position, end });
            }
        }
        Ok(Offset::Offset(next))
    }

    /// How many partitions the topic has, or why it is not there.
    fn count_partitions(&self, timeout: Duration) -> KafkaResult<Result<usize, KafkaError>> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), timeout)?;
        let found = metadata.topics().iter().find(|found| found.name() == self.topic);
        let error = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
        match (found, error) {
            (_, Some(passing @ RDKafkaErrorCode::LeaderNotAvailable)) => Err(ClientError::MetadataFetch(passing)),
            (Some(found), None) if !found.partitions().is_empty() => Ok(Ok(found.partitions().len())),
            (_, error) => {
                let reason = error.unwrap_or(RDKafkaErrorCode::UnknownTopicOrPartition).to_string();
                Ok(Err(KafkaError::Topic { topic: self.topic.clone(), reason }))
            }
        }
    }

    /// Asks until there is an answer, or patience has run out.
    fn ask<T>(
        &self,
        operation: &'static str,
        patience: Duration,
        ask: impl Fn(&Self) -> KafkaResult<T>,
    ) -> Result<T, KafkaError> {
        let begun = Instant::now();
        loop {
            let source = match ask(self) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.consumer.context().note_error(operation);
            // Nothing is assigned yet: what comes is what the client has to say about brokers.
            if let Some(Err(error)) = self.consumer.poll(PAUSE) {
                self.judge(error)?;
            }
            if begun.elapsed() >= patience {
                return Err(KafkaError::Unreachable { last_error: self.consumer.context().last_error(), source });
            }
        }
    }

    fn shard_name(&self, partition: i32) -> String {
        format!("{}/{partition}", self.topic)
    }

    fn partition_of(&self, shard: &Arc<Shard>) -> Option<i32> {
        self.shards.iter().find(|(_, known)| Arc::ptr_eq(known, shard)).map(|(partition, _)| *partition)
    }
}

/// The word of a partition that has nothing at the moment.
fn sign_of_life(shard: &Arc<Shard>) -> Batch {
    Batch { behind_records: Some(0), ..Batch::new(Arc::clone(shard), Vec::new()) }
}

/// A position as Kafka counts it. One that is longer than any offset is not of Kafka, and lies behind every end.
fn offset_of(position: Position) -> i64 {
    position.sequence.to_string().parse().unwrap_or(i64::MAX - 1)
}
