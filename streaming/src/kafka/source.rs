use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::topic::TopicReader;
use super::{KafkaError, KafkaOptions};
use crate::{Batch, Next, Position, Retries, Source, SourceError};

/// How often it is looked whether topics have been given more partitions.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long one of several topics is waited for while another may have something.
const TURN: Duration = Duration::from_millis(20);

/// Topics that are read side by side, each partition a shard `TOPIC/PARTITION`.
///
/// Partitions are assigned, not shared out by a consumer group: the states of a partition's tenants lie in one folder, and
/// a group that gave the partition to another process would not take them along. The positions that count are those of the
/// checkpoint; offsets are committed after it, for those who look at lag.
pub struct KafkaSource {
    topics: Vec<TopicReader>,
    /// The topic that is asked next.
    turn: usize,
    ready: VecDeque<Batch>,
    /// When it was looked for more partitions; never when only some are read.
    looked: Option<Instant>,
}

impl KafkaSource {
    /// Connects, and reads on behind the positions of the checkpoint.
    ///
    /// # Errors
    /// When brokers do not answer, topics or partitions are not there, or the positions do not fit them.
    pub fn open(
        topics: &[String],
        options: &KafkaOptions,
        retries: &Arc<Retries>,
        positions: &BTreeMap<String, Position>,
    ) -> Result<Self, SourceError> {
        let mut readers: Vec<TopicReader> = Vec::new();
        for topic in topics {
            let fail = |error: KafkaError| SourceError::new(format!("kafka:{topic}"), error);
            if readers.iter().any(|reader| reader.topic() == topic) {
                continue;
            }
            let reader = TopicReader::open(topic, options, Arc::clone(retries), positions).map_err(fail)?;
            if let Some(first) = readers.first().filter(|_| options.partitions.is_some())
                && first.n_partitions() != reader.n_partitions()
            {
                return Err(fail(KafkaError::Uneven {
                    first: first.topic().to_owned(),
                    in_first: first.n_partitions(),
                    second: topic.clone(),
                    in_second: reader.n_partitions(),
                }));
            }
            readers.push(reader);
        }
        for shard in positions.keys() {
            let reader = readers.iter().find(|reader| reader.is_of_topic(shard));
            if let Some(reader) = reader.filter(|reader| !reader.has(shard)) {
                let error = KafkaError::LeftOut { shard: shard.clone() };
                return Err(SourceError::new(format!("kafka:{}", reader.topic()), error));
            }
        }
        let looked = options.partitions.is_none().then(Instant::now);
        Ok(Self { topics: readers, turn: 0, ready: VecDeque::new(), looked })
    }

    /// Asks topic after topic; whether one had something.
    fn poll(&mut self, wait: Duration) -> Result<bool, SourceError> {
        for _ in 0..self.topics.len() {
            let turn = self.turn;
            self.turn = (turn + 1) % self.topics.len();
            let topic = &mut self.topics[turn];
            let polled = topic.poll(wait, &mut self.ready);
            polled.map_err(|error| SourceError::new(format!("kafka:{}", topic.topic()), error))?;
            if !self.ready.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn look_for_more(&mut self) -> Result<(), SourceError> {
        if self.looked.is_none_or(|looked| looked.elapsed() < LOOK_EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        for topic in &mut self.topics {
            let looked = topic.look_for_more();
            looked.map_err(|error| SourceError::new(format!("kafka:{}", topic.topic()), error))?;
        }
        Ok(())
    }
}

impl Source for KafkaSource {
    fn reading(&self) -> BTreeSet<String> {
        self.topics.iter().flat_map(TopicReader::shard_names).map(str::to_owned).collect()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Next::Batch(batch));
        }
        self.look_for_more()?;
        let begun = Instant::now();
        let turn = if self.topics.len() == 1 { wait } else { wait.min(TURN) };
        let mut has_some = self.poll(Duration::ZERO)?;
        while !has_some && begun.elapsed() < wait {
            has_some = self.poll(turn)?;
        }
        Ok(self.ready.pop_front().map_or(Next::Idle, Next::Batch))
    }

    fn note_checkpoint(&mut self, positions: &BTreeMap<String, Position>) -> Result<(), SourceError> {
        for topic in &mut self.topics {
            // The positions that count are safe already.
            if topic.commit(positions).is_err() {
                topic.note_failed_commit();
            }
        }
        Ok(())
    }
}
