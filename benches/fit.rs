//! How long does fitting take?
//!
//! `cargo bench -p churn-benches --bench fit`, or with `-- forest` for the forest alone. Learners are as they come,
//! except for the forest, which is the one that `peers/run.sh` asks every library for.

use std::hint::black_box;

use churn_benches::{Part, Table, forest_learner, schema};
use churn_model::fit::{DecisionTreeLearner, LinearLearner, Observations};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rayon::{ThreadPool, ThreadPoolBuilder};

const SEED: u64 = 1;

fn forest(criterion: &mut Criterion) {
    let mut group = group(criterion, "forest");
    for n_rows in [10_000, 100_000] {
        let (schema, table) = (schema(), Table::generate(Part::Fit, n_rows, SEED));
        let observations = Observations::new(&schema, table.features.view(), &table.labels).expect("a fine table");
        let learner = forest_learner(SEED);
        for n_threads in [1, 2] {
            let pool = pool(n_threads);
            group.throughput(Throughput::Elements(n_rows as u64));
            group.bench_function(BenchmarkId::new(threads(n_threads), n_rows), |bencher| {
                bencher.iter(|| pool.install(|| learner.fit(black_box(&observations))));
            });
        }
    }
    group.finish();
}

fn tree(criterion: &mut Criterion) {
    let learner = DecisionTreeLearner { seed: SEED, ..DecisionTreeLearner::default() };
    on_100_000_rows(criterion, "tree", |observations| drop(black_box(learner.fit(observations))));
}

fn linear(criterion: &mut Criterion) {
    let learner = LinearLearner { seed: SEED, ..LinearLearner::default() };
    on_100_000_rows(criterion, "linear", |observations| drop(black_box(learner.fit(observations))));
}

fn on_100_000_rows(criterion: &mut Criterion, name: &str, fit: impl Fn(&Observations<'_>) + Sync) {
    const N_ROWS: usize = 100_000;
    let (schema, table) = (schema(), Table::generate(Part::Fit, N_ROWS, SEED));
    let observations = Observations::new(&schema, table.features.view(), &table.labels).expect("a fine table");
    let mut group = group(criterion, name);
    group.throughput(Throughput::Elements(N_ROWS as u64));
    for n_threads in [1, 2] {
        let pool = pool(n_threads);
        group.bench_function(BenchmarkId::new(threads(n_threads), N_ROWS), |bencher| {
            bencher.iter(|| pool.install(|| fit(black_box(&observations))));
        });
    }
    group.finish();
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    // A fit takes long enough to be timed one by one.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group
}

fn pool(n_threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a few threads can be started")
}

fn threads(n_threads: usize) -> String {
    format!("{n_threads} thread{}", if n_threads == 1 { "" } else { "s" })
}

criterion_group!(benches, forest, tree, linear);
criterion_main!(benches);
