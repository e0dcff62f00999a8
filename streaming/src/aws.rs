//! What all clients of AWS share: settings of the environment, a runtime, and what to make of their errors.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::runtime::Runtime;

use crate::retries::Backoff;
use crate::{Retries, Retry};

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A connection to AWS as the environment describes it: region, credentials, endpoints.
///
/// The SDK itself tries nothing again: whoever calls does, and counts it in [`Aws::retries`].
#[derive(Debug)]
pub struct Aws {
    pub(crate) runtime: Runtime,
    pub(crate) config: SdkConfig,
    retries: Arc<Retries>,
}

/// Why there is no connection to AWS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AwsError {
    /// Nothing says which region.
    #[error("no AWS region is set: set AWS_REGION, or a region in the profile")]
    NoRegion,
    /// The operating system gives no threads.
    #[error("cannot start the threads that talk to AWS")]
    Runtime {
        /// Why.
        source: std::io::Error,
    },
}

impl Aws {
    /// Reads the environment and the profile; calls nothing but, perhaps, the instance's metadata.
    ///
    /// # Errors
    /// [`AwsError::NoRegion`] without a region.
    pub fn connect(retries: Arc<Retries>) -> Result<Arc<Self>, AwsError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("aws")
            .enable_all()
            .build()
            .map_err(|source| AwsError::Runtime { source })?;
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ANSWER).build(),
            );
        let config = runtime.block_on(loader.load());
        if config.region().is_none() {
            return Err(AwsError::NoRegion);
        }
        Ok(Arc::new(Self { runtime, config, retries }))
    }

    /// Where retries are counted.
    pub fn retries(&self) -> &Arc<Retries> {
        &self.retries
    }

    #[cfg(any(feature = "kinesis", feature = "dynamodb"))]
    pub(crate) fn region(&self) -> &str {
        self.config.region().map_or("", AsRef::as_ref)
    }
}

/// Waits between calls; its dice fall differently in every process.
pub(crate) fn backoff() -> Backoff {
    Backoff::new(FIRST_WAIT, LONGEST_WAIT, RandomState::new().hash_one(0))
}

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Asked too often.
    Throttled,
    /// The service, or the way to it, does not work at the moment.
    Failed,
    /// The iterator is too old.
    Expired,
    /// There is no such thing.
    NotFound,
    /// Not allowed.
    Refused,
    /// The request itself is wrong, or nothing that is known.
    Wrong,
}

impl Fault {
    pub(crate) const fn retry(self) -> Option<Retry> {
        match self {
            Self::Throttled => Some(Retry::Throttled),
            Self::Failed => Some(Retry::Failed),
            Self::Expired => Some(Retry::ExpiredIterator),
            Self::NotFound | Self::Refused | Self::Wrong => None,
        }
    }

    fn of_code(code: &str, status: u16) -> Self {
        match code {
            "ProvisionedThroughputExceededException"
            | "LimitExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "KMSThrottlingException"
            | "SlowDown" => Self::Throttled,
            "ExpiredIteratorException" => Self::Expired,
            // The SDK asks for new credentials when these have expired.
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "RequestTimeout" | "RequestTimeTooSkewed" => {
                Self::Failed
            }
            // A new request gets a token of a new listing.
            "ExpiredNextTokenException" => Self::Failed,
            // While a stream is being made or resharded.
            "ResourceInUseException" | "OperationAborted" => Self::Failed,
            "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchKey" | "NotFound" => Self::NotFound,
            "AccessDeniedException"
            | "AccessDenied"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "IncompleteSignature"
            | "MissingAuthenticationTokenException"
            | "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSNotFoundException"
            | "KMSInvalidStateException" => Self::Refused,
            _ if status == 429 => Self::Throttled,
            _ if status >= 500 => Self::Failed,
            _ if status == 404 => Self::NotFound,
            _ if status == 403 => Self::Refused,
            _ => Self::Wrong,
        }
    }
}

/// A call that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub(crate) struct CallError {
    pub(crate) operation: &'static str,
    pub(crate) fault: Fault,
    pub(crate) source: Box<dyn Error + Send + Sync>,
}

impl CallError {
    pub(crate) fn new<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = match &error {
            SdkError::ServiceError(answer) => {
                Fault::of_code(answer.err().code().unwrap_or_default(), answer.raw().status().as_u16())
            }
            SdkError::ConstructionFailure(_) => Fault::Wrong,
            // No answer in time, no connection, no credentials at the moment, or an answer cut short.
            _ => Fault::Failed,
        };
        Self { operation, fault, source: error.into() }
    }
}

/// How often it is asked at the start whether something is there: whoever may not ask, or gets no answer, goes on.
#[cfg(any(feature = "kinesis", feature = "s3"))]
const ASKS: u32 = 3;

/// What is missing, as a call says that nobody but this needs; whatever else is wrong shows when it is used.
#[cfg(any(feature = "kinesis", feature = "s3"))]
pub(crate) fn missing<T, F: Future<Output = Result<T, CallError>>>(
    aws: &Aws,
    call: impl Fn() -> F,
) -> Option<CallError> {
    let answer = aws.runtime.block_on(insist(aws.retries(), ASKS, call));
    answer.err().filter(|error| error.fault == Fault::NotFound)
}

/// Calls until it is answered, or until trying again is no use, or has been none `most` times.
pub(crate) async fn insist<T, F: Future<Output = Result<T, CallError>>>(
    retries: &Retries,
    most: u32,
    call: impl Fn() -> F,
) -> Result<T, CallError> {
    let mut backoff = backoff();
    loop {
        let error = match call().await {
            Ok(answer) => {
                retries.note_success();
                return Ok(answer);
            }
            Err(error) => error,
        };
        let Some(why) = error.fault.retry().filter(|_| backoff.failures() + 1 < most) else { return Err(error) };
        retries.count(error.operation, why, 1);
        tokio::time::sleep(backoff.after_failure()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_answered_is_a_sign_of_life_and_one_that_is_not_is_none() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("is made");
        let retries = Retries::default();
        let refused =
            || async { Err::<(), _>(CallError { operation: "Put", fault: Fault::Wrong, source: "no".into() }) };
        assert!(runtime.block_on(insist(&retries, 1, refused)).is_err());
        assert_eq!(retries.successes(), 0);
        assert!(runtime.block_on(insist(&retries, 1, || async { Ok(()) })).is_ok());
        assert_eq!(retries.successes(), 1);
    }

    #[test]
    fn what_passes_is_tried_again_and_what_stays_is_not() {
        let of = |code, status| Fault::of_code(code, status).retry();
        assert_eq!(of("ProvisionedThroughputExceededException", 400), Some(Retry::Throttled));
        assert_eq!(of("SlowDown", 503), Some(Retry::Throttled));
        assert_eq!(of("InternalFailure", 500), Some(Retry::Failed));
        assert_eq!(of("", 502), Some(Retry::Failed));
        assert_eq!(of("ExpiredIteratorException", 400), Some(Retry::ExpiredIterator));
        for (code, status) in
            [("ResourceNotFoundException", 400), ("AccessDeniedException", 400), ("SomethingNew", 400)]
        {
            assert_eq!(of(code, status), None, "{code}");
        }
    }
}
