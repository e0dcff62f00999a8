//! What waits to be put into a stream, in an order that no failure changes.

use std::collections::{HashMap, VecDeque};

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

/// Entries that wait, those of a partition key in their order.
///
/// The stream may store some entries of a request and fail others, so two entries of a key in one request could end up in
/// the wrong order, or with one between them missing. A request therefore holds one entry of each key at most, and a
/// failed one is sent again before the next of its key.
#[derive(Debug, Default)]
pub(super) struct PutQueue {
    waiting: HashMap<String, VecDeque<Vec<u8>>>,
    /// The keys of those that wait, each once; who waits longest is first.
    turns: VecDeque<String>,
    n_waiting: usize,
    bytes: usize,
}

impl PutQueue {
    pub(super) fn push(&mut self, entry: Entry) {
        self.n_waiting += 1;
        self.bytes += entry.bytes();
        match self.waiting.get_mut(&entry.key) {
            Some(queue) => queue.push_back(entry.data),
            None => {
                self.turns.push_back(entry.key.clone());
                self.waiting.insert(entry.key, VecDeque::from([entry.data]));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n_waiting == 0
    }

    /// Whether a request would be full, unless many entries have the same key.
    pub(super) fn is_plenty(&self) -> bool {
        self.n_waiting >= ENTRIES || self.bytes >= REQUEST_BYTES
    }

    /// The entries of the next request. What was not stored of them is given back before the next is taken.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let mut request = Vec::new();
        let mut bytes = 0;
        for _ in 0..self.turns.len().min(ENTRIES) {
            let Some(key) = self.turns.front() else { break };
            let queue = self.waiting.get_mut(key).expect("every key that has its turn waits");
            let next = key.len() + queue.front().map_or(0, Vec::len);
            if bytes + next > REQUEST_BYTES && !request.is_empty() {
                break;
            }
            bytes += next;
            let data = queue.pop_front().expect("an empty queue is removed");
            let is_done = queue.is_empty();
            let key = self.turns.pop_front().expect("was there just now");
            if is_done {
                self.waiting.remove(&key);
            } else {
                self.turns.push_back(key.clone());
            }
            request.push(Entry { key, data });
        }
        self.n_waiting -= request.len();
        self.bytes -= bytes;
        request
    }

    /// Puts entries that were taken last, and not stored, back in front of their keys' others.
    pub(super) fn give_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.n_waiting += 1;
            self.bytes += entry.bytes();
            match self.waiting.get_mut(&entry.key) {
                Some(queue) => queue.push_front(entry.data),
                None => {
                    self.turns.push_front(entry.key.clone());
                    self.waiting.insert(entry.key, VecDeque::from([entry.data]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn entry(key: &str, number: usize) -> Entry {
        Entry::new(key, number.to_string().into_bytes())
    }

    #[test]
    fn entries_of_a_key_keep_their_order_whatever_fails() {
        let mut queue = PutQueue::default();
        let mut expected: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for number in 0..2_000 {
            let entry = entry(&format!("t-{}", number * number % 37), number);
            expected.entry(entry.key.clone()).or_default().push(entry.data.clone());
            queue.push(entry);
        }
        let mut stored: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut dice = 1_u32;
        while !queue.is_empty() {
            let mut failed = Vec::new();
            let request = queue.take();
            let keys: std::collections::BTreeSet<&str> = request.iter().map(|entry| entry.key.as_str()).collect();
            assert_eq!(keys.len(), request.len());
            for entry in request {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if dice >> 30 == 0 {
                    failed.push(entry);
                } else {
                    stored.entry(entry.key).or_default().push(entry.data);
                }
            }
            queue.give_back(failed);
        }
        assert_eq!(stored, expected);
        assert_eq!((queue.n_waiting, queue.bytes, queue.turns.len()), (0, 0, 0));
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
    fn a_failed_entry_is_the_first_of_the_next_request() {
        let mut queue = PutQueue::default();
        [("a", 1), ("b", 2), ("a", 3)].into_iter().for_each(|(key, number)| queue.push(entry(key, number)));
        let request = queue.take();
        assert_eq!(request, [entry("a", 1), entry("b", 2)]);
        queue.give_back(vec![entry("a", 1)]);
        assert_eq!(queue.take(), [entry("a", 1)]);
        assert_eq!(queue.take(), [entry("a", 3)]);
    }

    #[test]
    fn keys_are_what_the_stream_takes() {
        assert_eq!(Entry::new("", Vec::new()).key, "-");
        assert_eq!(Entry::new(&"ü".repeat(300), Vec::new()).key, "ü".repeat(256));
    }
}
