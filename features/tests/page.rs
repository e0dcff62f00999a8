//! The page of features says what the code does.

use churn_events::ObservationDate;
use churn_features::{FeatureReader, StateOptions, TenantState, catalogue, catalogue_page, catalogue_schema};

#[test]
fn the_page_is_the_one_that_the_code_writes() {
    let page = include_str!("../../docs/features.md");
    assert_eq!(page, catalogue_page(), "write it with `cargo run -p churn-features --example write_feature_docs`");
}

#[test]
fn a_tenant_without_any_event_has_counts_of_zero_and_nothing_else() {
    let reader = FeatureReader::new(&catalogue_schema(&[]).expect("valid")).expect("the catalogue");
    let mut features = vec![-1.0; reader.width()];
    let mut state = TenantState::new();
    let date = ObservationDate::from_days(20_000);
    state.advance_to(date, &StateOptions::default());
    state.features_at(date, &reader, &mut features).expect("the date has not passed");
    for (entry, value) in catalogue().iter().zip(features) {
        let rule = entry.feature.missing_when().expect("every feature has a rule");
        let expected = match entry.feature.name() {
            "cancel_rate_28" | "fail_rate_28" => 0.1,
            "total_charge" => 0.0,
            _ if rule == "never" => 0.0,
            _ => f32::NAN,
        };
        assert_eq!(value.to_bits(), expected.to_bits(), "{}: {value}", entry.feature.name());
    }
}
