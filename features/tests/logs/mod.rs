//! Logs of one tenant as they come in practice: late, repeated, early, contradictory.

use std::borrow::Cow;

use churn_events::{Event, EventKind, JobStatus, Money, TenantAttributes, Timestamp};
use proptest::prelude::*;

pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Day on which the logs begin; not the first day of an epoch week.
pub const FIRST_DAY: i32 = 20_003;

pub const INDUSTRIES: [&str; 3] = ["energy", "retail", "space"];

/// An event of that kind, received some time after it occurred.
pub fn event(id: impl Into<String>, at_ms: i64, received_after_ms: i64, kind: EventKind<'static>) -> Event<'static> {
    Event {
        id: Cow::Owned(id.into()),
        source: Cow::Borrowed("portal"),
        tenant: Cow::Borrowed("acme"),
        occurred_at: Timestamp::from_millis(at_ms),
        received_at: Timestamp::from_millis(at_ms + received_after_ms),
        kind,
    }
}

fn user(n: u8) -> Cow<'static, str> {
    Cow::Owned(format!("user-{n}"))
}

fn attributes() -> impl Strategy<Value = TenantAttributes<'static>> {
    (
        proptest::option::of(0..INDUSTRIES.len()),
        proptest::option::of(0.5..900.0),
        proptest::option::of(0_u32..5000),
        proptest::option::of(-1.0..1.0),
        proptest::option::of(0_i64..900_000),
    )
        .prop_map(|(industry, revenue, employees, sentiment, cents)| TenantAttributes {
            company: None,
            industry: industry.map(|i| INDUSTRIES[i].into()),
            revenue,
            employees,
            sentiment,
            monthly_charge: cents.map(Money::from_cents),
        })
}

/// One thing that happens, as one or a few kinds of events with the time between them.
fn happening() -> impl Strategy<Value = Vec<(i64, EventKind<'static>)>> {
    let users = 0..6_u8;
    let session = (users.clone(), 0..40_u8, 0..14 * HOUR_MS, 0..5_u8).prop_map(|(who, session, length, how)| {
        let name = || Cow::Owned(format!("session-{session}"));
        let login = EventKind::UserLogin { user: user(who), session: name() };
        let logoff = EventKind::UserLogoff { user: user(who), session: name() };
        let timeout = EventKind::UserSessionTimeout { user: user(who), session: name() };
        match how {
            0 => vec![(0, login)],
            1 => vec![(0, login), (length, timeout)],
            2 => vec![(0, login), (length, logoff.clone()), (MINUTE_MS, logoff)],
            3 => vec![(0, logoff)],
            _ => vec![(0, login), (length, logoff)],
        }
    });
    let job = (any::<u32>(), users.clone(), 0..9_u32, 0..40_000_000_000_u64, 0..90 * HOUR_MS, 0..8_u8).prop_map(
        |(id, who, servers, data_size, length, how)| {
            let name = || Cow::Owned(format!("job-{id}"));
            let submitted = EventKind::JobSubmitted { job: name(), user: user(who), servers, data_size };
            let ended = |status| EventKind::JobTerminated { job: name(), status };
            let cancelled = EventKind::JobCancelled { job: name() };
            match how {
                0 => vec![(0, submitted)],
                1 => vec![(0, submitted), (length, ended(JobStatus::Failed))],
                2 => vec![(0, submitted), (length, cancelled)],
                3 => vec![(0, ended(JobStatus::Succeeded))],
                // Submitted twice, the second time asking for something else.
                4 => vec![
                    (0, submitted),
                    (
                        3 * HOUR_MS,
                        EventKind::JobSubmitted { job: name(), user: user(5 - who), servers: 1, data_size: 7 },
                    ),
                    (length, ended(JobStatus::Succeeded)),
                ],
                // Ended twice, differently.
                5 => vec![(0, submitted), (length, ended(JobStatus::Failed)), (HOUR_MS, cancelled)],
                _ => vec![(0, submitted), (length, ended(JobStatus::Succeeded))],
            }
        },
    );
    let seat = (users, any::<bool>(), 0..3_u8).prop_map(|(who, added, times)| {
        let change =
            if added { EventKind::UserAdded { user: user(who) } } else { EventKind::UserDeleted { user: user(who) } };
        vec![(0, change); usize::from(times.max(1))]
            .into_iter()
            .enumerate()
            .map(|(i, (_, kind))| (i as i64 * 7, kind))
            .collect()
    });
    prop_oneof![
        8 => session,
        8 => job,
        2 => seat,
        2 => attributes().prop_map(|attributes| vec![(0, EventKind::TenantUpdated(attributes))]),
        1 => (-5000_i64..90_000).prop_map(|cents| vec![(0, EventKind::TenantBilled { amount: Money::from_cents(cents) })]),
    ]
}

/// How long after it occurred an event is received: at once, late, too late, or before.
fn delay() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 0..5 * MINUTE_MS,
        3 => 0..70 * HOUR_MS,
        1 => 73 * HOUR_MS..40 * DAY_MS,
        1 => -4 * MINUTE_MS..0,
        1 => -3 * DAY_MS..-6 * MINUTE_MS,
    ]
}

fn life() -> impl Strategy<Value = Vec<(i64, EventKind<'static>)>> {
    (0..4_u8, attributes(), 20_i64..100, 1_i64..30).prop_map(|(how, attributes, days, away)| {
        let created = EventKind::TenantCreated(attributes);
        let cancelled = EventKind::TenantCancelled { reason: None };
        match how {
            0 => vec![],
            1 => vec![(HOUR_MS, created)],
            2 => vec![(HOUR_MS, created), (days * DAY_MS, cancelled)],
            _ => vec![(HOUR_MS, created.clone()), (days * DAY_MS, cancelled), ((days + away) * DAY_MS, created)],
        }
    })
}

/// A log of that many days, in the order received; `dense` of up to so many things happening.
pub fn activity_log(n_days: i64, n_happenings: usize) -> impl Strategy<Value = Vec<Event<'static>>> {
    let happenings = proptest::collection::vec((0..n_days * DAY_MS, happening(), delay(), 0..9_u8), 0..n_happenings);
    (life(), happenings).prop_map(|(life, happenings)| {
        let start = i64::from(FIRST_DAY) * DAY_MS;
        let mut log = Vec::new();
        for (n, (at, kind)) in life.into_iter().enumerate() {
            log.push(event(format!("life-{n}"), start + at, n as i64, kind));
        }
        for (n, (at, kinds, received_after, copies)) in happenings.into_iter().enumerate() {
            let mut at = start + at;
            for (part, (later, kind)) in kinds.into_iter().enumerate() {
                at += later;
                // The parts of one thing are received each in its own time.
                let received_after = if part % 2 == 0 { received_after } else { 17 };
                let this = event(format!("{n}-{part}"), at, received_after, kind);
                if copies == 0 {
                    // A copy received later, but inside the lateness. An early event's copy is received with it.
                    let mut copy = this.clone();
                    if received_after >= 0 {
                        let after = received_after.max(71 * HOUR_MS);
                        copy.received_at = Timestamp::from_millis(at + after);
                    }
                    log.push(copy);
                }
                log.push(this);
            }
        }
        log.sort_by_key(|event| event.received_at);
        log
    })
}
