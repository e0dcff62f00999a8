//! Paths and methods: what is asked where, and how it is answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use churn_events::beginning;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::admission::{Admission, Admitted};
use crate::http::inference_protocol;
use crate::http::metrics::Metrics;
use crate::http::models::{Models, Registry};
use crate::http::refusal::Refusal;
use crate::invocation::{Answer, AnswerSettings, Invocation};
use crate::problem::Problem;
use crate::served_model::ServedModel;

/// Bodies up to this size are scored where they were read; longer ones go to a thread of their own, so that `/ping` is
/// answered meanwhile.
const SCORED_IN_PLACE: usize = 16 << 10;

const CUSTOM_ATTRIBUTES: &str = "x-amzn-sagemaker-custom-attributes";
const TARGET_MODEL: &str = "x-amzn-sagemaker-target-model";

/// How long an unloaded model's last requests are waited for.
const UNLOAD_WAIT: Duration = Duration::from_secs(5);

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) models: Models,
    pub(crate) answers: AnswerSettings,
    pub(crate) admission: Admission,
    pub(crate) metrics: Metrics,
    pub(crate) batch_payload_mb: usize,
    pub(crate) max_concurrent_transforms: usize,
    /// Set when the server is about to end: answers then say that their connection closes.
    pub(crate) is_closing: AtomicBool,
}

type Shared = State<Arc<App>>;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/ping", get(ping).post(ping))
        .route("/health", get(ping))
        .route("/version", get(version))
        .route("/invocations", post(invocations))
        .route("/endpoints/{name}/invocations", post(invoke_endpoint))
        .route("/execution-parameters", get(execution_parameters))
        .route("/metrics", get(metrics))
        .route("/models", get(list_models).post(load_model))
        .route("/models/{name}", get(get_model).delete(unload_model))
        .route("/models/{name}/invoke", post(invoke_model))
        .route("/v1/models/{call}", post(predict_v1))
        .route("/v2", get(server_metadata))
        .route("/v2/", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ping))
        .route("/v2/models/{name}", get(model_metadata))
        .route("/v2/models/{name}/ready", get(model_ready))
        .route("/v2/models/{name}/infer", post(infer))
        .route("/v2/models/{name}/versions/{version}", get(model_metadata_of_version))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_ready_of_version))
        .route("/v2/models/{name}/versions/{version}/infer", post(infer_version))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .with_state(app)
}

impl App {
    fn respond(&self, status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if self.is_closing.load(Ordering::Relaxed) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn json(&self, value: &Value) -> Response {
        self.respond(StatusCode::OK, "application/json", value.to_string().into_bytes())
    }

    fn refuse(&self, route: &str, refusal: &Refusal) -> Response {
        // The Open Inference Protocol has an error format of its own.
        let body = match route.starts_with("/v2") {
            true => json!({ "error": refusal.message() }).to_string().into_bytes(),
            false => refusal.body(),
        };
        self.respond(refusal.status(), "application/json", body)
    }

    /// Counts and logs a request, without anything that stands in its rows.
    fn finish(&self, route: &'static str, started: Instant, result: Result<Response, Refusal>) -> Response {
        self.finish_of(route, None, started, result)
    }

    /// The same of a request that names a model.
    fn finish_of(
        &self,
        route: &'static str,
        model: Option<&str>,
        started: Instant,
        result: Result<Response, Refusal>,
    ) -> Response {
        let (response, kind) = match result {
            Ok(response) => (response, "ok"),
            Err(refusal) => (self.refuse(route, &refusal), refusal.kind()),
        };
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.metrics.answered(route, status, took);
        let microseconds = took.as_micros() as u64;
        match status {
            ..400 => tracing::debug!(route, model, status, microseconds, "answered"),
            400..500 => tracing::info!(route, model, status, kind, microseconds, "refused"),
            _ => tracing::warn!(route, model, status, kind, microseconds, "not answered"),
        }
        response
    }

    /// Reads a request to its end, and refuses a body that would have to be decoded.
    async fn read(&self, request: Request) -> Result<(Parts, Admitted), Refusal> {
        let (head, body) = request.into_parts();
        let body = self.admission.read(body).await?;
        let encoding = text(&head.headers, "content-encoding").unwrap_or_default().trim();
        match encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
            true => Ok((head, body)),
            false => Err(Refusal::ContentEncoding { found: beginning(encoding) }),
        }
    }

    /// Scores a request's body by this model.
    async fn invoke(self: &Arc<Self>, model: Arc<ServedModel>, request: Request) -> Result<Response, Refusal> {
        let (head, body) = self.read(request).await?;
        let attributes = head.headers.get(CUSTOM_ATTRIBUTES).cloned();
        let n_bytes = body.bytes.len();
        let (app, asked_of) = (self.clone(), model.clone());
        let read = move || {
            let invocation = Invocation {
                content_type: text(&head.headers, "content-type"),
                accept: text(&head.headers, "accept"),
                custom_attributes: text(&head.headers, CUSTOM_ATTRIBUTES),
                body: &body.bytes,
            };
            invocation.read(&asked_of, &app.answers)
        };
        let is_long = n_bytes > SCORED_IN_PLACE;
        let asked = self.work(is_long, read).await?;
        let app = self.clone();
        let is_long = is_long || asked.is_explained();
        let Answer { content_type, body, scores, n_refused } =
            self.work(is_long, move || asked.answer(&model, &app.answers)).await?;
        self.metrics.scored(n_bytes, &scores);
        if n_refused > 0 {
            self.metrics.refused(n_refused);
            tracing::info!(rows = scores.len(), rows_refused = n_refused, "rows answered by a placeholder");
        }
        let mut response = self.respond(StatusCode::OK, content_type, body);
        if let Some(attributes) = attributes {
            response.headers_mut().insert(CUSTOM_ATTRIBUTES, attributes);
        }
        Ok(response)
    }

    /// Does something here, or, where it takes long, on a thread for it when a core is free.
    async fn work<T: Send + 'static, E: Into<Refusal>>(
        &self,
        is_long: bool,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Refusal> {
        let caught = move || {
            catch_unwind(AssertUnwindSafe(|| work().map_err(E::into))).unwrap_or_else(|_| {
                tracing::error!("a request could not be answered because of a mistake in this program");
                Err(Refusal::Internal)
            })
        };
        if !is_long {
            return caught();
        }
        let core = self.admission.core().await;
        // A client that goes away drops this future and not the work, which keeps its core until it ends.
        let on_core = move || {
            let _core = core;
            caught()
        };
        tokio::task::spawn_blocking(on_core).await.unwrap_or(Err(Refusal::Internal))
    }

    fn registry(&self, path: &str) -> Result<&Registry, Refusal> {
        match &self.models {
            Models::Many(registry) => Ok(registry),
            Models::One(..) => Err(Refusal::OneModel { path: path.to_owned() }),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // What is no text is refused as an unknown media type and not taken for absent.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}

async fn ping(State(app): Shared) -> Response {
    match app.models.are_ready() {
        true => app.respond(StatusCode::OK, "text/plain", Vec::new()),
        false => app.refuse("/ping", &Refusal::NotReady),
    }
}

async fn live(State(app): Shared) -> Response {
    app.json(&json!({ "live": true }))
}

async fn version(State(app): Shared) -> Response {
    app.respond(StatusCode::OK, "text/plain", concat!(env!("CARGO_PKG_VERSION"), "\n").into())
}

async fn metrics(State(app): Shared) -> Response {
    let models = app.models.all();
    let text = app.metrics.text(models.iter().map(|(name, model)| (name.as_str(), &**model)));
    app.respond(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text.into_bytes())
}

async fn execution_parameters(State(app): Shared) -> Response {
    app.json(&json!({
        "MaxConcurrentTransforms": app.max_concurrent_transforms,
        "BatchStrategy": if app.answers.open_end { "SINGLE_RECORD" } else { "MULTI_RECORD" },
        "MaxPayloadInMB": app.batch_payload_mb,
    }))
}

async fn invocations(State(app): Shared, request: Request) -> Response {
    let started = Instant::now();
    let result = at_work(&app, async { app.invoke(app.models.only()?, request).await }).await;
    app.finish("/invocations", started, result)
}

/// What SageMaker's clients ask when this server is their endpoint; its name there means nothing here.
async fn invoke_endpoint(state: Shared, request: Request) -> Response {
    match text(request.headers(), TARGET_MODEL).map(str::to_owned) {
        Some(name) => invoke_model(state, Path(name), request).await,
        None => invocations(state, request).await,
    }
}

/// Does something as one of the requests that may be at work at once.
async fn at_work(app: &App, work: impl Future<Output = Result<Response, Refusal>>) -> Result<Response, Refusal> {
    let _permit = app.admission.admit()?;
    let _counted = app.metrics.request_at_work();
    work.await
}

async fn invoke_model(State(app): Shared, Path(name): Path<String>, request: Request) -> Response {
    let started = Instant::now();
    let result = at_work(&app, async {
        let model = app.registry("/models")?.get(&name)?.model;
        app.invoke(model, request).await
    });
    app.finish_of("/models/{name}/invoke", Some(&name), started, result.await)
}

async fn predict_v1(State(app): Shared, Path(call): Path<String>, request: Request) -> Response {
    let started = Instant::now();
    let result = at_work(&app, async {
        let name =
            call.strip_suffix(":predict").ok_or_else(|| Refusal::NoPath { path: format!("/v1/models/{call}") })?;
        app.invoke(app.models.named(name)?, request).await
    });
    app.finish("/v1/models/{name}:predict", started, result.await)
}

#[derive(Debug, Deserialize)]
struct LoadRequest {
    model_name: String,
    url: String,
}

async fn load_model(State(app): Shared, request: Request) -> Response {
    let started = Instant::now();
    let result = at_work(&app, async {
        app.registry("/models")?;
        let (_, Admitted { bytes, .. }) = app.read(request).await?;
        let LoadRequest { model_name, url } =
            serde_json::from_slice(&bytes).map_err(|source| Problem::Json { source })?;
        let (loader, name) = (app.clone(), model_name.clone());
        let load = move || loader.registry("/models")?.load(&model_name, &url);
        let loaded = app.work(true, load).await;
        let model = loaded.inspect_err(|refusal| {
            tracing::warn!(model = beginning(&name), reason = refusal.message(), "not loaded");
        })?;
        tracing::info!(model = name, id = model.id(), features = model.rows().width(), "loaded");
        Ok(app.json(&json!({ "status": format!("Model {name:?} loaded") })))
    });
    app.finish("/models", started, result.await)
}

async fn unload_model(State(app): Shared, Path(name): Path<String>) -> Response {
    let started = Instant::now();
    let result = async {
        let model = app.registry("/models")?.unload(&name)?;
        // The platform loads the next model as soon as it is told that the memory is free.
        let waited = async {
            while Arc::strong_count(&model) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(UNLOAD_WAIT, waited).await;
        drop(model);
        tracing::info!(model = name, "unloaded");
        Ok(app.json(&json!({ "status": format!("Model {name:?} unregistered") })))
    };
    app.finish("/models/{name}", started, result.await)
}

async fn get_model(State(app): Shared, Path(name): Path<String>) -> Response {
    let started = Instant::now();
    let result = app.registry("/models").and_then(|registry| registry.get(&name));
    let result = result.map(|entry| app.json(&json!({ "modelName": name, "modelUrl": entry.url })));
    app.finish("/models/{name}", started, result)
}

#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
    next_page_token: Option<String>,
}

/// Names behind a token, at most `limit` of them; the token is the last name of the page before, so that models that
/// come and go meanwhile move no other.
async fn list_models(State(app): Shared, page: Result<Query<Page>, QueryRejection>) -> Response {
    let started = Instant::now();
    let result = app.registry("/models").map(|registry| {
        let Page { limit, next_page_token } =
            page.map_or(Page { limit: None, next_page_token: None }, |Query(page)| page);
        let limit = limit.filter(|&limit| limit > 0).unwrap_or(usize::MAX);
        let all = registry.list();
        let rest: Vec<_> =
            all.iter().filter(|(name, _)| next_page_token.as_ref().is_none_or(|last| name > last)).collect();
        let page = &rest[..limit.min(rest.len())];
        let models: Vec<Value> =
            page.iter().map(|(name, entry)| json!({ "modelName": name, "modelUrl": entry.url })).collect();
        let mut answer = json!({ "models": models });
        if let (Some((last, _)), true) = (page.last(), page.len() < rest.len()) {
            answer["nextPageToken"] = last.as_str().into();
        }
        app.json(&answer)
    });
    app.finish("/models", started, result)
}

async fn server_metadata(State(app): Shared) -> Response {
    app.json(&json!({ "name": "churn-serve", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

async fn model_metadata(State(app): Shared, Path(name): Path<String>) -> Response {
    let started = Instant::now();
    let result = app.models.named(&name).map(|model| app.json(&inference_protocol::metadata(&name, &model)));
    app.finish("/v2/models/{name}", started, result)
}

async fn model_metadata_of_version(state: Shared, Path((name, _)): Path<(String, String)>) -> Response {
    model_metadata(state, Path(name)).await
}

async fn model_ready(State(app): Shared, Path(name): Path<String>) -> Response {
    let started = Instant::now();
    let result = app.models.named(&name).map(|_| app.json(&json!({ "name": name, "ready": true })));
    app.finish("/v2/models/{name}/ready", started, result)
}

async fn model_ready_of_version(state: Shared, Path((name, _)): Path<(String, String)>) -> Response {
    model_ready(state, Path(name)).await
}

async fn infer(State(app): Shared, Path(name): Path<String>, request: Request) -> Response {
    let started = Instant::now();
    let result = at_work(&app, async {
        let model = app.models.named(&name)?;
        let (_, body) = app.read(request).await?;
        let is_long = body.bytes.len() > SCORED_IN_PLACE;
        let (n_bytes, asked) = (body.bytes.len(), name.clone());
        let work = move || inference_protocol::infer(&asked, &model, &body.bytes);
        let (answer, scores) = app.work(is_long, work).await?;
        app.metrics.scored(n_bytes, &scores);
        Ok(app.respond(StatusCode::OK, "application/json", answer))
    });
    app.finish("/v2/models/{name}/infer", started, result.await)
}

async fn infer_version(state: Shared, Path((name, _)): Path<(String, String)>, request: Request) -> Response {
    infer(state, Path(name), request).await
}

async fn no_path(State(app): Shared, uri: Uri) -> Response {
    app.finish("other", Instant::now(), Err(Refusal::NoPath { path: uri.path().to_owned() }))
}

async fn no_method(State(app): Shared, method: Method, uri: Uri) -> Response {
    let refusal = Refusal::Method { method: method.to_string(), path: uri.path().to_owned() };
    app.finish("other", Instant::now(), Err(refusal))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;
    use crate::media_type::AnswerFormat;
    use crate::row::BadRows;

    fn app(n_cores: usize) -> App {
        let body_timeout = Duration::from_secs(10);
        App {
            models: Models::Many(Registry::new("/nowhere".into(), 0)),
            answers: AnswerSettings {
                default_format: AnswerFormat::Json,
                keys: None,
                csv_header: false,
                open_end: false,
                bad_rows: BadRows::Refuse,
            },
            admission: Admission::new(1, 1 << 10, n_cores, body_timeout),
            metrics: Metrics::new(),
            batch_payload_mb: 6,
            max_concurrent_transforms: 1,
            is_closing: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn work_keeps_its_core_when_the_client_has_gone() {
        let app = app(1);
        let (begin, has_begun) = oneshot::channel();
        let (end, is_over) = mpsc::channel::<()>();
        let work = app.work(true, move || {
            let _ = begin.send(());
            // Ends when the other side is dropped.
            let _ = is_over.recv();
            Ok::<(), Refusal>(())
        });
        tokio::select! {
            _ = work => panic!("the work has ended"),
            begun = has_begun => begun.expect("the work begins"),
        }
        let is_free = async || timeout(Duration::ZERO, app.admission.core()).await.is_ok();
        assert!(!is_free().await, "a second task would run beside the first");
        drop(end);
        drop(timeout(Duration::from_secs(10), app.admission.core()).await.expect("the core is free again"));
    }
}
