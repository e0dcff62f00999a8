//! What a failed call of Kinesis means to the one who started the program.

use crate::aws::{Aws, CallError, Fault};

/// Why a stream cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KinesisError {
    /// There is no stream of that name.
    #[error("there is no stream {stream:?} in region {region}: create it, or check its name and AWS_REGION")]
    NoStream {
        /// The stream.
        stream: String,
        /// Where it was looked for.
        region: String,
        /// What Kinesis says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The credentials do not allow it.
    #[error(
        "{operation} on stream {stream:?} is refused: check the credentials, and that their policy allows {needed}"
    )]
    Refused {
        /// The stream.
        stream: String,
        /// What was refused.
        operation: &'static str,
        /// The actions that a policy has to allow.
        needed: &'static str,
        /// What Kinesis says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else.
    #[error("{operation} on stream {stream:?} failed in region {region}")]
    Failed {
        /// The stream.
        stream: String,
        /// Where it was called.
        region: String,
        /// What failed.
        operation: &'static str,
        /// What Kinesis, or the way to it, says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(crate) fn explain(aws: &Aws, stream: &str, needed: &'static str, error: CallError) -> KinesisError {
    let (operation, stream, region) = (error.operation, stream.to_owned(), aws.region().to_owned());
    let CallError { fault, source, .. } = error;
    match fault {
        Fault::NotFound => KinesisError::NoStream { stream, region, source },
        Fault::Refused => KinesisError::Refused { stream, operation, needed, source },
        _ => KinesisError::Failed { stream, region, operation, source },
    }
}
