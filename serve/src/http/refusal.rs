//! Why a request is not answered, and which status says so.

use axum::http::StatusCode;
use serde_json::json;

use crate::chain::chain;
use crate::problem::Problem;
use crate::served_model::LoadError;

/// Characters of a message from its beginning, and as many to its end.
const MOST_TOLD: usize = 600;

/// What keeps a request from being answered, as the client is told it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// What it asks, or its body.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The body is larger than is taken.
    #[error("the body has more than {most_bytes} bytes; send fewer rows, or raise SAGEMAKER_MAX_PAYLOAD_IN_MB")]
    TooLarge { most_bytes: usize },
    /// Tensors are held as JSON values, which takes many times their size.
    #[error("a request of tensors has at most {most_bytes} bytes; send fewer rows, or rows to /invocations")]
    TensorsTooLarge { most_bytes: usize },
    /// A body that would have to be decoded first.
    #[error("Content-Encoding {found:?} is not read, nor is any other; send the body as it is, without this header")]
    ContentEncoding { found: String },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {seconds} seconds")]
    TooSlow { seconds: u64 },
    /// The connection broke off before the body was whole.
    #[error("the body broke off")]
    BrokeOff,
    /// No model is loaded yet.
    #[error("the model is not loaded yet")]
    NotReady,
    /// More is asked than can be answered soon.
    #[error("too many requests are waiting; try again")]
    Overloaded,
    #[error("Model not found: {name}")]
    ModelNotFound { name: String },
    #[error("Model {name} is already registered.")]
    ModelRegistered { name: String },
    /// A model cannot be loaded from there.
    #[error("model {name}: {text}")]
    ModelUrl { name: String, text: String },
    /// The folder holds no model that can be read.
    #[error("model {name} cannot be served")]
    ModelFile { name: String, source: LoadError },
    #[error("model {name} needs {needed_mb} MB, {free_mb} MB are left; unload a model first")]
    NoMemory { name: String, needed_mb: u64, free_mb: u64 },
    /// The one model was asked where there are many.
    #[error("many models are served here; scores are at POST /models/NAME/invoke")]
    ManyModels,
    #[error("{path:?} is for many models, and one is served here; SAGEMAKER_MULTI_MODEL=true serves many")]
    OneModel { path: String },
    #[error("no path {path:?}; scores are at POST /invocations")]
    NoPath { path: String },
    /// A path, and another method.
    #[error("{method} is not what {path:?} takes; the answer's header Allow says what it does")]
    Method { method: String, path: String },
    /// A mistake of this program.
    #[error("the request could not be answered; the log says why")]
    Internal,
}

impl Refusal {
    /// The status that goes with it.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Problem(problem) => StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST),
            Self::TooLarge { .. } | Self::TensorsTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentEncoding { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BrokeOff | Self::ModelFile { .. } => StatusCode::BAD_REQUEST,
            Self::NotReady | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::ModelNotFound { .. }
            | Self::ModelUrl { .. }
            | Self::ManyModels
            | Self::OneModel { .. }
            | Self::NoPath { .. } => StatusCode::NOT_FOUND,
            Self::ModelRegistered { .. } => StatusCode::CONFLICT,
            Self::NoMemory { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One word for it, for logs and clients that match on it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Problem(problem) => problem.kind(),
            Self::TooLarge { .. } | Self::TensorsTooLarge { .. } => "TooLarge",
            Self::ContentEncoding { .. } => "UnsupportedContentEncoding",
            Self::TooSlow { .. } => "TooSlow",
            Self::BrokeOff => "BrokeOff",
            Self::NotReady => "NotReady",
            Self::Overloaded => "Overloaded",
            Self::ModelNotFound { .. } => "ModelNotFoundException",
            Self::ModelRegistered { .. } => "ConflictStatusException",
            Self::ModelUrl { .. } => "ResourceNotFoundException",
            Self::ModelFile { .. } => "BadModel",
            Self::NoMemory { .. } => "InsufficientStorageException",
            Self::ManyModels | Self::OneModel { .. } | Self::NoPath { .. } => "NoPath",
            Self::Method { .. } => "MethodNotAllowedException",
            Self::Internal => "InternalServerException",
        }
    }

    /// The body of the answer: `{"code": 400, "type": "Row", "message": "row 2: ..."}`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let body = json!({ "code": self.status().as_u16(), "type": self.kind(), "message": self.message() });
        body.to_string().into_bytes()
    }

    /// What the client is told, without the middle of what is too long: a message may quote what was sent.
    pub(crate) fn message(&self) -> String {
        let text = chain(self);
        let mut places = text.char_indices().map(|(place, _)| place);
        let (end, start) = (places.nth(MOST_TOLD), places.nth_back(MOST_TOLD));
        match (end, start) {
            (Some(end), Some(start)) => format!("{} … {}", &text[..end], &text[start..]),
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{AnswerFormat, BodyFormat, Wanted};

    fn status_of(problem: Problem) -> u16 {
        Refusal::from(problem).status().as_u16()
    }

    #[test]
    fn media_types_have_statuses_of_their_own() {
        let content_type = |text| status_of(BodyFormat::of(Some(text), false).unwrap_err());
        assert_eq!(["text/plain", "text/csv; charset=utf-16"].map(content_type), [415, 415]);
        assert_eq!(content_type("text/csv; label_size=5"), 400);
        assert_eq!(status_of(Wanted::of(Some("text/html"), AnswerFormat::Json).unwrap_err()), 406);
        assert_eq!(status_of(Problem::EmptyBody), 400);
    }

    #[test]
    fn a_problem_is_told_with_its_causes_and_its_kind() {
        let source = serde_json::from_str::<u8>("x").unwrap_err();
        let body = String::from_utf8(Refusal::from(Problem::Json { source }).body()).unwrap();
        let message = "the body is not JSON: expected value at line 1 column 1";
        assert_eq!(body, format!(r#"{{"code":400,"message":"{message}","type":"Json"}}"#));
    }

    #[test]
    fn a_message_that_quotes_a_long_body_is_told_without_its_middle() {
        let source = serde_json::from_str::<Vec<u8>>(&format!("{:?}", "é".repeat(1_000_000))).unwrap_err();
        let message = Refusal::from(Problem::Json { source }).message();
        assert!(
            message.starts_with("the body is JSON of another form than is read: invalid type: string \"éé"),
            "{message}"
        );
        assert!(message.ends_with("éé\", expected a sequence at line 1 column 2000002"), "{message}");
        assert_eq!(message.chars().filter(|c| *c == '…').count(), 1);
        assert!(message.chars().count() < 1300);
    }
}
