//! The JSON Schemas in `docs/schemas` say what the decoder does.

mod common;

use std::path::PathBuf;

use churn_events::{decode, encode, event_schemas};
use common::event;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a JSON Schema")
}

fn validator_of(event_type: &Value) -> Validator {
    let schemas = event_schemas();
    validator(&schemas.iter().find(|schema| *event_type == schema.event_type.as_str()).expect("a known type").schema)
}

#[test]
fn the_files_are_what_the_code_makes_and_there_are_no_others() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    let schemas = event_schemas();
    for schema in &schemas {
        let text = std::fs::read_to_string(folder.join(schema.file_name())).unwrap();
        // Compared as values: the order of keys is not the same with every set of features of `serde_json`.
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), schema.schema, "run `make schemas`");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), schemas.len());
}

#[test]
fn every_schema_is_one_and_its_example_fits_and_decodes() {
    for schema in event_schemas() {
        jsonschema::meta::validate(&schema.schema).unwrap();
        let example = &schema.schema["examples"][0];
        assert!(validator(&schema.schema).is_valid(example));
        decode(example.to_string().as_bytes()).unwrap();
    }
}

#[test]
fn what_the_schema_asks_for_is_what_the_decoder_asks_for() {
    for schema in event_schemas() {
        let validator = validator(&schema.schema);
        let example = &schema.schema["examples"][0];
        for part in ["", "/data"] {
            for name in example.pointer(part).unwrap().as_object().unwrap().keys() {
                let mut event = example.clone();
                event.pointer_mut(part).unwrap().as_object_mut().unwrap().remove(name);
                let decoded = decode(event.to_string().as_bytes()).is_ok();
                assert_eq!(validator.is_valid(&event), decoded, "{} without {name}", schema.event_type);
            }
        }
    }
}

/// Values that are right somewhere and wrong elsewhere.
fn values() -> Vec<Value> {
    vec![
        json!(null),
        json!(""),
        json!("4"),
        json!("failed"),
        json!(0),
        json!(1),
        json!(3.0),
        json!(-1),
        json!(-0.5),
        json!(0.5),
        json!(1.5),
        json!(5_000_000_000_u64),
        json!(u64::MAX),
        json!(1e20),
        json!(1e300),
        json!(true),
        json!([]),
        json!({}),
        json!("2026-01-01T00:00:00Z"),
        json!("2026-01-01T00:00:00"),
        json!("1969-12-31T00:00:00Z"),
        json!("2100-12-31T23:59:59.5+00:00"),
        json!("2101-01-01T00:00:00Z"),
        json!("com.anycompany.bdcp.user.added"),
    ]
}

#[test]
fn schema_and_decoder_agree_on_every_value_in_every_field() {
    for schema in event_schemas() {
        let validator = validator(&schema.schema);
        let example = &schema.schema["examples"][0];
        let names = schema.schema["properties"].as_object().unwrap().keys().map(|name| format!("/{name}"));
        let data = schema.schema["properties"]["data"]["properties"].as_object().unwrap();
        for pointer in names.chain(data.keys().map(|name| format!("/data/{name}"))) {
            for value in values() {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                let mut event = example.clone();
                event.pointer_mut(parent).unwrap()[name] = value;
                // Another type has another schema.
                if event["type"] != example["type"] && event["type"] == "com.anycompany.bdcp.user.added" {
                    continue;
                }
                let line = event.to_string();
                let decoded = decode(line.as_bytes());
                assert_eq!(validator.is_valid(&event), decoded.is_ok(), "{event} gives {decoded:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_event_that_is_written_fits_its_schema(event in event()) {
        let mut line = Vec::new();
        encode(&event, &mut line);
        let written: Value = serde_json::from_slice(&line).unwrap();
        prop_assert!(validator_of(&written["type"]).is_valid(&written), "{}", written);
    }
}
