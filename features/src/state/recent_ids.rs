use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use super::hash::BuildDigestHasher;
use super::id_map::insert_tightly;

/// Most ids that are kept in a sorted list.
const MOST_LISTED: usize = 256;

/// The low bits of an id hold the day that its event occurred on, which costs 8 of the digest's 64 bits and saves a
/// second word. Ids are kept for far less than 256 days, so this much of the day is enough.
const DAY_BITS: u32 = 8;

/// The events of the last days by digest, to know a duplicate by.
#[derive(Debug, Clone)]
pub(crate) enum RecentIds {
    Listed(Vec<RecentId>),
    Hashed(HashSet<RecentId, BuildDigestHasher>),
}

/// A digest with a day in its low bits, told by the digest alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecentId(pub(crate) u64);

impl RecentId {
    fn new(digest: u64, day: i32) -> Self {
        Self((digest >> DAY_BITS << DAY_BITS) | u64::from(day as u8))
    }

    fn key(self) -> u64 {
        self.0 >> DAY_BITS
    }

    fn days_before(self, day: i32) -> u8 {
        (day as u8).wrapping_sub(self.0 as u8)
    }
}

impl PartialEq for RecentId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RecentId {}

impl Hash for RecentId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A hash table takes the place from the low bits and tells neighbours apart by the highest ones.
        state.write_u64(self.key() ^ self.key() << 40);
    }
}

impl Default for RecentIds {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl RecentIds {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Listed(list) => list.len(),
            Self::Hashed(table) => table.len(),
        }
    }

    /// Notes an event of that day; `false` when it was there already.
    pub(crate) fn insert(&mut self, digest: u64, day: i32) -> bool {
        self.insert_id(RecentId::new(digest, day))
    }

    pub(crate) fn contains(&self, digest: u64) -> bool {
        let id = RecentId::new(digest, 0);
        match self {
            Self::Listed(list) => list.binary_search_by_key(&id.key(), |listed| listed.key()).is_ok(),
            Self::Hashed(table) => table.contains(&id),
        }
    }

    pub(crate) fn insert_id(&mut self, id: RecentId) -> bool {
        match self {
            Self::Listed(list) => match list.binary_search_by_key(&id.key(), |listed| listed.key()) {
                Ok(_) => false,
                Err(position) if list.len() < MOST_LISTED => {
                    insert_tightly(list, position, id);
                    true
                }
                Err(_) => {
                    let mut table: HashSet<_, _> = list.drain(..).collect();
                    table.insert(id);
                    *self = Self::Hashed(table);
                    true
                }
            },
            Self::Hashed(table) => table.insert(id),
        }
    }

    /// Forgets what occurred more than so many days before that day.
    pub(crate) fn forget(&mut self, day: i32, kept_days: u8) {
        match self {
            Self::Listed(list) => list.retain(|id| id.days_before(day) <= kept_days),
            Self::Hashed(table) => {
                table.retain(|id| id.days_before(day) <= kept_days);
                if table.len() <= MOST_LISTED / 2 {
                    *self = Self::Listed(self.sorted());
                } else if table.len() < table.capacity() / 4 {
                    table.shrink_to(table.len() * 2);
                }
            }
        }
    }

    pub(crate) fn sorted(&self) -> Vec<RecentId> {
        let mut ids: Vec<RecentId> = match self {
            Self::Listed(list) => list.clone(),
            Self::Hashed(table) => table.iter().copied().collect(),
        };
        ids.sort_unstable_by_key(|id| id.0);
        ids
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Listed(list) => list.capacity() * size_of::<RecentId>(),
            Self::Hashed(table) => table.capacity() * 8 / 7 * (size_of::<RecentId>() + 1),
        }
    }
}

impl PartialEq for RecentIds {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.sorted().iter().map(|id| id.0).eq(other.sorted().iter().map(|id| id.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_until_its_day_is_forgotten() {
        let mut ids = RecentIds::default();
        for n in 0..1000_u64 {
            assert!(ids.insert(n << 32, 20_000 + (n % 10) as i32));
        }
        assert!(!ids.insert(5 << 32, 20_009), "another day does not make another event");
        ids.forget(20_010, 4);
        assert_eq!(ids.len(), 400);
        assert!(ids.contains(9 << 32) && !ids.contains(5 << 32));
    }
}
