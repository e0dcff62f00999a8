//! Objects in a bucket of S3.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::objects::{Failure, ObjectFormat, ObjectPlace, ObjectSink};
use crate::aws::{Aws, CallError, Fault, insist, missing};

/// Calls at once.
const AT_ONCE: usize = 16;
/// Tries of a call: some five minutes.
const TRIES: u32 = 60;

/// A part of a bucket.
struct Bucket {
    aws: Arc<Aws>,
    client: Client,
    bucket: String,
    /// In front of every name: empty, or ending in `/`.
    prefix: String,
}

/// Why objects cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum S3Error {
    /// The address is none.
    #[error("is {found:?} where s3://BUCKET or s3://BUCKET/PREFIX is expected")]
    Address {
        /// The address.
        found: String,
    },
    /// There is no such bucket.
    #[error("there is no bucket {bucket:?}: create it, or check its name and region")]
    NoBucket {
        /// The bucket.
        bucket: String,
        /// What S3 says.
        source: Failure,
    },
    /// The credentials do not allow it.
    #[error(
        "{operation} in bucket {bucket:?} is refused: check the credentials, and that their policy allows s3:PutObject, \
         s3:GetObject and s3:DeleteObject on its objects, and s3:ListBucket on the bucket"
    )]
    Refused {
        /// The bucket.
        bucket: String,
        /// What was refused.
        operation: &'static str,
        /// What S3 says.
        source: Failure,
    },
    /// Anything else.
    #[error("{operation} in bucket {bucket:?} failed")]
    Failed {
        /// The bucket.
        bucket: String,
        /// What failed.
        operation: &'static str,
        /// What S3, or the way to it, says.
        source: Failure,
    },
}

impl ObjectSink {
    /// Objects below `s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// [`S3Error::Address`] when it is no such address.
    pub fn s3(aws: &Arc<Aws>, address: &str, format: ObjectFormat) -> Result<Self, S3Error> {
        let no_address = || S3Error::Address { found: address.to_owned() };
        let rest = address.strip_prefix("s3://").ok_or_else(no_address)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() {
            return Err(no_address());
        }
        // Other endpoints than Amazon's seldom have a host for each bucket.
        let is_elsewhere =
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().any(|name| std::env::var_os(name).is_some());
        let settings = aws_sdk_s3::config::Builder::from(&aws.config).force_path_style(is_elsewhere).build();
        let place = Bucket {
            aws: Arc::clone(aws),
            client: Client::from_conf(settings),
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
        };
        Ok(Self::new(address.to_owned(), Box::new(place), format))
    }
}

impl Bucket {
    fn explain(&self, error: CallError) -> Failure {
        let (bucket, CallError { operation, fault, source }) = (self.bucket.clone(), error);
        let explained = match fault {
            Fault::NotFound => S3Error::NoBucket { bucket, source },
            Fault::Refused => S3Error::Refused { bucket, operation, source },
            _ => S3Error::Failed { bucket, operation, source },
        };
        explained.into()
    }

    /// Calls for each of these, some at once.
    fn for_each<T: Send + 'static, F: Future<Output = Result<(), CallError>> + Send + 'static>(
        &self,
        items: Vec<T>,
        call: impl Fn(T) -> F,
    ) -> Result<(), Failure> {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for item in items {
            let (permits, call) = (Arc::clone(&permits), call(item));
            let task = async move {
                let _permit = permits.acquire_owned().await;
                call.await
            };
            tasks.spawn_on(task, self.aws.runtime.handle());
        }
        self.aws.runtime.block_on(async {
            while let Some(done) = tasks.join_next().await {
                done?.map_err(|error| self.explain(error))?;
            }
            Ok(())
        })
    }
}

impl ObjectPlace for Bucket {
    fn write(&mut self, objects: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        self.for_each(objects, |(name, bytes)| {
            let (client, retries) = (self.client.clone(), Arc::clone(self.aws.retries()));
            let (bucket, key) = (self.bucket.clone(), format!("{}{name}", self.prefix));
            let kind = if key.ends_with(".parquet") { "application/vnd.apache.parquet" } else { "application/json" };
            let bytes = bytes::Bytes::from(bytes);
            async move {
                let put = || {
                    let call = client.put_object().bucket(&bucket).key(&key).content_type(kind);
                    let call = call.body(ByteStream::from(bytes.clone())).send();
                    async move { call.await.map_err(|error| CallError::new("PutObject", error)) }
                };
                insist(&retries, TRIES, put).await.map(drop)
            }
        })
    }

    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let key = format!("{}{name}", self.prefix);
        let get = || {
            let call = self.client.get_object().bucket(&self.bucket).key(&key).send();
            async move {
                let answer = match call.await {
                    Ok(answer) => answer,
                    Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
                        return Ok(None);
                    }
                    Err(error) => return Err(CallError::new("GetObject", error)),
                };
                // Broken off in the middle.
                let cut = |error| CallError { operation: "GetObject", fault: Fault::Failed, source: Box::new(error) };
                Ok(Some(answer.body.collect().await.map_err(cut)?.to_vec()))
            }
        };
        self.aws.runtime.block_on(insist(self.aws.retries(), TRIES, get)).map_err(|error| self.explain(error))
    }

    fn remove(&mut self, names: &[String]) -> Result<(), Failure> {
        self.for_each(names.to_vec(), |name| {
            let (client, retries) = (self.client.clone(), Arc::clone(self.aws.retries()));
            let (bucket, key) = (self.bucket.clone(), format!("{}{name}", self.prefix));
            async move {
                let delete = || {
                    let call = client.delete_object().bucket(&bucket).key(&key).send();
                    async move { call.await.map_err(|error| CallError::new("DeleteObject", error)) }
                };
                insist(&retries, TRIES, delete).await.map(drop)
            }
        })
    }

    fn check(&self) -> Result<(), Failure> {
        let call = || {
            let call = self.client.head_bucket().bucket(&self.bucket).send();
            async move { call.await.map_err(|error| CallError::new("HeadBucket", error)) }
        };
        missing(&self.aws, call).map_or(Ok(()), |error| Err(self.explain(error)))
    }

    fn address(&self) -> Option<String> {
        Some(format!("s3://{}/{}", self.bucket, self.prefix))
    }
}
