//! Feeds bytes to the decoders of events: lines, files, and what is written again.

#![no_main]

use churn_events::{LogOptions, decode, decode_all_ways, encode, read_log_from};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (fast, slow) = decode_all_ways(bytes);
    for fast in fast.into_iter().flatten() {
        assert_eq!(slow, Ok(fast), "a fast reader and the slow one differ");
    }
    if let Ok(event) = decode(bytes) {
        let mut line = Vec::new();
        encode(&event, &mut line);
        assert_eq!(decode(&line), Ok(event), "what was written reads differently");
    }
    // Compressed bytes could be bombs, which cost time and no memory.
    if !bytes.starts_with(&[0x1f, 0x8b]) && !bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let mut events = 0;
        let report = read_log_from(bytes, "fuzz", &LogOptions::default(), |batch| events += batch.len() as u64);
        assert_eq!(report.expect("bytes in memory can be read").events, events);
    }
});
