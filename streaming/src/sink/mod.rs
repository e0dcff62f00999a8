//! Where score records and dead letters go.

mod folder;
#[cfg(feature = "kinesis")]
pub(crate) mod kinesis;
mod lines;
mod object_names;
pub(crate) mod objects;
#[cfg(any(feature = "kinesis", test))]
mod put_queue;
#[cfg(feature = "s3")]
pub(crate) mod s3;
#[cfg(feature = "parquet")]
mod score_table;

pub use lines::LineSink;
use serde::{Deserialize, Serialize};

use crate::{DeadLetter, ScoreRecord};

/// Takes score records, or dead letters, and keeps them.
///
/// A sink may hold back what it is given until it is asked to keep it.
pub trait Sink {
    /// Takes score records.
    ///
    /// # Errors
    /// When they cannot be written and trying again is no use.
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError>;

    /// Takes dead letters.
    ///
    /// # Errors
    /// As [`Sink::score`].
    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError>;

    /// Returns when everything given so far is kept, with what the sink wants to know when it is restored.
    ///
    /// # Errors
    /// When something cannot be kept: the positions of the stream must not move then.
    fn keep(&mut self) -> Result<SinkPosition, SinkError>;

    /// Whether nothing would be lost if it were restored to its beginning. A sink that takes nothing back loses nothing.
    ///
    /// # Errors
    /// When that cannot be told.
    fn is_empty(&mut self) -> Result<bool, SinkError> {
        Ok(true)
    }

    /// Takes back what was written after a checkpoint, where the sink can; it will be given again.
    ///
    /// # Errors
    /// When what was kept then is not there any more.
    fn restore(&mut self, position: SinkPosition) -> Result<(), SinkError>;
}

/// How far a sink had come at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SinkPosition {
    /// Bytes written, of a sink that can be cut back to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Parts written, of a sink that can remove later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<u64>,
}

/// Why a sink cannot keep what it was given.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to {name}")]
pub struct SinkError {
    /// The sink as it was named.
    pub name: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SinkError {
    /// Something is wrong with the sink of that name.
    pub fn new(name: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { name: name.into(), source: source.into() }
    }
}
