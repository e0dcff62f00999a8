use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use memchr::memchr_iter;

use super::hash::BuildDigestHasher;
use super::id_map::make_room_tightly;

/// Most ids that are kept in a list.
const MOST_LISTED: usize = 256;

/// The low bits of an id hold the day that its event occurred on, which costs 8 of the digest's 64 bits and saves a
/// second word. Ids are kept for far less than 256 days, so this much of the day is enough.
const DAY_BITS: u32 = 8;

/// The events of the last days by digest, to know a duplicate by.
#[derive(Debug, Clone)]
pub(crate) enum RecentIds {
    Listed(List),
    Hashed(HashSet<RecentId, BuildDigestHasher>),
}

/// Ids in any order, found by their highest bytes: these fill a few lines of the cache, where a search among the ids
/// themselves would wait for a line at every step.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    tags: Vec<u8>,
    ids: Vec<RecentId>,
}

impl List {
    fn new(ids: Vec<RecentId>) -> Self {
        Self { tags: ids.iter().map(|id| id.tag()).collect(), ids }
    }

    fn holds(&self, id: RecentId) -> bool {
        memchr_iter(id.tag(), &self.tags).any(|position| self.ids[position] == id)
    }

    fn push(&mut self, id: RecentId) {
        make_room_tightly(&mut self.ids);
        self.tags.reserve_exact(self.ids.capacity() - self.tags.len());
        self.tags.push(id.tag());
        self.ids.push(id);
    }

    fn retain(&mut self, keep: impl Fn(&RecentId) -> bool) {
        let n_before = self.ids.len();
        self.ids.retain(keep);
        if self.ids.len() < n_before {
            self.tags.clear();
            self.tags.extend(self.ids.iter().map(|id| id.tag()));
        }
    }
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

    fn tag(self) -> u8 {
        (self.0 >> 56) as u8
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
        Self::Listed(List::default())
    }
}

impl RecentIds {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Listed(list) => list.ids.len(),
            Self::Hashed(table) => table.len(),
        }
    }

    /// Reads where every search begins.
    #[cfg(feature = "store")]
    pub(crate) fn look_at(&self) -> u64 {
        match self {
            Self::Listed(list) => list.tags.first().map_or(0, |tag| u64::from(*tag)),
            Self::Hashed(_) => 0,
        }
    }

    /// Notes an event of that day; `false` when it was there already.
    pub(crate) fn insert(&mut self, digest: u64, day: i32) -> bool {
        self.insert_id(RecentId::new(digest, day))
    }

    pub(crate) fn contains(&self, digest: u64) -> bool {
        let id = RecentId::new(digest, 0);
        match self {
            Self::Listed(list) => list.holds(id),
            Self::Hashed(table) => table.contains(&id),
        }
    }

    pub(crate) fn insert_id(&mut self, id: RecentId) -> bool {
        match self {
            Self::Listed(list) if list.holds(id) => false,
            Self::Listed(list) if list.ids.len() < MOST_LISTED => {
                list.push(id);
                true
            }
            Self::Listed(list) => {
                let mut table: HashSet<_, _> = list.ids.drain(..).collect();
                table.insert(id);
                *self = Self::Hashed(table);
                true
            }
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
                    *self = Self::Listed(List::new(table.drain().collect()));
                } else if table.len() < table.capacity() / 4 {
                    table.shrink_to(table.len() * 2);
                }
            }
        }
    }

    pub(crate) fn sorted(&self) -> Vec<RecentId> {
        let mut ids: Vec<RecentId> = match self {
            Self::Listed(list) => list.ids.clone(),
            Self::Hashed(table) => table.iter().copied().collect(),
        };
        ids.sort_unstable_by_key(|id| id.0);
        ids
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Listed(list) => list.tags.capacity() + list.ids.capacity() * size_of::<RecentId>(),
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
