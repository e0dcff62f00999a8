use std::collections::HashMap;

use super::hash::BuildDigestHasher;

/// Most entries that are kept in a sorted list. Up to here a list is smaller than a hash table, and as fast.
const MOST_LISTED: usize = 64;

/// Values by digest: a sorted list while there are few, which most tenants never leave, and a hash table beyond.
#[derive(Debug, Clone)]
pub(crate) enum IdMap<V> {
    Listed(Vec<(u64, V)>),
    Hashed(HashMap<u64, V, BuildDigestHasher>),
}

impl<V> Default for IdMap<V> {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl<V: Default> IdMap<V> {
    /// A map of entries in the order of their digests.
    pub(crate) fn from_sorted(entries: Vec<(u64, V)>) -> Self {
        if entries.len() <= MOST_LISTED { Self::Listed(entries) } else { Self::Hashed(entries.into_iter().collect()) }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Listed(list) => list.len(),
            Self::Hashed(table) => table.len(),
        }
    }

    pub(crate) fn get(&self, digest: u64) -> Option<&V> {
        match self {
            Self::Listed(list) => {
                list.binary_search_by_key(&digest, |entry| entry.0).ok().map(|position| &list[position].1)
            }
            Self::Hashed(table) => table.get(&digest),
        }
    }

    /// The value of that digest, made where there is none.
    pub(crate) fn entry(&mut self, digest: u64) -> &mut V {
        if let Self::Listed(list) = self
            && list.len() >= MOST_LISTED
            && list.binary_search_by_key(&digest, |entry| entry.0).is_err()
        {
            *self = Self::Hashed(list.drain(..).collect());
        }
        match self {
            Self::Listed(list) => {
                let position = match list.binary_search_by_key(&digest, |entry| entry.0) {
                    Ok(position) => position,
                    Err(position) => {
                        insert_tightly(list, position, (digest, V::default()));
                        position
                    }
                };
                &mut list[position].1
            }
            Self::Hashed(table) => table.entry(digest).or_default(),
        }
    }

    pub(crate) fn remove(&mut self, digest: u64) {
        match self {
            Self::Listed(list) => {
                if let Ok(position) = list.binary_search_by_key(&digest, |entry| entry.0) {
                    list.remove(position);
                }
            }
            Self::Hashed(table) => drop(table.remove(&digest)),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u64, &mut V) -> bool) {
        match self {
            Self::Listed(list) => list.retain_mut(|(digest, value)| keep(*digest, value)),
            Self::Hashed(table) => {
                table.retain(|digest, value| keep(*digest, value));
                if table.len() <= MOST_LISTED / 2 {
                    let mut list: Vec<_> = table.drain().collect();
                    list.sort_unstable_by_key(|entry| entry.0);
                    *self = Self::Listed(list);
                }
            }
        }
    }

    /// The entries, in no order that a result may depend on.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let (list, table) = match self {
            Self::Listed(list) => (Some(list), None),
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
            Self::Listed(list) => list.capacity() * size_of::<(u64, V)>(),
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

/// Inserts without doubling the list when it is full: most lists of a state stay short, and there are many states.
pub(crate) fn insert_tightly<T>(list: &mut Vec<T>, position: usize, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
    list.insert(position, value);
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
