//! Reads one shard to its end.

use std::sync::Arc;
use std::time::Duration;

use churn_events::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::calls::{Stream, children};
use super::shard_graph::ListedShard;
use super::source::{Ending, Message, Notice};
use super::start::From;
use crate::aws::{CallError, Fault, backoff};
use crate::now::{CLOCK_AHEAD_MS, now};
use crate::retries::Backoff;
use crate::{Batch, NoSequenceNumber, Position, Record, Retries, Retry, SequenceNumber, Shard, in_full};

/// Between two calls for the same shard, which allows five a second, to all its readers together.
const BETWEEN_CALLS: Duration = Duration::from_millis(220);
/// Before asking again a shard that had nothing and lies at its end.
const IDLE: Duration = Duration::from_secs(1);
/// How often a shard without records is heard of.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What reads a shard.
pub(super) struct ShardReader {
    /// Number of the stream among those of the source.
    pub(super) stream_number: usize,
    pub(super) stream: Stream,
    pub(super) id: String,
    pub(super) shard: Arc<Shard>,
    /// Where the next iterator begins.
    pub(super) from: From,
    pub(super) out: mpsc::UnboundedSender<Message>,
    /// Batches that may be under way or waiting.
    pub(super) permits: Arc<Semaphore>,
    pub(super) retries: Arc<Retries>,
    pub(super) notice: Notice,
}

impl ShardReader {
    /// Reads until the shard ends, the source is dropped, or trying again is no use.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.read().await {
            // Nobody listens any more when the source is dropped.
            let _ = self.out.send(Message::Failed(self.stream_number, error));
        }
    }

    async fn read(&mut self) -> Result<(), CallError> {
        let mut backoff = backoff();
        let mut iterator = None;
        let mut next_call = Instant::now();
        let mut last_sign: Option<Instant> = None;
        loop {
            let pointer = match iterator.take() {
                Some(pointer) => Some(pointer),
                None => self.iterator(&mut backoff).await?,
            };
            sleep_until(next_call).await;
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return Ok(()) };
            let Some(pointer) = pointer else {
                self.note_trimmed("has gone with its shard");
                let last = Batch { is_last: true, ..Batch::new(Arc::clone(&self.shard), Vec::new()) };
                self.send(last, Vec::new(), permit);
                return Ok(());
            };
            let called = Instant::now();
            next_call = called + BETWEEN_CALLS;
            let mut answer = match self.stream.records(&pointer).await {
                Ok(answer) => answer,
                Err(error) => {
                    drop(permit);
                    if self.mend(error, &mut backoff).await? {
                        iterator = Some(pointer);
                    }
                    continue;
                }
            };
            backoff.reset();
            iterator = answer.next_shard_iterator.take().filter(|pointer| !pointer.is_empty());
            let is_last = iterator.is_none();
            let children = if is_last { children(&answer) } else { Vec::new() };
            let behind_ms = answer.millis_behind_latest.and_then(|millis| u64::try_from(millis).ok());
            let records = self.take(answer.records)?;
            if records.is_empty() && behind_ms.unwrap_or(0) == 0 {
                next_call = called + IDLE;
            }
            let is_due = last_sign.is_none_or(|sign| called.duration_since(sign) >= SIGN_OF_LIFE);
            if is_last || is_due || !records.is_empty() {
                // That a shard has come to its end is said at once: others may wait for that word.
                last_sign = records.is_empty().then_some(called);
                let batch = Batch { behind_ms, is_last, ..Batch::new(Arc::clone(&self.shard), records) };
                self.send(batch, children, permit);
            }
            if is_last || self.out.is_closed() {
                return Ok(());
            }
        }
    }

    /// An iterator of where to go on; none when the shard has gone.
    async fn iterator(&mut self, backoff: &mut Backoff) -> Result<Option<String>, CallError> {
        loop {
            let asked_at = now();
            let answer = self.stream.iterator(&self.id, self.from).await;
            if self.from == From::Latest {
                // "Now" would be another one the next time, or when this iterator has to be replaced before a record came;
                // and what is now for us may not have come for the stream.
                self.from = From::Time(Timestamp::from_millis(asked_at.millis() - CLOCK_AHEAD_MS));
            }
            match answer {
                Ok(iterator) => return Ok(Some(iterator)),
                Err(CallError { fault: Fault::Wrong | Fault::NotFound, .. })
                    if matches!(self.from, From::Record(_) | From::After(_)) =>
                {
                    self.note_trimmed("is no longer known");
                    self.from = From::TrimHorizon;
                }
                Err(error) if error.fault == Fault::NotFound => {
                    // The stream, or only this shard: its last record is then older than what the stream keeps.
                    match self.stream.list().await {
                        Ok(listed) if listed.iter().all(|shard| shard.id != self.id) => return Ok(None),
                        Ok(_) => return Err(error),
                        Err(error) => self.mend(error, backoff).await?,
                    };
                }
                Err(error) => {
                    self.mend(error, backoff).await?;
                }
            }
        }
    }

    /// Waits where waiting helps; says whether the iterator is still good.
    async fn mend(&self, error: CallError, backoff: &mut Backoff) -> Result<bool, CallError> {
        let (why, is_good) = match error.fault {
            Fault::Throttled => (Retry::Throttled, true),
            Fault::Failed => (Retry::Failed, true),
            Fault::Expired => (Retry::ExpiredIterator, false),
            // Another way of saying that the iterator is old; a new one is taken, or the service explains itself there.
            Fault::Wrong if error.operation == "GetRecords" && backoff.failures() < 5 => {
                (Retry::ExpiredIterator, false)
            }
            Fault::NotFound | Fault::Refused | Fault::Wrong => return Err(error),
        };
        self.retries.count(error.operation, why, 1);
        if backoff.failures() == 10 {
            (self.notice)(&format!("{}: failed ten times, trying on: {}", self.shard.name, in_full(&error)));
        }
        let wait = backoff.after_failure();
        // An old iterator is no reason to wait, unless its successor is as old.
        if error.fault != Fault::Expired || backoff.failures() > 1 {
            sleep(wait).await;
        }
        Ok(is_good)
    }

    /// The records of an answer; reading goes on after them.
    fn take(&mut self, records: Vec<aws_sdk_kinesis::types::Record>) -> Result<Vec<Record>, CallError> {
        let records = records.into_iter().map(read).collect::<Result<Vec<Record>, CallError>>()?;
        if let (Some(first), From::Record(expected)) = (records.first(), self.from)
            && first.position.sequence != expected
        {
            self.note_trimmed("was trimmed");
        }
        if let Some(last) = records.last() {
            self.from = From::After(last.position.sequence);
        }
        Ok(records)
    }

    fn note_trimmed(&self, what: &str) {
        self.retries.note_trimmed();
        (self.notice)(&format!(
            "{}: the record where reading stopped {what}: records after it are lost if they were trimmed, too; reading \
             goes on with the oldest that the stream has. Keep records for longer than the consumer may stand still.",
            self.shard.name
        ));
    }

    fn send(&self, batch: Batch, children: Vec<ListedShard>, permit: OwnedSemaphorePermit) {
        let ending = Ending { stream: self.stream_number, id: self.id.clone(), children, _permit: permit };
        // Nobody listens any more when the source is dropped.
        let _ = self.out.send(Message::Batch(batch, ending));
    }
}

/// A record as it came. One without a place can neither be kept nor passed over.
fn read(record: aws_sdk_kinesis::types::Record) -> Result<Record, CallError> {
    let no_place = |error: NoSequenceNumber| CallError {
        operation: "GetRecords",
        fault: Fault::Wrong,
        source: format!("the sequence number of a record {error}").into(),
    };
    let sequence: SequenceNumber = record.sequence_number.parse().map_err(no_place)?;
    let arrived_at = record.approximate_arrival_timestamp.and_then(|time| time.to_millis().ok());
    Ok(Record {
        position: Position { sequence, sub_sequence: 0 },
        arrived_at: arrived_at.map(Timestamp::from_millis),
        data: record.data.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::primitives::{Blob, DateTime};

    use super::*;

    #[test]
    fn a_record_without_a_place_is_an_error_and_not_left_out() {
        let record = |number: &str| {
            let record = aws_sdk_kinesis::types::Record::builder().sequence_number(number).partition_key("t");
            record.data(Blob::new(*b"x")).approximate_arrival_timestamp(DateTime::from_millis(7)).build()
        };
        let found = read(record("49").expect("is whole")).expect("is read");
        assert_eq!((found.position, found.arrived_at), (Position::of(49), Some(Timestamp::from_millis(7))));
        let error = read(record("x").expect("is whole")).expect_err("has no place");
        assert_eq!(error.fault, Fault::Wrong);
        let told = in_full(&error);
        assert!(told.contains("the sequence number of a record is \"x\" where a sequence number of 1 to"), "{told}");
    }
}
