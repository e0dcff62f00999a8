//! A report in the text format that Prometheus reads.

use std::fmt;
use std::sync::Arc;

use churn_events::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::report::{Report, ShardReport};

/// The report as text, with ages as of `now`.
pub(super) fn text(report: Arc<Report>, now: Timestamp) -> String {
    let mut registry = Registry::with_prefix("churn_consume");
    registry.register_collector(Box::new(Scrape { report, now }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("this cannot fail because a string takes all text");
    text
}

#[derive(Debug)]
struct Scrape {
    report: Arc<Report>,
    now: Timestamp,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut encoder;
        self.counts(out)?;
        self.shards(out)?;
        self.checkpoints(out)?;
        let report = &self.report;
        gauge(out, "tenants", "Tenants with a state", report.tenants as u64)?;
        gauge(out, "state_bytes", "Memory of all states, summed up once a minute", report.state_bytes as u64)?;
        let about = "Events of the tenants that sent most in the last --status-every, nearly";
        gauges(out, "hottest_tenant_events", about, report.hottest.iter().map(|(id, n)| ([("tenant", &**id)], *n)))?;
        let about = "Population stability index of the last 10,000 to 20,000 scored rows against the fit split";
        let drift = report.drift.iter().map(|(feature, index)| ([("feature", feature.as_str())], *index));
        gauges(out, "feature_drift", about, drift)?;
        let about = "Requests to streams and stores that had to be tried again, or parts of them";
        let retries = report.retries.iter();
        let retries = retries.map(|(operation, why, n)| ([("operation", *operation), ("reason", *why)], *n));
        counters(out, "retries", about, retries)?;
        let about = "How often a stream had trimmed the record where reading stopped: those behind it may be lost";
        counter(out, "trimmed", about, report.trimmed)
    }
}

impl Scrape {
    fn counts(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Report { counts, at_start, dead_letters, .. } = &*self.report;
        let (records, before) = (&counts.records, &at_start.records);
        let (events, events_before) = (&counts.events, &at_start.events);
        counter(
            out,
            "records",
            "Records read, those inside of aggregates one by one",
            records.records - before.records,
        )?;
        let outcomes = [
            ("counted", events.counted - events_before.counted),
            ("late", events.late - events_before.late),
            ("duplicate", events.duplicate - events_before.duplicate),
            ("repeated", records.repeated - before.repeated),
            ("held_back", events.held_back - events_before.held_back),
            ("dropped", events.dropped - events_before.dropped),
            ("refused", events.refused - events_before.refused),
        ];
        let outcomes = outcomes.map(|(outcome, n)| ([("outcome", outcome)], n));
        counters(out, "events", "What became of events", outcomes.into_iter())?;
        counter(out, "malformed", "Records that are no events", records.malformed - before.malformed)?;
        counter(out, "unknown", "Events of types that are not known", records.unknown - before.unknown)?;
        counter(out, "unscored", "Scores that could not be made", records.unscored - before.unscored)?;
        counter(out, "score_records", "Score records handed to sinks", records.scores - before.scores)?;
        counter(out, "dead_letters", "Dead letters handed to sinks", *dead_letters)
    }

    fn shards(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let about = "How far the last record read lies behind the end of its shard";
        gauges(out, "lag_milliseconds", about, self.of_shards(|shard| shard.behind_ms))?;
        let about = "Records between the last one read and the end of its shard";
        gauges(out, "position_behind", about, self.of_shards(|shard| shard.behind_records))?;
        let about = "How long ago the last record read arrived, or was received where a source does not tell";
        gauges(out, "event_age_seconds", about, self.of_shards(|shard| Some(shard.age_ms(self.now)? as f64 / 1e3)))
    }

    fn of_shards<V>(&self, value: impl Fn(&ShardReport) -> Option<V>) -> impl Iterator<Item = ([(&str, &str); 1], V)> {
        let shards = self.report.shards.iter();
        shards.filter_map(move |(name, shard)| Some(([("shard", name.as_str())], value(shard)?)))
    }

    fn checkpoints(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let checkpoints = &self.report.checkpoints;
        let about = "How long checkpoints took, sinks included";
        let mut metric = out.encode_descriptor("checkpoint_seconds", about, None, MetricType::Histogram)?;
        let buckets = checkpoints.buckets();
        metric.encode_histogram::<NoLabelSet>(checkpoints.seconds, checkpoints.total(), &buckets, None)?;
        let about = "Time since the last checkpoint";
        let metric = out.encode_descriptor("last_checkpoint_age_seconds", about, None, MetricType::Gauge)?;
        if let Some(at) = checkpoints.last_at {
            ConstGauge::new(self.now.millis().saturating_sub(at.millis()).max(0) as f64 / 1e3).encode(metric)?;
        }
        let written = checkpoints.last_written;
        let about = "How long the last checkpoint took that had something to write, sinks included";
        known(out, "last_checkpoint_seconds", about, written.map(|written| written.seconds))?;
        let about = "Bytes of the files that were written for that checkpoint";
        known(out, "last_checkpoint_bytes", about, written.map(|written| written.bytes))?;
        let about = "Tenants whose states that checkpoint has";
        known(out, "last_checkpoint_tenants", about, written.map(|written| written.tenants as u64))?;
        let restored = self.report.restored;
        let about = "How long restoring the checkpoint took at the start";
        known(out, "restore_seconds", about, restored.map(|restored| restored.seconds))?;
        let about = "Tenants whose states were restored at the start";
        known(out, "restored_tenants", about, restored.map(|restored| restored.tenants as u64))
    }
}

/// A gauge that has no value while there is nothing to measure.
fn known<V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    about: &str,
    value: Option<V>,
) -> fmt::Result {
    let metric = out.encode_descriptor(name, about, None, MetricType::Gauge)?;
    value.map_or(Ok(()), |value| ConstGauge::new(value).encode(metric))
}

fn counter(out: &mut DescriptorEncoder<'_>, name: &str, about: &str, n: u64) -> fmt::Result {
    ConstCounter::new(n).encode(out.encode_descriptor(name, about, None, MetricType::Counter)?)
}

fn gauge(out: &mut DescriptorEncoder<'_>, name: &str, about: &str, n: u64) -> fmt::Result {
    ConstGauge::new(n).encode(out.encode_descriptor(name, about, None, MetricType::Gauge)?)
}

fn counters<L: EncodeLabelSet>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    about: &str,
    values: impl Iterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, about, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    about: &str,
    values: impl Iterator<Item = (L, V)>,
) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, about, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::{Restored, Written};

    #[test]
    fn counters_begin_with_the_process_and_names_of_tenants_break_no_line() {
        let mut report = Report::default();
        report.at_start.records.records = 1_000;
        report.at_start.records.scores = 10;
        (report.counts.records.records, report.counts.records.scores) = (1_005, 12);
        report.hottest = vec![("a \"b\"\\\n".into(), 32)];
        let shard = ShardReport { arrived_at: Some(Timestamp::from_millis(1_000)), ..ShardReport::default() };
        report.shards.insert("jobs/0".to_owned(), shard);
        report.checkpoints.note(Duration::from_millis(700), Timestamp::from_millis(2_000));
        report.checkpoints.last_written = Some(Written { seconds: 0.75, bytes: 4_096, tenants: 3 });
        report.restored = Some(Restored { seconds: 0.25, tenants: 2 });
        report.trimmed = 1;
        let text = text(Arc::new(report), Timestamp::from_millis(4_500));
        for line in [
            "# TYPE churn_consume_records counter",
            "churn_consume_records_total 5",
            "churn_consume_score_records_total 2",
            r#"churn_consume_events_total{outcome="repeated"} 0"#,
            r#"churn_consume_hottest_tenant_events{tenant="a \"b\"\\\n"} 32"#,
            r#"churn_consume_event_age_seconds{shard="jobs/0"} 3.5"#,
            r#"churn_consume_checkpoint_seconds_bucket{le="0.5"} 0"#,
            r#"churn_consume_checkpoint_seconds_bucket{le="1.0"} 1"#,
            "churn_consume_last_checkpoint_age_seconds 2.5",
            "churn_consume_last_checkpoint_seconds 0.75",
            "churn_consume_last_checkpoint_bytes 4096",
            "churn_consume_last_checkpoint_tenants 3",
            "churn_consume_restore_seconds 0.25",
            "churn_consume_restored_tenants 2",
            "churn_consume_trimmed_total 1",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
