//! Up to when everything has been received.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use churn_events::{ObservationDate, Timestamp};
use churn_streaming::{Batch, ConsumeError, Consumer};

/// A shard that has said for so long that it has nothing, or that ended so long ago, holds nobody back. Long enough for a
/// shard that came of another to be heard, and for all to be heard after a start.
const SILENCE: Duration = Duration::from_secs(10);

/// A shard of the checkpoint that has not been heard for so long is not read any more.
const LOST: Duration = Duration::from_secs(60);

/// Up to when everything has been received, as far as one can know: no shard that has something to give is behind it.
///
/// Times of being received come from the log, and so its clock is the log's own: when all shards are silent, it goes on as
/// ours does. Ours counts from the start of the process.
#[derive(Debug, Default)]
struct Watermark {
    shards: BTreeMap<String, Reached>,
    /// Those that have ended.
    ended: BTreeSet<String>,
    /// When the event that was received last was, in this life or one before.
    received_up_to: Option<Timestamp>,
    has_ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    /// When its last event was received.
    received_at: Option<Timestamp>,
    /// When its last event was heard.
    heard: Duration,
    /// When it said last that it has nothing, or that it has ended; to be believed when it said so some time after its last
    /// event, however long this process stood still in between.
    quiet: Option<Duration>,
}

impl Reached {
    /// Whether nobody has to wait for it.
    fn is_silent(&self, now: Duration) -> bool {
        match self.quiet {
            Some(quiet) => quiet.saturating_sub(self.heard) >= SILENCE,
            None => self.received_at.is_none() && now >= LOST,
        }
    }
}

impl Watermark {
    /// Shards that were read before, and have not been heard yet.
    fn begin<'a>(shards: impl Iterator<Item = &'a String>, received_up_to: Option<Timestamp>) -> Self {
        let unheard = Reached { received_at: None, heard: Duration::ZERO, quiet: None };
        let shards = shards.map(|shard| (shard.clone(), unheard)).collect();
        Self { shards, ended: BTreeSet::new(), received_up_to, has_ended: false }
    }

    /// Takes note of a batch, whose last event was received then.
    fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>, now: Duration) {
        self.received_up_to = self.received_up_to.max(received_at);
        if batch.is_last {
            // Those that came of it may not have been heard yet, so it stays for a while.
            self.ended.insert(batch.shard.name.clone());
        }
        let unheard = Reached { received_at: None, heard: now, quiet: None };
        let shard = self.shards.entry(batch.shard.name.clone()).or_insert(unheard);
        if !batch.records.is_empty() {
            *shard = Reached { received_at: shard.received_at.max(received_at), heard: now, quiet: None };
        }
        // One that is behind and got nothing has something to give all the same.
        if batch.is_sign_of_life() && batch.behind_ms.unwrap_or(0) == 0 {
            shard.quiet = Some(now);
        }
    }

    /// No shard will give anything more.
    fn note_end(&mut self) {
        self.has_ended = true;
    }

    /// Up to when everything has been received; nothing before that is known.
    fn at(&self, now: Duration) -> Option<Timestamp> {
        if self.has_ended {
            return self.received_up_to;
        }
        if now < SILENCE {
            return None;
        }
        let is_gone = |name: &String, shard: &Reached| {
            self.ended.contains(name) && now.saturating_sub(shard.heard) >= SILENCE || shard.is_silent(now)
        };
        let mut speaking = self.shards.iter().filter(|(name, shard)| !is_gone(name, shard)).peekable();
        if speaking.peek().is_some() {
            // One that has not given an event yet comes first in this order, and holds back everybody.
            return speaking.map(|(_, shard)| shard.received_at).min().flatten();
        }
        let heard = self.shards.values().filter(|shard| shard.received_at.is_some()).map(|shard| shard.heard).max();
        let since_ms = i64::try_from(now.saturating_sub(heard.unwrap_or_default()).as_millis()).unwrap_or(0);
        self.received_up_to.map(|received_at| Timestamp::from_millis(received_at.millis().saturating_add(since_ms)))
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
        let received_up_to = consumer.processor().received_up_to();
        Self { begun: Instant::now(), watermark: Watermark::begin(shards, received_up_to), last: None }
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

#[cfg(all(test, feature = "kafka"))]
mod kafka_tests;

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
    fn the_shard_that_is_furthest_behind_holds_until_it_is_quiet() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(11));
        note(&mut watermark, "b", Some(400), at(12));
        assert_eq!(seconds(&watermark, at(13)), Some(400));
        note(&mut watermark, "a", Some(600), at(20));
        note(&mut watermark, "b", None, at(21));
        assert_eq!(
            seconds(&watermark, at(300)),
            Some(400),
            "this process stood still, and b may have had a lot to say"
        );
        note(&mut watermark, "b", None, at(22));
        assert_eq!(seconds(&watermark, at(22)), Some(600));
        note(&mut watermark, "b", Some(450), at(23));
        assert_eq!(seconds(&watermark, at(23)), Some(450), "whoever speaks again counts again");
    }

    #[test]
    fn a_shard_that_is_behind_is_not_quiet_and_one_that_has_ended_goes_after_a_while() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(11));
        note(&mut watermark, "b", Some(400), at(12));
        let shard = Arc::new(Shard::new("s", "b"));
        let behind = Batch { behind_ms: Some(5), ..Batch::new(Arc::clone(&shard), Vec::new()) };
        watermark.note(&behind, None, at(40));
        assert_eq!(seconds(&watermark, at(40)), Some(400));
        watermark.note(&Batch { is_last: true, ..Batch::new(shard, Vec::new()) }, None, at(41));
        assert_eq!(seconds(&watermark, at(41)), Some(500));
    }

    #[test]
    fn nothing_is_known_before_all_were_heard() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut watermark = Watermark::begin(names.iter(), Some(Timestamp::from_millis(700_000)));
        note(&mut watermark, "a", Some(500), at(1));
        assert_eq!(seconds(&watermark, at(9)), None);
        assert_eq!(seconds(&watermark, at(50)), None, "b has not been heard");
        assert_eq!(seconds(&watermark, at(60)), Some(500), "b is not read any more");
        watermark.note_end();
        assert_eq!(seconds(&watermark, at(60)), Some(700), "what was received in a life before this one counts, too");
    }

    #[test]
    fn when_all_are_quiet_the_logs_clock_goes_on() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(20));
        note(&mut watermark, "b", Some(480), at(22));
        note(&mut watermark, "a", None, at(39));
        note(&mut watermark, "b", None, at(39));
        assert_eq!(seconds(&watermark, at(42)), Some(520));
        watermark.note_end();
        assert_eq!(seconds(&watermark, at(42)), Some(500), "a file that has ended has no clock");
        assert_eq!(seconds(&Watermark::default(), at(40)), None);
    }
}
