//! Scores rows with our forest, in a process of its own, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --bin score_case -- --folder target/score --trees 100 --depth 12
//! ```
//!
//! The table and the model file are left in the folder, for `peers/score.py`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Instant;

use churn_benches::{
    N_FEATURES, Part, Table, batch_us, cold_row_us, cpu_seconds, forest_model, median, row_us, write_table,
};
use churn_model::{Kernel, Model, ModelKind, Scorer};
use clap::Parser;
use rayon::ThreadPoolBuilder;
use serde::Serialize;

/// Scores rows with our forest and prints times as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// Folder that everything is written to
    #[arg(long)]
    folder: PathBuf,
    /// Trees of the forest
    #[arg(long, default_value_t = 100)]
    trees: usize,
    /// Splits between a root and its leaves, at most
    #[arg(long, default_value_t = 12)]
    depth: u32,
    /// Observations to fit on
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Rows to score
    #[arg(long, default_value_t = 100_000)]
    score: usize,
    /// Seed of the table and of the learner
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What one kernel takes per row, in microseconds of processor time unless said otherwise.
#[derive(Debug, Default, Serialize)]
struct KernelReport {
    /// One row per call, hot caches; the median of many rounds.
    single_us: f64,
    /// One row per call, everything out of the caches; wall time, median.
    cold_us: f64,
    /// A decision at the threshold that 5 % of rows reach.
    decide_us: f64,
    /// A batch on one thread, and wall times on one and on two.
    batch_us: f64,
    batch_1_wall_us: f64,
    batch_2_wall_us: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    n_nodes: usize,
    model_bytes_per_node: f64,
    scorer_bytes_per_node: f64,
    /// The plain walk of the model, one row per call.
    plain_us: f64,
    /// Wall milliseconds, medians: reading the model file, making a scorer of the model with a first score, and the same of a
    /// scorer file that is read or mapped.
    read_ms: f64,
    make_ms: f64,
    scorer_read_ms: f64,
    scorer_map_ms: f64,
    /// Share of the trees that decisions asked.
    asked: f64,
    kernels: BTreeMap<String, KernelReport>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let fit = Table::generate(Part::Fit, args.rows, args.seed);
    let test = Table::generate(Part::Test, args.score, args.seed);
    write_table(&args.folder, Part::Fit, &fit)?;
    write_table(&args.folder, Part::Test, &test)?;
    let model = forest_model(&fit, args.trees, args.depth, args.seed)?;
    let file = args.folder.join("model.safetensors");
    model.write(&file)?;
    let rows = test.features.as_slice().ok_or("a table is row-major")?;
    let ModelKind::Forest(forest) = model.kind() else { return Err("no forest".into()) };

    let scorer = Scorer::new(&model);
    let mut scores = scorer.score_batch(rows);
    let plain: Vec<f64> = rows.chunks_exact(N_FEATURES).step_by(97).map(|row| model.score(row)).collect();
    scores.sort_by(f64::total_cmp);
    let threshold = scores[scores.len() * 95 / 100];
    let asked = rows.chunks_exact(N_FEATURES).take(2_000).map(|row| scorer.decide_counted(row, threshold).1);
    let asked = asked.sum::<usize>() as f64 / (2_000 * args.trees) as f64;

    let mut kernels = BTreeMap::new();
    for kernel in Kernel::available() {
        let scorer = Scorer::new(&model).limited_to(kernel);
        assert_eq!(scorer.kernel(), kernel, "20 features suit every kernel");
        for (row, plain) in rows.chunks_exact(N_FEATURES).step_by(97).zip(&plain) {
            assert_eq!(scorer.score(row).to_bits(), plain.to_bits(), "fast and plain scores differ, {kernel:?}");
        }
        kernels.insert(format!("{kernel:?}").to_lowercase(), kernel_report(&scorer, rows, threshold)?);
    }
    let (scorer_file, row) = (args.folder.join("model.scorer"), &rows[..N_FEATURES]);
    model.write_scorer(&scorer_file)?;
    let report = Report {
        n_nodes: forest.n_nodes(),
        model_bytes_per_node: std::fs::metadata(&file)?.len() as f64 / forest.n_nodes() as f64,
        scorer_bytes_per_node: scorer.n_bytes() as f64 / forest.n_nodes() as f64,
        plain_us: row_us(rows, N_FEATURES, |row| model.score(row)),
        read_ms: wall_ms(|| Model::read(&file).expect("just written")),
        make_ms: wall_ms(|| Scorer::new(&model).score(row)),
        scorer_read_ms: wall_ms(|| Scorer::read(&scorer_file).expect("just written").score(row)),
        // SAFETY: nobody else writes the file.
        #[allow(unsafe_code)]
        scorer_map_ms: wall_ms(|| unsafe { Scorer::map(&scorer_file) }.expect("just written").score(row)),
        asked,
        kernels,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &report)?;
    Ok(writeln!(out)?)
}

fn kernel_report(scorer: &Scorer, rows: &[f32], threshold: f64) -> Result<KernelReport, Box<dyn std::error::Error>> {
    let n_rows = rows.len() / N_FEATURES;
    let mut scores = vec![0.0; n_rows];
    let mut batch = |n_threads: usize, clock: fn() -> f64| -> Result<f64, rayon::ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(n_threads).build()?;
        Ok(batch_us(n_rows, 5, clock, || pool.install(|| scorer.score_into(rows, &mut scores))))
    };
    let (batch_us, batch_1_wall_us) = (batch(1, cpu_seconds)?, batch(1, wall_seconds)?);
    let batch_2_wall_us = batch(2, wall_seconds)?;
    Ok(KernelReport {
        single_us: row_us(rows, N_FEATURES, |row| scorer.score(row)),
        cold_us: cold_row_us(rows, N_FEATURES, |row| scorer.score(row)),
        decide_us: row_us(rows, N_FEATURES, |row| scorer.decide_at(row, threshold)),
        batch_us,
        batch_1_wall_us,
        batch_2_wall_us,
    })
}

fn wall_ms<T>(make: impl Fn() -> T) -> f64 {
    median((0..15).map(|_| {
        let start = Instant::now();
        black_box(make());
        1e3 * start.elapsed().as_secs_f64()
    }))
}

fn wall_seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
