//! Where reading begins.

use std::collections::{BTreeMap, BTreeSet};

use churn_events::Timestamp;

use super::shard_graph::{ListedShard, descends_from};
use crate::{Position, SequenceNumber};

/// Where to begin in a stream that was never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InitialPosition {
    /// With the oldest record that the stream still has.
    #[default]
    TrimHorizon,
    /// With what arrives from now on; in a shard whose calls fail before it had a record, with what
    /// arrived up to five minutes before.
    ///
    /// A shard in which nothing came before a restart begins at that later "now" again; who must not miss what came in
    /// between uses [`InitialPosition::At`].
    Latest,
    /// With what arrived at that time or later.
    At(Timestamp),
}

/// Where to begin: after what a checkpoint knows, and otherwise at the initial position.
#[derive(Debug, Clone, Default)]
pub struct KinesisStart {
    /// Where to begin in shards that are in no checkpoint. Shards that came of others of the checkpoint begin with their
    /// oldest record whatever is said here, and so do those that come while reading.
    pub initial: InitialPosition,
    /// The last position of each shard, by its name.
    pub positions: BTreeMap<String, Position>,
    /// The shards that were read to their end: those whose last batch has [`Batch::is_last`](crate::Batch::is_last).
    pub ended: BTreeSet<String>,
}

/// Where reading of a shard begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "kinesis"), expect(dead_code, reason = "only the reader goes on after a record"))]
pub(super) enum From {
    /// With this record, which is in the checkpoint already, but perhaps not all that is aggregated in it; that it comes
    /// again shows that none after it was trimmed.
    Record(SequenceNumber),
    /// With the record after this one.
    After(SequenceNumber),
    TrimHorizon,
    Latest,
    Time(Timestamp),
}

impl KinesisStart {
    /// Where to begin in a shard of the first listing; nowhere if it is not to be read.
    pub(super) fn of(&self, stream: &str, listed: &[ListedShard], shard: &ListedShard) -> Option<From> {
        let name = |id: &str| format!("{stream}/{id}");
        let own = name(&shard.id);
        // One that takes records again is of another stream, made under the same name.
        if self.ended.contains(&own) && shard.closed {
            return None;
        }
        if let Some(position) = self.positions.get(&own) {
            return Some(From::Record(position.sequence));
        }
        let known = |id: &str| self.ended.contains(&name(id)) || self.positions.contains_key(&name(id));
        match self.initial {
            _ if descends_from(listed, shard, known) => Some(From::TrimHorizon),
            InitialPosition::TrimHorizon => Some(From::TrimHorizon),
            InitialPosition::At(time) => Some(From::Time(time)),
            InitialPosition::Latest => (!shard.closed).then_some(From::Latest),
        }
    }

    /// The shards of the stream that are not there any more, and were not read to their end as far as can be told: no
    /// shard that came of them was begun.
    pub(super) fn lost<'a>(&'a self, stream: &str, listed: &[ListedShard]) -> Vec<&'a str> {
        let id_of = |name: &'a str| name.strip_prefix(stream)?.strip_prefix('/');
        let is_listed = |id: &str| listed.iter().any(|shard| shard.id == id);
        let is_begun = |shard: &ListedShard| {
            let name = format!("{stream}/{}", shard.id);
            self.positions.contains_key(&name) || self.ended.contains(&name)
        };
        let was_finished =
            |id: &str| listed.iter().any(|shard| is_begun(shard) && descends_from(listed, shard, |other| other == id));
        let names = self.positions.keys().filter(|&name| !self.ended.contains(name)).map(String::as_str);
        names.filter(|&name| id_of(name).is_some_and(|id| !is_listed(id) && !was_finished(id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], closed: bool) -> ListedShard {
        let parents = parents.iter().map(|&parent| parent.to_owned()).collect();
        ListedShard { id: id.to_owned(), parents, hash_keys: None, closed }
    }

    #[test]
    fn a_checkpoint_comes_before_the_initial_position_and_children_begin_with_their_first_record() {
        let listed = [
            shard("0", &[], true),
            shard("1", &[], true),
            shard("2", &["0"], false),
            shard("3", &[], true),
            shard("4", &[], false),
        ];
        let start = |initial| KinesisStart {
            initial,
            positions: BTreeMap::from([("s/1".to_owned(), Position::of(7))]),
            ended: BTreeSet::from(["s/0".to_owned()]),
        };
        let of = |initial| {
            let start = start(initial);
            listed.iter().map(|shard| start.of("s", &listed, shard)).collect::<Vec<_>>()
        };
        let record = Some(From::Record(7.into()));
        let oldest = Some(From::TrimHorizon);
        assert_eq!(of(InitialPosition::TrimHorizon), [None, record, oldest, oldest, oldest]);
        assert_eq!(of(InitialPosition::Latest), [None, record, oldest, None, Some(From::Latest)]);
        let time = Timestamp::from_millis(5);
        let at = Some(From::Time(time));
        assert_eq!(of(InitialPosition::At(time)), [None, record, oldest, at, at]);
    }

    #[test]
    fn a_shard_is_lost_when_it_vanished_and_none_that_came_of_it_was_begun() {
        let positions = ["s/1", "s/2", "s/3", "s/4", "s/5", "s2/9"].map(|name| (name.to_owned(), Position::of(1)));
        let start = KinesisStart {
            positions: positions.into(),
            ended: BTreeSet::from(["s/3".to_owned()]),
            ..KinesisStart::default()
        };
        let listed = [shard("1", &[], false), shard("5", &["4"], false), shard("6", &["2"], false)];
        assert_eq!(start.lost("s", &listed), ["s/2"]);
    }
}
