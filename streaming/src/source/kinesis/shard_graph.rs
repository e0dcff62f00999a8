//! Which shards may be read: parents before children.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::start::From;

/// A shard as the stream lists it, by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedShard {
    pub(super) id: String,
    /// The shards that it came of: none, one (a split) or two (a merge). They may be gone already.
    pub(super) parents: Vec<String>,
    pub(super) hash_keys: Option<RangeInclusive<u128>>,
    /// It takes no more records.
    pub(super) closed: bool,
}

/// The shards of a stream, and how far each has come.
#[derive(Debug, Default)]
pub(super) struct ShardGraph {
    shards: BTreeMap<String, (ListedShard, State)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(From),
    Reading,
    Ended,
}

impl ShardGraph {
    /// Adds shards that are not known yet, each to be read from where `from` says; those without are not read.
    pub(super) fn learn(&mut self, listed: Vec<ListedShard>, from: impl Fn(&ListedShard) -> Option<From>) {
        for shard in listed {
            let state = from(&shard).map_or(State::Ended, State::Waiting);
            self.shards.entry(shard.id.clone()).or_insert((shard, state));
        }
    }

    /// Whether all parents of the shard are known; those of a merge may have come of shards that are not.
    pub(super) fn knows_parents(&self, shard: &ListedShard) -> bool {
        shard.parents.iter().all(|parent| self.shards.contains_key(parent))
    }

    /// Nothing more will come of the shard.
    pub(super) fn end(&mut self, id: &str) {
        if let Some((_, state)) = self.shards.get_mut(id) {
            *state = State::Ended;
        }
    }

    /// The shards whose reading may begin now, each said once: those whose parents have ended or are gone.
    pub(super) fn take_ready(&mut self) -> Vec<(ListedShard, From)> {
        let unfinished: BTreeSet<String> =
            self.shards.iter().filter(|(_, (_, state))| *state != State::Ended).map(|(id, _)| id.clone()).collect();
        let ready = |shard: &ListedShard| shard.parents.iter().all(|parent| !unfinished.contains(parent));
        let begin = |(shard, state): &mut (ListedShard, State)| match *state {
            State::Waiting(from) if ready(shard) => {
                *state = State::Reading;
                Some((shard.clone(), from))
            }
            _ => None,
        };
        self.shards.values_mut().filter_map(begin).collect()
    }

    /// The ids of those whose reading has begun, and not come to their end.
    #[cfg(feature = "kinesis")]
    pub(super) fn reading(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().filter(|(_, (_, state))| *state == State::Reading).map(|(id, _)| id.as_str())
    }

    /// Whether a shard has ended whose children are not known: there are some, or will be.
    pub(super) fn misses_children(&self) -> bool {
        let parents: BTreeSet<&String> = self.shards.values().flat_map(|(shard, _)| &shard.parents).collect();
        self.shards.iter().any(|(id, (_, state))| *state == State::Ended && !parents.contains(id))
    }
}

/// Whether one of the shards that this came of, near or far, is among those.
pub(super) fn descends_from(listed: &[ListedShard], shard: &ListedShard, known: impl Fn(&str) -> bool) -> bool {
    let by_id: BTreeMap<&str, &ListedShard> = listed.iter().map(|shard| (shard.id.as_str(), shard)).collect();
    let mut seen = BTreeSet::new();
    let mut ahead: Vec<&str> = shard.parents.iter().map(String::as_str).collect();
    while let Some(id) = ahead.pop() {
        if known(id) {
            return true;
        }
        if let (true, Some(shard)) = (seen.insert(id), by_id.get(id)) {
            ahead.extend(shard.parents.iter().map(String::as_str));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str]) -> ListedShard {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        ListedShard { id: id.to_owned(), parents, hash_keys: None, closed: false }
    }

    fn ready(graph: &mut ShardGraph) -> Vec<String> {
        graph.take_ready().into_iter().map(|(shard, _)| shard.id).collect()
    }

    fn learn(graph: &mut ShardGraph, listed: &[ListedShard]) {
        graph.learn(listed.to_vec(), |_| Some(From::TrimHorizon));
    }

    #[test]
    fn a_merge_waits_for_both_parents_and_a_split_for_its_one() {
        let mut graph = ShardGraph::default();
        let listed =
            [shard("m", &["s1", "b"]), shard("s1", &["a"]), shard("s2", &["a"]), shard("a", &[]), shard("b", &[])];
        learn(&mut graph, &listed);
        assert_eq!(ready(&mut graph), ["a", "b"]);
        graph.end("b");
        assert!(ready(&mut graph).is_empty());
        graph.end("a");
        assert_eq!(ready(&mut graph), ["s1", "s2"]);
        graph.end("s2");
        assert!(ready(&mut graph).is_empty());
        graph.end("s1");
        assert_eq!(ready(&mut graph), ["m"]);
    }

    #[test]
    fn parents_that_are_gone_are_not_waited_for() {
        let mut graph = ShardGraph::default();
        learn(&mut graph, &[shard("c", &["gone"]), shard("d", &["c"])]);
        assert_eq!(ready(&mut graph), ["c"]);
    }

    #[test]
    fn what_is_listed_again_is_not_read_again() {
        let mut graph = ShardGraph::default();
        learn(&mut graph, &[shard("a", &[])]);
        assert_eq!(ready(&mut graph), ["a"]);
        graph.end("a");
        assert!(graph.misses_children());
        learn(&mut graph, &[shard("a", &[]), shard("b", &["a"])]);
        assert!(!graph.misses_children());
        assert_eq!(ready(&mut graph), ["b"]);
        graph.end("b");
        learn(&mut graph, &[shard("a", &[]), shard("b", &["a"])]);
        assert!(ready(&mut graph).is_empty());
    }

    #[test]
    fn shards_that_are_not_to_be_read_hold_nobody_up() {
        let mut graph = ShardGraph::default();
        let from = |shard: &ListedShard| (shard.id != "a").then_some(From::Latest);
        graph.learn(vec![shard("a", &[]), shard("b", &["a"])], from);
        assert_eq!(graph.take_ready(), [(shard("b", &["a"]), From::Latest)]);
    }

    #[test]
    fn a_merge_with_a_shard_never_heard_of_is_told_apart() {
        let mut graph = ShardGraph::default();
        learn(&mut graph, &[shard("a", &[]), shard("c", &[])]);
        assert!(!graph.knows_parents(&shard("m", &["a", "child-of-c"])));
        assert!(graph.knows_parents(&shard("m", &["a", "c"])));
    }

    #[test]
    fn grandchildren_descend_too() {
        let listed = [shard("b", &["a"]), shard("c", &["b"]), shard("d", &["x"])];
        assert!(descends_from(&listed, &listed[1], |id| id == "a"));
        assert!(!descends_from(&listed, &listed[2], |id| id == "a"));
    }
}
