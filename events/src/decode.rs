//! CloudEvents 1.0 in JSON to [`Event`]s.
//!
//! A line is read three times at most. The first reader ([`usual`]) knows the order in which [`encode`](crate::encode)
//! writes the events that most of a log is made of, and takes nothing else. The second ([`fast`]) goes over the bytes
//! once, borrows every text, and gives up at the first thing that is out of the ordinary: an escape, a nested value, a
//! number with an exponent, a field given twice, anything wrong. The third ([`slow`]) takes whatever JSON there is, on top
//! of `serde_json`, and says what is wrong. The properties prove that where one of the first two answers, the third gives
//! the same answer.

mod fast;
mod slow;
mod usual;

pub(crate) use slow::{object, value};

use std::borrow::Cow;
#[cfg(feature = "log")]
use std::ops::Range;

use crate::data::{Data, Value};
use crate::event_types::EventType;
use crate::malformed::{Malformed, Reason};
use crate::rfc3339::beginning;
use crate::{Event, Timestamp};

/// The most bytes that a line may have: 16 MiB.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Reads one event in the JSON form of CloudEvents 1.0.
///
/// Unknown fields are passed over. Where the event has no `recordedtime`, it counts as received when it occurred; use
/// [`decode_arrived`] where the arrival is known.
///
/// # Errors
/// [`Malformed`] names the field and what is wrong with it. An event whose type is not known here is one of these too:
/// see [`Malformed::unknown_type`].
/// # Cost
/// No allocation for a line without escapes. `docs/events.md` has the measured throughput.
/// # Example
/// ```
/// let line = br#"{"specversion":"1.0","id":"1","source":"/jobs","type":"com.anycompany.bdcp.job.cancelled",
///     "subject":"tenant-7","time":"2026-03-01T12:30:45Z","data":{"jobId":"job-9"}}"#;
/// let event = churn_events::decode(line)?;
/// assert_eq!(event.tenant, "tenant-7");
///
/// let error = churn_events::decode(br#"{"specversion":"1.0","id":""}"#).unwrap_err();
/// assert_eq!(error.to_string(), "id: is empty");
/// # Ok::<(), churn_events::Malformed>(())
/// ```
pub fn decode(line: &[u8]) -> Result<Event<'_>, Malformed> {
    decode_with(line, None)
}

/// Reads one event that arrived at a known time, which is when it was received unless it says so itself.
///
/// # Errors
/// As [`decode`].
pub fn decode_arrived(line: &[u8], arrived_at: Timestamp) -> Result<Event<'_>, Malformed> {
    decode_with(line, Some(arrived_at))
}

#[inline(always)]
fn decode_with(line: &[u8], arrived_at: Option<Timestamp>) -> Result<Event<'_>, Malformed> {
    let text = as_text(line)?;
    let unended = text.strip_suffix('\n').unwrap_or(text);
    match usual::read(unended, arrived_at, |_| true, || unreachable!("all are wanted"), Ok) {
        Some(result) => result,
        None => decode_unusual(text, arrived_at),
    }
}

/// Reads an event from a line that is text and not too long; `None` when it was received at another time. What such an
/// event carries may not have been looked at.
#[inline(always)]
#[cfg(feature = "log")]
pub(crate) fn decode_received_in<'a>(period: &Range<Timestamp>, text: &'a str) -> Result<Option<Event<'a>>, Malformed> {
    let text = without_mark(text);
    let is_wanted = |received_at| period.contains(&received_at);
    match usual::read(text, None, is_wanted, || Ok(None), |event| Ok(Some(event))) {
        Some(result) => result,
        None => Ok(Some(decode_unusual(text, None)?).filter(|event| period.contains(&event.received_at))),
    }
}

#[cold]
#[inline(never)]
fn decode_unusual(text: &str, arrived_at: Option<Timestamp>) -> Result<Event<'_>, Malformed> {
    match fast::read(text, arrived_at) {
        Some(event) => Ok(event),
        None => slow::read(text, arrived_at),
    }
}

/// The line as text, when it is one and not too long.
#[inline(always)]
pub(crate) fn as_text(line: &[u8]) -> Result<&str, Malformed> {
    if line.len() > MAX_LINE_BYTES {
        return Err(Malformed::line(Reason::TooLong { most_bytes: MAX_LINE_BYTES }));
    }
    match simdutf8::basic::from_utf8(line) {
        Ok(text) => Ok(without_mark(text)),
        Err(_) => Err(not_text(line)),
    }
}

/// The text without the byte order mark that some programs begin files with.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cold]
fn not_text(line: &[u8]) -> Malformed {
    let at = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
    Malformed::line(Reason::NotUtf8 { at })
}

/// The values of an event's attributes, before they are checked.
#[derive(Default)]
struct Envelope<'a> {
    specversion: Value<'a>,
    id: Value<'a>,
    source: Value<'a>,
    event_type: Value<'a>,
    subject: Value<'a>,
    time: Value<'a>,
    recordedtime: Value<'a>,
}

impl<'a> Envelope<'a> {
    /// Where the attribute of that name belongs; `None` for one that nobody asks for.
    fn slot(&mut self, name: &str) -> Option<&mut Value<'a>> {
        Some(match name {
            "specversion" => &mut self.specversion,
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "recordedtime" => &mut self.recordedtime,
            _ => return None,
        })
    }

    /// The event, when everything about it is right.
    fn into_event(self, data: &mut Data<'a>, arrived_at: Option<Timestamp>) -> Result<Event<'a>, Malformed> {
        let version = text(self.specversion, "specversion")?;
        if version != "1.0" {
            let reason = Reason::UnknownWord { found: beginning(&version), expected: "1.0" };
            return Err(Malformed::new("specversion", reason));
        }
        let id = text(self.id, "id")?;
        let source = text(self.source, "source")?;
        let name = text(self.event_type, "type")?;
        let Some(event_type) = EventType::named(&name) else {
            return Err(Malformed::new("type", Reason::UnknownType { name: beginning(&name) }));
        };
        let tenant = text(self.subject, "subject")?;
        let occurred_at = time(self.time, "time")?;
        let received_at = match (self.recordedtime, arrived_at) {
            (Value::Absent, Some(arrived_at)) => arrived_at,
            (Value::Absent, None) => occurred_at,
            (recorded, _) => time(recorded, "recordedtime")?,
        };
        Ok(Event { id, source, tenant, occurred_at, received_at, kind: data.take_kind(event_type)? })
    }
}

fn text<'a>(value: Value<'a>, name: &'static str) -> Result<Cow<'a, str>, Malformed> {
    let reason = match value {
        Value::Text(text) if !text.is_empty() => return Ok(text),
        Value::Text(_) => Reason::Empty,
        Value::Absent => Reason::Missing,
        other => Reason::WrongKind { found: other.shown(), expected: "a text" },
    };
    Err(Malformed::new(name, reason))
}

fn time(value: Value<'_>, name: &'static str) -> Result<Timestamp, Malformed> {
    Timestamp::parse(&text(value, name)?).map_err(|error| Malformed::new(name, error.into()))
}

/// All readers by themselves, for the proof that they agree: the two fast ones, and the slow one.
#[doc(hidden)]
pub fn decode_all_ways(line: &[u8]) -> ([Option<Event<'_>>; 2], Result<Event<'_>, Malformed>) {
    match as_text(line) {
        Ok(text) => (
            [usual::read(text, None, |_| true, || None, Some).flatten(), fast::read(text, None)],
            slow::read(text, None),
        ),
        Err(error) => ([None, None], Err(error)),
    }
}
