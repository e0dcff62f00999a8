use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The 64-bit digest that a user, job or session is told by. Stored states hold it, so it never changes.
///
/// # Source
/// XXH3 by Yann Collet, 64 bits, seed 0.
pub(crate) fn digest(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The digest of an event, which `source` and `id` tell from every other.
pub(crate) fn event_digest(source: &str, id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), xxh3_64(source.as_bytes()))
}

/// Takes a digest for its own hash.
#[derive(Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }
}

pub(crate) type BuildDigestHasher = BuildHasherDefault<DigestHasher>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_stay_what_they_were() {
        assert_eq!(digest(""), 0x2d06_8005_38d3_94c2);
        assert_eq!(event_digest("s", "1"), 0xc43f_36ad_e119_e8a2);
        assert_ne!(event_digest("s1", "2"), event_digest("s", "12"));
    }
}
