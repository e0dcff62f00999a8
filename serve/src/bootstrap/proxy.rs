//! The events of API Gateway and their answers: REST APIs (payload 1.0) and HTTP APIs (1.0 and 2.0) share what is used here.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use churn_serve::chain;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Refusal;

/// The body of an event.
///
/// # Errors
/// When the event has none, or one that is not what it says.
pub(crate) fn body(event: &Value) -> Result<Cow<'_, [u8]>, Refusal> {
    let body = event.get("body").and_then(Value::as_str).ok_or(Refusal::NoBody)?;
    if event.get("isBase64Encoded") == Some(&Value::Bool(true)) {
        return Ok(Cow::Owned(STANDARD.decode(body).map_err(|source| Refusal::NotBase64 { source })?));
    }
    Ok(Cow::Borrowed(body.as_bytes()))
}

/// What API Gateway makes an HTTP response of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProxyAnswer {
    status_code: u16,
    headers: Headers,
    body: String,
}

#[derive(Debug, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

impl ProxyAnswer {
    pub(crate) fn new(body: String) -> Self {
        Self { status_code: 200, headers: Headers { content_type: "application/json" }, body }
    }

    pub(crate) fn refusing(refusal: &Refusal) -> Self {
        let body = json!({ "error": chain(refusal) }).to_string();
        Self { status_code: refusal.status(), ..Self::new(body) }
    }
}
