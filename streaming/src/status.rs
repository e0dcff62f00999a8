//! Keeps the [`Report`] up to date.

use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_events::Timestamp;
use churn_streaming::{Batch, Consumer, Retries};

#[cfg(feature = "metrics")]
use crate::metrics::{Metrics, Stage};
use crate::report::{Counts, Report, Restored, ShardReport, Written};

/// Tenants in a report: enough to see who it is, and few enough to be labels of a metric.
const HOTTEST: usize = 10;

/// How often the memory of all states is added up, at most: it takes a walk through all of them.
const SUM_EVERY: Duration = Duration::from_secs(60);

/// What is known of the shards beside what the processor counts.
pub(crate) struct Status {
    report: Report,
    retries: Arc<Retries>,
    /// When the line before was made, and how many records there were.
    last: (Instant, u64),
    summed: Option<Instant>,
    /// The number of the last checkpoint.
    number: Option<u64>,
    #[cfg(feature = "metrics")]
    metrics: Option<Metrics>,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            report: Report::default(),
            retries: Arc::default(),
            last: (Instant::now(), 0),
            summed: None,
            number: None,
            #[cfg(feature = "metrics")]
            metrics: None,
        }
    }

    /// What is counted from here on is this process's own; `retries` is where sources and sinks count.
    pub(crate) fn begin(consumer: &Consumer, retries: Arc<Retries>) -> Self {
        let at_start = Counts::of(consumer);
        let report = Report { at_start, counts: at_start, ..Report::default() };
        let number = consumer.folder().map(|folder| folder.number());
        let mut status =
            Self { retries, number, last: (Instant::now(), at_start.records.records), report, ..Self::new() };
        status.sum_up(consumer);
        // There may have been nothing to sum up yet.
        status.summed = None;
        status
    }

    /// Takes note of what was restored.
    pub(crate) fn note_restored(&mut self, restored: Option<Restored>) {
        self.report.restored = restored;
    }

    /// Is scraped from here on.
    #[cfg(feature = "metrics")]
    pub(crate) fn publish_to(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    /// The loop goes round once more.
    pub(crate) fn note_turn(&mut self, consumer: &Consumer) {
        #[cfg(feature = "metrics")]
        if let Some(mut metrics) = self.metrics.take() {
            metrics.beat(Stage::Records);
            if metrics.is_due() {
                metrics.publish(self.report(consumer).clone());
            }
            self.metrics = Some(metrics);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = consumer;
    }

    /// A checkpoint begins.
    pub(crate) fn note_checkpoint_begins(&self) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            metrics.beat(Stage::Checkpoint);
        }
    }

    /// Takes note of a batch, whose last event was received then.
    pub(crate) fn note(&mut self, batch: &Batch, received_at: Option<Timestamp>) {
        let shards = &mut self.report.shards;
        if !shards.contains_key(&batch.shard.name) {
            shards.insert(batch.shard.name.clone(), ShardReport::default());
        }
        let Some(shard) = shards.get_mut(&batch.shard.name) else { return };
        shard.received_at = shard.received_at.max(received_at);
        shard.arrived_at = batch.records.last().and_then(|record| record.arrived_at).or(shard.arrived_at);
        // One that has ended is behind nothing, whatever it said last.
        let behind = |by: Option<u64>| if batch.is_last { by.map(|_| 0) } else { by };
        (shard.behind_ms, shard.behind_records) = (behind(batch.behind_ms), behind(batch.behind_records));
    }

    /// Takes note of a checkpoint, and of how long it took.
    pub(crate) fn note_checkpoint(&mut self, took: Duration, consumer: &Consumer, now: Timestamp) {
        self.report.checkpoints.note(took, now);
        let number = consumer.folder().map(|folder| folder.number());
        if let Some(folder) = consumer.folder().filter(|_| self.number != number) {
            self.number = number;
            let (bytes, tenants) = (folder.written_bytes(), consumer.processor().store().len());
            let written = Written { seconds: took.as_secs_f64(), bytes, tenants };
            self.report.checkpoints.last_written = Some(written);
        }
        if self.summed.is_none_or(|summed| summed.elapsed() >= SUM_EVERY) {
            self.sum_up(consumer);
        }
    }

    /// Everything as it is now; who sends most and what has drifted, as it was at the line before.
    pub(crate) fn report(&mut self, consumer: &Consumer) -> &Report {
        let report = &mut self.report;
        report.counts = Counts::of(consumer);
        report.dead_letters = consumer.n_dead_letters();
        report.tenants = consumer.processor().store().len();
        report.trimmed = self.retries.trimmed();
        report.retries.clear();
        report.retries.extend(self.retries.counts().into_iter().map(|((of, why), times)| (of, why.name(), times)));
        report
    }

    /// A line about everything so far, and the speed since the line before it.
    pub(crate) fn line(&mut self, consumer: &mut Consumer, now: Timestamp) -> String {
        self.report.hottest = consumer.processor_mut().take_hottest(HOTTEST);
        let drift = consumer.processor().scoring().map(|scoring| scoring.drift()).unwrap_or_default();
        self.report.drift = drift.into_iter().map(|(feature, index)| (feature.to_owned(), index)).collect();
        let records = self.report(consumer).counts.records.records;
        let (then, before) = std::mem::replace(&mut self.last, (Instant::now(), records));
        let seconds = then.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        self.report.line((records - before) as f64 / seconds, now)
    }

    fn sum_up(&mut self, consumer: &Consumer) {
        self.report.state_bytes = consumer.processor().store().approximate_bytes();
        self.summed = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use churn_streaming::Shard;

    use super::*;

    #[test]
    fn a_shard_that_has_ended_is_behind_nothing() {
        let mut status = Status::new();
        let batch =
            Batch { behind_ms: Some(147_100), ..Batch::new(Arc::new(Shard::new("jobs", "jobs/5")), Vec::new()) };
        for (is_last, behind_ms) in [(false, 147_100), (true, 0)] {
            status.note(&Batch { is_last, ..batch.clone() }, None);
            assert_eq!(status.report.shards["jobs/5"].behind_ms, Some(behind_ms));
        }
    }
}
