use std::collections::HashMap;

use memchr::memchr_iter;

use super::hash::BuildDigestHasher;
#[cfg(feature = "store")]
use super::look_through::look_through;

/// Most entries that are kept in a list. Up to here a list is smaller than a hash table, and as fast.
const MOST_LISTED: usize = 128;

/// Values by digest: a list while there are few, which most tenants never leave, and a hash table beyond.
#[derive(Debug, Clone)]
pub(crate) enum IdMap<V> {
    Listed(List<V>),
    Hashed(HashMap<u64, V, BuildDigestHasher>),
}

/// Entries in any order, found by one byte of their digests: those bytes fill a line or two of the cache, where a search
/// among the entries themselves would wait for a line at every step.
#[derive(Debug, Clone)]
pub(crate) struct List<V> {
    tags: Vec<u8>,
    entries: Vec<(u64, V)>,
}

impl<V> List<V> {
    fn new(entries: Vec<(u64, V)>) -> Self {
        Self { tags: entries.iter().map(|entry| tag(entry.0)).collect(), entries }
    }

    fn position(&self, digest: u64) -> Option<usize> {
        memchr_iter(tag(digest), &self.tags).find(|position| self.entries[*position].0 == digest)
    }

    fn push(&mut self, digest: u64, value: V) {
        make_room_tightly(&mut self.entries);
        self.tags.reserve_exact(self.entries.capacity() - self.tags.len());
        self.tags.push(tag(digest));
        self.entries.push((digest, value));
    }

    fn retain(&mut self, mut keep: impl FnMut(u64, &mut V) -> bool) {
        let n_before = self.entries.len();
        self.entries.retain_mut(|(digest, value)| keep(*digest, value));
        if self.entries.len() < n_before {
            self.tags.clear();
            self.tags.extend(self.entries.iter().map(|entry| tag(entry.0)));
        }
    }
}

fn tag(digest: u64) -> u8 {
    (digest >> 56) as u8
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self::Listed(List::new(Vec::new()))
    }
}

impl<V: Default> IdMap<V> {
    /// A map of entries in the order of their digests.
    pub(crate) fn from_sorted(entries: Vec<(u64, V)>) -> Self {
        if entries.len() <= MOST_LISTED {
            Self::Listed(List::new(entries))
        } else {
            Self::Hashed(entries.into_iter().collect())
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Listed(list) => list.entries.len(),
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

    #[cfg(feature = "store")]
    pub(crate) fn look_through(&self) -> u64 {
        match self {
            Self::Listed(list) => look_through(&list.entries, |(digest, _)| *digest),
            Self::Hashed(_) => 0,
        }
    }

    pub(crate) fn get(&self, digest: u64) -> Option<&V> {
        match self {
            Self::Listed(list) => list.position(digest).map(|position| &list.entries[position].1),
            Self::Hashed(table) => table.get(&digest),
        }
    }

    /// The value of that digest, made where there is none.
    pub(crate) fn entry(&mut self, digest: u64) -> &mut V {
        if let Self::Listed(list) = self
            && list.entries.len() >= MOST_LISTED
            && list.position(digest).is_none()
        {
            *self = Self::Hashed(list.entries.drain(..).collect());
        }
        match self {
            Self::Listed(list) => {
                let position = list.position(digest).unwrap_or_else(|| {
                    list.push(digest, V::default());
                    list.entries.len() - 1
                });
                &mut list.entries[position].1
            }
            Self::Hashed(table) => table.entry(digest).or_default(),
        }
    }

    pub(crate) fn remove(&mut self, digest: u64) {
        match self {
            Self::Listed(list) => {
                if let Some(position) = list.position(digest) {
                    list.tags.swap_remove(position);
                    list.entries.swap_remove(position);
                }
            }
            Self::Hashed(table) => drop(table.remove(&digest)),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u64, &mut V) -> bool) {
        match self {
            Self::Listed(list) => list.retain(keep),
            Self::Hashed(table) => {
                table.retain(|digest, value| keep(*digest, value));
                if table.len() <= MOST_LISTED / 2 {
                    *self = Self::Listed(List::new(table.drain().collect()));
                }
            }
        }
    }

    /// The entries, in no order that a result may depend on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let (list, table) = match self {
            Self::Listed(list) => (Some(&list.entries), None),
            Self::Hashed(table) => (None, Some(table)),
        };
        let listed = list.into_iter().flatten().map(|(digest, value)| (*digest, value));
        listed.chain(table.into_iter().flatten().map(|(digest, value)| (*digest, value)))
    }

    /// The entries by rising digest.
    pub(crate) fn sorted(&self) -> Vec<(u64, &V)> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|entry| entry.0);
        entries
    }

    /// Memory taken by the entries themselves.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Listed(list) => list.tags.capacity() + list.entries.capacity() * size_of::<(u64, V)>(),
            // A hash table is at most 7/8 full and has a byte of its own for each place.
            Self::Hashed(table) => table.capacity() * 8 / 7 * (size_of::<(u64, V)>() + 1),
        }
    }
}

impl<V: Default + PartialEq> PartialEq for IdMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(digest, value)| other.get(digest) == Some(value))
    }
}

/// Inserts without doubling the list when it is full.
pub(crate) fn insert_tightly<T>(list: &mut Vec<T>, position: usize, value: T) {
    make_room_tightly(list);
    list.insert(position, value);
}

/// Makes room for one more entry, and for few others: most lists of a state stay short, and there are many states. But
/// not in the smallest of steps either, which leave a heap with holes.
pub(crate) fn make_room_tightly<T>(list: &mut Vec<T>) {
    const STEP_BYTES: usize = 96;
    if list.len() == list.capacity() {
        let step = (list.len() / 16).max(STEP_BYTES / size_of::<T>()).max(1);
        list.reserve_exact(if list.is_empty() { 1 } else { step });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_grown_to_a_table_and_back_holds_the_same() {
        let mut map = IdMap::<u32>::default();
        for digest in (0..200_u64).rev() {
            *map.entry(digest * 7) += digest as u32;
        }
        assert!(matches!(map, IdMap::Hashed(_)));
        map.retain(|digest, _| digest < 70);
        assert!(matches!(map, IdMap::Listed(_)));
        let held: Vec<_> = map.sorted().into_iter().map(|(digest, value)| (digest, *value)).collect();
        assert_eq!(held, (0..10).map(|digest| (digest * 7, digest as u32)).collect::<Vec<_>>());
    }
}
