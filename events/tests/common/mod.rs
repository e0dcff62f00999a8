//! Events that nobody thought of, and other ways to write them.

use churn_events::{Event, EventKind, JobStatus, Money, TenantAttributes, Timestamp};
use proptest::prelude::*;

/// The first millisecond of 2101.
const END_MS: i64 = 4_133_980_800_000;

pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9 /_.-]{1,24}",
        1 => "\\PC{1,12}",
        1 => "[\"\\\\\n\t\u{1}é€😀a]{1,9}",
    ]
}

pub fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![0..END_MS, (0..END_MS / 1000).prop_map(|seconds| seconds * 1000)].prop_map(Timestamp::from_millis)
}

fn money(least: i64) -> impl Strategy<Value = Money> {
    prop_oneof![least.max(-1_000_000)..1_000_000, least..1_000_000_000_000_000].prop_map(Money::from_cents)
}

fn attributes() -> impl Strategy<Value = TenantAttributes<'static>> {
    let numbers = (
        proptest::option::of(0.0..1e12_f64),
        proptest::option::of(any::<u32>()),
        proptest::option::of(-1.0..=1.0_f64),
        proptest::option::of(money(0)),
    );
    (proptest::option::of(text()), proptest::option::of(text()), numbers).prop_map(|(company, industry, numbers)| {
        TenantAttributes {
            company: company.map(Into::into),
            industry: industry.map(Into::into),
            revenue: numbers.0,
            employees: numbers.1,
            sentiment: numbers.2,
            monthly_charge: numbers.3,
        }
    })
}

fn kind() -> impl Strategy<Value = EventKind<'static>> {
    let pair = || (text(), text()).prop_map(|(a, b)| (a.into(), b.into()));
    prop_oneof![
        attributes().prop_map(EventKind::TenantCreated),
        attributes().prop_map(EventKind::TenantUpdated),
        money(-1_000_000_000_000_000).prop_map(|amount| EventKind::TenantBilled { amount }),
        proptest::option::of(text()).prop_map(|reason| EventKind::TenantCancelled { reason: reason.map(Into::into) }),
        text().prop_map(|user| EventKind::UserAdded { user: user.into() }),
        text().prop_map(|user| EventKind::UserDeleted { user: user.into() }),
        pair().prop_map(|(user, session)| EventKind::UserLogin { user, session }),
        pair().prop_map(|(user, session)| EventKind::UserLogoff { user, session }),
        pair().prop_map(|(user, session)| EventKind::UserSessionTimeout { user, session }),
        (pair(), any::<u32>(), any::<u64>()).prop_map(|((job, user), servers, data_size)| EventKind::JobSubmitted {
            job,
            user,
            servers,
            data_size
        }),
        (text(), any::<bool>()).prop_map(|(job, good)| EventKind::JobTerminated {
            job: job.into(),
            status: if good { JobStatus::Succeeded } else { JobStatus::Failed }
        }),
        text().prop_map(|job| EventKind::JobCancelled { job: job.into() }),
    ]
}

pub fn event() -> impl Strategy<Value = Event<'static>> {
    (text(), text(), text(), time(), proptest::option::of(time()), kind()).prop_map(
        |(id, source, tenant, occurred_at, received_at, kind)| Event {
            id: id.into(),
            source: source.into(),
            tenant: tenant.into(),
            occurred_at,
            received_at: received_at.unwrap_or(occurred_at),
            kind,
        },
    )
}
