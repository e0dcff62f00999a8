//! Bringing states into the processor's cache before they are needed: applied one after the other, each event would wait
//! for its own.

use std::hint::black_box;

use churn_events::Event;

use super::{FeatureStore, Shard, Tenant, hash_of, shard_of};

impl FeatureStore {
    /// Events to look ahead to at a time: enough that their reads wait together, few enough that the first state is still
    /// near when its turn comes.
    pub const AHEAD: usize = 16;

    /// Brings in the states that events, [`AHEAD`](Self::AHEAD) of them at a time, are likely to need.
    pub fn look_ahead(&self, events: &[Event<'_>]) {
        touch(self.likely(events).map(Tenant::look_at));
    }

    /// As [`look_ahead`](Self::look_ahead), and brings in what the features of each event's tenant are read from.
    pub fn look_ahead_to_features(&self, events: &[Event<'_>]) {
        // One after the other: what the second reads is found through what the first one has brought in.
        self.look_ahead(events);
        touch(self.likely(events).map(|tenant| tenant.state.look_through()));
    }

    fn likely(&self, events: &[Event<'_>]) -> impl Iterator<Item = &Tenant> {
        events.iter().filter_map(|event| {
            let hash = hash_of(&event.tenant);
            self.shards[shard_of(hash, self.shards.len())].likely(hash)
        })
    }
}

impl Shard {
    /// Brings in the states of tenants with these hashes.
    pub(super) fn look_at(&self, hashes: impl Iterator<Item = u64>) {
        touch(hashes.filter_map(|hash| self.likely(hash)).map(Tenant::look_at));
    }

    /// The tenant of that hash, or one of another id that happens to have the same.
    fn likely(&self, hash: u64) -> Option<&Tenant> {
        self.tenants.find(hash, |known| known.hash == hash).map(|known| &**known)
    }
}

impl Tenant {
    /// Reads a little of what an event is likely to need; the sum means nothing.
    fn look_at(&self) -> u64 {
        self.state.look_at().wrapping_add(self.id.as_bytes().first().map_or(0, |byte| u64::from(*byte)))
    }
}

/// Makes the reads happen, though nobody wants what they give; none of them waits for another.
fn touch(reads: impl Iterator<Item = u64>) {
    black_box(reads.fold(0, u64::wrapping_add));
}
