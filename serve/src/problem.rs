//! Why a request gets no scores, and which status says so.

use churn_features::RecordError;
use serde_json::json;

use crate::chain::chain;
use crate::company::CompanyError;
use crate::row::{MatchProblem, RowProblem};
use crate::served_model::LoadError;

/// What keeps a request from being answered, as the client is told it.
///
/// The message may show what stands in a row, so it goes to the client and never into a log; [`kind`](Self::kind) does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no body.
    #[error("the body is empty; expected one row per line, or JSON")]
    EmptyBody,
    /// The body is in no format that is read.
    #[error(
        "Content-Type {found:?} is not read; send text/csv, application/json, application/jsonlines, \
         application/x-recordio-protobuf or text/libsvm"
    )]
    ContentType {
        /// The header.
        found: String,
    },
    /// A parameter of the content type that is not understood.
    #[error("Content-Type parameter {name}={value:?} is not understood; expected {expected}")]
    ContentTypeParameter {
        /// Name of the parameter.
        name: String,
        /// Its value.
        value: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// None of the formats asked for is written.
    #[error(
        "Accept {found:?} is not written; ask for application/json, application/jsonlines, text/csv or \
         application/x-recordio-protobuf"
    )]
    Accept {
        /// The header.
        found: String,
    },
    /// A number of reasons that is none.
    #[error("reasons={found:?} is not a number from 0 to {most}")]
    Reasons {
        /// What was asked for.
        found: String,
        /// The most reasons per row.
        most: usize,
    },
    /// Reasons for so many rows would take longer than the platform waits.
    #[error("reasons for {n_rows} rows were asked for; send at most {most} rows per request with reasons")]
    TooManyReasons {
        /// Rows in the body.
        n_rows: usize,
        /// The most rows with reasons.
        most: usize,
    },
    /// One row cannot be read.
    #[error("row {row}: {problem}")]
    Row {
        /// Number of the row, from 1.
        row: usize,
        /// What is wrong with it.
        problem: RowProblem,
    },
    /// The first line of a CSV body names columns, which was not announced.
    #[error(
        "row 1 looks like a header: {line:?}; send rows only, or say Content-Type: text/csv; header=present, and columns \
         are matched by name"
    )]
    Header {
        /// The line, or its beginning.
        line: String,
    },
    /// Columns whose names are not those of the features.
    #[error(transparent)]
    Match(#[from] MatchProblem),
    /// The body is not JSON.
    #[error("the body is not JSON")]
    Json {
        /// Where and why.
        source: serde_json::Error,
    },
    /// The JSON has none of the forms that hold rows.
    #[error(
        "the JSON holds no rows: expected one of instances, dataframe_split, dataframe_records or inputs, a list of rows, \
         or a company{}", company.as_deref().map(|why| format!(" ({why})")).unwrap_or_default()
    )]
    NoRows {
        /// Why it was not read as a company, where that is known.
        company: Option<String>,
    },
    /// A part of the JSON has the wrong form.
    #[error("{path}: expected {expected}")]
    Form {
        /// Where.
        path: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// A company cannot be read.
    #[error(transparent)]
    Company(#[from] CompanyError),
    /// A company of a list cannot be read.
    #[error("company {position} of {n_companies}")]
    CompanyOfList {
        /// Its number, from 1.
        position: usize,
        /// How many there are.
        n_companies: usize,
        /// What is wrong with it.
        source: Box<Problem>,
    },
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// A row cannot be read, and the format has no word for it.
    #[error(
        "a row cannot be read, and an answer of records has no place to say so; ask for text/csv or application/jsonlines"
    )]
    NoPlaceholder,
    /// The body is larger than is taken.
    #[error("the body has more than {most_bytes} bytes; send fewer rows, or raise SAGEMAKER_MAX_PAYLOAD_IN_MB")]
    TooLarge {
        /// The cap.
        most_bytes: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {seconds} seconds")]
    TooSlow {
        /// The time that it had.
        seconds: u64,
    },
    /// The connection broke off before the body was whole.
    #[error("the body broke off")]
    BrokeOff,
    /// No model is loaded yet.
    #[error("the model is not loaded yet")]
    NotReady,
    /// More is asked than can be answered soon.
    #[error("too many requests are waiting; try again")]
    Overloaded,
    /// No model of that name.
    #[error("Model not found: {name}")]
    ModelNotFound {
        /// The name asked for.
        name: String,
    },
    /// A model of that name is there already.
    #[error("Model {name} is already registered.")]
    ModelRegistered {
        /// The name.
        name: String,
    },
    /// A model cannot be loaded from there.
    #[error("model {name}: {text}")]
    ModelUrl {
        /// The name.
        name: String,
        /// Why.
        text: String,
    },
    /// The folder holds no model that can be read.
    #[error("model {name} cannot be served")]
    ModelFile {
        /// The name.
        name: String,
        /// Why.
        source: LoadError,
    },
    /// There is no memory for another model.
    #[error("model {name} needs {needed_mb} MB, {free_mb} MB are left; unload a model first")]
    NoMemory {
        /// The name.
        name: String,
        /// Megabytes that it takes.
        needed_mb: u64,
        /// Megabytes that are left.
        free_mb: u64,
    },
    /// The one model was asked where there are many.
    #[error("many models are served here; scores are at POST /models/NAME/invoke")]
    ManyModels,
    /// No such path.
    #[error("no path {path:?}; scores are at POST /invocations")]
    NoPath {
        /// The path.
        path: String,
    },
    /// A path, and another method.
    #[error("{method} is not what {path:?} takes")]
    Method {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// A mistake of this program.
    #[error("the request could not be answered; the log says why")]
    Internal,
}

impl Problem {
    /// The status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            Self::ContentType { .. } => 415,
            Self::ContentTypeParameter { name, .. } if name == "charset" => 415,
            Self::Accept { .. } => 406,
            Self::TooLarge { .. } => 413,
            Self::TooSlow { .. } => 408,
            Self::NotReady | Self::Overloaded => 503,
            Self::ModelNotFound { .. } | Self::ModelUrl { .. } | Self::ManyModels | Self::NoPath { .. } => 404,
            Self::ModelRegistered { .. } => 409,
            Self::NoMemory { .. } => 507,
            Self::Method { .. } => 405,
            Self::Internal => 500,
            _ => 400,
        }
    }

    /// One word for it, for logs and clients that match on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EmptyBody => "EmptyBody",
            Self::ContentType { .. } => "UnsupportedContentType",
            Self::ContentTypeParameter { .. } => "ContentTypeParameter",
            Self::Accept { .. } => "NotAcceptable",
            Self::Reasons { .. } => "Reasons",
            Self::TooManyReasons { .. } => "TooManyReasons",
            Self::Row { .. } => "Row",
            Self::Header { .. } => "Header",
            Self::Match(_) => "Names",
            Self::Json { .. } => "Json",
            Self::NoRows { .. } => "NoRows",
            Self::Form { .. } => "Form",
            Self::Company(_) | Self::CompanyOfList { .. } => "Company",
            Self::Records(_) => "Records",
            Self::NoPlaceholder => "NoPlaceholder",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooSlow { .. } => "TooSlow",
            Self::BrokeOff => "BrokeOff",
            Self::NotReady => "NotReady",
            Self::Overloaded => "Overloaded",
            Self::ModelNotFound { .. } => "ModelNotFoundException",
            Self::ModelRegistered { .. } => "ConflictStatusException",
            Self::ModelUrl { .. } => "ResourceNotFoundException",
            Self::ModelFile { .. } => "BadModel",
            Self::NoMemory { .. } => "InsufficientStorageException",
            Self::ManyModels | Self::NoPath { .. } => "NoPath",
            Self::Method { .. } => "MethodNotAllowedException",
            Self::Internal => "InternalServerException",
        }
    }

    /// The body of the answer: `{"code": 400, "type": "Row", "message": "row 2: ..."}`.
    pub fn body(&self) -> Vec<u8> {
        let body = json!({ "code": self.status(), "type": self.kind(), "message": chain(self) });
        body.to_string().into_bytes()
    }
}
