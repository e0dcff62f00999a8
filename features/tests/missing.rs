//! When each feature is missing, and that it is there as soon as it can be.

use std::borrow::Cow;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, Money, ObservationDate, TenantAttributes, Timestamp};
use churn_features::{FeatureReader, StateOptions, TenantState, catalogue, catalogue_schema};

const START: i32 = 20_006;

fn apply(state: &mut TenantState, day: i64, minute: i64, kind: EventKind<'static>) {
    let at = Timestamp::from_millis((i64::from(START) + day) * DAY_MS + minute * 60_000);
    let event = Event {
        id: Cow::Owned(format!("{day} {minute}")),
        source: Cow::Borrowed("portal"),
        tenant: Cow::Borrowed("acme"),
        occurred_at: at,
        received_at: at,
        kind,
    };
    state.apply(&event, &StateOptions::default());
}

fn missing(state: &TenantState, day: i32) -> Vec<&'static str> {
    let reader = FeatureReader::new(&catalogue_schema(&["energy".into()]).expect("valid")).expect("the catalogue");
    let mut features = vec![0.0; reader.width()];
    state.features_at(ObservationDate::from_days(START + day), &reader, &mut features).expect("not passed");
    let missing = catalogue().iter().zip(features).filter(|(_, value)| value.is_nan());
    missing.map(|(entry, _)| entry.feature.name()).collect()
}

/// One day of a tenant of which everything is known.
fn busy_day(state: &mut TenantState, day: i64) {
    if day == 0 {
        let attributes = TenantAttributes {
            industry: Some("energy".into()),
            revenue: Some(1.0),
            employees: Some(10),
            sentiment: Some(0.0),
            monthly_charge: Some(Money::from_cents(100)),
            ..TenantAttributes::default()
        };
        apply(state, day, 0, EventKind::TenantCreated(attributes));
        apply(state, day, 1, EventKind::UserAdded { user: "ann".into() });
        apply(state, day, 2, EventKind::TenantBilled { amount: Money::from_cents(100) });
    }
    let job = || Cow::Owned(format!("job-{day}"));
    apply(state, day, 3, EventKind::UserLogin { user: "ann".into(), session: "s".into() });
    apply(state, day, 4, EventKind::JobSubmitted { job: job(), user: "ann".into(), servers: 1, data_size: 1 });
    apply(state, day, 5, EventKind::JobTerminated { job: job(), status: JobStatus::Succeeded });
    apply(state, day, 6, EventKind::UserLogoff { user: "ann".into(), session: "s".into() });
}

#[test]
fn a_busy_tenant_misses_only_what_it_is_too_young_for() {
    // Each feature with the tenure from which on it is there.
    let from = [
        ("job_recency_ratio", 3), // three job days
        ("longest_gap_90", 7),
        ("jobs_per_active_user_28", 28),
        ("servers_per_job_28", 28),
        ("data_gb_per_job_28", 28),
        ("login_trend_7_28", 28),
        ("idle_login_share_28", 28),
        ("session_minutes_28", 28),
        ("timeout_share_28", 28),
        ("stickiness_28", 28),
        ("usage_slope_12w", 28),
        ("unfinished_rate_28", 30),
        ("usage_z_7", 35),
        ("active_users_change_28", 56),
        ("charge_change_90", 91), // known for the whole day 90 days ago
        ("job_trend_30_90", 90),
        ("data_trend_28_90", 90),
        ("login_trend_28_90", 90),
        ("seats_change_90", 91), // a seat 90 days ago
    ];
    let mut state = TenantState::new();
    for day in 0..100 {
        busy_day(&mut state, day);
        let tenure = day as i32 + 1;
        let mut expected: Vec<&str> = from.iter().filter(|(_, from)| tenure < *from).map(|(name, _)| *name).collect();
        let mut found = missing(&state, tenure);
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "tenure {tenure}");
    }
}

#[test]
fn a_tenant_of_which_nothing_is_known_misses_every_ratio_however_old() {
    let mut state = TenantState::new();
    apply(&mut state, 0, 0, EventKind::TenantCreated(TenantAttributes::default()));
    let expected = [
        "industry",
        "revenue",
        "employees",
        "sentiment",
        "monthly_charge",
        "total_charge",
        "charge_change_90",
        "charge_per_job",
        "job_trend_30_90",
        "jobs_per_active_user_28",
        "days_since_job",
        "job_recency_ratio",
        "unfinished_rate_28",
        "job_hours_p50",
        "servers_per_job_28",
        "data_trend_28_90",
        "data_gb_per_job_28",
        "login_trend_7_28",
        "login_trend_28_90",
        "days_since_login",
        "idle_login_share_28",
        "session_minutes_28",
        "timeout_share_28",
        "seats_change_90",
        "seat_penetration",
        "seat_utilisation_28",
        "stickiness_28",
        "active_users_change_28",
        "top_user_share_28",
    ];
    assert_eq!(missing(&state, 200), expected);
    assert!(!missing(&state, 31).contains(&"total_charge"), "the first bill may still come");
    assert!(missing(&state, 32).contains(&"total_charge"));
}

#[test]
fn every_rule_that_can_make_a_feature_missing_is_one_of_the_tests_above() {
    let mut state = TenantState::new();
    apply(&mut state, 0, 0, EventKind::TenantCreated(TenantAttributes::default()));
    let mut seen = missing(&state, 2);
    seen.extend(missing(&state, 200));
    for entry in catalogue() {
        let rule = entry.feature.missing_when().expect("every feature has a rule");
        let name = entry.feature.name();
        assert_eq!(seen.contains(&name), !(rule == "never" || rule.starts_with("never (")), "{name}: {rule}");
    }
}

#[test]
fn a_tenant_has_cancelled_until_it_comes_back() {
    let mut state = TenantState::new();
    let at = |state: &TenantState, day| state.has_cancelled_at(ObservationDate::from_days(START + day));
    apply(&mut state, 0, 0, EventKind::TenantCreated(TenantAttributes::default()));
    assert!(!at(&state, 1));
    apply(&mut state, 5, 0, EventKind::TenantCancelled { reason: None });
    assert!(at(&state, 6) && at(&state, 300));
    apply(&mut state, 9, 0, EventKind::TenantCreated(TenantAttributes::default()));
    assert!(!at(&state, 10));
}

#[test]
fn an_industry_that_is_no_level_of_the_schema_is_missing() {
    let mut state = TenantState::new();
    let attributes = TenantAttributes { industry: Some("space".into()), ..TenantAttributes::default() };
    apply(&mut state, 0, 0, EventKind::TenantCreated(attributes));
    assert!(missing(&state, 1).contains(&"industry"));
    assert_eq!(state.industry_at(ObservationDate::from_days(START + 1)), Some("space"));
}
