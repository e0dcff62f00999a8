//! A Lambda function behind a Kinesis event source: batches in, score records out, states in a table.
//!
//! Nothing of a tenant lives in the process: its state is read from a [`StateStore`] before its records are taken in, and
//! written back under the condition that nobody else has written it meanwhile. Beside the state stands how far the tenant
//! has come in each shard, so a record that is delivered again is passed over.
//!
//! # Failures
//! Lambda is told the sequence number of the first record that has to come again, and delivers everything from it again
//! (`ReportBatchItemFailures`). A record that is no event is no failure: it goes to the dead letters.
//!
//! # Order
//! Sinks keep score records before states are written: score records are delivered at least once, with the same id.
//!
//! # Source
//! "Using Lambda to process records from Amazon Kinesis Data Streams", AWS Lambda Developer Guide.

#[cfg(feature = "lambda")]
mod dynamodb;
mod event;
mod handler;
mod store;

#[cfg(feature = "lambda")]
pub use dynamodb::DynamoStore;
pub use event::{BatchItemFailure, BatchResponse};
pub use handler::{HandleError, Handler};
pub use store::{MemoryStore, PutError, StateStore, StoreError, TenantItem};
