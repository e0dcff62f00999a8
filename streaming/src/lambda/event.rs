//! What Lambda hands to a function that is mapped to a stream, and what it wants to hear.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use churn_events::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Position, Record, SequenceNumber, Shard};

#[derive(Deserialize)]
struct EventRecord {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: String,
    kinesis: KinesisRecord,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecord {
    sequence_number: String,
    data: String,
    approximate_arrival_timestamp: Option<f64>,
}

/// A record with the shard that it comes from, and its sequence number as Lambda wrote it.
pub(super) struct Delivered {
    pub(super) shard: Shard,
    pub(super) sequence: String,
    pub(super) record: Record,
}

/// Why a record cannot be handed on.
pub(super) struct Refused {
    pub(super) shard: String,
    pub(super) position: String,
    pub(super) field: &'static str,
    pub(super) reason: String,
}

/// The records of an invocation; none when it is no event of a stream.
pub(super) fn records(event: &Value) -> Option<&Vec<Value>> {
    event.get("Records")?.as_array()
}

/// Reads a record.
pub(super) fn record(value: &Value) -> Result<Delivered, Refused> {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let refuse = |field, reason| Refused {
        shard: text("/eventID").split(':').next().unwrap_or_default().to_owned(),
        position: text("/kinesis/sequenceNumber"),
        field,
        reason,
    };
    let found = EventRecord::deserialize(value).map_err(|error| refuse("record", format!("is no record: {error}")))?;
    let sequence: SequenceNumber =
        found.kinesis.sequence_number.parse().map_err(|error| refuse("sequenceNumber", format!("{error}")))?;
    let data = STANDARD
        .decode(found.kinesis.data.as_bytes())
        .map_err(|error| refuse("data", format!("is not base64: {error}")))?;
    let shard_id = found.event_id.split(':').next().unwrap_or_default();
    let stream = found.event_source_arn.rsplit('/').next().unwrap_or_default();
    let arrived_at = found
        .kinesis
        .approximate_arrival_timestamp
        .map(|seconds| Timestamp::from_millis((seconds * 1e3).round() as i64));
    Ok(Delivered {
        shard: Shard::new(stream, format!("{stream}/{shard_id}")),
        sequence: found.kinesis.sequence_number,
        record: Record { position: Position::of(sequence), arrived_at, data },
    })
}

/// What Lambda is told: where it has to begin again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// Nothing when everything is done; one entry otherwise, with the first record that is not.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A record that has to come again, with all that come after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its sequence number.
    pub item_identifier: String,
}
