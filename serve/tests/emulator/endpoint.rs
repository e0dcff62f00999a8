//! What stands in for a SageMaker endpoint.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use tokio::runtime::Runtime;

use super::{PATIENCE, serve};

/// A request that an endpoint got.
#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// Says the same to everybody, and keeps what it was asked.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    invoked: Receiver<Invoked>,
    _server: Runtime,
}

impl Endpoint {
    pub(crate) fn answering(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Self {
        let (tell, invoked) = channel();
        let status = StatusCode::from_u16(status).expect("is a status");
        let headers: HeaderMap = headers
            .iter()
            .map(|&(name, value)| (name.parse().expect("is a name"), value.parse().expect("is a value")))
            .collect();
        let body = body.to_owned();
        let router = Router::new().fallback(async move |request: Request| {
            let path = request.uri().path().to_owned();
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let got = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            let asked = axum::body::to_bytes(request.into_body(), usize::MAX).await.expect("the body arrives");
            let asked = String::from_utf8_lossy(&asked).into_owned();
            let _ = tell.send(Invoked { path, headers: got, body: asked });
            (status, headers.clone(), body.clone())
        });
        let (server, address) = serve(router);
        Self { url: format!("http://{address}"), invoked, _server: server }
    }

    /// The next request.
    pub(crate) fn invoked(&self) -> Invoked {
        self.invoked.recv_timeout(PATIENCE).expect("the endpoint is asked")
    }
}
