//! Feeds bytes to the reader of scorer files, as they are and with the checksum put right.

#![no_main]

use churn_model::{Kernel, Scorer};
use libfuzzer_sys::fuzz_target;
use safetensors::tensor::Metadata;
use xxhash_rust::xxh3::Xxh3;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Few mutations get past the checksum by themselves.
    if let Some(sealed) = with_right_checksum(bytes) {
        check(&sealed);
    }
});

/// What is read can be walked by every kernel, alone and in a batch.
fn check(bytes: &[u8]) {
    let Ok(scorer) = Scorer::from_bytes(bytes) else { return };
    for kernel in Kernel::available() {
        let scorer = scorer.clone().limited_to(kernel);
        for value in [f32::NAN, f32::NEG_INFINITY, -1.0, 0.0, 1.0, 255.0, f32::MAX] {
            let rows = vec![value; 3 * scorer.schema().len()];
            let score = scorer.score(&rows[..scorer.schema().len()]);
            assert!(score.is_nan() || (0.0..=1.0).contains(&score), "score {score}");
            let is_same = |batched: f64| batched.to_bits() == score.to_bits();
            assert!(scorer.score_batch(&rows).into_iter().all(is_same), "batch, {kernel:?}");
            scorer.decide(&rows[..scorer.schema().len()]);
        }
    }
}

/// The same file with the checksum that the reader asks for, where there is a place for one.
fn with_right_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    const BEFORE: &[u8] = br#""churn_scorer":"{\"checksum\":\""#;
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    let (header, data) = bytes.get(8..)?.split_at_checked(length)?;
    let metadata: Metadata = serde_json::from_slice(header).ok()?;
    let text = metadata.metadata().as_ref()?.get("churn_scorer")?.as_bytes();
    let place = 8 + header.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();

    let mut hasher = Xxh3::new();
    hasher.update(text.get(13 + 16..)?);
    let mut names = metadata.offset_keys();
    names.sort_unstable();
    for name in names {
        let (start, end) = metadata.info(&name)?.data_offsets;
        hasher.update(data.get(start..end)?);
    }
    let mut sealed = bytes.to_vec();
    sealed.get_mut(place..place + 16)?.copy_from_slice(format!("{:016x}", hasher.digest()).as_bytes());
    Some(sealed)
}
