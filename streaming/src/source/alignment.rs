//! Shards of several streams in the order in which their events were received.
//!
//! What a stream of tenants and a stream of jobs say of the same tenant belongs together in time. When one of them has a
//! backlog, its events must not be taken in after later ones of the other: a tenant's clock would have gone past them. So
//! a record waits until every shard of the other streams has said what comes next in it, or that nothing does. Shards of
//! its own stream have other tenants, and do not matter to it: what comes between two records of other streams is handed
//! out together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use churn_events::Timestamp;

use crate::{Batch, Record, Shard};

/// Batches that wait for each other. With each comes something that is handed back with its last record.
#[derive(Debug)]
pub(crate) struct Alignment<T> {
    shards: BTreeMap<String, Aligned<T>>,
}

/// A shard that is read.
#[derive(Debug)]
struct Aligned<T> {
    stream: String,
    held: Held<T>,
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

impl<T> Aligned<T> {
    fn is_unheard(&self) -> bool {
        matches!(self.held, Held::Unheard)
    }

    /// When what waits was received.
    fn head(&self) -> Option<Option<Timestamp>> {
        match &self.held {
            Held::Waiting { records, .. } => Some(records.front().and_then(|(time, _)| *time)),
            Held::Unheard | Held::Quiet => None,
        }
    }
}

impl<T> Alignment<T> {
    pub(crate) fn new() -> Self {
        Self { shards: BTreeMap::new() }
    }

    /// A shard is read from now on: other streams wait for its word.
    pub(crate) fn expect(&mut self, shard: &Shard) {
        self.place(shard, Held::Unheard);
    }

    /// A shard has nothing at the moment: nobody waits for it.
    pub(crate) fn note_quiet(&mut self, shard: &str) {
        if let Some(Aligned { held: held @ Held::Unheard, .. }) = self.shards.get_mut(shard) {
            *held = Held::Quiet;
        }
    }

    /// Takes in the next batch of a shard, which has been handed out to the end of the one before.
    pub(crate) fn hold(&mut self, mut batch: Batch, rest: T) {
        let records = std::mem::take(&mut batch.records);
        let records = records.into_iter().map(|record| (record.received_at(), record)).collect();
        self.place(&Arc::clone(&batch.shard), Held::Waiting { batch, records, rest });
    }

    fn place(&mut self, shard: &Shard, held: Held<T>) {
        self.shards.insert(shard.name.clone(), Aligned { stream: shard.stream.clone(), held });
    }

    /// The records that come first, and those of their shard behind them, as far as none of another stream comes between; with
    /// those that end a batch, what came with it. Nothing while some shard has to be heard first.
    pub(crate) fn take(&mut self) -> Option<(Batch, Option<T>)> {
        let heads = || self.shards.iter().filter_map(|(name, shard)| Some((shard.head()?, name, &*shard.stream)));
        let (_, name, stream) = heads().min()?;
        if self.shards.values().any(|shard| shard.stream != stream && shard.is_unheard()) {
            return None;
        }
        let next = heads().filter(|(.., other)| *other != stream).min();
        let (name, next) = (name.clone(), next.map(|(time, name, _)| (time, name.clone())));
        let shard = self.shards.get_mut(&name)?;
        let Held::Waiting { batch, records, .. } = &mut shard.held else { return None };
        let mut first = Vec::new();
        while let Some((time, _)) = records.front() {
            let is_before = next.as_ref().is_none_or(|(next, other)| (*time, &name) < (*next, other));
            if !(first.is_empty() || is_before) {
                let batch = Batch { records: first, is_last: false, ..batch.clone() };
                return Some((batch, None));
            }
            first.extend(records.pop_front().map(|(_, record)| record));
        }
        let Some(Aligned { held: Held::Waiting { batch, rest, .. }, .. }) = self.shards.remove(&name) else {
            return None;
        };
        if !batch.is_last {
            self.expect(&batch.shard);
        }
        Some((Batch { records: first, ..batch }, Some(rest)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Position, SequenceNumber};

    /// A shard of the stream that its name begins with.
    fn shard(name: &str) -> Shard {
        Shard::new(name.split('/').next().unwrap_or(name), name)
    }

    fn batch(name: &str, seconds: &[u32], is_last: bool) -> Batch {
        let record = |(sequence, second): (u64, &u32)| Record {
            position: Position::of(SequenceNumber::from(sequence)),
            arrived_at: Some(Timestamp::from_millis(i64::from(*second) * 1_000)),
            data: second.to_string().into_bytes(),
        };
        let records = (0..).zip(seconds).map(record).collect();
        Batch { is_last, ..Batch::new(Arc::new(shard(name)), records) }
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
        for name in ["a", "b", "c"] {
            alignment.expect(&shard(name));
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
        for name in ["a", "b"] {
            alignment.expect(&shard(name));
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
        for name in ["a", "b"] {
            alignment.expect(&shard(name));
        }
        alignment.hold(batch("a", &[], true), "end");
        alignment.note_quiet("b");
        assert_eq!(taken(&mut alignment), [said("a", &[], Some("end"))]);
        alignment.expect(&shard("a/child"));
        alignment.hold(batch("b", &[1], false), "b1");
        assert!(alignment.take().is_none(), "the child has not been heard");
        alignment.note_quiet("a/child");
        assert_eq!(taken(&mut alignment), [said("b", &["1"], Some("b1"))]);
    }

    #[test]
    fn shards_of_one_stream_do_not_wait_for_each_other() {
        let mut alignment = Alignment::new();
        for name in ["a/1", "a/2", "a/3", "b"] {
            alignment.expect(&shard(name));
        }
        alignment.hold(batch("a/1", &[1, 3, 5], false), "a1");
        alignment.hold(batch("a/2", &[2, 3, 6], false), "a2");
        assert!(alignment.take().is_none(), "b has not been heard");
        alignment.hold(batch("b", &[4, 9], false), "b1");
        let expected = [said("a/1", &["1", "3"], None), said("a/2", &["2", "3"], None)];
        assert_eq!(taken(&mut alignment), expected, "b waits for a/3, nobody else does");
        alignment.note_quiet("a/3");
        let expected = [said("b", &["4"], None), said("a/1", &["5"], Some("a1")), said("a/2", &["6"], Some("a2"))];
        assert_eq!(taken(&mut alignment), expected);
    }

    proptest! {
        #[test]
        fn what_two_shards_of_different_streams_have_comes_in_the_order_of_both(
            // Of up to three streams: how long after the one before each record of a shard was received.
            shards in proptest::collection::btree_map((0..3_u8, 0..3_u8), proptest::collection::vec(0..4_u32, 0..30), 1..7),
            picks in proptest::collection::vec((any::<prop::sample::Index>(), 1..9_usize), 200),
        ) {
            let times = |gaps: &Vec<u32>| gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect::<Vec<_>>();
            let whole: BTreeMap<String, Vec<u32>> =
                shards.iter().map(|((stream, id), gaps)| (format!("{stream}/{id}"), times(gaps))).collect();
            let mut alignment = Alignment::new();
            whole.keys().for_each(|name| alignment.expect(&shard(name)));
            let (mut asked, mut left): (Vec<String>, _) = (whole.keys().cloned().collect(), whole.clone());
            let mut out: Vec<(u32, String)> = Vec::new();
            for (pick, length) in picks {
                // One of those that are read says what comes next, and what can be handed out is.
                if asked.is_empty() { break }
                let name = asked.swap_remove(pick.index(asked.len()));
                let rest = left.get_mut(&name).expect("is one");
                let part: Vec<u32> = rest.drain(..length.min(rest.len())).collect();
                alignment.hold(batch(&name, &part, rest.is_empty()), ());
                while let Some((batch, rest)) = alignment.take() {
                    let second = |record: &Record| String::from_utf8_lossy(&record.data).parse().expect("is one");
                    out.extend(batch.records.iter().map(|record| (second(record), batch.shard.name.clone())));
                    asked.extend(rest.filter(|()| !batch.is_last).map(|()| batch.shard.name.clone()));
                }
            }
            prop_assert_eq!(out.len(), whole.values().map(Vec::len).sum::<usize>());
            for (one, other) in whole.keys().flat_map(|one| whole.keys().map(move |other| (one, other))) {
                let of_both: Vec<_> = out.iter().filter(|(_, name)| name == one || name == other).collect();
                prop_assert!(shard(one).stream == shard(other).stream && one != other || of_both.is_sorted());
            }
        }
    }
}
