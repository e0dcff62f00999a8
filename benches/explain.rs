//! What does an explanation cost?
//!
//! `cargo bench -p churn-benches --bench explain`. Goals, one thread: an exact explanation of 100 trees x depth 12 in a
//! tenth of the time that other libraries take, and an approximate one in 5 us. `peers/explain.sh` asks the others.

use std::hint::black_box;

use churn_benches::{N_FEATURES, Part, Table, forest_model};
use churn_model::ExplainScratch;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;

const SEED: u64 = 1;

fn explain(criterion: &mut Criterion) {
    const N_ROWS: usize = 64;
    let (table, test) = (Table::generate(Part::Fit, 100_000, SEED), Table::generate(Part::Test, N_ROWS, SEED));
    let rows = test.features.as_slice().expect("a table is row-major");
    for (n_trees, max_depth) in [(100, 12), (500, 8)] {
        let explainer = forest_model(&table, n_trees, max_depth, SEED).expect("a fine table").explainer();
        let mut group = criterion.benchmark_group(format!("explain {n_trees} x {max_depth}"));
        group.sample_size(10);
        let (mut contributions, mut scratch) = ([0.0; N_FEATURES], ExplainScratch::default());

        let mut next = rows.chunks_exact(N_FEATURES).cycle();
        group.bench_function("exact, row by row", |bencher| {
            bencher.iter(|| explainer.explain_into(next.next().expect("endless"), &mut contributions, &mut scratch));
        });
        group.bench_function("approximate, row by row", |bencher| {
            bencher.iter(|| explainer.approximate_into(next.next().expect("endless"), &mut contributions));
        });
        group.throughput(Throughput::Elements(N_ROWS as u64));
        for n_threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a few threads can be started");
            group.bench_function(format!("exact, batch, threads: {n_threads}"), |bencher| {
                bencher.iter(|| pool.install(|| black_box(explainer.explain_batch(rows))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, explain);
criterion_main!(benches);
