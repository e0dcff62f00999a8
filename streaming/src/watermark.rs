//! Up to when everything has been received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use churn_events::{ObservationDate, Timestamp};
use churn_streaming::{Batch, ConsumeError, Consumer, now};

/// A shard that has said for so long that it has nothing, or that ended so long ago, holds nobody back. Long enough for a
/// shard that came of another to be heard, and for all to be heard after a start.
const SILENCE: Duration = Duration::from_secs(10);

/// How often the source is asked what it reads.
const ASK: Duration = Duration::from_secs(1);

/// Up to when everything has been received, as far as one can know: no shard that has something to give is behind it.
///
/// Times of being received come from the log, and so its clock is the log's own: when all shards are silent, it goes on as
/// ours does. Ours counts from the start of the process. **What a shard says is true of the time when it said it**: while
/// nothing is heard of one, because the service or this process stands still, nothing is known of it.
#[derive(Debug, Default)]
struct Watermark {
    shards: BTreeMap<String, Reached>,
    /// Those that have ended, and when they said so.
    ended: BTreeMap<String, Duration>,
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
    /// When it said last that it has nothing.
    said: Option<Quiet>,
    /// When it said so before that. It was asked for its last word after this one, which is why it has nothing from before
    /// this; from before its last word it may have what arrived while that was under way.
    quiet: Option<Quiet>,
}

#[derive(Debug, Clone, Copy)]
struct Quiet {
    at: Duration,
    /// What had been received by then, of all shards.
    received_up_to: Option<Timestamp>,
}

impl Reached {
    fn unheard(now: Duration) -> Self {
        Self { received_at: None, heard: now, said: None, quiet: None }
    }

    /// The word that it has nothing, once it has said so for some time after its last event.
    fn silence(&self) -> Option<Quiet> {
        self.quiet.filter(|quiet| quiet.at.saturating_sub(self.heard) >= SILENCE)
    }

    /// Up to when it has given everything.
    fn up_to(&self) -> Option<Timestamp> {
        self.received_at.max(self.silence().and_then(|quiet| quiet.received_up_to))
    }
}

impl Watermark {
    /// Shards that were read before, and have not been heard yet.
    fn begin<'a>(shards: impl Iterator<Item = &'a String>, received_up_to: Option<Timestamp>) -> Self {
        let shards = shards.map(|shard| (shard.clone(), Reached::unheard(Duration::ZERO))).collect();
        Self { shards, ended: BTreeMap::new(), received_up_to, has_ended: false }
    }

    /// Takes note of a batch, whose last event was received then.
    fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>, now: Duration) {
        self.received_up_to = self.received_up_to.max(received_at);
        if batch.is_last {
            // Those that came of it may not have been heard yet, so it stays for a while.
            self.ended.insert(batch.shard.name.clone(), now);
        }
        let received_up_to = self.received_up_to;
        let shard = self.shards.entry(batch.shard.name.clone()).or_insert_with(|| Reached::unheard(now));
        if received_at.is_some() {
            *shard = Reached { received_at: shard.received_at.max(received_at), ..Reached::unheard(now) };
        }
        // One that is behind and got nothing has something to give all the same; records that are no events are nothing.
        let is_behind = [batch.behind_ms, batch.behind_records].into_iter().flatten().any(|behind| behind > 0);
        if received_at.is_none() && !batch.is_last && !is_behind {
            shard.quiet = shard.said.replace(Quiet { at: now, received_up_to });
        }
    }

    /// Takes note of all shards that are read: each will be heard, and one that is not read any more never again.
    fn note_reading(&mut self, reading: &BTreeSet<String>, now: Duration) {
        for name in reading {
            self.shards.entry(name.clone()).or_insert_with(|| Reached::unheard(now));
        }
        self.shards.retain(|name, _| self.ended.contains_key(name) || reading.contains(name));
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
        // Those that came of one that has ended may not have been heard yet.
        let is_gone = |name: &String| self.ended.get(name).is_some_and(|ended| now.saturating_sub(*ended) >= SILENCE);
        let shards = || self.shards.iter().filter(|(name, _)| !is_gone(name)).map(|(_, shard)| shard);
        // One that has not said anything yet comes first in this order, and holds back everybody.
        let up_to = shards().map(Reached::up_to).min();
        if up_to.is_some_and(|up_to| up_to < self.received_up_to) {
            return up_to.flatten();
        }
        let heard = self.shards.values().filter(|shard| shard.received_at.is_some()).map(|shard| shard.heard).max();
        let silent_until = shards().map(|shard| shard.silence().map(|quiet| quiet.at)).min();
        let since = silent_until.flatten().unwrap_or_default().saturating_sub(heard.unwrap_or_default());
        let since_ms = i64::try_from(since.as_millis()).unwrap_or(0);
        self.received_up_to.map(|received_at| Timestamp::from_millis(received_at.millis().saturating_add(since_ms)))
    }
}

/// Scores whoever is due by date, once for each date.
#[derive(Debug)]
pub(crate) struct Calendar {
    begun: Instant,
    watermark: Watermark,
    last: Option<ObservationDate>,
    /// Who has not been scored at the last date yet.
    due: VecDeque<Box<str>>,
    /// When the source was asked last what it reads.
    asked: Option<Duration>,
}

impl Calendar {
    /// Goes on where a consumer was.
    pub(crate) fn begin(consumer: &Consumer) -> Self {
        let (positions, ended) = (consumer.processor().positions(), consumer.processor().ended());
        let shards = positions.keys().filter(|shard| !ended.contains(*shard));
        let received_up_to = consumer.processor().received_up_to();
        Self {
            begun: Instant::now(),
            watermark: Watermark::begin(shards, received_up_to),
            last: None,
            due: VecDeque::new(),
            asked: None,
        }
    }

    /// Takes note of a batch, whose last event was received then.
    pub(crate) fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>) {
        if batch.is_last {
            // Those that came of it are read from now on.
            self.asked = None;
        }
        self.watermark.note(batch, received_at, self.begun.elapsed());
    }

    /// Takes note, now and then, of the shards that are read.
    pub(crate) fn note_reading(&mut self, reading: impl FnOnce() -> BTreeSet<String>) {
        let now = self.begun.elapsed();
        if self.asked.is_none_or(|asked| now.saturating_sub(asked) >= ASK) {
            self.watermark.note_reading(&reading(), now);
            self.asked = Some(now);
        }
    }

    /// No shard will give anything more.
    pub(crate) fn note_end(&mut self) {
        self.watermark.note_end();
    }

    /// Scores some of those who are due, and tells whether there are more: nothing is to be taken in before there are none.
    pub(crate) fn advance(&mut self, consumer: &mut Consumer) -> Result<bool, ConsumeError> {
        if self.due.is_empty() {
            // A date that has not come for us has come for nobody, whatever a producer's clock says.
            let date = self.watermark.at(self.begun.elapsed()).map(|at| at.min(now()).date());
            let Some(date) = date.filter(|date| self.last.is_none_or(|last| *date > last)) else { return Ok(false) };
            self.last = Some(date);
            self.due = consumer.processor().due(date).into();
        }
        self.last.map_or(Ok(false), |date| consumer.score_some(date, &mut self.due))
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
        note(&mut watermark, "b", None, at(22));
        assert_eq!(
            seconds(&watermark, at(300)),
            Some(400),
            "this process stood still, and b may have had a lot to say"
        );
        note(&mut watermark, "a", Some(700), at(22));
        note(&mut watermark, "b", None, at(23));
        assert_eq!(
            seconds(&watermark, at(23)),
            Some(600),
            "b may have got something while it said that it has nothing"
        );
        note(&mut watermark, "b", None, at(24));
        assert_eq!(seconds(&watermark, at(24)), Some(700));
        note(&mut watermark, "b", Some(450), at(25));
        assert_eq!(seconds(&watermark, at(25)), Some(450), "whoever speaks again counts again");
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
        watermark.note_reading(&BTreeSet::from(["a".to_owned()]), at(42));
        assert_eq!(seconds(&watermark, at(50)), Some(400), "those that came of it have not been heard");
        assert_eq!(seconds(&watermark, at(51)), Some(500));
        watermark.note(
            &Batch { is_last: true, ..Batch::new(Arc::new(Shard::new("s", "a")), Vec::new()) },
            None,
            at(60),
        );
        assert_eq!(seconds(&watermark, at(900)), Some(500), "nothing is read, and the clock stands still");
    }

    #[test]
    fn nothing_is_known_before_all_that_are_read_were_heard() {
        let names = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let mut watermark = Watermark::begin(names.iter(), Some(Timestamp::from_millis(700_000)));
        watermark.note_reading(&names, at(0));
        note(&mut watermark, "a", Some(500), at(1));
        assert_eq!(seconds(&watermark, at(9)), None);
        assert_eq!(seconds(&watermark, at(500)), None, "b may have been refused for long");
        watermark.note_reading(&names.iter().take(1).cloned().collect(), at(500));
        assert_eq!(seconds(&watermark, at(500)), Some(500), "b is not read any more");
        watermark.note_reading(&names, at(501));
        assert_eq!(seconds(&watermark, at(502)), None, "b is read again");
        watermark.note_end();
        assert_eq!(seconds(&watermark, at(502)), Some(700), "what was received in a life before this one counts, too");
    }

    #[test]
    fn a_shard_whose_records_are_no_events_holds_nobody_back() {
        let mut watermark = Watermark::default();
        let record = Record { position: Position::of(SequenceNumber::from(1)), arrived_at: None, data: Vec::new() };
        let poison = Batch::new(Arc::new(Shard::new("s", "b")), vec![record]);
        for now in 1..=20 {
            watermark.note(&poison, None, at(now));
            note(&mut watermark, "a", Some(400 + now as i64), at(now));
            watermark.note(&Batch { behind_records: Some(3), ..poison.clone() }, None, at(now));
        }
        assert_eq!(seconds(&watermark, at(20)), Some(418));
    }

    #[test]
    fn what_a_shard_said_before_an_outage_is_true_of_then_only() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(20));
        note(&mut watermark, "b", None, at(20));
        for now in 21..=40 {
            note(&mut watermark, "a", None, at(now));
            note(&mut watermark, "b", None, at(now));
        }
        assert_eq!(seconds(&watermark, at(41)), Some(519));
        assert_eq!(seconds(&watermark, at(3_600)), Some(519), "nothing has been heard since");
        note(&mut watermark, "a", Some(900), at(3_601));
        assert_eq!(seconds(&watermark, at(3_601)), Some(500), "b has not said anything yet, and may have something");
        note(&mut watermark, "b", Some(700), at(3_602));
        assert_eq!(seconds(&watermark, at(3_602)), Some(700));
    }

    #[test]
    fn when_all_are_quiet_the_logs_clock_goes_on() {
        let mut watermark = Watermark::default();
        note(&mut watermark, "a", Some(500), at(20));
        note(&mut watermark, "b", Some(480), at(22));
        for now in [39, 40] {
            note(&mut watermark, "a", None, at(now));
            note(&mut watermark, "b", None, at(now));
        }
        assert_eq!(seconds(&watermark, at(42)), Some(517), "as far as both have said so");
        watermark.note_end();
        assert_eq!(seconds(&watermark, at(42)), Some(500), "a file that has ended has no clock");
        assert_eq!(seconds(&Watermark::default(), at(40)), None);
    }
}
