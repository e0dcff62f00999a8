//! How long does it take from events to features?
//!
//! `cargo bench -p churn-benches --bench features`. Goals: 5 million events a second and core from decoded events, and
//! 100,000 tenants' features a second and core. `features_case` measures the whole way from a file.

use std::hint::black_box;

use churn_benches::ActivityPlan;
use churn_events::{Event, ObservationDate, decode, encode};
use churn_features::{FeatureReader, FeatureStore, StateOptions, StoreOptions, TenantState, catalogue_schema};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rayon::{ThreadPool, ThreadPoolBuilder};

const PLAN: ActivityPlan = ActivityPlan {
    start: ObservationDate::from_days(20_000),
    n_days: 20,
    first_tenant: 0,
    n_tenants: 100,
    n_users: 20,
    sessions_per_day: 10.0,
    jobs_per_day: 5.0,
    seed: 1,
};

fn events(plan: &ActivityPlan) -> Vec<Event<'static>> {
    (0..plan.n_days).flat_map(|day| plan.day(day)).collect()
}

fn one_thread() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started")
}

fn decoding(criterion: &mut Criterion) {
    let lines: Vec<Vec<u8>> = events(&ActivityPlan { n_days: 3, ..PLAN }).iter().map(line).collect();
    let mut group = criterion.benchmark_group("events");
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                black_box(decode(line)).expect("an event");
            }
        });
    });
    group.finish();
}

fn line(event: &Event<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    encode(event, &mut line);
    line
}

fn applying(criterion: &mut Criterion) {
    let all = events(&PLAN);
    let one = events(&ActivityPlan { n_tenants: 1, n_days: 200, ..PLAN });
    let pool = one_thread();
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(20).throughput(Throughput::Elements(one.len() as u64));
    group.bench_function("one tenant", |bencher| {
        let options = StateOptions::default();
        bencher.iter_batched_ref(
            TenantState::new,
            |state| {
                for event in &one {
                    black_box(state.apply(event, &options));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("store of 100 tenants, 1 thread", |bencher| {
        bencher.iter_batched_ref(
            || FeatureStore::new(StoreOptions::default()),
            |store| pool.install(|| store.apply_all(&all)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let plan = ActivityPlan { n_tenants: 2_000, sessions_per_day: 2.0, jobs_per_day: 1.0, ..PLAN };
    let mut store = FeatureStore::new(StoreOptions::default());
    (0..plan.n_days).for_each(|day| store.apply_all(&plan.day(day)));
    let levels = ["energy", "finance", "retail"].map(str::to_owned);
    let reader = FeatureReader::new(&catalogue_schema(&levels).expect("valid")).expect("the catalogue itself");
    let pool = one_thread();
    let mut group = criterion.benchmark_group("read");
    group.sample_size(20).throughput(Throughput::Elements(store.len() as u64));
    group.bench_function("48 features, 1 thread", |bencher| {
        bencher.iter(|| {
            pool.install(|| black_box(store.features_at(plan.end(), &reader)).expect("all received").tenants.len())
        });
    });
    group.finish();
}

criterion_group!(benches, decoding, applying, reading);
criterion_main!(benches);
