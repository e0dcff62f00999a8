//! Small activity logs for tests: whole minutes from a base day on which observation dates may lie.

#![allow(dead_code, reason = "each test file uses what it needs")]

use churn_events::{DAY_MS, Event, EventKind, Money, ObservationDate, TenantAttributes, Timestamp};
use churn_training_data::{Assembled, Assembler, Error, ObservationPlan};

/// Day 0 of every log: divisible by 28.
pub(crate) const BASE: i32 = 19_600;

pub(crate) const MINUTES_PER_DAY: i64 = 1440;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Created,
    Cancelled,
    Job,
    Login,
    Billed,
}

/// One event, in minutes since day 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) tenant: String,
    pub(crate) occurred: i64,
    pub(crate) received: i64,
    pub(crate) what: What,
    pub(crate) number: usize,
}

pub(crate) fn day(day: i32) -> ObservationDate {
    ObservationDate::from_days(BASE + day)
}

/// An event on a day, received in the same minute.
pub(crate) fn fact(tenant: &str, on_day: i64, what: What) -> Fact {
    late_fact(tenant, on_day, on_day, what)
}

/// An event that occurs on one day and is received on another.
pub(crate) fn late_fact(tenant: &str, occurred: i64, received: i64, what: What) -> Fact {
    let noon = |day: i64| day * MINUTES_PER_DAY + MINUTES_PER_DAY / 2;
    Fact { tenant: tenant.into(), occurred: noon(occurred), received: noon(received), what, number: 0 }
}

/// A job on every `step`th day of a span.
pub(crate) fn jobs(tenant: &str, from: i64, to: i64, step: usize) -> impl Iterator<Item = Fact> {
    (from..to).step_by(step).map(move |day| fact(tenant, day, What::Job))
}

/// Sorts by arrival, and numbers the events so that none is a duplicate.
pub(crate) fn in_received_order(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by_key(|fact| fact.received);
    facts.iter_mut().enumerate().for_each(|(number, fact)| fact.number = number);
    facts
}

pub(crate) fn instant(minutes: i64) -> Timestamp {
    Timestamp::from_millis(i64::from(BASE) * DAY_MS + minutes * 60_000)
}

pub(crate) fn event(fact: &Fact) -> Event<'_> {
    let name = || format!("{}", fact.number).into();
    let user = || "u1".into();
    let industry = Some(format!("industry {}", fact.tenant.len() % 3).into());
    Event {
        id: name(),
        source: "tests".into(),
        tenant: fact.tenant.as_str().into(),
        occurred_at: instant(fact.occurred),
        received_at: instant(fact.received),
        kind: match fact.what {
            What::Created => EventKind::TenantCreated(TenantAttributes { industry, ..TenantAttributes::default() }),
            What::Cancelled => EventKind::TenantCancelled { reason: None },
            What::Job => EventKind::JobSubmitted { job: name(), user: user(), servers: 1, data_size: 1_000_000 },
            What::Login => EventKind::UserLogin { user: user(), session: name() },
            What::Billed => EventKind::TenantBilled { amount: Money::from_cents(100) },
        },
    }
}

pub(crate) fn assemble(
    facts: &[Fact],
    plan: &ObservationPlan,
    end: Option<ObservationDate>,
) -> Result<Assembled, Error> {
    assemble_in_batches(facts, plan, end, 1000)
}

pub(crate) fn assemble_in_batches(
    facts: &[Fact],
    plan: &ObservationPlan,
    end: Option<ObservationDate>,
    batch: usize,
) -> Result<Assembled, Error> {
    let events: Vec<Event<'_>> = facts.iter().map(event).collect();
    let mut assembler = Assembler::new(plan.clone(), end)?;
    events.chunks(batch).for_each(|batch| assembler.apply_all(batch));
    assembler.finish()
}

/// Everything in it, bit for bit.
pub(crate) fn content(assembled: &Assembled) -> String {
    let Assembled { plan, labelled, censored, cohorts, event_study, report } = assembled;
    let bits = |features: &[f32]| features.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let labelled_bits: Vec<_> = labelled.features().rows().into_iter().map(|row| bits(&row.to_vec())).collect();
    let censored_bits: Vec<_> = censored.iter().map(|row| (row.tenant, row.date, bits(row.features))).collect();
    format!(
        "{plan:?} {:?} {labelled_bits:?} {:?} {:?} {:?} {:?} {} {:?} {censored_bits:?} {cohorts:?} {event_study:?} {report:?}",
        labelled.schema(),
        labelled.labels(),
        labelled.keys(),
        labelled.groups(),
        labelled.weights(),
        labelled.label_values(),
        censored.schema(),
    )
}
