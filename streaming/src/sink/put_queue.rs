//! What waits to be put into a stream.

use std::collections::VecDeque;

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

/// Entries that wait, first in, first out.
///
/// Those of a partition key may go in one request: a queue that sent one of each at a time would send a tenant's records
/// no faster than one in each round trip, and all others behind them.
#[derive(Debug, Default)]
pub(super) struct PutQueue {
    waiting: VecDeque<Entry>,
    bytes: usize,
}

impl PutQueue {
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.waiting.push_back(entry);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a request would be full.
    pub(super) fn is_plenty(&self) -> bool {
        self.waiting.len() >= ENTRIES || self.bytes >= REQUEST_BYTES
    }

    /// The entries of the next request. What was not stored of them is given back before the next is taken.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            bytes += entry.bytes();
            bytes <= REQUEST_BYTES
        };
        let n_entries = self.waiting.iter().take(ENTRIES).take_while(fits).count();
        let request: Vec<Entry> = self.waiting.drain(..n_entries).collect();
        self.bytes -= request.iter().map(Entry::bytes).sum::<usize>();
        request
    }

    /// Puts entries that were taken last, and not stored, back in front of all others.
    pub(super) fn give_back(&mut self, entries: Vec<Entry>) {
        for entry in entries.into_iter().rev() {
            self.bytes += entry.bytes();
            self.waiting.push_front(entry);
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
    fn every_entry_is_stored_once_whatever_fails() {
        let mut queue = PutQueue::default();
        let entries: Vec<Entry> = (0..2_000).map(|number| entry(&format!("t-{}", number % 37), number)).collect();
        entries.iter().cloned().for_each(|entry| queue.push(entry));
        let (mut stored, mut dice) = (Vec::new(), 1_u32);
        while !queue.is_empty() {
            let (kept, failed) = queue.take().into_iter().partition(|_| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                dice >> 30 != 0
            });
            stored.extend::<Vec<Entry>>(kept);
            queue.give_back(failed);
        }
        assert_eq!(queue.bytes, 0);
        let number = |entry: &Entry| String::from_utf8_lossy(&entry.data).parse::<usize>().expect("is a number");
        stored.sort_by_key(number);
        assert!(stored == entries);
    }

    #[test]
    fn a_tenant_that_sends_most_takes_no_more_requests_than_others() {
        let mut queue = PutQueue::default();
        (0..1_000).for_each(|number| queue.push(entry("hot", number)));
        assert_eq!([queue.take().len(), queue.take().len()], [500, 500]);
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
        (0..501).for_each(|number| queue.push(entry("a", number)));
        let request = queue.take();
        queue.give_back(vec![request[7].clone(), request[9].clone()]);
        assert_eq!(queue.take(), [entry("a", 7), entry("a", 9), entry("a", 500)]);
    }

    #[test]
    fn keys_are_what_the_stream_takes() {
        assert_eq!(Entry::new("", Vec::new()).key, "-");
        assert_eq!(Entry::new(&"ü".repeat(300), Vec::new()).key, "ü".repeat(256));
    }
}
