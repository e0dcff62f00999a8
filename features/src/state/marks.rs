use churn_events::DAY_MS;

use super::counts::{Counts, Sign};
use super::horizon::{Horizon, SEAT_PAIR_MS, SESSION_MS};
use super::id_map::make_room_tightly;

/// What a mark stands for. At the same instant a login comes before the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkKind {
    Login = 0,
    Logoff = 1,
    Timeout = 2,
    Added = 3,
    Deleted = 4,
}

/// Bits of a mark that hold its session and what it counts for: a session of 12 h has a length of less than 26 bits.
pub(crate) const SESSION_BITS: u32 = 24;
const COUNT_BITS: u32 = 26;

/// A point in a user's life that decides what later ones count for.
///
/// Each mark holds what it counts for now, so that it can be taken back when a late mark changes that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// Milliseconds, and the kind in the lowest three bits.
    pub(crate) key: u64,
    /// The session that began or ended, as the upper bits of its digest: it is compared within one user and 12 h only.
    pub(crate) session: u32,
    /// One more than the length of the session that this closes in ms, or 1 for a seat that changes hands; else 0. Of a
    /// login, which counts for nothing by itself, part of the event's digest: it tells a copy from another login.
    pub(crate) counts_for: u32,
}

impl Mark {
    pub(crate) fn new(ms: i64, kind: MarkKind, session: u32) -> Self {
        Self { key: (ms as u64) << 3 | kind as u64, session, counts_for: 0 }
    }

    pub(crate) fn login(ms: i64, session: u32, id: u64) -> Self {
        Self { counts_for: (id >> (64 - COUNT_BITS)) as u32, ..Self::new(ms, MarkKind::Login, session) }
    }

    pub(crate) fn ms(&self) -> i64 {
        (self.key >> 3) as i64
    }

    pub(crate) fn kind(&self) -> MarkKind {
        match self.key & 7 {
            0 => MarkKind::Login,
            1 => MarkKind::Logoff,
            2 => MarkKind::Timeout,
            3 => MarkKind::Added,
            _ => MarkKind::Deleted,
        }
    }

    fn is_seat(&self) -> bool {
        self.kind() >= MarkKind::Added
    }

    /// The largest value that [`counts_for`](Self::counts_for) can have.
    pub(crate) fn most(&self) -> u32 {
        match self.kind() {
            MarkKind::Login => (1 << COUNT_BITS) - 1,
            MarkKind::Logoff | MarkKind::Timeout => SESSION_MS as u32,
            MarkKind::Added | MarkKind::Deleted => 1,
        }
    }

    /// What marks are ordered by and told apart by.
    pub(crate) fn order(&self) -> (u64, u32, u32) {
        (self.key, self.session, if self.kind() == MarkKind::Login { self.counts_for } else { 0 })
    }

    fn count(&self, sign: Sign, counts: &mut Counts, horizon: &Horizon) {
        if self.counts_for == 0 || self.kind() == MarkKind::Login {
            return;
        }
        let day = self.ms().div_euclid(DAY_MS) as i32;
        if self.is_seat() {
            counts.seat(day, self.kind() == MarkKind::Deleted, sign, horizon);
        } else {
            counts.session_closed(day, self.counts_for - 1, sign, horizon);
        }
    }

    pub(crate) fn is_settled(&self, horizon: &Horizon) -> bool {
        self.ms() < if self.is_seat() { horizon.seats_before_ms() } else { horizon.settled_before_ms() }
    }

    pub(crate) fn is_session_before(&self, ms: i64) -> bool {
        !self.is_seat() && self.ms() < ms
    }

    /// What the mark counts for, given the marks before it, the last one first.
    fn counts_after(&self, mut before: impl Iterator<Item = Mark>) -> u32 {
        match self.kind() {
            MarkKind::Login => self.counts_for,
            MarkKind::Logoff | MarkKind::Timeout => {
                let sessions = before.filter(|earlier| !earlier.is_seat());
                for earlier in sessions.take_while(|earlier| self.ms() - earlier.ms() < SESSION_MS) {
                    match (earlier.kind(), earlier.session == self.session) {
                        (MarkKind::Login, true) => return (self.ms() - earlier.ms()) as u32 + 1,
                        // Another login ended the session, or another end closed it.
                        (MarkKind::Login, false) | (_, true) => return 0,
                        (_, false) => {}
                    }
                }
                0
            }
            MarkKind::Added | MarkKind::Deleted => {
                let repeats = before
                    .find(Mark::is_seat)
                    .is_some_and(|earlier| earlier.kind() == self.kind() && self.ms() - earlier.ms() < SEAT_PAIR_MS);
                u32::from(!repeats)
            }
        }
    }
}

/// The place of a mark among those of all users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// A mark in 96 bits: the key, the session, what it counts for; and the place of the same user's mark before it.
#[derive(Debug, Clone, Copy)]
struct Held {
    low: u64,
    high: u32,
    earlier: Place,
}

impl Held {
    fn new(mark: Mark, earlier: Place) -> Self {
        let low = u64::from(mark.session) << COUNT_BITS | u64::from(mark.counts_for);
        let key = mark.key << (SESSION_BITS + COUNT_BITS);
        Self { low: key | low, high: (mark.key >> (64 - SESSION_BITS - COUNT_BITS)) as u32, earlier }
    }

    fn mark(&self) -> Mark {
        let key = u64::from(self.high) << (64 - SESSION_BITS - COUNT_BITS) | self.low >> (SESSION_BITS + COUNT_BITS);
        let session = (self.low >> COUNT_BITS) as u32 & ((1 << SESSION_BITS) - 1);
        Mark { key, session, counts_for: self.low as u32 & ((1 << COUNT_BITS) - 1) }
    }
}

/// The marks of a tenant's users: one list, because many short ones take more room around them than the marks take.
///
/// Each mark leads to the one before it of the same user; the user knows the newest. Most marks come in order, and are
/// appended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    held: Vec<Held>,
}

impl Marks {
    /// Gives a copy and keeps nothing but the room, which will be needed again: memory that is given back a little at a
    /// time, by many states, is left with holes.
    pub(crate) fn clear(&mut self) -> Self {
        let before = self.clone();
        self.held.clear();
        before
    }

    /// Gives room back when less than half of it is needed.
    pub(crate) fn shrink(&mut self) {
        if self.held.len() < self.held.capacity() / 2 {
            self.held.shrink_to(self.held.len() + self.held.len() / 8);
        }
    }

    /// Marks held, those of users that are forgotten included.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.held.capacity() * size_of::<Held>()
    }

    /// The marks of a user, the newest first.
    pub(crate) fn of(&self, newest: Place) -> impl Iterator<Item = Mark> {
        let mut place = newest;
        std::iter::from_fn(move || {
            let held = self.held.get(place.0 as usize)?;
            place = held.earlier;
            Some(held.mark())
        })
    }

    /// Appends a mark that lies after all others of its user.
    pub(crate) fn push(&mut self, mark: Mark, newest: &mut Place) {
        let held = Held::new(mark, *newest);
        *newest = self.append(held);
    }

    fn append(&mut self, held: Held) -> Place {
        make_room_tightly(&mut self.held);
        self.held.push(held);
        Place((self.held.len() - 1) as u32)
    }

    /// Notes a mark and counts what it counts for; what it changes about marks after it is put right. `false` when it was
    /// there already.
    pub(crate) fn insert(&mut self, mark: Mark, newest: &mut Place, counts: &mut Counts, horizon: &Horizon) -> bool {
        let order = mark.order();
        let mut before = *newest;
        // The places of marks after the new one, the last one first; there are some only when it comes late.
        let mut after: Vec<Place> = Vec::new();
        while let Some(held) = self.held.get(before.0 as usize) {
            let held_order = held.mark().order();
            if held_order == order {
                return false;
            }
            if held_order < order {
                break;
            }
            after.push(before);
            before = held.earlier;
        }
        let place = self.append(Held::new(mark, before));
        self.link(after.last(), newest, place);
        self.revise(place, counts, horizon);
        for later_place in after.iter().rev() {
            let later = self.held[later_place.0 as usize].mark();
            if later.is_seat() != mark.is_seat() {
                continue;
            }
            // A seat mark looks at the one before it, a session's end at no more than the login before it.
            if !mark.is_seat() && later.kind() == MarkKind::Login {
                break;
            }
            if !mark.is_seat() && later.ms() - mark.ms() >= SESSION_MS {
                break;
            }
            self.revise(*later_place, counts, horizon);
            if mark.is_seat() {
                break;
            }
        }
        if mark.is_settled(horizon) {
            self.link(after.last(), newest, before);
            self.held.pop();
        }
        true
    }

    /// Makes a mark, or the user where there is none, lead to that place.
    fn link(&mut self, from: Option<&Place>, newest: &mut Place, place: Place) {
        match from {
            Some(from) => self.held[from.0 as usize].earlier = place,
            None => *newest = place,
        }
    }

    pub(crate) fn contains(&self, mark: Mark, newest: Place) -> bool {
        let order = mark.order();
        self.of(newest).map(|held| held.order()).take_while(|held| *held >= order).any(|held| held == order)
    }

    fn revise(&mut self, place: Place, counts: &mut Counts, horizon: &Horizon) {
        let held = &self.held[place.0 as usize];
        let (mark, earlier) = (held.mark(), held.earlier);
        let counts_for = mark.counts_after(self.of(earlier));
        if mark.counts_for != counts_for {
            mark.count(Sign::Minus, counts, horizon);
            let mark = Mark { counts_for, ..mark };
            self.held[place.0 as usize] = Held::new(mark, earlier);
            mark.count(Sign::Plus, counts, horizon);
        }
    }

    /// Takes over the marks of a user that are to be kept from a list that is done with.
    pub(crate) fn take_over(&mut self, others: &Self, newest: &mut Place, keep: impl Fn(&Mark) -> bool) {
        let first = self.held.len();
        for mark in others.of(*newest).filter(keep) {
            let next = Place((self.held.len() + 1) as u32);
            self.append(Held::new(mark, next));
        }
        *newest = Place::NONE;
        if let Some(oldest) = self.held[first..].last_mut() {
            oldest.earlier = Place::NONE;
            *newest = Place(first as u32);
        }
    }

    /// Adds a user's marks of other events, which `counts` already counts as they were counted there.
    ///
    /// A mark is looked at again only where one of the other side lies in what it looks back on: what has settled on its
    /// own side is no longer there to be seen.
    pub(crate) fn merge(
        &mut self,
        newest: &mut Place,
        others: impl Iterator<Item = Mark>,
        counts: &mut Counts,
        horizon: &Horizon,
    ) {
        let mut sided: Vec<(Mark, usize)> = others.map(|mark| (mark, 1)).collect();
        if sided.is_empty() {
            return;
        }
        sided.extend(self.of(*newest).map(|mark| (mark, 0)));
        sided.sort_by_key(|(mark, side)| (mark.order(), *side));
        // By side, then seats or sessions.
        let mut last_ms = [[i64::MIN / 2; 2]; 2];
        let mut last = None;
        *newest = Place::NONE;
        for (mark, side) in sided {
            let kind = usize::from(mark.is_seat());
            if last == Some(mark.order()) {
                mark.count(Sign::Minus, counts, horizon);
            } else {
                let reach = if mark.is_seat() { SEAT_PAIR_MS } else { SESSION_MS };
                self.push(mark, newest);
                if mark.ms() - last_ms[1 - side][kind] < reach {
                    self.revise(*newest, counts, horizon);
                }
            }
            last = Some(mark.order());
            last_ms[side][kind] = mark.ms();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StateOptions;

    const NOW_MS: i64 = 20_000 * DAY_MS;

    #[test]
    fn a_mark_is_held_as_it_was() {
        let latest = i64::from(crate::state::horizon::N_DAYS) * DAY_MS;
        for mark in [
            Mark::login(latest, (1 << SESSION_BITS) - 1, u64::MAX),
            Mark { counts_for: SESSION_MS as u32, ..Mark::new(latest, MarkKind::Timeout, 1) },
            Mark { counts_for: 1, ..Mark::new(0, MarkKind::Deleted, 0) },
        ] {
            assert!(mark.counts_for <= mark.most());
            assert_eq!(Held::new(mark, Place::NONE).mark(), mark);
        }
    }

    #[test]
    fn a_late_login_is_put_before_the_logoff_that_it_explains() {
        let horizon = Horizon::new(NOW_MS, &StateOptions::default());
        let minute = |n: i64| NOW_MS - DAY_MS + n * 60_000;
        let given = [
            Mark::login(minute(0), 7, 1),
            Mark::new(minute(9), MarkKind::Logoff, 7),
            Mark::new(minute(20), MarkKind::Added, 0),
            Mark::login(minute(30), 8, 2),
            Mark::new(minute(50), MarkKind::Logoff, 8),
            Mark::new(minute(50), MarkKind::Timeout, 8),
        ];
        let note = |order: [usize; 6]| {
            let (mut marks, mut newest, mut counts) = (Marks::default(), Place::NONE, Counts::default());
            for n in order {
                assert!(marks.insert(given[n], &mut newest, &mut counts, &horizon));
            }
            assert!(!marks.insert(given[1], &mut newest, &mut counts, &horizon), "it is there");
            let lengths: Vec<u32> = marks.of(newest).map(|mark| mark.counts_for).collect();
            assert_eq!(lengths, [0, 20 * 60_000 + 1, given[3].counts_for, 1, 9 * 60_000 + 1, given[0].counts_for]);
            counts
        };
        assert_eq!(note([5, 4, 3, 2, 1, 0]), note([0, 1, 2, 3, 4, 5]));
        assert_eq!(note([1, 5, 0, 2, 4, 3]), note([0, 1, 2, 3, 4, 5]));
    }
}
