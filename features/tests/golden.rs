//! States stored by old releases still read, and give the same features.

#[path = "golden/log.rs"]
mod log;

use churn_features::{Error, FeatureReader, StateOptions, TenantState, catalogue_schema};

const STATE_1: &[u8] = include_bytes!("golden/1/state.bin");
const FEATURES_1: &str = include_str!("golden/1/features.txt");

#[test]
fn a_state_of_version_1_reads_and_gives_its_features_bit_for_bit() {
    let state = TenantState::read_from(STATE_1).expect("it was a state once");
    let reader = FeatureReader::new(&catalogue_schema(&["energy".into()]).expect("valid")).expect("the catalogue");
    let mut features = vec![0.0; reader.width()];
    state.features_at(log::golden_date(), &reader, &mut features).expect("the date has not passed");
    assert_eq!(FEATURES_1.lines().count(), features.len());
    for (line, (feature, value)) in FEATURES_1.lines().zip(reader.schema().features().iter().zip(features)) {
        let (name, expected) = line.split_once(' ').expect("name and value");
        assert_eq!(name, feature.name());
        assert_eq!(value.to_bits(), expected.parse::<f32>().expect("a number").to_bits(), "{name}: {value}");
    }
}

#[test]
fn the_same_log_gives_the_same_bytes() {
    let mut state = TenantState::new();
    for event in log::golden_log() {
        state.apply(&event, &StateOptions::default());
    }
    let mut stored = Vec::new();
    state.write_to(&mut stored);
    assert_eq!(stored, STATE_1);
}

#[test]
fn another_version_and_a_cut_state_are_refused_with_the_reason() {
    let mut newer = STATE_1.to_vec();
    newer[0] = 2;
    assert_eq!(TenantState::read_from(&newer), Err(Error::UnknownStateVersion { found: 2, newest: 1 }));
    for length in 0..STATE_1.len() {
        let error = TenantState::read_from(&STATE_1[..length]).expect_err("it is cut");
        assert!(matches!(error, Error::DamagedState { .. }), "{error}");
    }
    newer[0] = 1;
    newer.push(0);
    let error = TenantState::read_from(&newer).expect_err("there is more").to_string();
    assert!(error.contains("expected nothing after it"), "{error}");
}
