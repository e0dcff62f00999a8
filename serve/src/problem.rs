//! Why a request gets no scores.

use churn_features::RecordError;

use crate::company::CompanyError;
use crate::row::{MatchProblem, RowProblem};

/// What keeps a request from being answered, as the client is told it.
///
/// The message may show what stands in a row, so it goes to the client and never into a log; [`kind`](Self::kind) does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no body.
    #[error("the body is empty; expected one row per line, or JSON")]
    EmptyBody,
    /// There is a header, and no row.
    #[error("the body has a header and no rows behind it; expected one row per line")]
    HeaderOnly,
    /// The body is in no format that is read.
    #[error(
        "Content-Type {found:?} is not read; send text/csv, application/json, application/jsonlines, \
         application/x-recordio-protobuf or text/libsvm, for example by curl -H 'Content-Type: text/csv'"
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
    /// More rows than are held at once.
    #[error("the body has more than {most} rows, which is as many as are scored at once; send it in parts")]
    TooManyRows {
        /// The most rows.
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
    /// The body is not JSON, or is JSON of another form than is read.
    #[error("the body is {}", if source.is_data() { "JSON of another form than is read" } else { "not JSON" })]
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
    /// Companies cannot be read.
    #[error(transparent)]
    Company(#[from] CompanyError),
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// A row cannot be read, and the format has no word for it.
    #[error(
        "a row cannot be read, and an answer of records has no place to say so; ask for text/csv or application/jsonlines"
    )]
    NoPlaceholder,
}

impl Problem {
    /// One word for it, for logs and clients that match on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::EmptyBody | Self::HeaderOnly => "EmptyBody",
            Self::ContentType { .. } => "UnsupportedContentType",
            Self::ContentTypeParameter { .. } => "ContentTypeParameter",
            Self::Accept { .. } => "NotAcceptable",
            Self::Reasons { .. } => "Reasons",
            Self::TooManyReasons { .. } => "TooManyReasons",
            Self::TooManyRows { .. } => "TooManyRows",
            Self::Row { .. } => "Row",
            Self::Header { .. } => "Header",
            Self::Match(_) => "Names",
            Self::Json { source } if !source.is_data() => "Json",
            Self::NoRows { .. } => "NoRows",
            Self::Json { .. } | Self::Form { .. } => "Form",
            Self::Company(_) => "Company",
            Self::Records(_) => "Records",
            Self::NoPlaceholder => "NoPlaceholder",
        }
    }

    /// The HTTP status that goes with it: it is the client's to mend.
    pub fn status(&self) -> u16 {
        match self {
            Self::ContentType { .. } => 415,
            Self::ContentTypeParameter { name, .. } if name == "charset" => 415,
            Self::Accept { .. } => 406,
            Self::TooManyRows { .. } | Self::Company(CompanyError::TooMany { .. }) => 413,
            _ => 400,
        }
    }
}
