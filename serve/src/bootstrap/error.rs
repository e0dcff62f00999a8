//! Why the function cannot start, and why it refuses a request.

use std::path::PathBuf;

use churn_serve::{CompanyError, LoadError, NoMapping};

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("no usable model; name its file in CHURN_MODEL, or put it beside bootstrap as model.safetensors")]
    Model(#[from] LoadError),
    #[error("model file {path:?} cannot answer company JSON")]
    NoMapping { path: PathBuf, source: NoMapping },
    #[cfg(not(feature = "sagemaker-endpoint"))]
    #[error("ENDPOINT_NAME is {name:?}, but this bootstrap was built without the cargo feature sagemaker-endpoint")]
    NoEndpoints { name: String },
}

/// Why a request is refused; the message is the answer's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the event has no body of text; send a company JSON by POST")]
    NoBody,
    #[error("the body says that it is base64, and is not")]
    NotBase64 { source: base64::DecodeError },
    #[error("the body is not JSON")]
    NotJson { source: serde_json::Error },
    #[error("the body is {found}; send a company as JSON object, or a list of companies")]
    NotACompany { found: &'static str },
    #[error("the body holds {found} companies, where at most {most} are answered at once")]
    TooMany { found: usize, most: usize },
    #[error("company {position} of {n_companies}")]
    InList { position: usize, n_companies: usize, source: Box<Refusal> },
    #[error(transparent)]
    Company(#[from] CompanyError),
    #[cfg(feature = "sagemaker-endpoint")]
    #[error("endpoint {name}")]
    Endpoint { name: String, source: crate::endpoint::EndpointError },
}

impl Refusal {
    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> u16 {
        match self {
            #[cfg(feature = "sagemaker-endpoint")]
            Self::Endpoint { .. } => 502,
            Self::TooMany { .. } => 413,
            _ => 400,
        }
    }
}
