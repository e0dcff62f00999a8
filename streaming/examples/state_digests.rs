//! What a checkpoint folder holds, a line each: tenants with digests of their states, positions, and counts of events. Two
//! folders hold the same states when these lines are the same.
//!
//! ```text
//! state_digests FOLDER...
//! ```
//! Of several folders, those of shards that have ended included, the last that knows a tenant counts, as for an heir.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use churn_streaming::{CheckpointFolder, ProcessorOptions};
use xxhash_rust::xxh3::xxh3_128;

fn main() -> Result<(), Box<dyn Error>> {
    let mut digests: BTreeMap<String, u128> = BTreeMap::new();
    let mut counted = 0;
    for folder in std::env::args().skip(1) {
        let folder = CheckpointFolder::open(Path::new(&folder), Duration::from_secs(5))?;
        let processor = folder.restore(ProcessorOptions::default(), None)?;
        let mut bytes = Vec::new();
        for (tenant, state) in processor.store().states() {
            bytes.clear();
            state.write_to(&mut bytes);
            digests.insert(tenant.to_owned(), xxh3_128(&bytes));
        }
        counted += processor.event_counts().counted;
    }
    for (tenant, digest) in &digests {
        println!("{tenant} {digest:032x}");
    }
    println!("counted {counted}");
    Ok(())
}
