//! What holds for every store, whatever its events.

use std::fs;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, ObservationDate, Timestamp};
use churn_features::{
    FeatureReader, FeatureStore, SnapshotError, StateOptions, StoreOptions, TenantState, catalogue_schema,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rayon::ThreadPoolBuilder;
use sha2::{Digest, Sha256};

const FIRST_DAY: i32 = 20_000;
const N_DAYS: i64 = 40;
const CHECKSUM_BYTES: usize = 32;

/// A small log of few tenants and users, with events that come late, twice, early or out of order.
fn activity_log(n_events: usize) -> impl Strategy<Value = Vec<Event<'static>>> {
    let event = (0..12_u8, 0..4_u8, 0..6_u8, 0..N_DAYS * DAY_MS, -DAY_MS..5 * DAY_MS, 0..500_u32);
    vec(event, 0..n_events).prop_map(|events| {
        let mut events: Vec<_> = events.into_iter().map(make_event).collect();
        events.sort_by_key(|event| event.received_at);
        events
    })
}

fn make_event((tenant, user, kind, occurred_ms, delay_ms, id): (u8, u8, u8, i64, i64, u32)) -> Event<'static> {
    let (user, job) = (format!("user-{user}").into(), format!("job-{}", id % 50).into());
    let occurred_ms = i64::from(FIRST_DAY) * DAY_MS + occurred_ms;
    Event {
        id: id.to_string().into(),
        source: "property".into(),
        tenant: format!("tenant-{tenant}").into(),
        occurred_at: Timestamp::from_millis(occurred_ms),
        received_at: Timestamp::from_millis(occurred_ms + delay_ms),
        kind: match kind {
            0 => EventKind::UserLogin { user, session: id.to_string().into() },
            1 => EventKind::UserLogoff { user, session: id.to_string().into() },
            2 => EventKind::UserAdded { user },
            3 => EventKind::JobSubmitted { job, user, servers: id, data_size: u64::from(id) << 20 },
            4 => EventKind::JobTerminated { job, status: JobStatus::Succeeded },
            _ => EventKind::TenantCancelled { reason: None },
        },
    }
}

/// A log long enough to be dealt out to shards, made from one that need not be.
fn repeated(log: &[Event<'static>]) -> Vec<Event<'static>> {
    let again =
        |i: usize| log.iter().map(move |event| Event { id: format!("{}-{i}", event.id).into(), ..event.clone() });
    let mut events: Vec<_> = (0..6).flat_map(again).collect();
    events.sort_by_key(|event| event.received_at);
    events
}

fn options(n_shards: usize, max_tenants: usize) -> StoreOptions {
    StoreOptions { n_shards, max_tenants, state: StateOptions::default() }
}

fn store_of(events: &[Event<'_>], options: StoreOptions) -> FeatureStore {
    let mut store = FeatureStore::new(options);
    store.apply_all(events);
    store
}

fn one_after_the_other(events: &[Event<'_>], options: StoreOptions) -> FeatureStore {
    let mut store = FeatureStore::new(options);
    let refused = events.iter().filter(|event| store.apply(event).is_err()).count();
    assert_eq!(store.counts().refused, refused as u64);
    store
}

fn end() -> ObservationDate {
    ObservationDate::from_days(FIRST_DAY + N_DAYS as i32 + 6)
}

fn reader() -> FeatureReader {
    FeatureReader::new(&catalogue_schema(&[]).expect("valid")).expect("the catalogue itself")
}

/// Feature values by their bits, so that missing equals missing.
fn bits(store: &FeatureStore) -> Vec<(String, Vec<u32>)> {
    let matrix = store.features_at(end(), &reader()).expect("everything was received before");
    let bits = |features: &[f32]| features.iter().map(|value| value.to_bits()).collect();
    matrix.rows().map(|(tenant, features)| (tenant.to_owned(), bits(features))).collect()
}

fn snapshot_bytes(store: &FeatureStore) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    store.write_snapshot(folder.path().join("store")).expect("written");
    fs::read(folder.path().join("store")).expect("there")
}

fn read(bytes: &[u8]) -> Result<FeatureStore, SnapshotError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), bytes).expect("written");
    FeatureStore::read_snapshot(file.path())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn shards_threads_and_batches_change_nothing(
        log in activity_log(300),
        n_shards in 1..9_usize,
        n_threads in 1..4_usize,
        room in 1..14_usize,
        cut in 0..1_800_usize,
    ) {
        let log = repeated(&log);
        let expected = one_after_the_other(&log, options(1, room));
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a few threads");
        let found = pool.install(|| {
            let (first, second) = log.split_at(cut.min(log.len()));
            let mut store = store_of(first, options(n_shards, room));
            store.apply_all(second);
            store
        });
        prop_assert!(found == expected);
        prop_assert_eq!(found.counts().total(), log.len() as u64);
        prop_assert_eq!(bits(&found), bits(&expected));
        prop_assert_eq!(snapshot_bytes(&found), snapshot_bytes(&expected));
    }

    #[test]
    fn a_store_holds_the_state_that_each_tenant_has_alone(log in activity_log(300)) {
        let log = repeated(&log);
        let store = store_of(&log, options(5, 100));
        for (tenant, state) in store.states() {
            let mut alone = TenantState::new();
            for event in log.iter().filter(|event| event.tenant == tenant) {
                alone.apply(event, &StateOptions::default());
            }
            prop_assert_eq!(state, &alone);
        }
    }

    #[test]
    fn stores_of_different_tenants_merge_into_the_store_of_all(log in activity_log(200), n_shards in 1..9_usize) {
        let (some, others): (Vec<_>, Vec<_>) = log.iter().cloned().partition(|event| event.tenant.len() == 8);
        let mut merged = store_of(&some, options(n_shards, 100));
        merged.merge(store_of(&others, options(3, 100))).expect("there is room, and options are the same");
        prop_assert!(merged == store_of(&log, options(2, 100)));
    }

    #[test]
    fn states_merge_one_by_one_as_stores_do(log in activity_log(200), n_shards in 1..9_usize) {
        let (some, others): (Vec<_>, Vec<_>) = log.iter().cloned().partition(|event| event.tenant.len() == 8);
        let (mut merged, others) = (store_of(&some, options(n_shards, 100)), store_of(&others, options(3, 100)));
        for (tenant, state) in others.states() {
            merged.merge_state(tenant, state.clone()).expect("there is room");
        }
        let whole = store_of(&log, options(2, 100));
        prop_assert!(merged.states().eq(whole.states()));
        prop_assert_eq!(merged.len(), whole.len());
        let mut full = FeatureStore::new(options(n_shards, 0));
        prop_assert!(whole.states().all(|(tenant, state)| full.merge_state(tenant, state.clone()).is_err()));
        prop_assert!(full.is_empty());
    }

    #[test]
    fn a_snapshot_is_read_as_what_was_written(log in activity_log(300), n_shards in 1..9_usize) {
        let store = store_of(&log, options(n_shards, 77));
        let bytes = snapshot_bytes(&store);
        let back = read(&bytes).expect("what was written");
        prop_assert!(back == store);
        prop_assert_eq!(back.options().max_tenants, 77);
        prop_assert_eq!(bits(&back), bits(&store));
        prop_assert_eq!(snapshot_bytes(&back), bytes);
    }

    #[test]
    fn a_damaged_snapshot_is_refused(
        log in activity_log(120), at in any::<Index>(), flip in 1..=255_u8, cut in any::<Index>(),
    ) {
        let bytes = snapshot_bytes(&store_of(&log, options(3, 100)));
        let mut flipped = bytes.clone();
        flipped[at.index(bytes.len())] ^= flip;
        prop_assert!(read(&flipped).is_err());
        prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(read(&[&bytes[..], &[flip]].concat()).is_err());
    }

    #[test]
    fn a_forged_snapshot_never_panics(log in activity_log(120), changes in vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = snapshot_bytes(&store_of(&log, options(3, 100)));
        let body = bytes.len() - CHECKSUM_BYTES;
        for (at, value) in changes {
            bytes[at.index(body)] = value;
        }
        // With a checksum that fits, so that nothing but the reader's own care is left.
        let checksum = Sha256::digest(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum);
        if let Ok(store) = read(&bytes) {
            drop(store.features_at(end(), &reader()));
            prop_assert!(read(&snapshot_bytes(&store)).expect("written by this build") == store);
        }
    }
}

#[test]
fn what_is_wrong_with_a_snapshot_is_said_with_its_path() {
    let bytes = snapshot_bytes(&FeatureStore::new(StoreOptions::default()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad-store");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        let error = FeatureStore::read_snapshot(&path).expect_err("damaged");
        assert!(error.to_string().contains("bad-store"), "{error}");
        error
    };
    assert!(matches!(FeatureStore::read_snapshot(&path), Err(SnapshotError::Read { .. })));
    assert!(matches!(error(b""), SnapshotError::NotASnapshot { .. }));
    assert!(matches!(error(b"{\"specversion\":\"1.0\"}"), SnapshotError::NotASnapshot { .. }));
    let later = [&bytes[..8], &[9, 0, 0, 0], &bytes[12..]].concat();
    assert!(matches!(error(&later), SnapshotError::UnknownFormatVersion { found: 9, newest: 1, .. }));
    assert!(matches!(error(&bytes[..20]), SnapshotError::CutOff { .. }));
    assert!(matches!(error(&bytes[..bytes.len() - 5]), SnapshotError::CutOff { .. }));
    let many_tenants = [&bytes[..124], &[255; 8], &bytes[132..]].concat();
    assert!(matches!(error(&many_tenants), SnapshotError::OutOfRange { field: "the number of tenants", .. }));
    let some_tenants = [&bytes[..124], &[9, 0, 0, 0, 0, 0, 0, 0], &bytes[132..]].concat();
    assert!(matches!(error(&some_tenants), SnapshotError::CutOff { part: "the length of an id", found: 0, .. }));
    let last = bytes.len() - 1;
    assert!(matches!(error(&[&bytes[..last], &[!bytes[last]]].concat()), SnapshotError::Checksum { .. }));
    assert!(matches!(error(&[&bytes[..], b"more"].concat()), SnapshotError::Surplus { found: 4, .. }));
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_old_one() {
    let store = FeatureStore::new(StoreOptions::default());
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing").join("store");
    assert!(matches!(store.write_snapshot(&missing), Err(SnapshotError::Write { path, .. }) if path == missing));
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inside")).expect("made");
    assert!(store.write_snapshot(&taken).is_err());
    let entries: Vec<_> = fs::read_dir(folder.path()).expect("there").map(|e| e.expect("there").file_name()).collect();
    assert_eq!(entries, ["taken"], "no temporary file stays behind");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was written when: the whole and the changes since then are the store.
    #[test]
    fn a_store_and_its_changes_are_the_store_that_came_of_them(log in activity_log(200), cuts in vec(any::<Index>(), 3)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(log.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(log.len());
        let mut store = FeatureStore::new(options(7, 9));
        let mut restored: Option<FeatureStore> = None;
        let mut begin = 0;
        for (number, end) in cuts.into_iter().enumerate() {
            let changed: std::collections::BTreeSet<&str> =
                log[begin..end].iter().map(|event| &*event.tenant).filter(|tenant| {
                    store.state(tenant).is_some() || store.len() < 9
                }).collect();
            log[begin..end].iter().for_each(|event| drop(store.apply(event)));
            begin = end;
            let path = folder.path().join(number.to_string());
            match &mut restored {
                None => {
                    store.write_snapshot(&path).expect("is written");
                    restored = Some(FeatureStore::read_snapshot(&path).expect("is read"));
                }
                Some(restored) => {
                    store.write_changes(&path).expect("is written");
                    let changes = FeatureStore::read_snapshot(&path).expect("is read");
                    prop_assert!(changes.states().all(|(tenant, _)| changed.contains(tenant)), "nothing else is written");
                    restored.update(changes).expect("fit together");
                }
            }
            store.forget_changes();
            prop_assert!(restored.as_ref() == Some(&store));
        }
    }
}
