//! Feeds bytes to the reader of tenant states.

#![no_main]

use churn_events::ObservationDate;
use churn_features::{FeatureReader, StateOptions, TenantState, catalogue_schema};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut state) = TenantState::read_from(bytes) else { return };
    // Memory is bounded by what was read.
    assert!(state.approximate_bytes() < 100_000 + 64 * bytes.len(), "{} bytes", state.approximate_bytes());
    let mut written = Vec::new();
    state.write_to(&mut written);
    assert_eq!(TenantState::read_from(&written).as_ref(), Ok(&state), "what was written reads");

    let options = StateOptions::default();
    let same = state.clone();
    state.merge(&same, &options);
    let end = ObservationDate::from_days(65_000);
    state.advance_to(end, &options);
    let schema = catalogue_schema(&[]).expect("the catalogue is a schema");
    let reader = FeatureReader::new(&schema).expect("the catalogue can be read");
    let mut features = vec![0.0; reader.width()];
    state.features_at(end, &reader, &mut features).expect("the date has not passed");
});
