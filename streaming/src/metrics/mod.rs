//! `--metrics`: what Prometheus scrapes, and whether the loop goes round.

mod heart;
mod text;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use churn_streaming::{Retries, now};

use self::heart::Heart;
pub(crate) use self::heart::Stage;
use crate::report::Report;

/// How often the numbers that are scraped are brought up to date, at most.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// Why `--metrics` cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics at {address}; name an address of this machine with a free port in --metrics")]
pub(crate) struct MetricsError {
    address: String,
    source: io::Error,
}

/// The loop's end of the server: it runs in a thread of its own, and only reads what is published here.
#[derive(Debug)]
pub(crate) struct Metrics {
    shared: Arc<Shared>,
    published: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    report: Mutex<Arc<Report>>,
    heart: Heart,
}

impl Metrics {
    /// Begins to serve, at the address that is handed back with it; `retries` is where sources and sinks count.
    pub(crate) fn serve(address: &str, retries: Arc<Retries>) -> Result<(Self, SocketAddr), MetricsError> {
        let fail = |source| MetricsError { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let bound = listener.local_addr().map_err(fail)?;
        let shared = Arc::new(Shared { report: Mutex::default(), heart: Heart::new(Instant::now(), retries) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let router = router(Arc::clone(&shared));
        let serve = move || {
            runtime.block_on(async {
                // It accepts connections until the process ends; what goes wrong with one is the client's affair.
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, router).await
            })
        };
        std::thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(fail)?;
        Ok((Self { shared, published: None }, bound))
    }

    /// The loop has gone round, and is at this now.
    pub(crate) fn beat(&self, stage: Stage) {
        self.shared.heart.beat(stage, Instant::now());
    }

    /// Whether what was published is old.
    pub(crate) fn is_due(&self) -> bool {
        self.published.is_none_or(|published| published.elapsed() >= PUBLISH_EVERY)
    }

    pub(crate) fn publish(&mut self, report: Report) {
        *self.shared.report.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(report);
        self.published = Some(Instant::now());
    }
}

impl Shared {
    fn health(&self, now: Instant) -> (StatusCode, String) {
        match self.heart.check(now) {
            Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    }

    fn text(&self) -> ([(HeaderName, &'static str); 1], String) {
        let report = Arc::clone(&self.report.lock().unwrap_or_else(PoisonError::into_inner));
        ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text::text(report, now()))
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let health = Arc::clone(&shared);
    Router::new()
        .route("/metrics", get(move || async move { shared.text() }))
        .route("/healthz", get(move || async move { health.health(Instant::now()) }))
}
