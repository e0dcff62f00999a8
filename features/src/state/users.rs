use super::counts::Counts;
use super::horizon::Horizon;
use super::id_map::IdMap;
use super::marks::{Mark, Marks, Place};
use crate::observed::Observed;

/// Days of a user's activity that are kept.
const N_BITS: i32 = 96;

/// Most marks of a tenant that are ever kept; a place takes 32 bits.
const MAX_MARKS: usize = 1 << 30;

/// Weeks of a user's activity that are kept.
const N_WEEKS: i32 = 4;

/// What is remembered of one user.
///
/// All of it is told from the user's own last day, so that noting a day costs the same for any number of users.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct User {
    /// The last day with a login or job, -1 before there is one.
    pub(crate) last_day: i32,
    /// Whether the user was active on the day so many days before the last one, from the lowest bit on.
    pub(crate) active: [u32; 3],
    /// Logins and jobs in the epoch week of the last day and the three before.
    pub(crate) weeks: [u32; N_WEEKS as usize],
    /// Where the newest of the user's marks is.
    pub(crate) newest: Place,
}

impl Default for User {
    fn default() -> Self {
        Self { last_day: -1, active: [0; 3], weeks: [0; 4], newest: Place::NONE }
    }
}

impl User {
    pub(crate) fn note_active(&mut self, day: i32, horizon: &Horizon) {
        if day < horizon.first_day() {
            return;
        }
        if day == self.last_day {
            self.weeks[0] = self.weeks[0].saturating_add(1);
        } else {
            self.add_days(day, 1);
            self.add_weeks(day.div_euclid(7), [1, 0, 0, 0]);
            self.last_day = self.last_day.max(day);
        }
    }

    /// Adds the days of a bitmap that ends with that day; `last_day` still is what it was.
    fn add_days(&mut self, last_day: i32, bits: u128) {
        let shift = |bits: u128, days: i32| if days >= N_BITS { 0 } else { bits << days };
        let own = if self.last_day < 0 { 0 } else { self.bits() };
        let newest = last_day.max(self.last_day);
        let bits = shift(own, newest - self.last_day) | shift(bits, newest - last_day);
        self.set_bits(bits);
    }

    fn set_bits(&mut self, bits: u128) {
        self.active = [bits as u32, (bits >> 32) as u32, (bits >> 64) as u32];
    }

    fn add_weeks(&mut self, last_week: i32, counts: [u32; 4]) {
        let own_week = if self.last_day < 0 { last_week } else { self.last_day.div_euclid(7) };
        let newest = last_week.max(own_week);
        let of = |counts: &[u32; 4], week: i32, back: usize| {
            usize::try_from(back as i32 - (newest - week)).ok().map_or(0, |i| counts[i])
        };
        let own = self.weeks;
        self.weeks = std::array::from_fn(|back| of(&own, own_week, back).saturating_add(of(&counts, last_week, back)));
    }

    fn bits(&self) -> u128 {
        let [low, middle, high] = self.active.map(u128::from);
        high << 64 | middle << 32 | low
    }

    /// Forgets days and weeks that no observation date to come looks at, so that they are gone from every state alike.
    fn forget(&mut self, horizon: &Horizon) {
        if self.last_day < horizon.first_day() {
            *self = Self { newest: self.newest, ..Self::default() };
            return;
        }
        let n_kept = self.last_day - horizon.first_day() + 1;
        let bits = if n_kept < N_BITS { self.bits() & ((1 << n_kept) - 1) } else { self.bits() };
        self.set_bits(bits);
        let n_weeks = self.last_day.div_euclid(7) - horizon.first_week() + 1;
        let n_weeks = n_weeks.clamp(0, N_WEEKS) as usize;
        self.weeks[n_weeks..].fill(0);
    }

    fn is_forgotten(&self) -> bool {
        self.last_day < 0 && self.newest == Place::NONE
    }

    fn merge(&mut self, other: &Self) {
        if other.last_day >= 0 {
            self.add_days(other.last_day, other.bits());
            self.add_weeks(other.last_day.div_euclid(7), other.weeks);
            self.last_day = self.last_day.max(other.last_day);
        }
    }

    /// Activity by age: bit 0 is the day before the date.
    fn active_before(&self, date: i32) -> u128 {
        let age = date - self.last_day - 1;
        if self.last_day < 0 || !(0..N_BITS).contains(&age) { 0 } else { self.bits() << age }
    }

    /// Logins and jobs in the epoch week that holds the day before the date and the three before it.
    fn activity_in_week_slots(&self, date: i32) -> u64 {
        let weeks_ago = (date - 1).div_euclid(7) - self.last_day.div_euclid(7);
        if self.last_day < 0 {
            return 0;
        }
        // Without a loop of another length for each user, which the processor would guess wrong.
        let n = N_WEEKS - weeks_ago.max(0);
        self.weeks.iter().zip(0..).map(|(count, week)| if week < n { u64::from(*count) } else { 0 }).sum()
    }
}

/// The users of a tenant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users {
    pub(crate) users: IdMap<User>,
    pub(crate) marks: Marks,
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        // Where a mark lies depends on the order that marks came in.
        let days = |user: &User| User { newest: Place::NONE, ..*user };
        let is_same = |(digest, user): (u64, &User)| {
            other.users.get(digest).is_some_and(|others| {
                days(user) == days(others) && self.marks.of(user.newest).eq(other.marks.of(others.newest))
            })
        };
        self.users.len() == other.users.len() && self.users.iter().all(is_same)
    }
}

impl Users {
    pub(crate) fn note_active(&mut self, user: u64, day: i32, horizon: &Horizon) {
        self.users.entry(user).note_active(day, horizon);
    }

    /// Notes a mark; `false` when it was there already.
    pub(crate) fn note_mark(&mut self, user: u64, mark: Mark, counts: &mut Counts, horizon: &Horizon) -> bool {
        self.marks.insert(mark, &mut self.users.entry(user).newest, counts, horizon)
    }

    pub(crate) fn has_mark(&self, user: u64, mark: Mark) -> bool {
        self.users.get(user).is_some_and(|user| self.marks.contains(mark, user.newest))
    }

    /// Forgets what has settled and who has not been seen for longer than the longest lookback.
    pub(crate) fn forget(&mut self, horizon: &Horizon) {
        self.retain_marks(|mark| !mark.is_settled(horizon), |user| user.forget(horizon));
    }

    /// Keeps those marks and, after a change to each, the users that there is something left of.
    fn retain_marks(&mut self, keep: impl Fn(&Mark) -> bool, change: impl Fn(&mut User)) {
        let before = self.marks.clear();
        self.users.retain(|_, user| {
            self.marks.take_over(&before, &mut user.newest, &keep);
            change(user);
            !user.is_forgotten()
        });
        self.marks.shrink();
    }

    /// Keeps the number of users within its bound, and that of marks within a few for each of them.
    ///
    /// An eighth is let go at a time, so that the search for those to let go is paid for by many events.
    pub(crate) fn keep_within(&mut self, max_users: usize, clock_ms: i64) {
        if self.users.len() > max_users {
            let mut ages: Vec<_> = self.users.iter().map(|(digest, user)| (user.last_day, digest)).collect();
            let n_gone = self.users.len() - (max_users - max_users / 8);
            let (_, &mut last_gone, _) = ages.select_nth_unstable(n_gone - 1);
            self.users.retain(|digest, user| (user.last_day, digest) > last_gone);
        }
        let max_marks = max_users.saturating_mul(4).clamp(64, MAX_MARKS);
        if self.marks.len() > max_marks {
            let newest_session_ms = clock_ms - super::horizon::SESSION_MS;
            self.retain_marks(|mark| !mark.is_session_before(newest_session_ms), |_| {});
            if self.marks.len() > max_marks / 2 {
                self.retain_marks(|mark| !mark.is_session_before(i64::MAX), |_| {});
            }
            if self.marks.len() > max_marks / 2 {
                self.retain_marks(|_| false, |_| {});
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self, counts: &mut Counts, horizon: &Horizon) {
        for (digest, others) in other.users.sorted() {
            let user = self.users.entry(digest);
            user.merge(others);
            self.marks.merge(&mut user.newest, other.marks.of(others.newest), counts, horizon);
        }
    }

    pub(crate) fn read(&self, date: i32, observed: &mut Observed) {
        const LAST_7: u128 = (1 << 7) - 1;
        const LAST_28: u128 = (1 << 28) - 1;
        for (_, user) in self.users.iter() {
            let active = user.active_before(date);
            observed.active_users_7 += u64::from(active & LAST_7 != 0);
            observed.active_users_28 += u64::from(active & LAST_28 != 0);
            observed.active_users_28_before += u64::from(active >> 28 & LAST_28 != 0);
            observed.user_days_28 += u64::from((active & LAST_28).count_ones());
            let activity = user.activity_in_week_slots(date);
            observed.users_activity += activity;
            observed.top_user_activity = observed.top_user_activity.max(activity);
        }
    }

    /// Number of users active in the so many days before a date.
    pub(crate) fn n_active(&self, date: i32, window_days: u32) -> u64 {
        let window = (1_u128 << window_days) - 1;
        self.users.iter().map(|(_, user)| u64::from(user.active_before(date) & window != 0)).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.users.bytes() + self.marks.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks_of_a_user_do_not_depend_on_their_order() {
        let horizon = Horizon::new(0, &crate::StateOptions::default());
        let days = [20_000, 20_001, 20_050, 20_049, 20_093, 20_094, 20_094, 19_000];
        let note = |days: &[i32]| {
            let mut user = User::default();
            days.iter().for_each(|day| user.note_active(*day, &horizon));
            user
        };
        let forward = note(&days);
        let mut reversed = days;
        reversed.reverse();
        assert_eq!(note(&reversed), forward);
        assert_eq!(forward.active_before(20_095).count_ones(), 6, "19,000 is too long ago");
        assert_eq!(forward.active_before(20_096) & 7, 0b110);
        let (mut left, right) = (note(&days[..3]), note(&days[3..]));
        left.merge(&right);
        assert_eq!(left, forward);
    }
}
