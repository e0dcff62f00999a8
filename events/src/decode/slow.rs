//! Reads any JSON, and says what is wrong with it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Envelope;
use crate::data::{Data, Value};
use crate::event_types::Field;
use crate::malformed::{Malformed, Reason};
use crate::rfc3339::beginning;
use crate::{Event, Timestamp};

pub(super) fn read(text: &str, arrived_at: Option<Timestamp>) -> Result<Event<'_>, Malformed> {
    let mut envelope = Envelope::default();
    let mut data = Data::default();
    let mut has_data = false;

    for (name, raw) in object(text)? {
        match name.as_ref() {
            "data" => {
                if std::mem::replace(&mut has_data, true) {
                    return Err(Malformed::new("data", Reason::Twice));
                }
                read_data(raw, &mut data)?;
            }
            "data_base64" if raw.get() != "null" => return Err(Malformed::new("data_base64", Reason::Binary)),
            name => {
                if let Some(slot) = envelope.slot(name) {
                    fill(slot, raw, name)?;
                }
            }
        }
    }
    envelope.into_event(&mut data, arrived_at)
}

fn read_data<'a>(raw: &'a RawValue, data: &mut Data<'a>) -> Result<(), Malformed> {
    if !raw.get().starts_with('{') {
        return match value(raw, "data")? {
            Value::Absent => Ok(()),
            other => {
                let reason = Reason::WrongKind { found: other.shown(), expected: "an object" };
                Err(Malformed::new("data", reason))
            }
        };
    }
    for (name, raw) in object(raw.get())? {
        if let Some(field) = Field::named(&name) {
            fill(data.get_mut(field), raw, field.name())?;
        }
    }
    Ok(())
}

fn fill<'a>(slot: &mut Value<'a>, raw: &'a RawValue, name: &str) -> Result<(), Malformed> {
    if !slot.is_absent() {
        return Err(Malformed::new(name.to_owned(), Reason::Twice));
    }
    *slot = value(raw, name)?;
    Ok(())
}

/// A value, by its first byte, which is enough for JSON that has been found to be right.
pub(crate) fn value<'a>(raw: &'a RawValue, name: &str) -> Result<Value<'a>, Malformed> {
    let text = raw.get();
    Ok(match text.as_bytes()[0] {
        b'n' => Value::Absent,
        b't' | b'f' => Value::Other("true or false"),
        b'{' => Value::Other("an object"),
        b'[' => Value::Other("a list"),
        b'"' if !text.contains('\\') => Value::Text(Cow::Borrowed(&text[1..text.len() - 1])),
        b'"' => match serde_json::from_str::<String>(text) {
            Ok(text) => Value::Text(Cow::Owned(text)),
            Err(_) => {
                let found = format!("the text {}, whose escapes make no characters,", beginning(text));
                return Err(Malformed::new(name.to_owned(), Reason::WrongKind { found, expected: "a text" }));
            }
        },
        _ => Value::Number(text),
    })
}

/// The fields of an object in their order.
pub(crate) fn object(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Malformed> {
    match serde_json::from_str::<Fields<'_>>(text) {
        Ok(Fields(fields)) => Ok(fields),
        Err(error) => Err(not_an_object(text, &error)),
    }
}

struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsFields;
        impl<'de> Visitor<'de> for AsFields {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Name(name), raw)) = map.next_entry()? {
                    fields.push((name, raw));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(AsFields)
    }
}

/// A field's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn not_an_object(text: &str, error: &serde_json::Error) -> Malformed {
    let start = text.trim_start().as_bytes().first();
    let found = match start {
        None => "nothing",
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(b'n') if text.trim() == "null" => "null",
        Some(b't' | b'f') if matches!(text.trim(), "true" | "false") => "true or false",
        _ => return not_json(text, error),
    };
    Malformed::line(Reason::NotAnObject { found })
}

fn not_json(text: &str, error: &serde_json::Error) -> Malformed {
    // Lines before that of the error, which only a caller's own text can have, and columns count bytes from 1.
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = before + error.column();
    let head = text.as_bytes().get(..at.saturating_sub(1)).unwrap_or_default();
    if let Some((name, found)) = no_number(text, head.len()) {
        return Malformed::new(name, Reason::WrongKind { found, expected: "a number" });
    }
    let problem = error.to_string();
    // The place is told apart.
    let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
    Malformed::line(Reason::NotJson { problem, at })
}

/// The field and the word, where the JSON ends at one of the words that Python and others write for what is no number.
fn no_number(text: &str, at: usize) -> Option<(String, String)> {
    // The parser stops inside of the word, at its start or behind its sign.
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    let start = at - bytes.get(..at)?.iter().rev().take_while(|byte| is_word(byte)).count();
    let length = bytes.get(start..)?.iter().take_while(|byte| is_word(byte)).count();
    let word = text.get(start..start + length)?;
    if !matches!(word.trim_start_matches('-').to_ascii_lowercase().as_str(), "nan" | "infinity" | "inf") {
        return None;
    }
    let before = text.get(..start)?.trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
    let name = &before[before.rfind('"')? + 1..];
    Some((beginning(name), word.to_owned()))
}
