//! Score records into a Kinesis data stream.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;

use super::put_queue::{ENTRY_BYTES, Entry, PutQueue};
use super::{Sink, SinkError, SinkPosition};
use crate::aws::{Aws, CallError, backoff, missing};
use crate::kinesis_error::explain;
use crate::retries::Backoff;
use crate::{DeadLetter, Retry, ScoreRecord};

const PUT: &str = "PutRecords";
const NEEDED: &str = "kinesis:PutRecords";
/// Requests in a row of which nothing was stored, after which the sink gives up: some five minutes.
const MOST_FAILURES: u32 = 60;
/// Of a dead letter's text, what is kept where the whole is too large for the stream.
const LETTER_CHARS: usize = 64 << 10;

/// Puts score records into a Kinesis data stream as JSON; the partition key is the tenant, of a dead letter its place.
///
/// Of a request of which a part was not stored, that part is tried again, and may then stand behind later records of its
/// tenant; but the last of a tenant at a checkpoint stands behind all others of it. Records may arrive twice, when an answer
/// is lost and after a restart; their `id` is then the same.
pub struct KinesisSink {
    aws: Arc<Aws>,
    client: Client,
    name: String,
    stream: String,
    queue: PutQueue,
    backoff: Backoff,
}

#[derive(Debug, thiserror::Error)]
#[error("a record of {key:?} has {found} bytes where the stream takes {most}")]
struct TooLarge {
    key: String,
    found: usize,
    most: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the stream has stored nothing of {failures} requests in a row; it says {code}")]
struct StoresNothing {
    failures: u32,
    code: String,
}

impl KinesisSink {
    /// A sink into the stream of that name or ARN.
    pub fn new(aws: &Arc<Aws>, stream: &str) -> Self {
        Self {
            client: Client::new(&aws.config),
            aws: Arc::clone(aws),
            name: format!("kinesis:{stream}"),
            stream: stream.to_owned(),
            queue: PutQueue::default(),
            backoff: backoff(),
        }
    }

    /// Looks whether the stream is there, without waiting for the first record. Who may not look, but only write, is not
    /// refused.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn check(&self) -> Result<(), SinkError> {
        let call = || {
            let call = self.client.describe_stream_summary();
            let call = if self.is_arn() { call.stream_arn(&self.stream) } else { call.stream_name(&self.stream) };
            async move { call.send().await.map_err(|error| CallError::new("DescribeStreamSummary", error)) }
        };
        missing(&self.aws, call).map_or(Ok(()), |error| Err(self.explain(error)))
    }

    fn is_arn(&self) -> bool {
        self.stream.starts_with("arn:")
    }

    fn push(&mut self, key: &str, data: Vec<u8>) -> Result<(), SinkError> {
        let entry = Entry::new(key, data);
        if entry.bytes() > ENTRY_BYTES {
            let error = TooLarge { found: entry.bytes(), key: entry.key, most: ENTRY_BYTES };
            return Err(SinkError::new(&self.name, error));
        }
        self.queue.push(entry);
        if self.queue.is_plenty() { self.put() } else { Ok(()) }
    }

    /// Puts some of what waits; what was not stored waits on.
    fn put(&mut self) -> Result<(), SinkError> {
        let request = self.queue.take();
        let wait = match self.aws.runtime.block_on(self.call(&request)) {
            Ok(codes) => {
                let failed = request.into_iter().zip(&codes).filter(|(_, code)| code.is_some()).map(|(entry, _)| entry);
                let failed: Vec<Entry> = failed.collect();
                if failed.len() < codes.len() {
                    self.aws.retries().note_success();
                    self.backoff.reset();
                }
                if failed.is_empty() {
                    return Ok(());
                }
                self.aws.retries().count(PUT, Retry::RefusedEntry, failed.len() as u64);
                self.queue.give_back(failed);
                let code = || codes.into_iter().flatten().next().unwrap_or_default();
                self.wait().map_err(|failures| SinkError::new(&self.name, StoresNothing { failures, code: code() }))?
            }
            Err(error) => {
                self.queue.give_back(request);
                let Some(why) = error.fault.retry() else { return Err(self.explain(error)) };
                self.aws.retries().count(PUT, why, 1);
                match self.wait() {
                    Ok(wait) => wait,
                    Err(_) => return Err(self.explain(error)),
                }
            }
        };
        std::thread::sleep(wait);
        Ok(())
    }

    /// How long to wait, or after how many failures it is no use.
    fn wait(&mut self) -> Result<std::time::Duration, u32> {
        let wait = self.backoff.after_failure();
        let failures = self.backoff.failures();
        if failures < MOST_FAILURES { Ok(wait) } else { Err(failures) }
    }

    fn explain(&self, error: CallError) -> SinkError {
        let stream = self.stream.rsplit('/').next().unwrap_or(&self.stream);
        SinkError::new(&self.name, explain(&self.aws, stream, NEEDED, error))
    }

    /// For each entry, why it was not stored.
    async fn call(&self, request: &[Entry]) -> Result<Vec<Option<String>>, CallError> {
        let entries = request.iter().map(|entry| {
            let built = PutRecordsRequestEntry::builder().partition_key(&entry.key).data(Blob::new(entry.data.clone()));
            built.build().expect("key and data are given")
        });
        let call = self.client.put_records().set_records(Some(entries.collect()));
        let call = if self.is_arn() { call.stream_arn(&self.stream) } else { call.stream_name(&self.stream) };
        let answer = call.send().await.map_err(|error| CallError::new(PUT, error))?;
        let mut codes: Vec<Option<String>> = answer.records.into_iter().map(|record| record.error_code).collect();
        // An answer that says nothing of an entry says that it was stored no more than that it was not.
        codes.resize(request.len(), Some("NoAnswer".to_owned()));
        Ok(codes)
    }
}

impl Sink for KinesisSink {
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError> {
        records.iter().try_for_each(|record| {
            let data = serde_json::to_vec(record).map_err(|source| SinkError::new(&self.name, source))?;
            self.push(&record.tenant, data)
        })
    }

    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        letters.iter().try_for_each(|letter| {
            let json = |letter: &DeadLetter| serde_json::to_vec(letter);
            let mut data = json(letter).map_err(|source| SinkError::new(&self.name, source))?;
            let key = format!("{}/{}", letter.source, letter.position);
            if data.len() + key.len() > ENTRY_BYTES {
                data = json(&letter.shortened(LETTER_CHARS)).map_err(|source| SinkError::new(&self.name, source))?;
            }
            self.push(&key, data)
        })
    }

    fn keep(&mut self) -> Result<SinkPosition, SinkError> {
        while !self.queue.is_empty() {
            self.put()?;
        }
        Ok(SinkPosition::default())
    }

    fn restore(&mut self, _position: SinkPosition) -> Result<(), SinkError> {
        Ok(())
    }
}
