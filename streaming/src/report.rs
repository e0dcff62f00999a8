//! How it goes, in numbers: what the status line and `/metrics` are made of.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use churn_events::Timestamp;
use churn_features::EventCounts;
use churn_streaming::{Consumer, RecordCounts};

/// Tenants and features named in a line.
const SHOWN: usize = 3;

/// Drift that is worth a word: from here on it is usually taken as a lot.
const MUCH_DRIFT: f64 = 0.25;

/// Everything that is told, as it was at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// Since the first record of the state folder.
    pub(crate) counts: Counts,
    /// What these were when the process began: a counter that is scraped begins at 0.
    pub(crate) at_start: Counts,
    pub(crate) dead_letters: u64,
    pub(crate) tenants: usize,
    /// As of the checkpoint before, or of an earlier one.
    pub(crate) state_bytes: usize,
    pub(crate) shards: BTreeMap<String, ShardReport>,
    /// The tenants with most events in the last interval, with about how many.
    pub(crate) hottest: Vec<(Box<str>, u64)>,
    /// The features that have drifted, the farthest first.
    pub(crate) drift: Vec<(String, f64)>,
    pub(crate) checkpoints: Checkpoints,
    /// What was there when the process began.
    pub(crate) restored: Option<Restored>,
    /// What was tried again: operation, why, how often.
    pub(crate) retries: Vec<(&'static str, &'static str, u64)>,
    /// How often a stream had trimmed the record where reading had stopped.
    pub(crate) trimmed: u64,
}

/// What became of records and their events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) records: RecordCounts,
    pub(crate) events: EventCounts,
}

impl Counts {
    pub(crate) fn of(consumer: &Consumer) -> Self {
        Self { records: consumer.processor().counts(), events: consumer.processor().event_counts() }
    }
}

/// What is known of a shard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShardReport {
    /// When the last of its events was received, and when that record had arrived.
    pub(crate) received_at: Option<Timestamp>,
    pub(crate) arrived_at: Option<Timestamp>,
    pub(crate) behind_ms: Option<u64>,
    pub(crate) behind_records: Option<u64>,
}

impl ShardReport {
    /// How old the last record is, or the event in it where the stream does not say when records arrive.
    pub(crate) fn age_ms(&self, now: Timestamp) -> Option<i64> {
        Some(now.millis().saturating_sub(self.arrived_at.or(self.received_at)?.millis()).max(0))
    }
}

/// A checkpoint that was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Written {
    /// With what sinks took to keep what they had.
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    /// Tenants whose states it has, whether they are in this file or in an earlier one.
    pub(crate) tenants: usize,
}

/// A checkpoint that was gone on from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Restored {
    /// With what another process took to leave it.
    pub(crate) seconds: f64,
    pub(crate) tenants: usize,
}

impl Restored {
    /// Of a consumer that it took so long to make, if there was a checkpoint.
    pub(crate) fn of(consumer: &Consumer, took: Duration) -> Option<Self> {
        let is_restored = consumer.folder().is_some_and(|folder| !folder.is_empty());
        is_restored.then(|| Self { seconds: took.as_secs_f64(), tenants: consumer.processor().store().len() })
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restored the states of {} tenants in {:.3} s", self.tenants, self.seconds)
    }
}

/// The checkpoints of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Checkpoints {
    pub(crate) last_at: Option<Timestamp>,
    /// The last one for which something had to be written.
    pub(crate) last_written: Option<Written>,
    pub(crate) seconds: f64,
    /// How many took at most so long, but longer than the bound before.
    counts: [u64; Self::BOUNDS.len()],
}

impl Checkpoints {
    /// Upper bounds in seconds: from a folder in memory to more than a probe for liveness waits.
    const BOUNDS: [f64; 12] = [1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, f64::INFINITY];

    pub(crate) fn note(&mut self, took: Duration, at: Timestamp) {
        self.last_at = Some(at);
        self.seconds += took.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| took.as_secs_f64() <= *bound);
        self.counts[bucket.unwrap_or(Self::BOUNDS.len() - 1)] += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn buckets(&self) -> [(f64, u64); Self::BOUNDS.len()] {
        std::array::from_fn(|at| (Self::BOUNDS[at], self.counts[at]))
    }
}

impl Report {
    /// A line for people; `per_second` is how many records were taken in lately.
    pub(crate) fn line(&self, per_second: f64, now: Timestamp) -> String {
        let Counts { records, events } = self.counts;
        let mut line = format!(
            "{} records ({per_second:.0}/s), {} tenants, {} score records; late {}, duplicate {}, repeated {}, malformed {}, \
             unknown {}, refused {}",
            records.records,
            self.tenants,
            records.scores,
            events.late,
            events.duplicate,
            records.repeated,
            records.malformed,
            records.unknown,
            events.refused,
        );
        let rare = [
            ("of the future and held back", events.held_back),
            ("of the future and dropped", events.dropped),
            ("unscored", records.unscored),
        ];
        // Writing into a String cannot fail.
        for (what, n) in rare.into_iter().filter(|(_, n)| *n > 0) {
            let _ = write!(line, ", {what} {n}");
        }
        self.put_lag(&mut line, now);
        if let Some(Written { seconds, bytes, tenants }) = self.checkpoints.last_written {
            let _ = write!(line, "; last checkpoint took {seconds:.3} s, wrote {bytes} bytes, has {tenants} tenants");
        }
        let retries: u64 = self.retries.iter().map(|(_, _, times)| times).sum();
        if retries > 0 {
            let _ = write!(line, "; tried again {retries} times");
        }
        if self.trimmed > 0 {
            let _ = write!(
                line,
                "; RECORDS MAY BE LOST: the stream had trimmed where reading stopped, {} times",
                self.trimmed
            );
        }
        if !self.hottest.is_empty() {
            let shown =
                self.hottest.iter().take(SHOWN).map(|(tenant, n)| format!("{} (about {n})", tenant.escape_debug()));
            let _ = write!(line, "; most events: {}", shown.collect::<Vec<_>>().join(", "));
        }
        let drifted = self.drift.iter().take(SHOWN).filter(|(_, index)| *index > MUCH_DRIFT);
        let drifted: Vec<String> = drifted.map(|(feature, index)| format!("{feature} {index:.2}")).collect();
        if !drifted.is_empty() {
            let _ = write!(line, "; drifted: {}", drifted.join(", "));
        }
        line
    }

    /// How far the shard that is behind most is.
    fn put_lag(&self, line: &mut String, now: Timestamp) {
        let behind = |shard: &ShardReport| (shard.behind_ms.unwrap_or(0), shard.behind_records.unwrap_or(0));
        let Some((name, shard)) = self.shards.iter().max_by_key(|(_, shard)| behind(shard)) else { return };
        match (shard.behind_ms, shard.behind_records) {
            (Some(behind_ms), _) => drop(write!(line, "; {:.1} s behind in {name}", behind_ms as f64 / 1e3)),
            (None, Some(records)) => drop(write!(line, "; {records} records behind in {name}")),
            (None, None) => return,
        }
        if let Some(age_ms) = shard.arrived_at.and(shard.age_ms(now)) {
            let _ = write!(line, ", last record {:.1} s old", age_ms as f64 / 1e3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shard_that_is_behind_most_is_named_in_its_own_unit() {
        let mut report = Report::default();
        assert!(!report.line(0.0, Timestamp::from_millis(0)).contains("behind"));
        for (name, behind_records) in [("jobs/0", 7), ("jobs/1", 5)] {
            let shard = ShardReport { behind_records: Some(behind_records), ..ShardReport::default() };
            report.shards.insert(name.to_owned(), shard);
        }
        assert!(report.line(0.0, Timestamp::from_millis(0)).ends_with("; 7 records behind in jobs/0"));
        let arrived_at = Some(Timestamp::from_millis(1_000));
        let shard = ShardReport { behind_ms: Some(1_500), arrived_at, ..ShardReport::default() };
        report.shards.insert("companies/0".to_owned(), shard);
        let line = report.line(0.0, Timestamp::from_millis(3_000));
        assert!(line.ends_with("; 1.5 s behind in companies/0, last record 2.0 s old"), "{line}");
    }

    #[test]
    fn the_last_checkpoint_and_the_one_that_was_restored_are_told_with_their_size() {
        let mut report = Report::default();
        assert!(!report.line(0.0, Timestamp::from_millis(0)).contains("checkpoint"));
        report.checkpoints.last_written = Some(Written { seconds: 0.0123, bytes: 4_567, tenants: 89 });
        let line = report.line(0.0, Timestamp::from_millis(0));
        assert!(line.ends_with("; last checkpoint took 0.012 s, wrote 4567 bytes, has 89 tenants"), "{line}");
        let restored = Restored { seconds: 1.5, tenants: 89 };
        assert_eq!(restored.to_string(), "restored the states of 89 tenants in 1.500 s");
    }

    #[test]
    fn records_that_were_trimmed_are_no_retry() {
        let report = Report { trimmed: 2, ..Report::default() };
        let line = report.line(0.0, Timestamp::from_millis(0));
        assert!(
            line.ends_with("; RECORDS MAY BE LOST: the stream had trimmed where reading stopped, 2 times"),
            "{line}"
        );
    }

    #[test]
    fn checkpoints_are_counted_by_how_long_they_took() {
        let mut checkpoints = Checkpoints::default();
        for ms in [1, 3, 700, 100_000] {
            checkpoints.note(Duration::from_millis(ms), Timestamp::from_millis(9));
        }
        assert_eq!((checkpoints.total(), checkpoints.last_at), (4, Some(Timestamp::from_millis(9))));
        assert!((checkpoints.seconds - 100.704).abs() < 1e-9);
        let filled: Vec<f64> =
            checkpoints.buckets().into_iter().filter(|(_, n)| *n > 0).map(|(bound, _)| bound).collect();
        assert_eq!(filled, [1e-3, 5e-3, 1.0, f64::INFINITY]);
    }
}
