//! Feeds bytes to the reader of model files, as they are and with the checksum put right.

#![no_main]

use churn_model::Model;
use libfuzzer_sys::fuzz_target;
use safetensors::tensor::Metadata;
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Few mutations get past the checksum by themselves.
    if let Some(sealed) = with_right_checksum(bytes) {
        check(&sealed);
    }
});

/// What is read can be used, and written, and is the same when read again.
fn check(bytes: &[u8]) {
    let Ok(model) = Model::from_bytes(bytes) else { return };
    for value in [f32::NAN, f32::NEG_INFINITY, -1.0, 0.0, 1.0, 255.0, f32::MAX] {
        let score = model.score(&vec![value; model.schema().len()]);
        assert!(score.is_nan() || (0.0..=1.0).contains(&score), "score {score}");
    }
    // Written without blanks, hyperparameters may be packed too densely.
    if let Ok(written) = model.to_bytes() {
        assert_eq!(Model::from_bytes(&written).expect("what was written reads"), model);
    }
}

/// The same file with the checksum that `docs/model-format.md` asks for, where there is a place for one.
fn with_right_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    const BEFORE: &[u8] = br#""churn_model":"{\"checksum\":\""#;
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let (header, data) = bytes.get(8..)?.split_at_checked(length)?;
    let metadata: Metadata = serde_json::from_slice(header).ok()?;
    let text = metadata.metadata().as_ref()?.get("churn_model")?.as_bytes();
    let place = 8 + header.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();

    let mut sha = Sha256::new();
    let number = |number: usize| (number as u64).to_le_bytes();
    sha.update(number(text.len()));
    sha.update(text.get(..13)?);
    sha.update([b'0'; 64]);
    sha.update(text.get(77..)?);
    let mut names = metadata.offset_keys();
    names.sort_unstable();
    sha.update(number(names.len()));
    for name in names {
        let info = metadata.info(&name)?;
        let tensor = data.get(info.data_offsets.0..info.data_offsets.1)?;
        let dtype = info.dtype.to_string();
        for part in [name.as_bytes(), dtype.as_bytes()] {
            sha.update(number(part.len()));
            sha.update(part);
        }
        sha.update(number(info.shape.len()));
        info.shape.iter().for_each(|&dimension| sha.update(number(dimension)));
        sha.update(number(tensor.len()));
        sha.update(tensor);
    }
    let digits: String = sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut sealed = bytes.to_vec();
    sealed.get_mut(place..place + 64)?.copy_from_slice(digits.as_bytes());
    Some(sealed)
}
