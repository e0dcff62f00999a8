//! What comes in that should not, and what becomes of it.

use std::borrow::Cow;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, Money, ObservationDate, TenantAttributes, Timestamp};
use churn_features::{Applied, Error, FeatureReader, StateOptions, TenantState, catalogue_schema};

const START: i32 = 20_006;

fn event(id: impl Into<String>, at_ms: i64, kind: EventKind<'static>) -> Event<'static> {
    let at = Timestamp::from_millis(i64::from(START) * DAY_MS + at_ms);
    Event {
        id: Cow::Owned(id.into()),
        source: Cow::Borrowed("portal"),
        tenant: Cow::Borrowed("acme"),
        occurred_at: at,
        received_at: at,
        kind,
    }
}

fn login(user: impl Into<String>) -> EventKind<'static> {
    EventKind::UserLogin { user: Cow::Owned(user.into()), session: "s".into() }
}

fn submitted(job: &'static str, data_size: u64) -> EventKind<'static> {
    EventKind::JobSubmitted { job: job.into(), user: "ann".into(), servers: 2, data_size }
}

fn succeeded(job: &'static str) -> EventKind<'static> {
    EventKind::JobTerminated { job: job.into(), status: JobStatus::Succeeded }
}

fn created() -> EventKind<'static> {
    EventKind::TenantCreated(TenantAttributes::default())
}

fn apply(state: &mut TenantState, event: &Event<'_>) -> Applied {
    state.apply(event, &StateOptions::default())
}

fn state_of(events: &[Event<'_>]) -> TenantState {
    let mut state = TenantState::new();
    events.iter().for_each(|event| {
        apply(&mut state, event);
    });
    state
}

fn value(state: &TenantState, days: i32, name: &str) -> f32 {
    let reader = FeatureReader::new(&catalogue_schema(&[]).expect("valid")).expect("the catalogue");
    let mut features = vec![0.0; reader.width()];
    state.features_at(ObservationDate::from_days(START + days), &reader, &mut features).expect("not passed");
    features[reader.schema().position(name).expect("a feature")]
}

#[test]
fn a_user_deleted_twice_loses_one_seat() {
    let user = |n: u8| Cow::Owned(format!("user-{n}"));
    let state = state_of(&[
        event("1", 0, EventKind::UserAdded { user: user(1) }),
        event("2", 0, EventKind::UserAdded { user: user(2) }),
        event("3", 5, EventKind::UserDeleted { user: user(1) }),
        event("4", 9, EventKind::UserDeleted { user: user(1) }),
    ]);
    assert_eq!(value(&state, 1, "seats"), 1.0);
    assert_eq!(value(&state, 1, "seats_deleted_28"), 1.0);
    let state = state_of(&[event("1", 0, EventKind::UserDeleted { user: user(3) })]);
    assert_eq!(value(&state, 1, "seats"), 0.0, "never below none");
}

#[test]
fn a_job_submitted_twice_counts_once_at_its_first_time() {
    let (first, second) = (event("1", 0, submitted("j", 10)), event("2", DAY_MS / 4, submitted("j", 99)));
    for log in [[first.clone(), second.clone()], [second, first]] {
        let state = state_of(&log);
        assert_eq!(value(&state, 1, "job30"), 1.0);
        assert_eq!(value(&state, 1, "data_gb_28"), 10.0 / 1e9);
    }
}

#[test]
fn a_job_that_ends_without_a_submission_has_no_run_time_until_one_comes_late() {
    let (start, end) = (event("1", 0, submitted("j", 10)), event("2", 3_600_000, succeeded("j")));
    let mut state = state_of(&[event("0", 0, created()), end]);
    assert_eq!(value(&state, 1, "fail_rate_28"), 1.0 / 11.0);
    assert!(value(&state, 1, "job_hours_p50").is_nan());
    apply(&mut state, &start);
    let hours = value(&state, 1, "job_hours_p50");
    assert!((0.5..2.0).contains(&hours), "{hours}");
    assert_eq!(value(&state, 40, "unfinished_rate_28").to_bits(), f32::NAN.to_bits());
    assert_eq!(value(&state, 30, "unfinished_rate_28"), 0.0);
}

#[test]
fn events_out_of_order_by_seconds_count_and_by_weeks_are_dropped() {
    let mut state = state_of(&[event("1", 20 * DAY_MS, login("ann"))]);
    let mut late = event("2", 20 * DAY_MS - 5000, login("bob"));
    assert_eq!(apply(&mut state, &late), Applied::Counted);
    assert_eq!(value(&state, 21, "logins_7"), 2.0);
    late = event("3", 0, login("bob"));
    late.received_at = Timestamp::from_millis(late.received_at.millis() + 21 * DAY_MS);
    assert_eq!(apply(&mut state, &late), Applied::Late);
    assert_eq!(value(&state, 22, "logins_28"), 2.0);
    // An import of an old tenant is never too late.
    let mut old = event("4", -400 * DAY_MS, created());
    old.received_at = late.received_at;
    assert_eq!(apply(&mut state, &old), Applied::Counted);
    assert_eq!(value(&state, 22, "tenure_days"), 422.0);
}

#[test]
fn an_event_of_the_future_waits_for_its_day_and_a_skewed_one_does_not_reach_into_it() {
    let mut state = TenantState::new();
    let mut early = event("1", 3 * DAY_MS + 7, login("ann"));
    early.received_at = Timestamp::from_millis(i64::from(START) * DAY_MS);
    assert_eq!(apply(&mut state, &early), Applied::HeldBack);
    assert_eq!(apply(&mut state, &early), Applied::Duplicate);
    assert_eq!(value(&state, 3, "logins_28"), 0.0);
    assert_eq!(value(&state, 4, "logins_1"), 1.0, "read ahead of the clock");
    state.advance_to(ObservationDate::from_days(START + 4), &StateOptions::default());
    assert_eq!(value(&state, 4, "logins_1"), 1.0);
    assert_eq!(apply(&mut state, &early), Applied::Duplicate);

    let mut skewed = event("2", 5 * DAY_MS + 60_000, login("ann"));
    skewed.received_at = Timestamp::from_millis(i64::from(START + 5) * DAY_MS - 1);
    assert_eq!(apply(&mut state, &skewed), Applied::Counted);
    assert_eq!(value(&state, 5, "logins_1"), 1.0, "it counts on the day that it was received on");
    skewed.received_at = Timestamp::from_millis(skewed.occurred_at.millis() + 9);
    assert_eq!(apply(&mut state, &skewed), Applied::Duplicate, "a copy received later is still a copy");
}

#[test]
fn more_of_the_future_than_there_is_room_for_and_impossible_times_are_dropped() {
    let options = StateOptions { max_held_back: 2, ..StateOptions::default() };
    let mut state = TenantState::new();
    let mut applied = Vec::new();
    for n in 0..3 {
        let mut early = event(n.to_string(), (9 + n) * DAY_MS, login("ann"));
        early.received_at = Timestamp::from_millis(i64::from(START) * DAY_MS);
        applied.push(state.apply(&early, &options));
    }
    assert_eq!(applied, [Applied::HeldBack, Applied::HeldBack, Applied::Dropped]);
    for ms in [i64::MIN, -1, 65_000 * DAY_MS, i64::MAX] {
        let mut impossible = event("x", 0, login("ann"));
        impossible.occurred_at = Timestamp::from_millis(ms);
        assert_eq!(state.apply(&impossible, &options), Applied::Dropped);
        impossible.received_at = Timestamp::from_millis(ms);
        assert_eq!(state.apply(&impossible, &options), Applied::Dropped);
    }
    state.advance_to(ObservationDate::from_days(i32::MAX), &options);
    state.advance_to(ObservationDate::from_days(i32::MIN), &options);
}

#[test]
fn a_million_users_and_a_user_beyond_the_bound() {
    let mut state = TenantState::new();
    for n in 0..1_000_000_i64 {
        let at = n % 2 * DAY_MS / 2 + n / 100;
        assert_eq!(apply(&mut state, &event(n.to_string(), at, login(n.to_string()))), Applied::Counted);
    }
    assert_eq!(value(&state, 1, "active_users_28"), 1_000_000.0);
    assert!(state.approximate_bytes() < 300 << 20, "{} MiB", state.approximate_bytes() >> 20);
    let mut stored = Vec::new();
    state.write_to(&mut stored);
    assert_eq!(TenantState::read_from(&stored), Ok(state));

    let options = StateOptions { max_users: 8, ..StateOptions::default() };
    let mut state = TenantState::new();
    for n in 0..9 {
        state.apply(&event(n.to_string(), n * DAY_MS, login(n.to_string())), &options);
    }
    // The ninth made room by letting go of an eighth, the longest unseen first.
    assert_eq!(value(&state, 9, "active_users_28"), 7.0);
    assert_eq!(value(&state, 9, "logins_28"), 9.0);
}

#[test]
fn ids_of_ten_kilobytes_take_no_more_room_than_others() {
    let long = |n: char| n.to_string().repeat(10_000);
    let mut state = TenantState::new();
    for n in ['a', 'b', 'c'] {
        let mut event = event(long(n), 0, login(long(n)));
        event.source = long('s').into();
        assert_eq!(apply(&mut state, &event), Applied::Counted);
        assert_eq!(apply(&mut state, &event), Applied::Duplicate);
    }
    assert_eq!(value(&state, 1, "active_users_7"), 3.0);
    assert!(state.approximate_bytes() < 2000);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    let charge = TenantAttributes { monthly_charge: Some(Money::from_cents(i64::MIN)), ..TenantAttributes::default() };
    let mut state = state_of(&[event("0", -200 * DAY_MS, EventKind::TenantCreated(charge))]);
    for n in 0..4 {
        let job = EventKind::JobSubmitted {
            job: Cow::Owned(format!("j{n}")),
            user: "ann".into(),
            servers: u32::MAX,
            data_size: u64::MAX,
        };
        apply(&mut state, &event(format!("j{n}"), 0, job));
        let bill = EventKind::TenantBilled { amount: Money::from_cents(i64::MAX) };
        apply(&mut state, &event(format!("b{n}"), 0, bill));
    }
    assert!(value(&state, 1, "data_gb_28") > 1e10);
    assert_eq!(value(&state, 1, "total_charge"), (4.0 * i64::MAX as f64 / 100.0) as f32);
    assert_eq!(value(&state, 1, "servers_per_job_28"), u32::MAX as f32);
    let attributes = TenantAttributes { revenue: Some(f64::NAN), ..TenantAttributes::default() };
    apply(&mut state, &event("n", 5, EventKind::TenantUpdated(attributes)));
    assert!(value(&state, 1, "revenue").is_nan());
}

#[test]
fn a_date_that_has_passed_and_a_slice_of_the_wrong_length_are_refused() {
    let state = state_of(&[event("1", 1, login("ann"))]);
    let reader = FeatureReader::new(&catalogue_schema(&[]).expect("valid")).expect("the catalogue");
    let date = |day| ObservationDate::from_days(START + day);
    let mut features = vec![0.0; 48];
    assert_eq!(
        state.features_at(date(0), &reader, &mut features),
        Err(Error::DatePassed { date: date(0), first: date(1) })
    );
    assert_eq!(
        state.features_at(date(1), &reader, &mut features[1..]),
        Err(Error::WrongWidth { found: 47, expected: 48 })
    );
}
