//! What `/metrics` tells, in the Prometheus text format.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::served_model::ServedModel;

/// Upper bounds of latencies, in seconds: from what one row takes to what the platform waits.
const LATENCY_BOUNDS: [f64; 14] =
    [25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 250e-3, 1.0, 10.0, 60.0];

/// A route and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftOf {
    model: String,
    feature: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
    id: String,
    algorithm: String,
}

/// How many of something there are.
type Number = Gauge<i64, AtomicI64>;

/// One of those that are counted, until it is dropped: a client that goes away drops its request anywhere.
#[derive(Debug)]
pub(crate) struct Counted(Number);

impl Counted {
    fn one_of(number: &Number) -> Self {
        number.inc();
        Self(number.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counters of a server.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<Request, Counter>,
    latencies: Family<Route, Histogram>,
    rows: Counter,
    rows_refused: Counter,
    scores: Histogram,
    bytes: Counter,
    connections: Number,
    requests_at_work: Number,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: Family::default(),
            latencies: Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS)),
            rows: Counter::default(),
            rows_refused: Counter::default(),
            scores: Histogram::new((1..20).map(|i| f64::from(i) / 20.0)),
            bytes: Counter::default(),
            connections: Gauge::default(),
            requests_at_work: Gauge::default(),
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { route, status }).inc();
        self.latencies.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    /// Counts what was scored.
    pub(crate) fn scored(&self, n_bytes: usize, scores: &[f64]) {
        self.bytes.inc_by(n_bytes as u64);
        self.rows.inc_by(scores.len() as u64);
        scores.iter().for_each(|&score| self.scores.observe(score));
    }

    /// Counts rows that were answered by a placeholder.
    pub(crate) fn refused(&self, n_rows: usize) {
        self.rows_refused.inc_by(n_rows as u64);
    }

    /// Counts a connection that is open.
    pub(crate) fn connection(&self) -> Counted {
        Counted::one_of(&self.connections)
    }

    /// Connections that are open.
    pub(crate) fn n_connections(&self) -> i64 {
        self.connections.get()
    }

    /// Counts a request that is read or scored.
    pub(crate) fn request_at_work(&self) -> Counted {
        Counted::one_of(&self.requests_at_work)
    }

    /// Everything as text, with the drift of these models by their names.
    pub(crate) fn text<'a>(&self, models: impl Iterator<Item = (&'a str, &'a ServedModel)>) -> String {
        let mut registry = Registry::with_prefix("churn");
        registry.register("requests", "Requests answered, by route and status", self.requests.clone());
        registry.register("request_duration_seconds", "Time from head to answer", self.latencies.clone());
        registry.register("rows", "Rows scored", self.rows.clone());
        let about = "Rows that could not be read and were answered by a placeholder";
        registry.register("rows_refused", about, self.rows_refused.clone());
        registry.register("scores", "Churn probabilities given", self.scores.clone());
        registry.register("scored_bytes", "Bytes of bodies scored", self.bytes.clone());
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register("requests_at_work", "Requests being read or scored", self.requests_at_work.clone());
        let drift: Family<DriftOf, Gauge<f64, std::sync::atomic::AtomicU64>> = Family::default();
        let loaded: Family<ModelLabels, Gauge> = Family::default();
        for (name, model) in models {
            let algorithm = model.model().card().algorithm.clone();
            loaded.get_or_create(&ModelLabels { model: name.to_owned(), id: model.id().to_owned(), algorithm }).set(1);
            for (feature, index) in model.drift() {
                drift.get_or_create(&DriftOf { model: name.to_owned(), feature: feature.to_owned() }).set(index);
            }
        }
        let about = "Population stability index of the last 10,000 to 20,000 rows against the fit split";
        registry.register("feature_drift", about, drift);
        registry.register("model_loaded", "Models that are served", loaded);
        let mut text = String::new();
        encode(&mut text, &registry).expect("this cannot fail because a string takes all text");
        text
    }
}
