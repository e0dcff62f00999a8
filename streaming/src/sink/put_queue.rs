//! What waits to be put into a stream.

use std::collections::{HashMap, HashSet, VecDeque};

/// Entries of a request at most.
const ENTRIES: usize = 500;
/// Bytes of a request at most, keys included.
const REQUEST_BYTES: usize = 5 << 20;
/// Bytes of an entry at most, its key included.
pub(super) const ENTRY_BYTES: usize = 1 << 20;
/// Characters of a partition key at most.
const KEY_CHARS: usize = 256;

/// What becomes a record of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The partition key.
    pub(super) key: String,
    /// The record.
    pub(super) data: Vec<u8>,
}

impl Entry {
    /// An entry whose partition key is that text, or its beginning.
    pub(super) fn new(key: &str, data: Vec<u8>) -> Self {
        let key = if key.is_empty() { "-".to_owned() } else { key.chars().take(KEY_CHARS).collect() };
        Self { key, data }
    }

    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// Entries that wait, first in, first out, but for the last of each partition key.
///
/// Those of a key may go in one request: a queue that sent one of each at a time would send a tenant's records no faster
/// than one in each round trip, and all others behind them. The stream may store some entries of a request and fail
/// others, which then stand behind later ones of their key. So the last that waits of a key goes in no request with others
/// of it: once nothing waits, the last record of each key is the one that was pushed last.
#[derive(Debug, Default)]
pub(super) struct PutQueue {
    waiting: VecDeque<Entry>,
    /// How many wait of each key.
    of_key: HashMap<String, usize>,
    bytes: usize,
}

impl PutQueue {
    pub(super) fn push(&mut self, entry: Entry) {
        self.note(&entry);
        self.waiting.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a request would be full, or nearly so.
    pub(super) fn is_plenty(&self) -> bool {
        self.waiting.len() >= ENTRIES || self.bytes >= REQUEST_BYTES
    }

    /// The entries of the next request. What was not stored of them is given back before the next is taken.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let (mut request, mut held_back) = (Vec::new(), Vec::new());
        let (mut keys, mut bytes) = (HashSet::new(), 0);
        while request.len() < ENTRIES {
            let Some(entry) = self.waiting.pop_front_if(|next| bytes + next.bytes() <= REQUEST_BYTES) else { break };
            let n_waiting = self.of_key.get_mut(&entry.key).expect("every key that waits is counted");
            if *n_waiting == 1 && keys.contains(&entry.key) {
                held_back.push(entry);
                continue;
            }
            *n_waiting -= 1;
            if *n_waiting == 0 {
                self.of_key.remove(&entry.key);
            }
            bytes += entry.bytes();
            keys.insert(entry.key.clone());
            request.push(entry);
        }
        self.bytes -= bytes;
        held_back.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
        request
    }

    /// Puts entries that were taken last, and not stored, back in front of all others.
    pub(super) fn give_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.note(&entry);
            self.waiting.push_front(entry);
        }
    }

    fn note(&mut self, entry: &Entry) {
        self.bytes += entry.bytes();
        match self.of_key.get_mut(&entry.key) {
            Some(n_waiting) => *n_waiting += 1,
            None => drop(self.of_key.insert(entry.key.clone(), 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, number: usize) -> Entry {
        Entry::new(key, number.to_string().into_bytes())
    }

    #[test]
    fn every_entry_is_stored_once_and_the_last_of_a_key_last_whatever_fails() {
        let mut queue = PutQueue::default();
        let mut dice = 1_u32;
        let mut roll = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            dice >> 24
        };
        let (mut stored, mut last) = (Vec::new(), HashMap::new());
        for round in 0..200 {
            for number in round * 40..round * 40 + 40 {
                let entry = entry(&format!("t-{}", roll() % 17), number);
                last.insert(entry.key.clone(), entry.data.clone());
                queue.push(entry);
            }
            // Now and then all is sent, as at a checkpoint, and otherwise some.
            while roll() < 128 || (round % 50 == 49 && !queue.is_empty()) {
                let (kept, failed): (Vec<Entry>, Vec<Entry>) = queue.take().into_iter().partition(|_| roll() < 128);
                stored.extend(kept);
                queue.give_back(failed);
            }
            if queue.is_empty() {
                let there: HashMap<_, _> =
                    stored.iter().map(|entry: &Entry| (entry.key.clone(), entry.data.clone())).collect();
                assert_eq!(there, last);
            }
        }
        assert!(queue.is_empty() && queue.bytes == 0 && queue.of_key.is_empty());
        let number = |entry: &Entry| String::from_utf8_lossy(&entry.data).parse::<usize>().expect("is a number");
        let mut numbers: Vec<usize> = stored.iter().map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..8_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_tenant_that_sends_most_takes_hardly_more_requests_than_others() {
        let mut queue = PutQueue::default();
        (0..1_000).for_each(|number| queue.push(entry("hot", number)));
        let sizes: Vec<usize> = (0..4).map(|_| queue.take().len()).collect();
        assert_eq!(sizes, [500, 499, 1, 0]);
    }

    #[test]
    fn a_request_holds_what_the_stream_takes() {
        let mut queue = PutQueue::default();
        (0..1_200).for_each(|number| queue.push(entry(&number.to_string(), number)));
        assert!(queue.is_plenty());
        let sizes: Vec<usize> = (0..4).map(|_| queue.take().len()).collect();
        assert_eq!(sizes, [500, 500, 200, 0]);
        let large = vec![b' '; ENTRY_BYTES - 3];
        (0..7).for_each(|number| queue.push(Entry::new(&format!("k-{number}"), large.clone())));
        let sizes: Vec<usize> = (0..3).map(|_| queue.take().len()).collect();
        assert_eq!(sizes, [5, 2, 0]);
    }

    #[test]
    fn failed_entries_are_the_first_of_the_next_request() {
        let mut queue = PutQueue::default();
        (0..502).for_each(|number| queue.push(entry("a", number)));
        let request = queue.take();
        queue.give_back(vec![request[7].clone(), request[9].clone()]);
        assert_eq!(queue.take(), [entry("a", 7), entry("a", 9), entry("a", 500)]);
        assert_eq!(queue.take(), [entry("a", 501)]);
    }

    #[test]
    fn keys_are_what_the_stream_takes() {
        assert_eq!(Entry::new("", Vec::new()).key, "-");
        assert_eq!(Entry::new(&"ü".repeat(300), Vec::new()).key, "ü".repeat(256));
    }
}
