//! The binary form of a state, laid out in `docs/state-format.md`.

use churn_events::DAY_MS;

use super::TenantState;
use super::attributes::{Attributes, Carried, MAX_INDUSTRY_BYTES, Newest, Since};
use super::bytes::{Bytes, put_number, put_signed};
use super::counts::{Counts, RunTimes, SeatDay};
use super::day_slots::{DaySlots, Recent, Slot};
use super::fact::{Fact, What};
use super::horizon::{N_DAYS, SESSION_MS, first_date};
use super::id_map::IdMap;
use super::jobs::{Job, JobEnd, Jobs, Submission};
use super::marks::{Mark, MarkKind, Marks};
use super::recent_ids::{RecentId, RecentIds};
use super::users::{User, Users};
use crate::Error;
use crate::job::N_RUN_TIME_BARS;
use crate::observed::LOOKBACK_DAYS;

/// The version that is written, and the newest that is read.
const VERSION: u8 = 1;

/// First instant that a state knows nothing of.
const END_MS: u64 = N_DAYS as u64 * DAY_MS as u64;

pub(crate) fn write(state: &TenantState, out: &mut Vec<u8>) {
    let TenantState { clock_ms, attributes, counts, users, jobs, recent_ids, held_back } = state;
    let first_date = first_date(*clock_ms);
    out.push(VERSION);
    put_number(out, *clock_ms as u64);
    write_attributes(attributes, out);
    write_counts(counts, first_date, out);
    put_number(out, users.users.len() as u64);
    for (digest, user) in users.users.sorted() {
        out.extend(digest.to_le_bytes());
        write_user(user, out);
    }
    put_number(out, jobs.jobs.len() as u64);
    for (digest, job) in jobs.jobs.sorted() {
        out.extend(digest.to_le_bytes());
        write_job(job, out);
    }
    put_number(out, recent_ids.len() as u64);
    for id in recent_ids.sorted() {
        out.extend(id.0.to_le_bytes());
    }
    put_number(out, held_back.len() as u64);
    for fact in held_back {
        write_fact(fact, out);
    }
}

pub(crate) fn read(bytes: &[u8]) -> Result<TenantState, Error> {
    let mut bytes = Bytes::new(bytes);
    let found = bytes.byte("version")?;
    if found != VERSION {
        return Err(Error::UnknownStateVersion { found, newest: VERSION });
    }
    let clock_ms = bytes.number_below(END_MS + 1, "clock")?;
    let first_date = first_date(clock_ms as i64);
    let attributes = read_attributes(&mut bytes, clock_ms)?;
    let counts = read_counts(&mut bytes, first_date)?;
    let users = read_map(&mut bytes, 26, "users", |bytes| read_user(bytes, clock_ms, first_date))?;
    let n_session_marks = users.iter().map(|(_, user)| user.marks.n_sessions()).sum();
    let jobs = Jobs { jobs: read_map(&mut bytes, 10, "jobs", |bytes| read_job(bytes, clock_ms))? };
    let recent_ids = read_recent_ids(&mut bytes)?;
    let held_back = read_held_back(&mut bytes, clock_ms)?;
    bytes.end()?;
    let users = Users { users, n_session_marks };
    Ok(TenantState { clock_ms: clock_ms as i64, attributes, counts, users, jobs, recent_ids, held_back })
}

fn write_attributes(attributes: &Attributes, out: &mut Vec<u8>) {
    let Attributes { industry, revenue, employees, sentiment, charges, billed_cents, n_bills, life, first_day } =
        attributes;
    write_newest(industry, out, |name, out| put_text(out, name));
    write_newest(revenue, out, |number, out| out.extend(number.to_le_bytes()));
    write_newest(employees, out, |number, out| put_number(out, u64::from(*number)));
    write_newest(sentiment, out, |number, out| out.extend(number.to_le_bytes()));
    put_number(out, charges.len() as u64);
    for charge in charges {
        put_since(charge.since, out);
        put_signed(out, charge.value);
    }
    out.extend(billed_cents.to_le_bytes());
    put_number(out, *n_bills);
    put_number(out, life.len() as u64);
    for mark in life {
        put_number(out, *mark);
    }
    put_number(out, first_day.map_or(0, |day| day as u64 + 1));
}

fn read_attributes(bytes: &mut Bytes<'_>, clock_ms: u64) -> Result<Attributes, Error> {
    let number = |bytes: &mut Bytes<'_>, field| {
        let number = bytes.take(field).map(f64::from_le_bytes)?;
        bytes.check(number.is_finite(), field, "a finite number")?;
        Ok(number)
    };
    let industry =
        read_newest(bytes, clock_ms, "industry", |bytes, field| bytes.text(MAX_INDUSTRY_BYTES, field).map(Box::from))?;
    let revenue = read_newest(bytes, clock_ms, "revenue", number)?;
    let employees = read_newest(bytes, clock_ms, "employees", Bytes::u32)?;
    let sentiment = read_newest(bytes, clock_ms, "sentiment", number)?;
    let mut charges: Vec<Newest<i64>> = Vec::new();
    for _ in 0..bytes.length(10, "charges")? {
        let since = read_since(bytes, clock_ms, "charges")?;
        let day = |ms: i64| ms.div_euclid(DAY_MS);
        let in_order = charges.last().is_none_or(|last| day(last.since.0) < day(since.0));
        bytes.check(in_order, "charges", "rising days")?;
        charges.push(Newest { since, value: bytes.signed("charges")? });
    }
    let billed_cents = bytes.take("bills").map(i128::from_le_bytes)?;
    let n_bills = bytes.number("bills")?;
    let mut life = Vec::new();
    for _ in 0..bytes.length(1, "life")? {
        let mark = bytes.number_below(clock_ms << 1, "life")?;
        bytes.check(life.last().is_none_or(|last| *last < mark), "life", "rising times")?;
        life.push(mark);
    }
    let first_day = bytes.number_below(N_DAYS as u64 + 1, "first day")?.checked_sub(1).map(|day| day as i32);
    Ok(Attributes { industry, revenue, employees, sentiment, charges, billed_cents, n_bills, life, first_day })
}

fn write_newest<T>(newest: &Option<Newest<T>>, out: &mut Vec<u8>, write: impl FnOnce(&T, &mut Vec<u8>)) {
    out.push(u8::from(newest.is_some()));
    if let Some(newest) = newest {
        put_since(newest.since, out);
        write(&newest.value, out);
    }
}

fn read_newest<'a, T>(
    bytes: &mut Bytes<'a>,
    clock_ms: u64,
    field: &'static str,
    read: impl FnOnce(&mut Bytes<'a>, &'static str) -> Result<T, Error>,
) -> Result<Option<Newest<T>>, Error> {
    if !read_flag(bytes, field)? {
        return Ok(None);
    }
    let since = read_since(bytes, clock_ms, field)?;
    Ok(Some(Newest { since, value: read(bytes, field)? }))
}

fn read_flag(bytes: &mut Bytes<'_>, field: &'static str) -> Result<bool, Error> {
    let flag = bytes.byte(field)?;
    bytes.check(flag < 2, field, "0 or 1")?;
    Ok(flag == 1)
}

fn put_since((ms, id): Since, out: &mut Vec<u8>) {
    put_number(out, ms as u64);
    out.extend(id.to_le_bytes());
}

fn read_since(bytes: &mut Bytes<'_>, clock_ms: u64, field: &'static str) -> Result<Since, Error> {
    let ms = bytes.number_below(clock_ms, field)?;
    Ok((ms as i64, bytes.fixed(field)?))
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend(text.as_bytes());
}

fn write_counts(counts: &Counts, first_date: i32, out: &mut Vec<u8>) {
    let Counts { activity, recent, seat_days, run_times, seats, last_login_day, last_forgotten_job_day } = counts;
    write_days(activity, first_date, out, |slot, out| {
        put_number(out, slot.logins.into());
        put_number(out, slot.jobs.into());
        put_number(out, slot.data_bytes);
    });
    write_days(recent, first_date, out, |slot, out| {
        put_number(out, slot.servers);
        put_number(out, slot.closed_ms);
        slot.counts().iter().for_each(|count| put_number(out, u64::from(*count)));
    });
    put_number(out, seat_days.len() as u64);
    for entry in seat_days {
        put_number(out, (first_date - entry.day) as u64);
        put_number(out, entry.added.into());
        put_number(out, entry.deleted.into());
    }
    put_number(out, run_times.len() as u64);
    for entry in run_times {
        // The first week slot may begin before 1970.
        put_signed(out, entry.week.into());
        out.push(entry.bar);
        put_number(out, entry.n.into());
    }
    put_signed(out, *seats);
    put_number(out, (last_login_day + 1) as u64);
    put_number(out, (last_forgotten_job_day + 1) as u64);
}

fn read_counts(bytes: &mut Bytes<'_>, first_date: i32) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    read_days(bytes, first_date, "activity", |bytes, day| {
        let (logins, jobs) = (bytes.u32("logins")?, bytes.u32("jobs")?);
        let data_bytes = bytes.number("data bytes")?;
        counts.activity.update(day, |slot| {
            (slot.logins, slot.jobs, slot.data_bytes) = (logins, jobs, data_bytes);
        });
        Ok(())
    })?;
    read_days(bytes, first_date, "recent", |bytes, day| {
        let (servers, closed_ms) = (bytes.number("servers")?, bytes.number("session time")?);
        let mut numbers = [0; 7];
        for number in &mut numbers {
            *number = bytes.u32("recent")?;
        }
        counts.recent.update(day, |slot| *slot = Recent::new(servers, closed_ms, numbers));
        Ok(())
    })?;
    read_days(bytes, first_date, "seats", |bytes, day| {
        let (added, deleted) = (bytes.u32("added")?, bytes.u32("deleted")?);
        counts.seat_days.push(SeatDay { day, added, deleted });
        Ok(())
    })?;
    for _ in 0..bytes.length(3, "run times")? {
        let week = bytes.signed("run times")?;
        let bar = bytes.byte("run times")?;
        let n = bytes.u32("run times")?;
        let known = (0..i64::from(N_DAYS / 7 + 1)).contains(&week) && usize::from(bar) < N_RUN_TIME_BARS && n > 0;
        let week = week as i32;
        let in_order = counts.run_times.last().is_none_or(|last| (last.week, last.bar) < (week, bar));
        bytes.check(known && in_order, "run times", "rising weeks and bars")?;
        counts.run_times.push(RunTimes { week, bar, n });
    }
    counts.seats = bytes.signed("seats")?;
    counts.last_login_day = bytes.number_below(first_date as u64 + 1, "last login")? as i32 - 1;
    counts.last_forgotten_job_day = bytes.number_below(first_date as u64 + 1, "last job")? as i32 - 1;
    Ok(counts)
}

fn write_days<S: Slot>(days: &DaySlots<S>, first_date: i32, out: &mut Vec<u8>, write: impl Fn(S, &mut Vec<u8>)) {
    put_number(out, days.iter().count() as u64);
    for (day, slot) in days.iter() {
        put_number(out, (first_date - day) as u64);
        write(slot, out);
    }
}

/// Reads a list of days, told by how long they lie before the first date that can be observed.
fn read_days<'a>(
    bytes: &mut Bytes<'a>,
    first_date: i32,
    field: &'static str,
    mut read: impl FnMut(&mut Bytes<'a>, i32) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut last_age = LOOKBACK_DAYS as u64 + 1;
    for _ in 0..bytes.length(3, field)? {
        let age = bytes.number_below(last_age, field)?;
        bytes.check(age > 0 && age <= first_date as u64, field, "a day before the first date")?;
        last_age = age;
        read(bytes, first_date - age as i32)?;
    }
    Ok(())
}

fn read_map<'a, V: Default>(
    bytes: &mut Bytes<'a>,
    least_bytes: usize,
    field: &'static str,
    mut read: impl FnMut(&mut Bytes<'a>) -> Result<V, Error>,
) -> Result<IdMap<V>, Error> {
    let n = bytes.length(least_bytes, field)?;
    let mut entries: Vec<(u64, V)> = Vec::with_capacity(n);
    for _ in 0..n {
        let digest = bytes.fixed(field)?;
        bytes.check(entries.last().is_none_or(|last| last.0 < digest), field, "rising digests")?;
        entries.push((digest, read(bytes)?));
    }
    Ok(IdMap::from_sorted(entries))
}

fn write_user(user: &User, out: &mut Vec<u8>) {
    put_number(out, (user.last_day + 1) as u64);
    user.active.iter().for_each(|bits| out.extend(bits.to_le_bytes()));
    user.weeks.iter().for_each(|count| put_number(out, u64::from(*count)));
    put_number(out, user.marks.marks.len() as u64);
    for mark in &user.marks.marks {
        put_number(out, mark.key);
        out.extend(mark.session.to_le_bytes());
        put_number(out, mark.counts_for.into());
    }
}

fn read_user(bytes: &mut Bytes<'_>, clock_ms: u64, first_date: i32) -> Result<User, Error> {
    let mut user = User { last_day: bytes.number_below(first_date as u64 + 1, "user")? as i32 - 1, ..User::default() };
    for bits in &mut user.active {
        *bits = bytes.take("user").map(u32::from_le_bytes)?;
    }
    for count in &mut user.weeks {
        *count = bytes.u32("user")?;
    }
    let n = bytes.length(6, "marks")?;
    let mut marks: Vec<Mark> = Vec::with_capacity(n);
    for _ in 0..n {
        let key = bytes.number_below(clock_ms << 2, "marks")?;
        let session = bytes.take("marks").map(u32::from_le_bytes)?;
        let counts_for = bytes.u32("marks")?;
        let mark = Mark { key, session, counts_for };
        let most = match mark.kind() {
            MarkKind::Login => 0,
            MarkKind::SessionEnd => SESSION_MS as u32,
            MarkKind::Added | MarkKind::Deleted => 1,
        };
        let in_order = marks.last().is_none_or(|last| (last.key, last.session) < (key, session));
        bytes.check(in_order && counts_for <= most, "marks", "rising times and possible lengths")?;
        marks.push(mark);
    }
    user.marks = Marks { marks };
    Ok(user)
}

fn write_job(job: &Job, out: &mut Vec<u8>) {
    let (submitted, ended) = (job.submitted(), job.ended());
    out.push(u8::from(submitted.is_some()) | u8::from(ended.is_some()) << 1);
    if let Some(Submission { ms, data_bytes, servers }) = submitted {
        put_number(out, ms as u64);
        put_number(out, data_bytes);
        put_number(out, servers.into());
    }
    if ended.is_some() {
        put_number(out, job.ended);
    }
}

fn read_job(bytes: &mut Bytes<'_>, clock_ms: u64) -> Result<Job, Error> {
    let parts = bytes.byte("job")?;
    bytes.check((1..=3).contains(&parts), "job", "a submission, an end or both")?;
    let mut job = Job::default();
    if parts & 1 != 0 {
        let ms = bytes.number_below(clock_ms, "job")? as i64;
        job.submitted = Submission { ms, data_bytes: bytes.number("job")?, servers: bytes.u32("job")? };
    }
    if parts & 2 != 0 {
        job.ended = bytes.number_below(clock_ms << 2, "job")?;
        bytes.check(job.ended & 3 != 3, "job", "a known end")?;
    }
    Ok(job)
}

fn read_recent_ids(bytes: &mut Bytes<'_>) -> Result<RecentIds, Error> {
    let mut recent_ids = RecentIds::default();
    let mut last = None;
    for _ in 0..bytes.length(8, "recent ids")? {
        let id = bytes.fixed("recent ids")?;
        let is_new = recent_ids.insert_id(RecentId(id));
        bytes.check(is_new && last < Some(id), "recent ids", "rising digests")?;
        last = Some(id);
    }
    Ok(recent_ids)
}

fn write_fact(fact: &Fact, out: &mut Vec<u8>) {
    put_since(fact.order(), out);
    match &fact.what {
        What::Created(carried) => write_carried(0, carried, out),
        What::Updated(carried) => write_carried(1, carried, out),
        What::Billed { cents } => {
            out.push(2);
            put_signed(out, *cents);
        }
        What::Cancelled => out.push(3),
        What::UserAdded { user } => put_digest(4, *user, out),
        What::UserDeleted { user } => put_digest(5, *user, out),
        What::Login { user, session } => {
            put_digest(6, *user, out);
            out.extend(session.to_le_bytes());
        }
        What::SessionEnd { user, session, timeout } => {
            put_digest(if *timeout { 8 } else { 7 }, *user, out);
            out.extend(session.to_le_bytes());
        }
        What::Submitted { job, user, servers, data_bytes } => {
            put_digest(9, *job, out);
            out.extend(user.to_le_bytes());
            put_number(out, u64::from(*servers));
            put_number(out, *data_bytes);
        }
        What::Ended { job, how } => put_digest(10 + *how as u8, *job, out),
    }
}

fn put_digest(kind: u8, digest: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend(digest.to_le_bytes());
}

fn write_carried(kind: u8, carried: &Carried, out: &mut Vec<u8>) {
    let Carried { industry, revenue, employees, sentiment, charge_cents } = carried;
    out.push(kind);
    let present =
        [industry.is_some(), revenue.is_some(), employees.is_some(), sentiment.is_some(), charge_cents.is_some()];
    out.push(present.iter().rev().fold(0, |bits, present| bits << 1 | u8::from(*present)));
    if let Some(name) = industry {
        put_text(out, name);
    }
    out.extend(revenue.iter().flat_map(|number| number.to_le_bytes()));
    if let Some(number) = employees {
        put_number(out, u64::from(*number));
    }
    out.extend(sentiment.iter().flat_map(|number| number.to_le_bytes()));
    if let Some(cents) = charge_cents {
        put_signed(out, *cents);
    }
}

fn read_carried(bytes: &mut Bytes<'_>) -> Result<Box<Carried>, Error> {
    const FIELD: &str = "held-back attributes";
    let present = bytes.byte(FIELD)?;
    bytes.check(present < 32, FIELD, "known attributes")?;
    let mut carried = Carried::default();
    if present & 1 != 0 {
        carried.industry = Some(bytes.text(MAX_INDUSTRY_BYTES, FIELD)?.into());
    }
    if present & 2 != 0 {
        carried.revenue = Some(bytes.take(FIELD).map(f64::from_le_bytes)?);
    }
    if present & 4 != 0 {
        carried.employees = Some(bytes.u32(FIELD)?);
    }
    if present & 8 != 0 {
        carried.sentiment = Some(bytes.take(FIELD).map(f64::from_le_bytes)?);
    }
    if present & 16 != 0 {
        carried.charge_cents = Some(bytes.signed(FIELD)?);
    }
    let finite = [carried.revenue, carried.sentiment].iter().flatten().all(|number| number.is_finite());
    bytes.check(finite, FIELD, "finite numbers")?;
    Ok(Box::new(carried))
}

fn read_held_back(bytes: &mut Bytes<'_>, clock_ms: u64) -> Result<Vec<Fact>, Error> {
    const FIELD: &str = "held-back events";
    let mut held_back: Vec<Fact> = Vec::new();
    for _ in 0..bytes.length(10, FIELD)? {
        let (ms, id) = read_since(bytes, END_MS, FIELD)?;
        let in_order = held_back.last().is_none_or(|last| last.order() < (ms, id));
        bytes.check(in_order && ms as u64 >= clock_ms, FIELD, "rising times after the clock")?;
        held_back.push(Fact { ms, id, what: read_what(bytes)? });
    }
    Ok(held_back)
}

fn read_what(bytes: &mut Bytes<'_>) -> Result<What, Error> {
    const FIELD: &str = "held-back event";
    let kind = bytes.byte(FIELD)?;
    let session = |bytes: &mut Bytes<'_>| bytes.take(FIELD).map(u32::from_le_bytes);
    Ok(match kind {
        0 => What::Created(read_carried(bytes)?),
        1 => What::Updated(read_carried(bytes)?),
        2 => What::Billed { cents: bytes.signed(FIELD)? },
        3 => What::Cancelled,
        4 => What::UserAdded { user: bytes.fixed(FIELD)? },
        5 => What::UserDeleted { user: bytes.fixed(FIELD)? },
        6 => What::Login { user: bytes.fixed(FIELD)?, session: session(bytes)? },
        7 | 8 => What::SessionEnd { user: bytes.fixed(FIELD)?, session: session(bytes)?, timeout: kind == 8 },
        9 => What::Submitted {
            job: bytes.fixed(FIELD)?,
            user: bytes.fixed(FIELD)?,
            servers: bytes.u32(FIELD)?,
            data_bytes: bytes.number(FIELD)?,
        },
        10 => What::Ended { job: bytes.fixed(FIELD)?, how: JobEnd::Succeeded },
        11 => What::Ended { job: bytes.fixed(FIELD)?, how: JobEnd::Failed },
        12 => What::Ended { job: bytes.fixed(FIELD)?, how: JobEnd::Cancelled },
        _ => return Err(bytes.damage(FIELD, "a known kind")),
    })
}
