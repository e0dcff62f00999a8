//! What is remembered of one tenant.
//!
//! Everything in a state follows from the *set* of events applied and from the clock, never from the order they came in:
//! counts are sums, attributes are "the newest", users' days are bitmaps. Where one event decides what another counts
//! for (a login and the logoff of its session, a job and its end, a job submitted twice), both are kept until no event
//! inside the allowed lateness can come between them any more, with what they count for, so that it can be taken back.
//!
//! **Cost.** About 140 ns an event; a tenant of 20 users takes 4.9, 5.7 and 6.6 kB with 20, 30 and 40 events a day, the
//! allocator's part included (`cargo run --release -p churn-features --example time_state`; see
//! [`TenantState::approximate_bytes`]).
//!
//! **What is not kept costs nothing.** A state under [`StateOptions::kept`](crate::StateOptions) leaves out marks, slots,
//! jobs and users that no feature asked for needs. Two things are known all the same: the day of the first event, for
//! tenure, and of jobs their ends, because a job that is submitted again is one job until some days after it ended.
//!
//! **Memory.** There are 100,000 states of small tenants for each large one. So lists grow in small steps, users and jobs
//! become hash tables only when there are many, day slots take 8 and 13 bytes while their counts fit, the marks of all
//! users share one list of 16 bytes a mark, and copies are told by what the first one left behind, not by a list of ids.
//! Tried and dropped: a list of marks for each user (with its slack and headers some 800 bytes more), and a new list of
//! marks every day (a heap of many states was left with 600 bytes of holes for each).

mod attributes;
mod bytes;
mod codec;
mod counts;
mod day_slots;
mod fact;
mod hash;
mod horizon;
mod id_map;
mod jobs;
#[cfg(feature = "store")]
mod look_through;
mod marks;
mod recent_ids;
mod users;
mod window;

use std::borrow::Cow;

use churn_events::{DAY_MS, Event, ObservationDate};

use self::attributes::Attributes;
use self::counts::Counts;
use self::fact::{Fact, What, is_kept, is_never_late};
use self::horizon::{Horizon, N_DAYS, first_date};
use self::id_map::insert_tightly;
use self::jobs::{Jobs, Submission};
#[cfg(feature = "store")]
use self::look_through::look_through;
use self::marks::{Mark, MarkKind};
use self::recent_ids::RecentIds;
use self::users::Users;
pub use self::window::WindowCounts;
use crate::observed::{LOOKBACK_DAYS, Observed};
use crate::{Applied, Error, FeatureReader, Kept, StateOptions};

/// What is remembered of one tenant's events.
///
/// The state does not look at whose events they are: give it those of one tenant.
///
/// # Example
/// ```
/// use churn_events::{Event, EventKind, ObservationDate};
/// use churn_features::{FeatureReader, StateOptions, TenantState, catalogue_schema};
///
/// let reader = FeatureReader::new(&catalogue_schema(&[])?)?;
/// let (today, options) = (ObservationDate::from_days(20_000), StateOptions::default());
/// let mut state = TenantState::new();
/// state.apply(
///     &Event {
///         id: "1".into(),
///         source: "portal".into(),
///         tenant: "acme".into(),
///         occurred_at: today.start(),
///         received_at: today.start(),
///         kind: EventKind::UserLogin { user: "ann".into(), session: "s1".into() },
///     },
///     &options,
/// );
/// let mut features = vec![0.0; reader.width()];
/// state.features_at(today.plus_days(1), &reader, &mut features)?;
/// assert_eq!(features[24], 1.0); // logins_1
/// # Ok::<(), churn_features::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TenantState {
    /// What is kept: what all options had in common under which events came.
    kept: Kept,
    /// Everything received before this instant has been applied.
    clock_ms: i64,
    attributes: Attributes,
    counts: Counts,
    users: Users,
    jobs: Jobs,
    recent_ids: RecentIds,
    /// Events of the future, by the time at which they will count.
    held_back: Vec<Fact>,
}

impl TenantState {
    /// The state before any event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an event.
    ///
    /// Events may come in any order inside the allowed lateness: the state is the same.
    ///
    /// # Cost
    /// About 140 ns; once a day of the log, a walk over what is remembered.
    pub fn apply(&mut self, event: &Event<'_>, options: &StateOptions) -> Applied {
        let (occurred_ms, received_ms) = (event.occurred_at.millis(), event.received_at.millis());
        let known_days = 0..i64::from(N_DAYS) * DAY_MS;
        if !known_days.contains(&occurred_ms) || !known_days.contains(&received_ms) {
            return Applied::Dropped;
        }
        self.kept = self.kept.intersection(options.kept);
        self.set_clock(received_ms + 1, options);
        if received_ms - occurred_ms > options.allowed_lateness_ms && !is_never_late(&event.kind) {
            return Applied::Late;
        }
        let ms = options.occurred_at(event).millis();
        let held = ms > received_ms;
        if !held && self.held_back.is_empty() && !is_kept(&event.kind, options.kept) {
            self.attributes.note_event(ms.div_euclid(DAY_MS) as i32);
            return Applied::Counted;
        }
        let Some(fact) = Fact::new(event, ms, options.kept) else {
            return Applied::Counted;
        };
        if !self.held_back.is_empty() && self.held_back.iter().any(|held| held.id == fact.id) {
            return Applied::Duplicate;
        }
        // An event that was received late may have to be held back no longer.
        if held && fact.ms >= self.clock_ms {
            return self.hold_back(fact, options);
        }
        let horizon = Horizon::new(self.clock_ms, options);
        if !self.is_new(&fact, occurred_ms, &horizon) || !self.count(fact, &horizon) {
            return Applied::Duplicate;
        }
        self.keep_within(&horizon, options);
        Applied::Counted
    }

    /// Notes that everything received before that date has been applied.
    pub fn advance_to(&mut self, date: ObservationDate, options: &StateOptions) {
        self.set_clock(i64::from(date.days().clamp(0, N_DAYS)) * DAY_MS, options);
    }

    /// Reads the features at an observation date.
    ///
    /// They are what had been received before the date of what had been applied; a date after the clock is one up to
    /// which nothing more will be received.
    ///
    /// # Shape
    /// `features` has the reader's width, and its order.
    /// # Errors
    /// [`Error::DatePassed`] when an event received at or after the date has been applied, or the state advanced past
    /// it: what was known then is gone. [`Error::WrongWidth`] when `features` has not the reader's width.
    /// [`Error::NotKept`] when the state does not keep what a feature needs.
    /// # Cost
    /// Microseconds, and a nanosecond or so for each user.
    pub fn features_at(
        &self,
        date: ObservationDate,
        reader: &FeatureReader,
        features: &mut [f32],
    ) -> Result<(), Error> {
        if features.len() != reader.width() {
            return Err(Error::WrongWidth { found: features.len(), expected: reader.width() });
        }
        reader.check(self.kept)?;
        let first = first_date(self.clock_ms);
        if date.days() < first {
            return Err(Error::DatePassed { date, first: ObservationDate::from_days(first) });
        }
        let then = self.with_held_back_until(date);
        reader.read(&then.observe(date.days()), then.industry_at(date), features);
        Ok(())
    }

    /// The first date that [`features_at`](Self::features_at) answers for: the one after which nothing has been received.
    pub fn first_date(&self) -> ObservationDate {
        ObservationDate::from_days(first_date(self.clock_ms))
    }

    /// What the state keeps: what all options had in common under which events came to it.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// The tenant's industry, without blanks around it, as of a date that [`features_at`](Self::features_at) answers for, where known and kept.
    pub fn industry_at(&self, date: ObservationDate) -> Option<&str> {
        let known = self.attributes.industry.iter().map(|industry| (industry.since, &*industry.value));
        let held = self.held_back.iter().filter_map(|fact| match &fact.what {
            What::Created(carried) | What::Updated(carried) => Some((fact.order(), carried.industry.as_deref()?)),
            _ => None,
        });
        let in_time = known.chain(held).filter(|((ms, _), _)| *ms < date.start().millis());
        let latest = in_time.max_by_key(|(since, _)| *since).map(|(_, industry)| industry.trim());
        latest.filter(|industry| !industry.is_empty())
    }

    /// Whether the tenant had cancelled, and not come back, as of a date that [`features_at`](Self::features_at) answers for.
    pub fn has_cancelled_at(&self, date: ObservationDate) -> bool {
        self.with_held_back_until(date).attributes.has_cancelled()
    }

    /// Takes in the state of other events of the same tenant, as if they had been applied here.
    ///
    /// No event may have been applied to both, so copies of an event belong in one part. The result is exact when the
    /// parts are cut by user and job, or in time where both have seen what lies within [`StateOptions::settle_ms`] of the
    /// cut, and in any other way when `settle_ms` is as long as the log. What only one of them keeps is lost.
    pub fn merge(&mut self, other: &TenantState, options: &StateOptions) {
        self.kept = self.kept.intersection(other.kept).intersection(options.kept);
        self.clock_ms = self.clock_ms.max(other.clock_ms);
        let horizon = Horizon::new(self.clock_ms, options);
        self.counts.merge(&other.counts, &horizon);
        self.attributes.merge(&other.attributes, &horizon);
        self.users.merge(&other.users, &mut self.counts, &horizon);
        for id in other.recent_ids.sorted() {
            self.recent_ids.insert_id(id);
        }
        self.jobs.merge(&other.jobs, &mut self.recent_ids, &mut self.counts, &horizon);
        for fact in &other.held_back {
            self.hold_back(fact.clone(), options);
        }
        self.count_held_back(&horizon);
        self.forget(&horizon);
        self.keep_within(&horizon, options);
    }

    /// Appends the state in its binary form, described in `docs/state-format.md`.
    ///
    /// Equal states give equal bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        codec::write(self, out);
    }

    /// Reads a state in its binary form.
    ///
    /// # Errors
    /// [`Error::UnknownStateVersion`] and [`Error::DamagedState`] when the bytes are not a state that this build wrote
    /// or an older one. Nothing in them is trusted: memory taken is bounded by their number.
    pub fn read_from(bytes: &[u8]) -> Result<Self, Error> {
        codec::read(bytes)
    }

    /// About how many bytes of memory this state takes, itself included.
    pub fn approximate_bytes(&self) -> usize {
        size_of::<Self>()
            + self.attributes.bytes()
            + self.counts.bytes()
            + self.users.bytes()
            + self.jobs.bytes()
            + self.recent_ids.bytes()
            + self.held_back.capacity() * size_of::<Fact>()
    }

    /// Reads a little of what an event is likely to need, so that it is in the processor's cache; the sum means nothing.
    #[cfg(feature = "store")]
    pub(crate) fn look_at(&self) -> u64 {
        let Self { clock_ms, counts, users, jobs, recent_ids, .. } = self;
        let lists = [users.users.look_at(), jobs.jobs.look_at(), recent_ids.look_at(), counts.activity.look_at()];
        lists.into_iter().fold(*clock_ms as u64, u64::wrapping_add)
    }

    /// Reads a little of every line of memory that features are read from; the sum means nothing.
    #[cfg(feature = "store")]
    pub(crate) fn look_through(&self) -> u64 {
        let Self { counts, users, .. } = self;
        let run_times = look_through(&counts.run_times, |entry| entry.n.into());
        let lists =
            [counts.activity.look_through(), counts.recent.look_through(), users.users.look_through(), run_times];
        lists.into_iter().fold(0, u64::wrapping_add)
    }

    /// The state with what was held back until before that date.
    fn with_held_back_until(&self, date: ObservationDate) -> Cow<'_, Self> {
        if self.held_back.first().is_none_or(|held| held.ms >= date.start().millis()) {
            return Cow::Borrowed(self);
        }
        let mut then = self.clone();
        // Nothing that is held back can be late, and what options bound has been bounded already.
        then.advance_to(date, &StateOptions { kept: self.kept, ..StateOptions::default() });
        Cow::Owned(then)
    }

    fn set_clock(&mut self, clock_ms: i64, options: &StateOptions) {
        if clock_ms <= self.clock_ms {
            return;
        }
        let first_before = first_date(self.clock_ms);
        self.clock_ms = clock_ms;
        if self.held_back.first().is_some_and(|held| held.ms < clock_ms) {
            self.count_held_back(&Horizon::new(clock_ms, options));
        }
        if first_date(clock_ms) != first_before {
            self.forget(&Horizon::new(clock_ms, options));
        }
    }

    fn hold_back(&mut self, fact: Fact, options: &StateOptions) -> Applied {
        match self.held_back.binary_search_by_key(&fact.order(), Fact::order) {
            Ok(_) => Applied::Duplicate,
            Err(_) if self.held_back.len() >= options.max_held_back => Applied::Dropped,
            Err(position) => {
                insert_tightly(&mut self.held_back, position, fact);
                Applied::HeldBack
            }
        }
    }

    /// Counts the held-back events whose time has come.
    fn count_held_back(&mut self, horizon: &Horizon) {
        let n = self.held_back.partition_point(|held| held.ms < self.clock_ms);
        let due: Vec<Fact> = self.held_back.drain(..n).collect();
        for fact in due {
            if self.is_new(&fact, fact.ms, horizon) {
                self.count(fact, horizon);
            }
        }
    }

    /// Whether no copy of an event has been counted, as far as digests tell.
    fn is_new(&mut self, fact: &Fact, occurred_ms: i64, horizon: &Horizon) -> bool {
        if fact.what == What::NotKept {
            return true;
        }
        let day = fact.ms.div_euclid(DAY_MS) as i32;
        let early = fact.ms != occurred_ms;
        if early
            && let What::Login { user, session } = fact.what
            && self.users.has_mark(user, Mark::login(occurred_ms, session, fact.id))
        {
            return false;
        }
        // What is too old to be remembered only comes of kinds that never count twice.
        if horizon.remembers_ids_of(day) && (early || fact.is_told_by_id(horizon.kept)) {
            self.recent_ids.insert(fact.id, day)
        } else {
            !self.recent_ids.contains(fact.id)
        }
    }

    /// Counts an event; `false` when it was there already.
    fn count(&mut self, fact: Fact, horizon: &Horizon) -> bool {
        let Fact { ms, id, what } = fact;
        let day = ms.div_euclid(DAY_MS) as i32;
        let Self { attributes, counts, users, jobs, recent_ids, .. } = self;
        let keeps = |part| horizon.kept.intersects(part);
        attributes.note_event(day);
        match what {
            What::Created(carried) => {
                attributes.note_created(ms);
                attributes.note((ms, id), *carried, horizon);
            }
            What::Updated(carried) => attributes.note((ms, id), *carried, horizon),
            What::Billed { cents } => attributes.note_bill(cents),
            What::NotKept => {}
            What::Cancelled => attributes.note_cancelled(ms),
            What::UserAdded { user } => {
                return users.note_mark(user, Mark::new(ms, MarkKind::Added, 0), counts, horizon);
            }
            What::UserDeleted { user } => {
                return users.note_mark(user, Mark::new(ms, MarkKind::Deleted, 0), counts, horizon);
            }
            What::Login { user, session } => {
                let mark = Mark::login(ms, session, id);
                let is_new = !keeps(Kept::SESSIONS) || users.note_mark(user, mark, counts, horizon);
                if is_new {
                    if keeps(Kept::USERS) {
                        users.note_active(user, day, horizon);
                    }
                    counts.login(day, horizon);
                }
                return is_new;
            }
            What::SessionEnd { user, session, timeout } => {
                let kind = if timeout { MarkKind::Timeout } else { MarkKind::Logoff };
                let is_new = users.note_mark(user, Mark::new(ms, kind, session), counts, horizon);
                if is_new {
                    counts.recent(day, horizon, |slot| {
                        let ends = if timeout { &mut slot.timeouts } else { &mut slot.logoffs };
                        *ends = ends.saturating_add(1);
                    });
                }
                return is_new;
            }
            What::Submitted { job, user, servers, data_bytes } => {
                let submission = Submission { ms, data_bytes, servers, id: (id >> 32) as u32 };
                if keeps(Kept::JOBS.union(Kept::RUNS))
                    && !jobs.note_submitted(job, submission, recent_ids, counts, horizon)
                {
                    return false;
                }
                if keeps(Kept::USERS) {
                    users.note_active(user, day, horizon);
                }
                counts.last_job_day = counts.last_job_day.max(day);
            }
            What::Ended { job, how } => return jobs.note_ended(job, ms, how, counts, horizon),
        }
        true
    }

    fn forget(&mut self, horizon: &Horizon) {
        self.counts.forget(horizon);
        self.attributes.forget(horizon);
        self.users.forget(horizon);
        self.jobs.forget(horizon);
        self.recent_ids.forget(horizon.first_date, horizon.id_days());
    }

    fn keep_within(&mut self, horizon: &Horizon, options: &StateOptions) {
        let max_users = options.max_users.max(1);
        self.users.keep_within(max_users, self.clock_ms);
        self.jobs.keep_within(options.max_jobs_in_flight.max(1));
        let max_ids = max_users.saturating_mul(4).max(1024);
        let mut kept_days = horizon.id_days();
        while self.recent_ids.len() > max_ids {
            kept_days /= 2;
            self.recent_ids.forget(horizon.first_date, kept_days);
            if kept_days == 0 && self.recent_ids.len() > max_ids {
                self.recent_ids = RecentIds::default();
            }
        }
    }

    fn observe(&self, date: i32) -> Observed {
        let Self { attributes, counts, .. } = self;
        let start_ms = i64::from(date) * DAY_MS;
        let mut seen = Observed::default();
        seen.tenure_days = attributes.tenure_from().map_or(0, |day| date - day);
        seen.revenue = attributes.revenue.as_ref().map(|held| held.value);
        seen.employees = attributes.employees.as_ref().map(|held| held.value);
        seen.sentiment = attributes.sentiment.as_ref().map(|held| held.value);
        seen.charge_cents = attributes.charge_before(start_ms);
        seen.charge_cents_90_days_ago = attributes.charge_before(start_ms - LOOKBACK_DAYS as i64 * DAY_MS);
        seen.billed_cents = attributes.billed_cents;
        seen.n_bills = attributes.n_bills;
        seen.days_since_login = (counts.last_login_day >= 0).then(|| date - counts.last_login_day);
        for (day, slot) in counts.activity.days() {
            seen.set_day((date - day) as usize, slot.logins, slot.jobs, slot.data_bytes);
        }
        seen.sum_up();
        seen.days_since_job = (counts.last_job_day >= 0).then(|| date - counts.last_job_day);
        self.observe_recent(date, &mut seen);
        self.observe_seats(date, &mut seen);
        let first_week = (date - 1).div_euclid(7) - 3;
        let n_old = counts.run_times.partition_point(|entry| i32::from(entry.week) < first_week);
        for entry in &counts.run_times[n_old..] {
            seen.run_times[usize::from(entry.bar)] += u64::from(entry.n);
        }
        self.users.read(date, &mut seen);
        seen
    }

    fn observe_recent(&self, date: i32, seen: &mut Observed) {
        for (day, slot) in self.counts.recent.days() {
            let age = date - day;
            if (3..=30).contains(&age) {
                seen.unfinished_3_to_30 += u64::from(slot.unfinished);
            }
            if age <= 28 {
                seen.servers_28 = seen.servers_28.saturating_add(slot.servers);
                seen.closed_ms_28 = seen.closed_ms_28.saturating_add(slot.closed_ms);
                seen.closed_28 += u64::from(slot.closed);
                seen.logoffs_28 += u64::from(slot.logoffs);
                seen.timeouts_28 += u64::from(slot.timeouts);
                seen.cancelled_28 += u64::from(slot.cancelled);
                seen.terminated_28 += u64::from(slot.terminated);
                seen.failed_28 += u64::from(slot.failed);
            }
        }
    }

    fn observe_seats(&self, date: i32, seen: &mut Observed) {
        let mut gained_90 = 0_i64;
        for entry in &self.counts.seat_days {
            let age = date - entry.day;
            if age <= 28 {
                seen.seats_added_28 += u64::from(entry.added);
                seen.seats_deleted_28 += u64::from(entry.deleted);
            }
            if age <= LOOKBACK_DAYS as i32 {
                gained_90 += i64::from(entry.added) - i64::from(entry.deleted);
            }
        }
        seen.seats = self.counts.seats.max(0).unsigned_abs();
        seen.seats_90_days_ago = self.counts.seats.saturating_sub(gained_90).max(0).unsigned_abs();
    }
}
