//! JSON that is held as values: no more than a megabyte at once, and no object that names a key twice.

use std::fmt;

use churn_events::beginning;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// Bytes of JSON that are held at once, because values take up to a hundred times as much: a row, a company, columns.
pub(crate) const MOST_HELD: usize = 1 << 20;

/// Reads a value.
///
/// # Errors
/// Why it cannot be read, without the line: where it stands among others says who asks.
pub(crate) fn read_value(text: &[u8]) -> Result<Value, String> {
    if text.len() > MOST_HELD {
        return Err("has more than 1 MB".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let read = UniqueKeys.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let why = text.strip_suffix(&place).unwrap_or(&text);
        if error.is_data() { why.to_owned() } else { format!("is not JSON: {why}") }
    })
}

/// Reads the value of a key into a map.
///
/// # Errors
/// When it is there already: one of the two would be lost.
pub(crate) fn insert<'de, A: MapAccess<'de>>(
    map: &mut Map<String, Value>,
    key: String,
    object: &mut A,
) -> Result<(), A::Error> {
    match map.entry(key) {
        Entry::Vacant(entry) => {
            entry.insert(object.next_value_seed(UniqueKeys)?);
            Ok(())
        }
        Entry::Occupied(entry) => Err(A::Error::custom(format_args!("names {:?} twice", beginning(entry.key())))),
    }
}

/// A value, as [`Value`] reads itself, whose objects name every key once.
struct UniqueKeys;

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Self)? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key()? {
            insert(&mut values, key, &mut object)?;
        }
        Ok(values.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_serde_json_reads_it() {
        let text = br#" {"a": [null, true, 1, -1, 1.5, 18446744073709551615, "\u00e9"], "b": {"a": {}}} "#;
        assert_eq!(read_value(text), Ok(serde_json::from_slice(text).unwrap()));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "\u0061": 2}}]"#] {
            assert_eq!(read_value(text.as_bytes()), Err("names \"a\" twice".to_owned()));
        }
        let long = "x".repeat(100_000);
        let why = read_value(format!(r#"{{"{long}":1,"{long}":2}}"#).as_bytes()).unwrap_err();
        assert!(why.len() < 200, "{why}");
    }

    #[test]
    fn what_is_no_value_says_why_and_not_where() {
        assert_eq!(read_value(b"[1,"), Err("is not JSON: EOF while parsing a value".to_owned()));
        assert_eq!(read_value(b"1e999"), Err("is not JSON: number out of range".to_owned()));
        assert_eq!(read_value(b"1 2"), Err("is not JSON: trailing characters".to_owned()));
        assert!(read_value("[".repeat(100_000).as_bytes()).unwrap_err().contains("recursion limit"));
        assert_eq!(read_value(&vec![b' '; MOST_HELD + 1]), Err("has more than 1 MB".to_owned()));
    }
}
