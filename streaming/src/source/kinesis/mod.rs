//! Kinesis data streams, read by one process.
//!
//! All shards are read at once, each polled at most five times a second, a shard that came of others only when these
//! have been handed out to their end. Throttling, failures and iterators that expired are tried again for as long as it
//! takes, and counted. **This reader shares its shards with nobody**: two processes that read the same streams both get
//! every record. To spread shards over several workers, let the Kinesis Client Library do it and run the consumer as its
//! child (`consume --kcl`).
//!
//! Records are handed out as the stream keeps them; those that the Kinesis Producer Library aggregated are taken apart by
//! the processor, which knows the shard's hash keys.

#[cfg(feature = "kinesis")]
mod calls;
#[cfg(feature = "kinesis")]
mod reader;
mod shard_graph;
#[cfg(feature = "kinesis")]
mod source;
mod start;

#[cfg(feature = "kinesis")]
pub use self::source::{KinesisSource, Notice};
pub use self::start::{InitialPosition, KinesisStart};
