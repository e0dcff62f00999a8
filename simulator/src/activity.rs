//! Health to events: what the users of a tenant do in a week.

use churn_events::DAY_MS;

use crate::dice::Dice;
use crate::profile::Profile;
use crate::record::{Record, What};
use crate::tenant::{Health, Shocks};

const HOUR_MS: f64 = 3_600_000.0;
const MINUTE_MS: f64 = 60_000.0;

/// Shares of jobs on Monday to Sunday (MetaCentrum log).
const WEEKDAYS: [f64; 7] = [0.15, 0.18, 0.21, 0.20, 0.13, 0.06, 0.07];
/// Hour (UTC) at which the working day begins in each region, and how long it is, so that it falls on one day.
const OFFICE_HOURS: [(f64, f64); 3] = [(6.0, 13.0), (11.0, 13.0), (0.0, 12.0)];
/// A user's logins per week at middling health, median and standard deviation of the logarithm.
const LOGINS_PER_WEEK: (f64, f64) = (3.0, 0.2);
/// How much one unit of engagement moves the log of logins.
const ENGAGEMENT_EFFECT: f64 = 0.6;
/// Shape of the negative binomial of a user's weekly logins; smaller is burstier.
const LOGIN_SHAPE: f64 = 12.0;
/// Log-odds that a seat is in use at middling adoption, and what one unit of adoption adds.
const SEAT_IN_USE: (f64, f64) = (1.2, 1.6);
/// Share of the seats that is in use however low adoption is: somebody always still works with it.
const LEAST_IN_USE: f64 = 0.12;
/// Log-odds that a session has jobs at middling depth, and what one unit of depth adds.
const SESSION_HAS_JOBS: (f64, f64) = (-1.8, 1.0);
/// Standard deviation of the logarithm of a user's appetite for jobs: the top tenth of users submits 65 % of all.
const JOB_APPETITE_SD: f64 = 1.4;
/// Tail index and least of the number of jobs of a burst; the longest bursts are cut here.
const BURST_TAIL: f64 = 1.25;
const LONGEST_BURST: f64 = 90.0;
/// Median hours and standard deviation of the logarithm of run times, and the limit of the queue, so that p50 is 0.66 h
/// and p95 93 h (MetaCentrum log).
const RUN_HOURS: (f64, f64, f64) = (0.66, 3.0, 168.0);
/// Median bytes and standard deviation of the logarithm of data sizes (the latter of MetaCentrum's requested memory).
const DATA_BYTES: (f64, f64) = (1.2e9, 1.9);
/// Log-odds that a job fails at middling service, and what one unit of service takes off them.
const JOB_FAILS: (f64, f64) = (-2.9, 2.3);
/// Log-odds that a job is cancelled, as above.
const JOB_CANCELLED: (f64, f64) = (-2.7, 1.8);
/// Seats added and deleted per seat and week at middling adoption, and what one unit does to the logarithm.
const SEATS_ADDED: f64 = 0.005;
const SEATS_DELETED: f64 = 0.0045;
const SEATS_EFFECT: f64 = 0.6;
/// Median minutes and standard deviation of the logarithm of a session, and what one unit of depth adds to the latter's mean.
const SESSION_MINUTES: (f64, f64, f64) = (35.0, 0.6, 0.65);
/// Log-odds that a session times out instead of being logged off, and what one unit of service takes off them: a slow
/// platform is walked away from.
const TIMES_OUT: (f64, f64) = (-1.0, 2.0);
/// Share of sessions whose end is never reported.
const NEVER_ENDED: f64 = 0.04;

/// A user with a seat.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) number: u32,
    /// How readily this seat goes unused, from 0 to 1: it is in use while adoption is above.
    readiness: f32,
    log_logins: f32,
    log_jobs: f32,
    times_out: f32,
}

impl User {
    pub(crate) fn draw(number: u32, profile: &Profile, dice: &mut Dice) -> Self {
        Self {
            number,
            // Golden-ratio steps: any few seats are spread evenly, so that a small tenant's share in use means something.
            readiness: (f64::from(number) * 0.618_033_988_749_894_9 + profile.readiness).fract() as f32,
            log_logins: (LOGINS_PER_WEEK.0.ln() + profile.log_habit + LOGINS_PER_WEEK.1 * dice.normal()) as f32,
            log_jobs: (JOB_APPETITE_SD * dice.normal() - 0.4) as f32,
            times_out: (0.2 * dice.normal()) as f32,
        }
    }
}

/// The users of a tenant, and how its events are numbered and received.
#[derive(Debug, Clone)]
pub(crate) struct Users {
    pub(crate) users: Vec<User>,
    pub(crate) next_user: u32,
}

impl Users {
    pub(crate) fn draw(seats: u32, next_user: u32, profile: &Profile, dice: &mut Dice) -> Self {
        let users = (0..seats).map(|n| User::draw(next_user + n, profile, dice)).collect();
        Self { users, next_user: next_user + seats }
    }
}

/// Where a week's events go.
pub(crate) struct Outbox<'a> {
    pub(crate) tenant: u32,
    pub(crate) next_seq: &'a mut u32,
    /// What does not occur in `[from, to)` has not happened: the log's ends, a cancellation.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) records: &'a mut Vec<Record>,
}

/// Of a million events, how many are a few hours late, days late, from a clock that is ahead, and doubled.
const LATE: u64 = 30_000;
const VERY_LATE: u64 = 1_000;
const AHEAD: u64 = 2_000;
const DOUBLED: u64 = 4_000;

impl Outbox<'_> {
    /// Emits one event, returning its number; it may be received late, or twice.
    pub(crate) fn emit(&mut self, occurred: i64, what: What, user: u32, of: u32, dice: &mut Dice) -> Option<u32> {
        self.emit_with(occurred, what, user, of, 0, 0, dice)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a record")]
    pub(crate) fn emit_with(
        &mut self,
        occurred: i64,
        what: What,
        user: u32,
        of: u32,
        servers: u16,
        amount: u64,
        dice: &mut Dice,
    ) -> Option<u32> {
        if !(self.from..self.to).contains(&occurred) {
            return None;
        }
        let bits = dice.bits();
        let seq = *self.next_seq;
        *self.next_seq += 1;
        let per_million = (u64::from(bits as u32) * 1_000_000) >> 32;
        let mut received = occurred;
        if per_million < LATE {
            received += dice.exponential(6.0 * HOUR_MS).min(71.0 * HOUR_MS) as i64;
        } else if per_million < LATE + VERY_LATE {
            received += (72.0 * HOUR_MS + dice.exponential(60.0 * HOUR_MS)) as i64;
        } else if per_million < LATE + VERY_LATE + AHEAD {
            received = (occurred - (dice.unit() * 2.0 * MINUTE_MS) as i64).max(self.from);
        }
        let record = Record {
            received,
            occurred,
            amount,
            tenant: self.tenant,
            seq,
            user,
            of,
            servers,
            what,
            is_duplicate: false,
        };
        if received < self.to {
            self.records.push(record);
        }
        if ((bits >> 32) * 1_000_000) >> 32 < DOUBLED {
            let received = received + dice.exponential(20.0 * MINUTE_MS) as i64;
            if received < self.to {
                self.records.push(Record { received, is_duplicate: true, ..record });
            }
        }
        Some(seq)
    }
}

/// What weighs on a whole week of a tenant.
pub(crate) struct Climate<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) health: &'a Health,
    pub(crate) shocks: &'a Shocks,
    pub(crate) age_weeks: f64,
    /// Log of the season's and the scenario's factor.
    pub(crate) log_season: f64,
}

/// One week of work. `first_day` is a multiple of 7 in days since 1970, a Thursday.
pub(crate) fn week(first_day: i32, climate: &Climate<'_>, users: &Users, out: &mut Outbox<'_>, dice: &mut Dice) {
    let Climate { profile, health, shocks, .. } = *climate;
    if profile.never_active {
        return;
    }
    // Onboarding: logins come up over a few weeks, jobs after the first value.
    let ramp = 1.0 - (-(climate.age_weeks + 0.7) / 2.5).exp();
    let log_level = ENGAGEMENT_EFFECT * health.engagement + climate.log_season + ramp.ln();
    let in_use = (LEAST_IN_USE + (1.0 - LEAST_IN_USE) * odds(SEAT_IN_USE.0 + SEAT_IN_USE.1 * health.adoption)) as f32;
    let value = ((climate.age_weeks + 1.0 - profile.weeks_to_value) / 2.0).clamp(0.0, 1.0);
    let has_jobs = value * odds(SESSION_HAS_JOBS.0 + SESSION_HAS_JOBS.1 * health.depth);
    let jobs = Jobs {
        fails: odds(JOB_FAILS.0 - JOB_FAILS.1 * health.service + 4.0 * shocks.outage),
        cancelled: odds(JOB_CANCELLED.0 - JOB_CANCELLED.1 * health.service),
    };
    for user in &users.users {
        if user.readiness >= in_use {
            continue;
        }
        let mean = (f64::from(user.log_logins) + log_level).exp();
        for _ in 0..dice.negative_binomial(mean, LOGIN_SHAPE) {
            session(first_day, climate, user, has_jobs, &jobs, out, dice);
        }
    }
}

struct Jobs {
    fails: f64,
    cancelled: f64,
}

fn session(
    first_day: i32,
    climate: &Climate<'_>,
    user: &User,
    has_jobs: f64,
    jobs: &Jobs,
    out: &mut Outbox<'_>,
    dice: &mut Dice,
) {
    let day = first_day + weekday(dice);
    let (opens, hours) = OFFICE_HOURS[climate.profile.region as usize];
    // The sum of two uniform draws: most in the middle of the working day.
    let hour = opens + hours * 0.5 * (dice.unit() + dice.unit());
    let begin = i64::from(day) * DAY_MS + (hour * HOUR_MS) as i64;
    let Some(login) = out.emit(begin, What::Login, user.number, 0, dice) else { return };
    let median = SESSION_MINUTES.0 * (SESSION_MINUTES.2 * climate.health.depth).exp();
    let minutes = dice.log_normal(median, SESSION_MINUTES.1).clamp(0.5, 600.0);
    let end = begin + (minutes * MINUTE_MS) as i64;
    // Who wants more jobs has more sessions with jobs and longer bursts.
    let appetite = f64::from(user.log_jobs).exp();
    if dice.chance((has_jobs * appetite.powf(0.35)).min(0.95)) {
        let mean = appetite.powf(0.65).max(0.2);
        let burst = (mean * (1.0 - dice.unit()).powf(-1.0 / BURST_TAIL)).min(LONGEST_BURST) as u32;
        let mut at = begin + (dice.exponential(0.15 * minutes) * MINUTE_MS) as i64;
        for _ in 0..burst.max(1) {
            job(at, user, jobs, out, dice);
            at += (dice.exponential(0.7) * MINUTE_MS) as i64 + 1000;
        }
    }
    let fate = dice.unit();
    if fate < NEVER_ENDED {
        return;
    }
    let times_out = dice.chance(odds(TIMES_OUT.0 - TIMES_OUT.1 * climate.health.service + f64::from(user.times_out)));
    match times_out {
        true => out.emit(end + 30 * MINUTE_MS as i64, What::SessionTimeout, user.number, login, dice),
        false => out.emit(end, What::Logoff, user.number, login, dice),
    };
}

fn job(at: i64, user: &User, jobs: &Jobs, out: &mut Outbox<'_>, dice: &mut Dice) {
    let size_draw = dice.normal();
    let mut bytes = DATA_BYTES.0 * (DATA_BYTES.1 * size_draw).exp();
    // One in a hundred is of another order: a Pareto tail on top.
    if dice.chance(0.01) {
        bytes *= (1.0 - dice.unit()).powf(-1.0 / 1.5) * 4.0;
    }
    let servers = (1.0 + 2.0 * (0.45 * size_draw + 0.6 * dice.normal()).exp()).min(512.0) as u16;
    let Some(number) = out.emit_with(at, What::Submitted, user.number, 0, servers, bytes.min(1e15) as u64, dice) else {
        return;
    };
    let hours = dice.log_normal(RUN_HOURS.0, RUN_HOURS.1);
    let is_cut = hours >= RUN_HOURS.2;
    let run = (hours.clamp(0.0003, RUN_HOURS.2) * HOUR_MS) as i64;
    let fate = dice.unit();
    if fate < jobs.cancelled {
        // Somewhere on its way.
        let part = dice.unit();
        out.emit(at + (run as f64 * part) as i64 + 1, What::JobCancelled, user.number, number, dice);
    } else {
        let fails = is_cut || fate < jobs.cancelled + jobs.fails;
        let what = if fails { What::Failed } else { What::Succeeded };
        out.emit(at + run, what, user.number, number, dice);
    }
}

/// Seats taken away in a week, before its work: a user is idle in the days before.
pub(crate) fn take_seats(
    first_day: i32,
    climate: &Climate<'_>,
    users: &mut Users,
    out: &mut Outbox<'_>,
    dice: &mut Dice,
) {
    let effect = SEATS_EFFECT * climate.health.adoption;
    let n_deleted = dice.poisson(users.users.len() as f64 * SEATS_DELETED * (-effect).exp());
    for _ in 0..n_deleted {
        if users.users.len() > 1 {
            // Rather one that is not in use.
            let a = dice.below(users.users.len() as u32) as usize;
            let b = dice.below(users.users.len() as u32) as usize;
            let index = if users.users[a].readiness > users.users[b].readiness { a } else { b };
            let user = users.users.swap_remove(index);
            out.emit(some_time(first_day, dice), What::UserDeleted, user.number, 0, dice);
        }
    }
}

/// Seats added in a week, after its work: they are used from the next one on.
pub(crate) fn add_seats(
    first_day: i32,
    climate: &Climate<'_>,
    users: &mut Users,
    out: &mut Outbox<'_>,
    dice: &mut Dice,
) {
    let effect = SEATS_EFFECT * climate.health.adoption;
    let n_added = dice.poisson(users.users.len() as f64 * SEATS_ADDED * effect.exp());
    for _ in 0..n_added.min(200) {
        let user = User::draw(users.next_user, climate.profile, dice);
        users.next_user += 1;
        out.emit(some_time(first_day, dice), What::UserAdded, user.number, 0, dice);
        users.users.push(user);
    }
}

/// A working hour of some day of the week.
fn some_time(first_day: i32, dice: &mut Dice) -> i64 {
    i64::from(first_day + weekday(dice)) * DAY_MS + ((6.0 + 12.0 * dice.unit()) * HOUR_MS) as i64
}

/// When a champion leaves, the user who logs in most does.
pub(crate) fn champion_leaves(first_day: i32, users: &mut Users, out: &mut Outbox<'_>, dice: &mut Dice) {
    let busiest = users.users.iter().enumerate().max_by(|(_, a), (_, b)| a.log_logins.total_cmp(&b.log_logins));
    if users.users.len() > 1
        && let Some((index, _)) = busiest
    {
        let user = users.users.swap_remove(index);
        let at = i64::from(first_day) * DAY_MS + (dice.unit() * 24.0 * HOUR_MS) as i64;
        out.emit(at, What::UserDeleted, user.number, 0, dice);
    }
}

/// Days from the week's Thursday on, so that the weekdays have their shares.
fn weekday(dice: &mut Dice) -> i32 {
    let mut left = dice.unit();
    for after_thursday in 0..7 {
        left -= WEEKDAYS[(after_thursday + 3) % 7];
        if left < 0.0 {
            return after_thursday as i32;
        }
    }
    6
}

pub(crate) fn odds(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
