//! The lines that the daemon and its child exchange.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use churn_events::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Refusal;
use crate::{Position, Record, SequenceNumber};

/// A line of the daemon; what an action does not use is absent, and what is not known is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) action: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) shard_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) sequence_number: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) sub_sequence_number: Option<u64>,
    /// Each is read by itself, so that one that is damaged spoils no other.
    #[serde(default, borrow)]
    pub(super) records: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub(super) millis_behind_latest: Option<u64>,
    #[serde(default, borrow)]
    pub(super) error: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) reason: Option<Cow<'a, str>>,
}

/// A record as the daemon hands it over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KclRecord<'a> {
    #[serde(default, borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    sequence_number: Option<Cow<'a, str>>,
    #[serde(default)]
    sub_sequence_number: Option<u64>,
    #[serde(default)]
    approximate_arrival_timestamp: Option<i64>,
}

/// Reads a record.
pub(super) fn record(text: &RawValue) -> Result<Record, Refusal<'_>> {
    let text = text.get();
    let refuse = |position, field, reason: String| Refusal { position, field, reason, text };
    let record: KclRecord<'_> =
        serde_json::from_str(text).map_err(|error| refuse(None, "record", format!("is no record: {error}")))?;
    let missing = |position, field| refuse(position, field, "is missing".to_owned());
    let sequence = record.sequence_number.ok_or_else(|| missing(None, "sequenceNumber"))?;
    let sequence: SequenceNumber =
        sequence.parse().map_err(|error| refuse(None, "sequenceNumber", format!("{error}")))?;
    let position = Position { sequence, sub_sequence: record.sub_sequence_number.unwrap_or(0) };
    let data = record.data.ok_or_else(|| missing(Some(position), "data"))?;
    let data = STANDARD
        .decode(data.as_bytes())
        .map_err(|error| refuse(Some(position), "data", format!("is not base64: {error}")))?;
    let arrived_at = record.approximate_arrival_timestamp.map(Timestamp::from_millis);
    Ok(Record { position, arrived_at, data })
}

/// A line of the child. There is no field in it that the daemon does not expect: it would pass over the line, and wait.
#[derive(Serialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Reply<'a> {
    /// The request has been done.
    Status { response_for: &'a str },
    /// Everything that was delivered so far is done with; that is what no number means.
    Checkpoint { sequence_number: Option<&'a str>, sub_sequence_number: Option<u64> },
}

impl Reply<'_> {
    /// Writes the line, between two line breaks, so that nothing can stand before or behind it.
    pub(super) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let line = serde_json::to_string(self)?;
        write!(output, "\n{line}\n")?;
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("is JSON")
    }

    #[test]
    fn a_record_has_its_place_its_time_and_its_bytes() {
        let text = r#"{"action":"record","data":"/wA=","partitionKey":"t","sequenceNumber":"17","subSequenceNumber":3,
            "approximateArrivalTimestamp":1500,"later":{"unknown":[]}}"#;
        let text = raw(text);
        let position = Position { sequence: 17.into(), sub_sequence: 3 };
        let arrived_at = Some(Timestamp::from_millis(1500));
        assert_eq!(record(&text), Ok(Record { position, arrived_at, data: vec![0xff, 0] }));
        let bare = raw(r#"{"data":"","sequenceNumber":"17"}"#);
        assert_eq!(record(&bare), Ok(Record { position: Position::of(17), arrived_at: None, data: vec![] }));
    }

    #[test]
    fn what_is_wrong_with_a_record_is_named_with_its_place_where_that_is_known() {
        let at = Some(Position::of(17));
        let cases = [
            (r#"{"sequenceNumber":"17"}"#, at, "data", "is missing"),
            (r#"{"sequenceNumber":"17","data":null}"#, at, "data", "is missing"),
            (r#"{"sequenceNumber":"17","data":"a%"}"#, at, "data", "is not base64: "),
            (r#"{"data":"AA=="}"#, None, "sequenceNumber", "is missing"),
            (r#"{"data":"AA==","sequenceNumber":"x"}"#, None, "sequenceNumber", r#"is "x" where "#),
            (r#"{"data":7,"sequenceNumber":"17"}"#, None, "record", "is no record: "),
            ("7", None, "record", "is no record: "),
        ];
        for (text, position, field, reason) in cases {
            let raw = raw(text);
            let refused = record(&raw).expect_err(text);
            assert_eq!((refused.position, refused.field, refused.text), (position, field, text));
            assert!(refused.reason.starts_with(reason), "{}", refused.reason);
        }
    }

    #[test]
    fn replies_have_the_fields_that_are_expected_and_no_other() {
        let mut output = Vec::new();
        Reply::Status { response_for: "processRecords" }.write(&mut output).expect("is written");
        Reply::Checkpoint { sequence_number: None, sub_sequence_number: None }.write(&mut output).expect("is written");
        let expected = concat!(
            "\n{\"action\":\"status\",\"responseFor\":\"processRecords\"}\n",
            "\n{\"action\":\"checkpoint\",\"sequenceNumber\":null,\"subSequenceNumber\":null}\n"
        );
        assert_eq!(String::from_utf8(output).expect("is text"), expected);
    }
}
