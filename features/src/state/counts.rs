use super::day_slots::{Activity, DaySlots, Recent, Slot};
use super::horizon::Horizon;
use super::id_map::insert_tightly;
use crate::Kept;
use crate::job::run_time_bar;

/// Everything that is counted by day or week. All of it are sums, so that it does not matter in which order events came,
/// and what an event counted for can be taken back when a late one changes that.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    pub(crate) activity: DaySlots<Activity>,
    pub(crate) recent: DaySlots<Recent>,
    pub(crate) seat_days: Vec<SeatDay>,
    pub(crate) run_times: Vec<RunTimes>,
    /// Users added minus deleted, ever.
    pub(crate) seats: i64,
    /// The last day with a login, -1 before there is one.
    pub(crate) last_login_day: i32,
    /// The last day on which a job was submitted, be it again; -1 before there is one.
    pub(crate) last_job_day: i32,
}

/// Users added and deleted on a day; there are few such days.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SeatDay {
    pub(crate) day: i32,
    pub(crate) added: u32,
    pub(crate) deleted: u32,
}

/// Jobs that ended in a week (there are 9,286 of them that a state tells apart) with a run time in one bar of the histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RunTimes {
    pub(crate) week: i16,
    pub(crate) bar: u8,
    pub(crate) n: u32,
}

/// Whether something is counted or taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    /// Changes a count. Only a damaged stored state can make it leave its range, and then it stays at the end of it.
    pub(crate) fn apply(self, count: &mut u32, by: u32) {
        *count = match self {
            Self::Plus => count.saturating_add(by),
            Self::Minus => count.saturating_sub(by),
        };
    }

    fn apply_u64(self, sum: &mut u64, by: u64) {
        *sum = match self {
            Self::Plus => sum.saturating_add(by),
            Self::Minus => sum.saturating_sub(by),
        };
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            activity: DaySlots::default(),
            recent: DaySlots::default(),
            seat_days: Vec::new(),
            run_times: Vec::new(),
            seats: 0,
            last_login_day: -1,
            last_job_day: -1,
        }
    }
}

impl Counts {
    pub(crate) fn login(&mut self, day: i32, horizon: &Horizon) {
        self.last_login_day = self.last_login_day.max(day);
        if horizon.kept.contains(Kept::LOGINS) && day >= horizon.first_day() {
            self.activity.update(day, |slot| Sign::Plus.apply(&mut slot.logins, 1));
        }
    }

    pub(crate) fn job(&mut self, day: i32, data_bytes: u64, servers: u32, sign: Sign, horizon: &Horizon) {
        if horizon.kept.contains(Kept::JOBS) && day >= horizon.first_day() {
            self.activity.update(day, |slot| {
                sign.apply(&mut slot.jobs, 1);
                sign.apply_u64(&mut slot.data_bytes, data_bytes);
            });
        }
        if horizon.kept.contains(Kept::RUNS) {
            self.recent(day, horizon, |slot| sign.apply_u64(&mut slot.servers, servers.into()));
        }
    }

    pub(crate) fn session_closed(&mut self, day: i32, length_ms: u32, sign: Sign, horizon: &Horizon) {
        self.recent(day, horizon, |slot| {
            sign.apply(&mut slot.closed, 1);
            sign.apply_u64(&mut slot.closed_ms, length_ms.into());
        });
    }

    pub(crate) fn recent(&mut self, day: i32, horizon: &Horizon, change: impl FnOnce(&mut Recent)) {
        if day >= horizon.first_recent_day() {
            self.recent.update(day, change);
        }
    }

    pub(crate) fn run_time(&mut self, week: i32, run_time_ms: i64, sign: Sign, horizon: &Horizon) {
        if week < horizon.first_week() {
            return;
        }
        let key = (week as i16, run_time_bar(run_time_ms));
        match self.run_times.binary_search_by_key(&key, |entry| (entry.week, entry.bar)) {
            Ok(position) => {
                sign.apply(&mut self.run_times[position].n, 1);
                if self.run_times[position].n == 0 {
                    self.run_times.remove(position);
                }
            }
            Err(position) if sign == Sign::Plus => {
                insert_tightly(&mut self.run_times, position, RunTimes { week: key.0, bar: key.1, n: 1 });
            }
            Err(_) => {}
        }
    }

    pub(crate) fn seat(&mut self, day: i32, deleted: bool, sign: Sign, horizon: &Horizon) {
        let gained = if deleted == (sign == Sign::Minus) { 1 } else { -1 };
        self.seats = self.seats.saturating_add(gained);
        if day < horizon.first_day() {
            return;
        }
        let position = match self.seat_days.binary_search_by_key(&day, |entry| entry.day) {
            Ok(position) => position,
            Err(position) => {
                insert_tightly(&mut self.seat_days, position, SeatDay { day, added: 0, deleted: 0 });
                position
            }
        };
        let entry = &mut self.seat_days[position];
        sign.apply(if deleted { &mut entry.deleted } else { &mut entry.added }, 1);
        if entry.added == 0 && entry.deleted == 0 {
            self.seat_days.remove(position);
        }
    }

    /// Forgets what no observation date to come looks at.
    pub(crate) fn forget(&mut self, horizon: &Horizon) {
        let first_day = horizon.first_day();
        self.activity.forget_before(first_day);
        self.recent.forget_before(horizon.first_recent_day());
        self.seat_days.retain(|entry| entry.day >= first_day);
        self.run_times.retain(|entry| i32::from(entry.week) >= horizon.first_week());
    }

    /// Adds the counts of other events; both have forgotten what lies before the horizon.
    pub(crate) fn merge(&mut self, other: &Self, horizon: &Horizon) {
        for (day, slot) in other.activity.iter() {
            if day >= horizon.first_day() {
                self.activity.update(day, |own| own.add(&slot));
            }
        }
        for (day, slot) in other.recent.iter() {
            self.recent(day, horizon, |own| own.add(&slot));
        }
        self.merge_seat_days(&other.seat_days);
        self.merge_run_times(&other.run_times);
        self.forget(horizon);
        self.seats = self.seats.saturating_add(other.seats);
        self.last_login_day = self.last_login_day.max(other.last_login_day);
        self.last_job_day = self.last_job_day.max(other.last_job_day);
    }

    fn merge_seat_days(&mut self, others: &[SeatDay]) {
        for other in others {
            match self.seat_days.binary_search_by_key(&other.day, |entry| entry.day) {
                Ok(position) => {
                    let own = &mut self.seat_days[position];
                    own.added = own.added.saturating_add(other.added);
                    own.deleted = own.deleted.saturating_add(other.deleted);
                }
                Err(position) => insert_tightly(&mut self.seat_days, position, *other),
            }
        }
    }

    fn merge_run_times(&mut self, others: &[RunTimes]) {
        for other in others {
            let key = (other.week, other.bar);
            match self.run_times.binary_search_by_key(&key, |entry| (entry.week, entry.bar)) {
                Ok(position) => Sign::Plus.apply(&mut self.run_times[position].n, other.n),
                Err(position) => insert_tightly(&mut self.run_times, position, *other),
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.activity.bytes()
            + self.recent.bytes()
            + self.seat_days.capacity() * size_of::<SeatDay>()
            + self.run_times.capacity() * size_of::<RunTimes>()
    }
}
