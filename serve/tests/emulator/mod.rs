//! What `bootstrap` meets in AWS Lambda: the Runtime API, which gives it events and takes its answers.

#[cfg(feature = "sagemaker-endpoint")]
pub(crate) mod endpoint;

use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Long enough for a busy machine; nothing waits for it unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

const API: &str = "/2018-06-01/runtime";

/// What a function tells the Runtime API.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Answer(Value),
    Error(Value),
    InitError(Value),
}

/// A running `bootstrap` and the Runtime API around it.
pub(crate) struct Lambda {
    child: Child,
    events: UnboundedSender<Value>,
    told: Receiver<Told>,
    _server: Runtime,
}

impl Lambda {
    /// Starts the function with these environment variables and no others.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let (events, waiting) = unbounded_channel();
        let (tell, told) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let router = Router::new()
            .route(&format!("{API}/invocation/next"), get(next).with_state(waiting))
            .route(&format!("{API}/invocation/{{id}}/response"), take(&tell, Told::Answer))
            .route(&format!("{API}/invocation/{{id}}/error"), take(&tell, Told::Error))
            .route(&format!("{API}/init/error"), take(&tell, Told::InitError));
        let (server, address) = serve(router);
        let child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "churn")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .envs(variables.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .expect("bootstrap starts");
        Self { child, events, told, _server: server }
    }

    /// What the function tells next.
    pub(crate) fn told(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("the function tells something")
    }

    /// Sends an event and waits for its answer.
    pub(crate) fn ask(&self, event: Value) -> Value {
        self.events.send(event).expect("the Runtime API runs");
        match self.told() {
            Told::Answer(answer) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Sends a body as an HTTP API does, and reads the status and the body of the answer.
    pub(crate) fn post(&self, body: &Value) -> (u64, Value) {
        let answer = self.ask(json!({ "version": "2.0", "body": body.to_string(), "isBase64Encoded": false }));
        let body = answer["body"].as_str().expect("the body is text");
        (answer["statusCode"].as_u64().expect("is a status"), serde_json::from_str(body).expect("is JSON"))
    }

    /// Waits until the function ends by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("bootstrap was started")
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

async fn next(State(waiting): State<Arc<Mutex<UnboundedReceiver<Value>>>>) -> Response {
    let Some(event) = waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:churn"),
        ("content-type", "application/json"),
    ];
    (headers, event.to_string()).into_response()
}

fn take(tell: &Sender<Told>, kind: fn(Value) -> Told) -> MethodRouter {
    let tell = tell.clone();
    post(async move |body: Bytes| {
        let _ = tell.send(kind(serde_json::from_slice(&body).unwrap_or_default())); // the test may have ended
        StatusCode::ACCEPTED
    })
}

fn serve(router: Router) -> (Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("starts");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address)
}
