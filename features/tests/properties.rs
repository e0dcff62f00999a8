//! What holds for every log.

mod brute_force;
mod logs;

use brute_force::World;
use churn_events::{DAY_MS, Event, EventKind, ObservationDate};
use churn_features::{
    Applied, Error, FeatureReader, FeatureSchema, Kept, StateOptions, TenantState, catalogue, catalogue_schema,
};
use logs::{FIRST_DAY, INDUSTRIES, activity_log};
use proptest::prelude::*;

fn levels() -> Vec<String> {
    // One industry of the logs is no level of the schema.
    INDUSTRIES[..2].iter().map(|name| (*name).to_owned()).collect()
}

fn reader() -> FeatureReader {
    FeatureReader::new(&catalogue_schema(&levels()).expect("valid")).expect("the catalogue itself")
}

fn date(day: i32) -> ObservationDate {
    ObservationDate::from_days(FIRST_DAY + day)
}

fn received_before(log: &[Event<'static>], date: ObservationDate) -> Vec<Event<'static>> {
    log.iter().filter(|event| event.received_at < date.start()).cloned().collect()
}

fn state_of(log: &[Event<'_>], options: &StateOptions) -> TenantState {
    let mut state = TenantState::new();
    for event in log {
        state.apply(event, options);
    }
    state
}

fn features(state: &TenantState, date: ObservationDate) -> Vec<f32> {
    let reader = reader();
    let mut features = vec![0.0; reader.width()];
    state.features_at(date, &reader, &mut features).expect("the date has not passed");
    features
}

fn bits(features: &[f32]) -> Vec<u32> {
    features.iter().map(|feature| feature.to_bits()).collect()
}

/// Equal but for the last places of a float, and both missing or neither.
fn close(found: f32, expected: Option<f64>) -> bool {
    match expected {
        None => found.is_nan(),
        Some(expected) => (f64::from(found) - expected).abs() <= 1e-5 * expected.abs().max(1.0),
    }
}

/// Long memory for pairs, for parts and orders that are far from the order received.
fn patient() -> StateOptions {
    StateOptions { settle_ms: 120 * DAY_MS, ..StateOptions::default() }
}

/// Puts a log in another order in which no event comes in later than the allowed lateness: each is put off by some time
/// that its own delay leaves.
fn shuffled(log: &[Event<'static>], jitter: &[u32]) -> Vec<Event<'static>> {
    let put_off = |(n, event): (usize, &Event<'static>)| {
        let (occurred, received) = (event.occurred_at.millis(), event.received_at.millis());
        let left = (3 * DAY_MS - (received - occurred).max(0)).clamp(0, 3 * DAY_MS);
        (received + i64::from(jitter[n % jitter.len()]) % (left + 1), event.clone())
    };
    let mut shuffled: Vec<_> = log.iter().enumerate().map(put_off).collect();
    shuffled.sort_by_key(|(at, _)| *at);
    shuffled.into_iter().map(|(_, event)| event).collect()
}

proptest! {
    #[test]
    fn every_feature_equals_a_count_over_the_raw_events(log in activity_log(150, 160), day in 0..160_i32) {
        let known = received_before(&log, date(day));
        let found = features(&state_of(&known, &StateOptions::default()), date(day));
        let expected = World::new(&log, date(day)).values(&levels());
        let schema = catalogue_schema(&levels()).expect("valid");
        prop_assert_eq!(expected.len(), schema.len());
        for (feature, found) in schema.features().iter().zip(found) {
            let expected = expected[feature.name()];
            prop_assert!(close(found, expected), "{}: {found} for {expected:?}", feature.name());
        }
    }

    #[test]
    fn a_dense_log_is_counted_exactly_too(log in activity_log(40, 300), day in 28..45_i32) {
        let found = features(&state_of(&received_before(&log, date(day)), &StateOptions::default()), date(day));
        let expected = World::new(&log, date(day)).values(&levels());
        for (feature, found) in catalogue_schema(&levels()).expect("valid").features().iter().zip(found) {
            let expected = expected[feature.name()];
            prop_assert!(close(found, expected), "{}: {found} for {expected:?}", feature.name());
        }
    }

    #[test]
    fn a_live_state_equals_a_replay_bit_for_bit(log in activity_log(150, 120), days in proptest::collection::vec(0..160_i32, 1..6)) {
        let options = StateOptions::default();
        let mut days = days;
        days.sort_unstable();
        let mut live = TenantState::new();
        let mut n_applied = 0;
        for day in days {
            let known = received_before(&log, date(day));
            for event in &known[n_applied..] {
                live.apply(event, &options);
            }
            n_applied = known.len();
            // A live state is advanced, stored and restored now and then; a replay is not.
            let mut stored = Vec::new();
            live.advance_to(date(day), &options);
            live.write_to(&mut stored);
            live = TenantState::read_from(&stored).expect("what was written reads");
            let replayed = state_of(&known, &options);
            prop_assert_eq!(bits(&features(&live, date(day))), bits(&features(&replayed, date(day))));
            prop_assert_eq!(live.industry_at(date(day)), replayed.industry_at(date(day)));
        }
    }

    #[test]
    fn events_received_later_never_change_the_past(log in activity_log(150, 120), day in 1..150_i32) {
        let known = World::new(&received_before(&log, date(day)), date(day)).values(&levels());
        prop_assert_eq!(World::new(&log, date(day)).values(&levels()), known);
        // A state that has seen the future says so.
        let state = state_of(&log, &StateOptions::default());
        let reader = reader();
        let mut found = vec![0.0; reader.width()];
        let seen_later = log.iter().any(|event| event.received_at >= date(day).start());
        prop_assert_eq!(state.features_at(date(day), &reader, &mut found).is_err(), seen_later);
    }

    #[test]
    fn the_order_inside_the_lateness_and_duplicates_change_nothing(
        log in activity_log(60, 150), jitter in proptest::collection::vec(any::<u32>(), 1..40), times in 1..3_usize,
    ) {
        let options = StateOptions::default();
        let mut in_order = state_of(&log, &options);
        let again: Vec<_> = log.iter().flat_map(|event| std::iter::repeat_n(event.clone(), times)).collect();
        let mut in_other_order = state_of(&shuffled(&again, &jitter), &options);
        prop_assert_eq!(&in_other_order, &in_order);
        in_order.advance_to(date(200), &options);
        in_other_order.advance_to(date(200), &options);
        prop_assert_eq!(&in_other_order, &in_order);
        prop_assert_eq!(bits(&features(&in_other_order, date(200))), bits(&features(&in_order, date(200))));
    }

    #[test]
    fn a_state_that_keeps_less_reads_the_same_features(
        log in activity_log(150, 160), day in 0..160_i32, parts in any::<u8>(), early in 0..150_i32,
    ) {
        let (date, parts) = (date(day), Kept::from_bits(parts));
        let options = StateOptions { kept: parts, ..StateOptions::default() };
        let known = received_before(&log, date);
        let all = features(&state_of(&known, &StateOptions::default()), date);
        let mut state = TenantState::new();
        for event in &known {
            state.apply(event, &options);
            if event.received_at >= ObservationDate::from_days(FIRST_DAY + early).start() {
                let mut stored = Vec::new();
                state.write_to(&mut stored);
                let restored = TenantState::read_from(&stored).expect("what was written reads");
                prop_assert_eq!(&restored, &state);
                state = restored;
            }
        }
        prop_assert_eq!(state.kept(), if known.is_empty() { Kept::ALL } else { parts });
        let schema = catalogue_schema(&levels()).expect("valid");
        for ((entry, feature), all) in catalogue().iter().zip(schema.features()).zip(all) {
            let reader = FeatureReader::new(&FeatureSchema::new(vec![feature.clone()]).expect("valid"));
            let reader = reader.expect("in the catalogue");
            prop_assert_eq!(reader.needs(), entry.needs);
            let mut found = [0.0];
            let read = state.features_at(date, &reader, &mut found);
            if state.kept().contains(entry.needs) {
                prop_assert_eq!(read, Ok(()));
                prop_assert_eq!(found[0].to_bits(), all.to_bits(), "{}: {} for {}", feature.name(), found[0], all);
            } else {
                let refused = matches!(read, Err(Error::NotKept { feature: name, .. }) if name == feature.name());
                prop_assert!(refused);
            }
        }
    }

    #[test]
    fn merged_parts_are_the_whole(log in activity_log(60, 150), cut in proptest::collection::vec(any::<bool>(), 1..40)) {
        let options = patient();
        // No memory is longer than 120 days; a tenant that comes back makes some logs longer.
        let log = received_before(&log, date(120));
        // Copies of an event stay together, which is what makes the parts disjoint.
        let side = |event: &Event<'_>| {
            let n: usize = event.id.bytes().fold(0, |sum, byte| sum * 31 % 1009 + usize::from(byte));
            cut[n % cut.len()]
        };
        let (left, right): (Vec<_>, Vec<_>) = log.iter().cloned().partition(|event| side(event));
        let whole = state_of(&log, &options);
        let (left, right) = (state_of(&left, &options), state_of(&right, &options));
        let merge = |one: &TenantState, other: &TenantState| {
            let mut merged = one.clone();
            merged.merge(other, &options);
            merged
        };
        prop_assert_eq!(&merge(&left, &right), &whole);
        prop_assert_eq!(&merge(&right, &left), &whole);
        prop_assert_eq!(&merge(&whole, &TenantState::new()), &whole);
        prop_assert_eq!(&merge(&TenantState::new(), &whole), &whole);
    }

    #[test]
    fn parts_cut_in_time_merge_without_a_longer_memory(log in activity_log(60, 150), day in 0..60_i32) {
        let options = StateOptions::default();
        let early = received_before(&log, date(day));
        let late = log[early.len()..].to_vec();
        // Copies of an event stay together.
        let kept: Vec<_> =
            late.into_iter().filter(|event| early.iter().all(|before| before.id != event.id)).collect();
        let mut merged = state_of(&early, &options);
        // The second part ends before what the first remembers has settled.
        let near: Vec<_> = kept.iter().take(40).take_while(|event| event.received_at < date(day + 1).start()).cloned().collect();
        merged.merge(&state_of(&near, &options), &options);
        let mut whole = state_of(&early, &options);
        near.iter().for_each(|event| {
            whole.apply(event, &options);
        });
        prop_assert_eq!(merged, whole);
    }

    #[test]
    fn a_stored_state_reads_as_it_was_and_equal_states_are_stored_alike(log in activity_log(120, 150)) {
        let state = state_of(&log, &StateOptions::default());
        let mut stored = Vec::new();
        state.write_to(&mut stored);
        let restored = TenantState::read_from(&stored).expect("what was written reads");
        prop_assert_eq!(&restored, &state);
        let mut again = Vec::new();
        restored.write_to(&mut again);
        prop_assert_eq!(again, stored);
    }

    #[test]
    fn damaged_bytes_are_refused_or_give_a_state_that_works(
        log in activity_log(60, 40), damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(), cut in any::<bool>(),
    ) {
        let mut stored = Vec::new();
        state_of(&log, &StateOptions::default()).write_to(&mut stored);
        for (place, byte) in damage {
            let place = place.index(stored.len());
            stored[place] = byte;
        }
        if cut {
            stored.truncate(length.index(stored.len()));
        }
        if let Ok(mut state) = TenantState::read_from(&stored) {
            log.iter().for_each(|event| {
            state.apply(event, &StateOptions::default());
        });
            let whole = state.clone();
            state.merge(&whole, &StateOptions::default());
            state.advance_to(ObservationDate::from_days(65_000), &StateOptions::default());
            // Damage may take away what is kept, and then that is said.
            let reader = reader();
            let mut features = vec![0.0; reader.width()];
            let read = state.features_at(ObservationDate::from_days(65_000), &reader, &mut features);
            let is_refused = matches!(read, Err(Error::NotKept { .. }));
            prop_assert!(if state.kept().contains(reader.needs()) { read.is_ok() } else { is_refused }, "{read:?}");
        }
    }

    #[test]
    fn memory_stays_within_the_bounds_whatever_arrives(log in activity_log(30, 300)) {
        let options = StateOptions { max_users: 3, max_jobs_in_flight: 5, max_held_back: 2, ..StateOptions::default() };
        let mut state = TenantState::new();
        for (n, event) in log.iter().enumerate() {
            let mut event = event.clone();
            event.id = format!("{n}").into();
            let applied = state.apply(&event, &options);
            // A user added twice at the same instant is the same under any id.
            let repeats = applied == Applied::Duplicate && matches!(event.kind, EventKind::UserLogin { .. });
            prop_assert!(!repeats);
            prop_assert!(state.approximate_bytes() < 40_000, "{}", state.approximate_bytes());
        }
        features(&state, date(200));
    }
}
