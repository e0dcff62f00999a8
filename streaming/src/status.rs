//! How it goes, in a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use churn_events::Timestamp;
use churn_streaming::{Batch, Consumer};

/// Tenants named in a line.
const SHOWN_TENANTS: usize = 3;

/// Drift that is worth a word: from here on it is usually taken as a lot.
const MUCH_DRIFT: f64 = 0.25;

/// What is known of the shards beside what the processor counts.
pub(crate) struct Status {
    shards: BTreeMap<String, ShardStatus>,
    last: (Instant, u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct ShardStatus {
    /// When the last of its events was received, and when that record had arrived.
    received_at: Option<Timestamp>,
    arrived_at: Option<Timestamp>,
    behind_ms: Option<u64>,
    /// Whether its end was reached with the last batch.
    is_idle: bool,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self { shards: BTreeMap::new(), last: (Instant::now(), 0) }
    }

    /// Takes note of a batch, whose last event was received then.
    pub(crate) fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>) {
        if !self.shards.contains_key(&batch.shard.name) {
            self.shards.insert(batch.shard.name.clone(), ShardStatus::default());
        }
        let Some(shard) = self.shards.get_mut(&batch.shard.name) else { return };
        shard.received_at = shard.received_at.max(received_at);
        shard.arrived_at = batch.records.last().and_then(|record| record.arrived_at).or(shard.arrived_at);
        shard.behind_ms = batch.behind_ms;
        shard.is_idle = batch.records.is_empty();
    }

    /// Takes note of that no shard has anything more to give.
    pub(crate) fn note_end(&mut self) {
        self.shards.values_mut().for_each(|shard| shard.is_idle = true);
    }

    /// Up to when everything has been received, as far as one can know: no shard that still has something to give is
    /// behind it.
    ///
    /// The clock is the log's own: when all shards are idle, it has gone on since its last event as long as ours has.
    pub(crate) fn watermark(&self, now: Timestamp) -> Option<Timestamp> {
        let busy = self.shards.values().filter(|shard| !shard.is_idle);
        if let Some(least) = busy.filter_map(|shard| shard.received_at).min() {
            return Some(least);
        }
        let last = self.shards.values().max_by_key(|shard| shard.received_at)?;
        let since_ms = last.arrived_at.map_or(0, |arrived_at| (now.millis() - arrived_at.millis()).max(0));
        last.received_at.map(|received_at| Timestamp::from_millis(received_at.millis() + since_ms))
    }

    /// A line about everything so far, and the speed since the line before it.
    pub(crate) fn line(&mut self, consumer: &mut Consumer, now: Timestamp) -> String {
        let (counts, events) = (consumer.processor().counts(), consumer.processor().event_counts());
        let (then, records) = std::mem::replace(&mut self.last, (Instant::now(), counts.records));
        let per_second = (counts.records - records) as f64 / then.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        let mut line = format!(
            "{} records ({per_second:.0}/s), {} tenants, {} score records; late {}, duplicate {}, repeated {}, malformed {}, \
             unknown {}, refused {}",
            counts.records,
            consumer.processor().store().len(),
            counts.scores,
            events.late,
            events.duplicate,
            counts.repeated,
            counts.malformed,
            counts.unknown,
            events.refused,
        );
        // Writing into a String cannot fail.
        if counts.unscored > 0 {
            let _ = write!(line, ", unscored {}", counts.unscored);
        }
        if let Some((name, shard)) = self.shards.iter().max_by_key(|(_, shard)| shard.behind_ms.unwrap_or(0))
            && let Some(behind_ms) = shard.behind_ms
        {
            let _ = write!(line, "; {:.1} s behind in {name}", behind_ms as f64 / 1e3);
            if let Some(arrived_at) = shard.arrived_at {
                let _ = write!(line, ", last record {:.1} s old", (now.millis() - arrived_at.millis()) as f64 / 1e3);
            }
        }
        let hottest = consumer.processor_mut().take_hottest(SHOWN_TENANTS);
        if !hottest.is_empty() {
            let shown: Vec<String> = hottest.iter().map(|(tenant, n)| format!("{tenant} (about {n})")).collect();
            let _ = write!(line, "; most events: {}", shown.join(", "));
        }
        let drift = consumer.processor().scoring().map(|scoring| scoring.drift()).unwrap_or_default();
        let drifted: Vec<String> = drift
            .iter()
            .take(SHOWN_TENANTS)
            .filter(|(_, index)| *index > MUCH_DRIFT)
            .map(|(feature, index)| format!("{feature} {index:.2}"))
            .collect();
        if !drifted.is_empty() {
            let _ = write!(line, "; drifted: {}", drifted.join(", "));
        }
        line
    }
}
