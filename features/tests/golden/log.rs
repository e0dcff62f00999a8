//! The log behind the golden state. It never changes, and neither do the files made of it.

use std::borrow::Cow;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, Money, ObservationDate, TenantAttributes, Timestamp};

const START: i32 = 20_000;

/// The date that the golden features are read at.
pub(crate) fn golden_date() -> ObservationDate {
    ObservationDate::from_days(START + 122)
}

/// 120 days of a tenant with 5 users, and one event still held back.
pub(crate) fn golden_log() -> Vec<Event<'static>> {
    let attributes = |cents| TenantAttributes {
        company: Some("Acme".into()),
        industry: Some("energy".into()),
        revenue: Some(12.5),
        employees: Some(40),
        sentiment: Some(-0.25),
        monthly_charge: Some(Money::from_cents(cents)),
    };
    let mut kinds = vec![(0, EventKind::TenantCreated(attributes(49_900)))];
    for user in 0..6_i64 {
        kinds.push((user, EventKind::UserAdded { user: name("user", user) }));
    }
    kinds.push((40 * DAY_MS, EventKind::UserDeleted { user: name("user", 5) }));
    kinds.push((60 * DAY_MS, EventKind::TenantUpdated(attributes(59_900))));
    for day in 0..120_i64 {
        let at = day * DAY_MS + 8 * 3_600_000;
        for user in (0..5_i64).filter(|user| (day * 7 + user * 3) % 5 < 3) {
            let (session, job) = (day * 10 + user, day * 10 + user);
            let (began, ended) = (at + user * 60_000, at + (user + 1) * 1_800_000);
            kinds.push((began, EventKind::UserLogin { user: name("user", user), session: name("session", session) }));
            kinds.push((
                ended,
                match day % 3 {
                    0 => EventKind::UserSessionTimeout { user: name("user", user), session: name("session", session) },
                    _ => EventKind::UserLogoff { user: name("user", user), session: name("session", session) },
                },
            ));
            if (day + user) % 2 == 0 {
                let job = || name("job", job);
                let data_size = 1_000_000_000 * (1 + user as u64);
                kinds.push((
                    began + 5,
                    EventKind::JobSubmitted { job: job(), user: name("user", user), servers: 4, data_size },
                ));
                kinds.push((
                    began + 7_200_000,
                    match day % 7 {
                        0 => continue,
                        1 => EventKind::JobCancelled { job: job() },
                        2 => EventKind::JobTerminated { job: job(), status: JobStatus::Failed },
                        _ => EventKind::JobTerminated { job: job(), status: JobStatus::Succeeded },
                    },
                ));
            }
        }
        if day % 30 == 29 {
            kinds.push((at, EventKind::TenantBilled { amount: Money::from_cents(49_900) }));
        }
    }
    kinds.sort_by_key(|(at, _)| *at);
    let event = |(n, (at, kind)): (usize, (i64, EventKind<'static>))| {
        let occurred_at = Timestamp::from_millis(i64::from(START) * DAY_MS + at);
        Event {
            id: Cow::Owned(n.to_string()),
            source: Cow::Borrowed("golden"),
            tenant: Cow::Borrowed("acme"),
            occurred_at,
            received_at: Timestamp::from_millis(occurred_at.millis() + 250),
            kind,
        }
    };
    let mut log: Vec<_> = kinds.into_iter().enumerate().map(event).collect();
    let mut early = log[0].clone();
    early.id = "early".into();
    early.occurred_at = Timestamp::from_millis(i64::from(START + 130) * DAY_MS);
    early.received_at = log[log.len() - 1].received_at;
    log.push(early);
    log
}

fn name(what: &str, n: i64) -> Cow<'static, str> {
    Cow::Owned(format!("{what}-{n}"))
}
