//! Shards of several streams in the order in which their events were received.
//!
//! What a stream of tenants and a stream of jobs say of the same tenant belongs together in time. When one of them has a
//! backlog, its events must not be taken in after later ones of the other: a tenant's clock would have gone past them. So
//! a record waits until every shard has said what comes next in it, or that nothing does.

use std::collections::{BTreeMap, VecDeque};

use churn_events::Timestamp;

use crate::{Batch, Record};

/// Batches that wait for each other. With each comes something that is handed back with its last record.
#[derive(Debug)]
pub(crate) struct Alignment<T> {
    shards: BTreeMap<String, Held<T>>,
}

#[derive(Debug)]
enum Held<T> {
    /// It has not said yet what comes next.
    Unheard,
    /// Nothing came when it was last asked.
    Quiet,
    Waiting {
        batch: Batch,
        records: VecDeque<(Option<Timestamp>, Record)>,
        rest: T,
    },
}

impl<T> Alignment<T> {
    pub(crate) fn new() -> Self {
        Self { shards: BTreeMap::new() }
    }

    /// A shard is read from now on: the others wait for its word.
    pub(crate) fn expect(&mut self, shard: &str) {
        self.shards.insert(shard.to_owned(), Held::Unheard);
    }

    /// A shard has nothing at the moment: nobody waits for it.
    pub(crate) fn note_quiet(&mut self, shard: &str) {
        if let Some(held @ Held::Unheard) = self.shards.get_mut(shard) {
            *held = Held::Quiet;
        }
    }

    /// Takes in the next batch of a shard, which has been handed out to the end of the one before.
    pub(crate) fn hold(&mut self, mut batch: Batch, rest: T) {
        let records = std::mem::take(&mut batch.records);
        let records = records.into_iter().map(|record| (record.received_at(), record)).collect();
        self.shards.insert(batch.shard.name.clone(), Held::Waiting { batch, records, rest });
    }

    /// The records that come first, as far as no other shard's come between them; with those that end a batch, what came
    /// with it. Nothing while some shard has to be heard first.
    pub(crate) fn take(&mut self) -> Option<(Batch, Option<T>)> {
        let mut heads = Vec::with_capacity(self.shards.len());
        for (name, held) in &self.shards {
            match held {
                Held::Unheard => return None,
                Held::Quiet => {}
                Held::Waiting { records, .. } => heads.push((records.front().and_then(|(time, _)| *time), name)),
            }
        }
        heads.sort_unstable();
        let name = heads.first()?.1.clone();
        let next = heads.get(1).map(|(time, name)| (*time, (*name).clone()));
        let Some(Held::Waiting { batch, records, .. }) = self.shards.get_mut(&name) else { return None };
        let mut first = Vec::new();
        while let Some((time, _)) = records.front() {
            let is_before = next.as_ref().is_none_or(|(next, other)| (*time, &name) < (*next, other));
            if !(first.is_empty() || is_before) {
                let batch = Batch { records: first, is_last: false, ..batch.clone() };
                return Some((batch, None));
            }
            first.extend(records.pop_front().map(|(_, record)| record));
        }
        let Some(Held::Waiting { batch, rest, .. }) = self.shards.remove(&name) else { return None };
        if !batch.is_last {
            self.expect(&name);
        }
        Some((Batch { records: first, ..batch }, Some(rest)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Position, SequenceNumber, Shard};

    fn batch(shard: &str, seconds: &[u32], is_last: bool) -> Batch {
        let record = |(sequence, second): (u64, &u32)| Record {
            position: Position::of(SequenceNumber::from(sequence)),
            arrived_at: Some(Timestamp::from_millis(i64::from(*second) * 1_000)),
            data: second.to_string().into_bytes(),
        };
        let records = (0..).zip(seconds).map(record).collect();
        Batch { is_last, ..Batch::new(Arc::new(Shard::new("s", shard)), records) }
    }

    /// What can be handed out now: shards, their records' seconds, and what came back.
    fn taken(alignment: &mut Alignment<&'static str>) -> Vec<(String, Vec<String>, Option<&'static str>)> {
        std::iter::from_fn(|| alignment.take())
            .map(|(batch, rest)| {
                let seconds = batch.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned());
                (batch.shard.name.clone(), seconds.collect(), rest)
            })
            .collect()
    }

    fn said(shard: &str, seconds: &[&str], rest: Option<&'static str>) -> (String, Vec<String>, Option<&'static str>) {
        (shard.to_owned(), seconds.iter().map(|&second| second.to_owned()).collect(), rest)
    }

    #[test]
    fn records_wait_until_every_shard_was_heard() {
        let mut alignment = Alignment::new();
        for shard in ["a", "b", "c"] {
            alignment.expect(shard);
        }
        alignment.hold(batch("a", &[1, 2, 6, 7], false), "a1");
        alignment.note_quiet("c");
        assert!(alignment.take().is_none(), "b has not been heard");
        alignment.hold(batch("b", &[3, 4, 6], false), "b1");
        let expected = [said("a", &["1", "2"], None), said("b", &["3", "4"], None), said("a", &["6", "7"], Some("a1"))];
        assert_eq!(taken(&mut alignment)[..2], expected[..2]);
        assert!(alignment.take().is_none(), "a comes first at second 6, and then has to be heard again");
    }

    #[test]
    fn ties_go_by_name_and_what_comes_back_comes_with_the_last_record() {
        let mut alignment = Alignment::new();
        for shard in ["a", "b"] {
            alignment.expect(shard);
        }
        alignment.hold(batch("a", &[5, 5, 9], true), "a1");
        alignment.hold(batch("b", &[5, 6], true), "b1");
        let expected =
            [said("a", &["5", "5"], None), said("b", &["5", "6"], Some("b1")), said("a", &["9"], Some("a1"))];
        assert_eq!(taken(&mut alignment), expected);
        assert!(alignment.shards.is_empty(), "both have ended");
    }

    #[test]
    fn a_shard_that_ends_with_nothing_is_handed_out_too() {
        let mut alignment = Alignment::new();
        for shard in ["a", "b"] {
            alignment.expect(shard);
        }
        alignment.hold(batch("a", &[], true), "end");
        alignment.note_quiet("b");
        assert_eq!(taken(&mut alignment), [said("a", &[], Some("end"))]);
        alignment.expect("child");
        alignment.hold(batch("b", &[1], false), "b1");
        assert!(alignment.take().is_none(), "the child has not been heard");
        alignment.note_quiet("child");
        assert_eq!(taken(&mut alignment), [said("b", &["1"], Some("b1"))]);
    }
}
