use churn_events::DAY_MS;

use super::counts::{Counts, Sign};
use super::horizon::{Horizon, SEAT_PAIR_MS, SESSION_MS};
use super::id_map::insert_tightly;

/// What a mark stands for. At the same instant a login comes before the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MarkKind {
    Login = 0,
    SessionEnd = 1,
    Added = 2,
    Deleted = 3,
}

/// A point in a user's life that decides what later ones count for.
///
/// Each mark holds what it counts for now, so that it can be taken back when a late mark changes that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// Milliseconds, and the kind in the lowest two bits.
    pub(crate) key: u64,
    /// The session that began or ended, as the upper half of its digest: it is compared within one user and 12 h only.
    pub(crate) session: u32,
    /// One more than the length of the session that this closes in ms, or 1 for a seat that changes hands; else 0.
    pub(crate) counts_for: u32,
}

impl Mark {
    pub(crate) fn new(ms: i64, kind: MarkKind, session: u32) -> Self {
        Self { key: (ms as u64) << 2 | kind as u64, session, counts_for: 0 }
    }

    pub(crate) fn ms(&self) -> i64 {
        (self.key >> 2) as i64
    }

    pub(crate) fn kind(&self) -> MarkKind {
        match self.key & 3 {
            0 => MarkKind::Login,
            1 => MarkKind::SessionEnd,
            2 => MarkKind::Added,
            _ => MarkKind::Deleted,
        }
    }

    fn is_seat(&self) -> bool {
        self.key & 2 != 0
    }

    fn order(&self) -> (u64, u32) {
        (self.key, self.session)
    }

    fn count(&self, sign: Sign, counts: &mut Counts, horizon: &Horizon) {
        if self.counts_for == 0 {
            return;
        }
        let day = self.ms().div_euclid(DAY_MS) as i32;
        if self.is_seat() {
            counts.seat(day, self.kind() == MarkKind::Deleted, sign, horizon);
        } else {
            counts.session_closed(day, self.counts_for - 1, sign, horizon);
        }
    }

    fn is_settled(&self, horizon: &Horizon) -> bool {
        self.ms() < if self.is_seat() { horizon.seats_before_ms() } else { horizon.settled_before_ms() }
    }
}

/// The marks of one user, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Marks {
    pub(crate) marks: Vec<Mark>,
}

impl Marks {
    /// Notes a mark and counts what it counts for; what it changes about marks after it is put right.
    pub(crate) fn insert(&mut self, mark: Mark, counts: &mut Counts, horizon: &Horizon) {
        let order = mark.order();
        let position = match self.marks.last() {
            Some(last) if last.order() < order => self.marks.len(),
            None => 0,
            Some(_) => match self.marks.binary_search_by_key(&order, Mark::order) {
                // Two events that say the same make no difference here.
                Ok(_) => return,
                Err(position) => position,
            },
        };
        insert_tightly(&mut self.marks, position, mark);
        self.revise(position, counts, horizon);
        for later in position + 1..self.marks.len() {
            if self.marks[later].is_seat() != mark.is_seat() {
                continue;
            }
            // A seat mark looks at the one before it, a session's end at no more than the login before it.
            if !mark.is_seat() && self.marks[later].kind() == MarkKind::Login {
                break;
            }
            if !mark.is_seat() && self.marks[later].ms() - mark.ms() >= SESSION_MS {
                break;
            }
            self.revise(later, counts, horizon);
            if mark.is_seat() {
                break;
            }
        }
        if mark.is_settled(horizon) {
            self.marks.remove(position);
        }
    }

    fn revise(&mut self, position: usize, counts: &mut Counts, horizon: &Horizon) {
        let counts_for = self.counts_for(position);
        if self.marks[position].counts_for != counts_for {
            self.marks[position].count(Sign::Minus, counts, horizon);
            self.marks[position].counts_for = counts_for;
            self.marks[position].count(Sign::Plus, counts, horizon);
        }
    }

    /// What a mark counts for, given the marks before it.
    fn counts_for(&self, position: usize) -> u32 {
        let mark = self.marks[position];
        let before = self.marks[..position].iter().rev();
        match mark.kind() {
            MarkKind::Login => 0,
            MarkKind::SessionEnd => {
                let sessions = before.filter(|earlier| !earlier.is_seat());
                for earlier in sessions.take_while(|earlier| mark.ms() - earlier.ms() < SESSION_MS) {
                    match (earlier.kind(), earlier.session == mark.session) {
                        (MarkKind::Login, true) => return (mark.ms() - earlier.ms()) as u32 + 1,
                        // Another login ended the session, or another end closed it.
                        (MarkKind::Login, false) | (_, true) => return 0,
                        (_, false) => {}
                    }
                }
                0
            }
            MarkKind::Added | MarkKind::Deleted => {
                let earlier = before.filter(|earlier| earlier.is_seat()).find(|_| true);
                let repeats = earlier
                    .is_some_and(|earlier| earlier.kind() == mark.kind() && mark.ms() - earlier.ms() < SEAT_PAIR_MS);
                u32::from(!repeats)
            }
        }
    }

    pub(crate) fn forget(&mut self, horizon: &Horizon) {
        self.marks.retain(|mark| !mark.is_settled(horizon));
        if self.marks.is_empty() {
            self.marks = Vec::new();
        }
    }

    /// Number of session marks before an instant, and all.
    pub(crate) fn n_sessions(&self) -> usize {
        self.marks.iter().filter(|mark| !mark.is_seat()).count()
    }

    pub(crate) fn forget_sessions_before(&mut self, ms: i64) {
        self.marks.retain(|mark| mark.is_seat() || mark.ms() >= ms);
    }

    /// Adds the marks of other events, which `counts` already counts as they were counted there.
    ///
    /// A mark is looked at again only where one of the other side lies in what it looks back on: what has settled on its
    /// own side is no longer there to be seen.
    pub(crate) fn merge(&mut self, other: &Self, counts: &mut Counts, horizon: &Horizon) {
        if other.marks.is_empty() {
            return;
        }
        let own = self.marks.iter().map(|mark| (*mark, 0));
        let mut sided: Vec<(Mark, usize)> = own.chain(other.marks.iter().map(|mark| (*mark, 1))).collect();
        sided.sort_by_key(|(mark, _)| mark.order());
        // By side, then seats or sessions.
        let mut last_ms = [[i64::MIN / 2; 2]; 2];
        self.marks = Vec::with_capacity(sided.len());
        for (mark, side) in sided {
            let kind = usize::from(mark.is_seat());
            if self.marks.last().is_some_and(|last| last.order() == mark.order()) {
                mark.count(Sign::Minus, counts, horizon);
            } else {
                let reach = if mark.is_seat() { SEAT_PAIR_MS } else { SESSION_MS };
                self.marks.push(mark);
                if mark.ms() - last_ms[1 - side][kind] < reach {
                    self.revise(self.marks.len() - 1, counts, horizon);
                }
            }
            last_ms[side][kind] = mark.ms();
        }
    }
}
