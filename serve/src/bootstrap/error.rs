//! Why the function cannot start, and why it refuses a request.

use std::path::PathBuf;

use churn_serve::{CompanyError, LoadError, NoMapping};

/// Why the function cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(
        "no model file at {}; put it beside bootstrap as model.safetensors, or name it in CHURN_MODEL",
        list(tried)
    )]
    NoModel { tried: Vec<PathBuf> },
    #[error("the model cannot be used")]
    Model(#[from] LoadError),
    #[error("model file {path:?} cannot answer company JSON")]
    NoMapping { path: PathBuf, source: NoMapping },
    #[cfg(not(feature = "sagemaker-endpoint"))]
    #[error("ENDPOINT_NAME is {name:?}, but this bootstrap was built without the cargo feature sagemaker-endpoint")]
    NoEndpoints { name: String },
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("{path:?}")).collect::<Vec<_>>().join(" or ")
}

/// Why a request is refused; the message is the answer's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the event has no body of text; send a company JSON by POST")]
    NoBody,
    #[error("the body says that it is base64, and is not")]
    NotBase64 { source: base64::DecodeError },
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
            Self::Company(CompanyError::TooMany { .. }) => 413,
            _ => 400,
        }
    }
}
