//! What does a score cost?
//!
//! `cargo bench -p churn-benches --bench score`. Goals, one thread: one row by 100 trees x depth 12 in an eighth of the
//! time of the C++ that YDF writes, a batch in a fifth of XGBoost's. `peers/score.sh` asks the others.

use std::hint::black_box;

use churn_benches::{N_FEATURES, Part, Table, forest_model, forest_model_on, schema};
use churn_features::{Feature, FeatureSchema};
use churn_model::{Kernel, Scorer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use rayon::ThreadPoolBuilder;

const SEED: u64 = 1;

fn score(criterion: &mut Criterion) {
    const N_ROWS: usize = 20_000;
    let (table, test) = (Table::generate(Part::Fit, 100_000, SEED), Table::generate(Part::Test, N_ROWS, SEED));
    let rows = test.features.as_slice().expect("a table is row-major");
    let mut scores = vec![0.0; N_ROWS];
    for (n_trees, max_depth) in [(100, 6), (100, 12), (500, 8), (100, 64)] {
        let model = forest_model(&table, n_trees, max_depth, SEED).expect("a fine table");
        let mut group = criterion.benchmark_group(format!("score {n_trees} x {max_depth}"));
        group.sample_size(20);
        let mut next = rows.chunks_exact(N_FEATURES).cycle();
        group.bench_function("the model's plain walk, row by row", |bencher| {
            bencher.iter(|| model.score(next.next().expect("endless")));
        });
        group.bench_function("making a scorer", |bencher| bencher.iter(|| Scorer::new(&model)));
        let file = std::env::temp_dir().join(format!("churn-bench-{}.scorer", std::process::id()));
        model.write_scorer(&file).expect("forests of this size are compact");
        group.bench_function("reading a scorer file", |bencher| bencher.iter(|| Scorer::read(&file)));
        // SAFETY: nobody else knows the file.
        #[allow(unsafe_code)]
        group.bench_function("mapping a scorer file", |bencher| bencher.iter(|| unsafe { Scorer::map(&file) }));
        std::fs::remove_file(&file).expect("was written");
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            group.bench_function(format!("{kernel:?}, row by row"), |bencher| {
                bencher.iter(|| scorer.score(next.next().expect("endless")));
            });
        }
        group.throughput(Throughput::Elements(N_ROWS as u64));
        let scorer = Scorer::new(&model);
        for n_threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a few threads can be started");
            group.bench_function(format!("batch, threads: {n_threads}"), |bencher| {
                bencher.iter(|| pool.install(|| scorer.score_into(rows, black_box(&mut scores))));
            });
        }
        group.finish();
    }
}

/// Copies of the table's columns in other orders of rows stand beside them: as hard to split by, and worth nothing.
fn by_features(criterion: &mut Criterion) {
    const N_ROWS: usize = 20_000;
    let table = Table::generate(Part::Fit, N_ROWS, SEED);
    let mut group = criterion.benchmark_group("score 100 x 8, row by row");
    for n_copies in [1, 3, 10, 50] {
        let features = (0..n_copies * N_FEATURES).map(|i| match i < N_FEATURES {
            true => schema().features()[i].clone(),
            false => Feature::numeric(format!("noise_{i}")),
        });
        let wide = FeatureSchema::new(features.collect()).expect("names are unique");
        let rows = Array2::from_shape_fn((N_ROWS, n_copies * N_FEATURES), |(row, i)| {
            table.features[[(row + 7_919 * (i / N_FEATURES)) % N_ROWS, i % N_FEATURES]]
        });
        let model = forest_model_on(wide, rows.view(), &table.labels, 100, 8, SEED).expect("a fine table");
        let rows = rows.as_slice().expect("a table is row-major");
        let mut next = rows.chunks_exact(n_copies * N_FEATURES).cycle();
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            // Those that do not suit that many features give way to lesser ones.
            if scorer.kernel() == kernel {
                group.bench_function(format!("{} features, {kernel:?}", n_copies * N_FEATURES), |bencher| {
                    bencher.iter(|| scorer.score(next.next().expect("endless")));
                });
            }
        }
    }
    group.finish();
}

criterion_group!(benches, score, by_features);
criterion_main!(benches);
