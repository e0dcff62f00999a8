//! What does a score cost?
//!
//! `cargo bench -p churn-benches --bench score`. Goals, one thread: one row by 100 trees x depth 12 in an eighth of the
//! time of the C++ that YDF writes, a batch in a fifth of XGBoost's. `peers/score.sh` asks the others.

use std::hint::black_box;

use churn_benches::{N_FEATURES, Part, Table, forest_model};
use churn_model::{Kernel, Scorer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;

const SEED: u64 = 1;

fn score(criterion: &mut Criterion) {
    const N_ROWS: usize = 20_000;
    let (table, test) = (Table::generate(Part::Fit, 100_000, SEED), Table::generate(Part::Test, N_ROWS, SEED));
    let rows = test.features.as_slice().expect("a table is row-major");
    let mut scores = vec![0.0; N_ROWS];
    for (n_trees, max_depth) in [(100, 6), (100, 12), (500, 8)] {
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

criterion_group!(benches, score);
criterion_main!(benches);
