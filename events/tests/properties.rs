//! What holds for every event, however it is written.

mod common;

use churn_events::{Event, EventKind, decode, decode_all_ways, encode};
use common::{event, text};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn encoded(event: &Event<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    encode(event, &mut line);
    line
}

/// What stands beside the fields of an event that somebody else wrote.
fn extra() -> impl Strategy<Value = (String, Value)> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(null)),
        Just(json!({"a": [1, {"b": "}"}]})),
        Just(json!([true, "]"])),
    ];
    ("[a-z]{3,12}", value).prop_map(|(name, value)| (format!("x{name}"), value))
}

/// One field with something else in it, to be found or not by the decoders.
fn damage() -> impl Strategy<Value = (&'static str, Value)> {
    let names =
        ["specversion", "id", "source", "type", "subject", "time", "recordedtime", "data", "servers", "dataSize"];
    let values = [
        json!(null),
        json!(""),
        json!("4"),
        json!(-1),
        json!(2.5),
        json!(1e300),
        json!([]),
        json!({}),
        json!(true),
        json!("2026-01-01T00:00:00"),
        json!("2026-01-01T00:00:00+05:30"),
        json!("1969-12-31T00:00:00Z"),
        json!("0.3"),
    ];
    (proptest::sample::select(names.to_vec()), proptest::sample::select(values.to_vec()))
}

/// The object as JSON, its fields in this order, with blanks or without, every character escaped or none that need not.
fn spelt(fields: &[(String, Value)], blanks: bool, escaped: bool) -> String {
    let (comma, colon) = if blanks { (", ", ": ") } else { (",", ":") };
    let mut parts = Vec::new();
    for (name, value) in fields {
        let value = match value {
            Value::Object(fields) => {
                let inner: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                spelt(&inner, blanks, escaped)
            }
            Value::String(text) if escaped => {
                let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
                format!("\"{units}\"")
            }
            value => value.to_string(),
        };
        parts.push(format!("{}{colon}{value}", Value::from(name.as_str())));
    }
    format!("{{{}}}", parts.join(comma))
}

proptest! {
    #[test]
    fn an_event_is_the_same_after_it_was_written_and_read(event in event()) {
        let line = encoded(&event);
        prop_assert_eq!(decode(&line), Ok(event.clone()));
        prop_assert_eq!(event.clone().into_owned(), event);
    }

    #[test]
    fn usual_lines_are_read_by_the_fast_readers(event in event()) {
        let line = encoded(&event);
        if !line.contains(&b'\\') && !line.windows(2).any(|pair| pair == b"e-") && !line.contains(&b'+') {
            let [usual, fast] = decode_all_ways(&line).0;
            let is_of_a_tenant = matches!(
                event.kind,
                EventKind::TenantCreated(_)
                    | EventKind::TenantUpdated(_)
                    | EventKind::TenantBilled { .. }
                    | EventKind::TenantCancelled { .. }
            );
            let has_long_number = matches!(event.kind, EventKind::JobSubmitted { data_size, .. } if data_size >= 10_u64.pow(19));
            prop_assert_eq!(usual.is_none(), is_of_a_tenant || has_long_number);
            prop_assert!(usual.is_none_or(|usual| usual == event));
            prop_assert_eq!(fast, Some(event));
        }
    }

    #[test]
    fn all_readers_agree_in_whatever_order_and_spelling(
        event in event(),
        extras in proptest::collection::vec(extra(), 0..3),
        inner_extras in proptest::collection::vec(extra(), 0..2),
        (blanks, escaped, order) in (any::<bool>(), any::<bool>(), any::<prop::sample::Index>()),
        shuffle in Just(()).prop_perturb(|(), mut rng| rng.next_u64()),
    ) {
        let object: Map<String, Value> = serde_json::from_slice(&encoded(&event)).unwrap();
        let mut fields: Vec<(String, Value)> = object.into_iter().collect();
        for (name, value) in &mut fields {
            if name == "data" {
                value.as_object_mut().unwrap().extend(inner_extras.clone());
            }
        }
        fields.extend(extras);
        let rotation = order.index(fields.len());
        fields.rotate_left(rotation);
        let other = (shuffle as usize) % fields.len();
        fields.swap(0, other);
        let line = spelt(&fields, blanks, escaped);
        let (fast, slow) = decode_all_ways(line.as_bytes());
        prop_assert_eq!(slow.as_ref(), Ok(&event), "{}", line);
        for fast in fast.into_iter().flatten() {
            prop_assert_eq!(&fast, &event);
        }
    }

    #[test]
    fn the_fast_readers_never_take_what_the_slow_one_refuses(
        event in event(),
        damages in proptest::collection::vec(damage(), 1..3),
        twice in any::<prop::sample::Index>(),
        (doubles, cut) in (any::<bool>(), proptest::option::of(any::<prop::sample::Index>())),
    ) {
        let mut object: Map<String, Value> = serde_json::from_slice(&encoded(&event)).unwrap();
        for (name, value) in damages {
            match object.get_mut("data").and_then(Value::as_object_mut).filter(|data| data.contains_key(name)) {
                Some(data) => data.insert(name.to_owned(), value),
                None => object.insert(name.to_owned(), value),
            };
        }
        let mut fields: Vec<(String, Value)> = object.into_iter().collect();
        if doubles {
            let again = fields[twice.index(fields.len())].clone();
            fields.push(again);
        }
        let mut line = spelt(&fields, false, false).into_bytes();
        if let Some(cut) = cut {
            line.truncate(cut.index(line.len()));
        }
        let (fast, slow) = decode_all_ways(&line);
        for fast in fast.into_iter().flatten() {
            prop_assert_eq!(&slow, &Ok(fast));
        }
    }

    #[test]
    fn any_change_of_one_byte_is_read_alike_by_all(event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut line = encoded(&event);
        let at = at.index(line.len());
        line[at] = byte;
        let (fast, slow) = decode_all_ways(&line);
        for fast in fast.into_iter().flatten() {
            prop_assert_eq!(&slow, &Ok(fast));
        }
    }
}
