//! Feeds bytes to the readers of invocations' bodies: the first byte chooses the media type.

#![no_main]

use std::sync::LazyLock;

use churn_model::Model;
use churn_serve::{AnswerFormat, AnswerSettings, BadRows, Invocation, ServedModel};
use libfuzzer_sys::fuzz_target;

static MODEL: LazyLock<ServedModel> = LazyLock::new(|| {
    let file = include_bytes!("../../churn-model/tests/golden/1/forest.safetensors");
    ServedModel::new(Model::from_bytes(file).expect("the golden file reads"))
});

const CONTENT_TYPES: [&str; 7] = [
    "text/csv",
    "text/csv; header=present",
    "text/csv; label_size=1",
    "application/json",
    "application/jsonlines",
    "application/x-recordio-protobuf",
    "text/libsvm",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, body)) = bytes.split_first() else { return };
    let content_type = CONTENT_TYPES[usize::from(choice >> 1) % CONTENT_TYPES.len()];
    let bad_rows = if choice & 1 == 0 { BadRows::Refuse } else { BadRows::Placeholder };
    let settings =
        AnswerSettings { default_format: AnswerFormat::Json, keys: None, csv_header: false, open_end: false, bad_rows };
    let invocation = Invocation { content_type: Some(content_type), body, ..Invocation::default() };
    if let Ok(answer) = invocation.answer(&MODEL, &settings) {
        assert!(answer.scores.iter().all(|score| (0.0..=1.0).contains(score)), "{:?}", answer.scores);
        let said: serde_json::Result<serde_json::Value> = serde_json::from_slice(&answer.body);
        assert!(said.is_ok(), "the answer is no JSON");
    }
});
