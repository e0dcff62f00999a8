//! Up to when everything has been received.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use churn_events::{ObservationDate, Timestamp};
use churn_streaming::{Batch, ConsumeError, Consumer};

/// A shard that has said nothing for so long holds nobody back: it has nothing, or has ended. Long enough for a shard that
/// came of another to be heard, and for all to be heard after a start.
const SILENCE: Duration = Duration::from_secs(10);

/// Up to when everything has been received, as far as one can know: no shard that has something to give is behind it.
///
/// Times of being received come from the log, and so its clock is the log's own: when all shards are silent, it goes on as
/// ours does. Ours counts from the start of the process.
#[derive(Debug, Default)]
struct Watermark {
    shards: BTreeMap<String, Reached>,
    has_ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    /// When its last event was received.
    received_at: Option<Timestamp>,
    /// When it was heard.
    heard: Duration,
}

impl Watermark {
    /// Shards that were read before, and have not been heard yet.
    fn begin<'a>(shards: impl Iterator<Item = &'a String>) -> Self {
        let unheard = Reached { received_at: None, heard: Duration::ZERO };
        Self { shards: shards.map(|shard| (shard.clone(), unheard)).collect(), has_ended: false }
    }

    /// Takes note of a batch, whose last event was received then.
    fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>, now: Duration) {
        if batch.is_sign_of_life() {
            return;
        }
        if !self.shards.contains_key(&batch.shard.name) {
            self.shards.insert(batch.shard.name.clone(), Reached { received_at: None, heard: now });
        }
        if let Some(shard) = self.shards.get_mut(&batch.shard.name) {
            *shard = Reached { received_at: shard.received_at.max(received_at), heard: now };
        }
    }

    /// No shard will give anything more.
    fn note_end(&mut self) {
        self.has_ended = true;
    }

    /// Up to when everything has been received; nothing before that is known.
    fn at(&self, now: Duration) -> Option<Timestamp> {
        let latest = self.shards.values().copied().max_by_key(|shard| shard.received_at)?;
        if self.has_ended {
            return latest.received_at;
        }
        if now < SILENCE {
            return None;
        }
        let mut speaking = self.shards.values().filter(|shard| now - shard.heard.min(now) < SILENCE).peekable();
        if speaking.peek().is_some() {
            // One that has not given an event yet comes first in this order, and holds back everybody.
            return speaking.map(|shard| shard.received_at).min().flatten();
        }
        let since_ms = i64::try_from((now - latest.heard.min(now)).as_millis()).unwrap_or(0);
        latest.received_at.map(|received_at| Timestamp::from_millis(received_at.millis() + since_ms))
    }
}

/// Scores whoever is due by date, once for each date.
#[derive(Debug)]
pub(crate) struct Calendar {
    begun: Instant,
    watermark: Watermark,
    last: Option<ObservationDate>,
}

impl Calendar {
    /// Goes on where a consumer was.
    pub(crate) fn begin(consumer: &Consumer) -> Self {
        let (positions, ended) = (consumer.processor().positions(), consumer.processor().ended());
        let shards = positions.keys().filter(|shard| !ended.contains(*shard));
        Self { begun: Instant::now(), watermark: Watermark::begin(shards), last: None }
    }

    /// Takes note of a batch, whose last event was received then.
    pub(crate) fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>) {
        self.watermark.note(batch, received_at, self.begun.elapsed());
    }

    /// No shard will give anything more.
    pub(crate) fn note_end(&mut self) {
        self.watermark.note_end();
    }

    /// Scores whoever is due.
    pub(crate) fn advance(&mut self, consumer: &mut Consumer) -> Result<(), ConsumeError> {
        let date = self.watermark.at(self.begun.elapsed()).map(Timestamp::date);
        if let Some(date) = date.filter(|date| self.last.is_none_or(|last| *date > last)) {
            self.last = Some(date);
            consumer.advance_to(date)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use churn_streaming::{Position, Record, SequenceNumber, Shard};

    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn note(watermark: &mut Watermark, shard: &str, received_s: Option<i64>, now: Duration) {
        let record = Record { position: Position::of(SequenceNumber::from(1)), arrived_at: None, data: Vec::new() };
        let records = received_s.map(|_| record).into_iter().collect();
        let batch = Batch::new(Arc::new(Shard::new("s", shard)), records);
        watermark.note(&batch, received_s.map(|seconds| Timestamp::from_millis(seconds * 1_000)), now);
    }

    fn seconds(watermark: &Watermark, now: Duration) -> Option<i64> {
        watermark.at(now).map(|time| time.millis() / 1_000)
    }

    #[test]
    fn the_shard_that_is_furthest_behind_holds_until_it_is_silent() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(11));
        note(&mut watermark, "b", Some(400), at(12));
        assert_eq!(seconds(&watermark, at(13)), Some(400));
        note(&mut watermark, "a", Some(600), at(20));
        note(&mut watermark, "b", None, at(21));
        assert_eq!(seconds(&watermark, at(21)), Some(400), "a sign of life is no event");
        assert_eq!(seconds(&watermark, at(22)), Some(600));
        note(&mut watermark, "b", Some(450), at(23));
        assert_eq!(seconds(&watermark, at(23)), Some(450), "whoever speaks again counts again");
    }

    #[test]
    fn nothing_is_known_before_all_had_time_to_speak() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut watermark = Watermark::begin(names.iter());
        note(&mut watermark, "a", Some(500), at(1));
        assert_eq!(seconds(&watermark, at(9)), None);
        assert_eq!(seconds(&watermark, at(10)), Some(500), "b has been silent since the start");
    }

    #[test]
    fn when_all_are_silent_the_logs_clock_goes_on() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(20));
        note(&mut watermark, "b", Some(480), at(22));
        assert_eq!(seconds(&watermark, at(40)), Some(520));
        watermark.note_end();
        assert_eq!(seconds(&watermark, at(40)), Some(500), "a file that has ended has no clock");
        assert_eq!(seconds(&Watermark::default(), at(40)), None);
    }
}
