//! Explains rows with our forest, in a process of its own, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --bin explain_case -- --folder target/explain --trees 100 --depth 12
//! ```
//!
//! The table, the forest and the contributions are left in the folder, for `peers/explain.py`.

use std::io::Write;
use std::path::{Path, PathBuf};

use churn_benches::{Error, N_FEATURES, Part, Table, cpu_seconds, forest_model, write_table};
use churn_model::{ExplainScratch, Explainer, ForestModel, ModelKind, Node, SplitRule};
use clap::Parser;
use ndarray::{Array2, ArrayView2};
use ndarray_npy::write_npy;
use rayon::ThreadPoolBuilder;
use serde::Serialize;

/// Explains rows with our forest on one thread and prints processor time as one line of JSON.
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
    /// Rows to explain
    #[arg(long, default_value_t = 200)]
    explain: usize,
    /// Seed of the table and of the learner
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Processor time per row, in microseconds.
#[derive(Debug, Serialize)]
struct Report {
    n_nodes: usize,
    base_value: f64,
    exact_us: f64,
    batch_us: f64,
    approximate_us: f64,
    /// Furthest that base value and contributions are from a raw score.
    largest_gap: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let fit = Table::generate(Part::Fit, args.rows, args.seed);
    let test = Table::generate(Part::Test, args.explain, args.seed);
    write_table(&args.folder, Part::Fit, &fit)?;
    write_table(&args.folder, Part::Test, &test)?;
    let model = forest_model(&fit, args.trees, args.depth, args.seed)?;
    let explainer = model.explainer();
    let rows = test.features.as_slice().ok_or("a table is row-major")?;
    let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
    let (report, contributions) = pool.install(|| measure(&explainer, rows));
    let contributions = ArrayView2::from_shape((args.explain, N_FEATURES), &contributions)?;
    write(&args.folder, "contributions", &contributions)?;
    if let ModelKind::Forest(forest) = model.kind() {
        write_forest(&args.folder, forest)?;
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &Report { n_nodes: forest.n_nodes(), ..report })?;
        writeln!(out)?;
    }
    Ok(())
}

fn measure(explainer: &Explainer, rows: &[f32]) -> (Report, Vec<f64>) {
    let (mut contributions, mut scratch) = ([0.0; N_FEATURES], ExplainScratch::default());
    let n_rows = rows.len() / N_FEATURES;
    let us_per_row = |seconds: f64, repeats: usize| 1e6 * seconds / (n_rows * repeats) as f64;
    let mut largest_gap = 0.0_f64;
    let (exact_us, ()) = timed(|| {
        for row in rows.chunks_exact(N_FEATURES) {
            let raw_score = explainer.explain_into(row, &mut contributions, &mut scratch);
            let sum = explainer.base_value() + contributions.iter().sum::<f64>();
            largest_gap = largest_gap.max((sum - raw_score).abs());
        }
    });
    let (batch_us, batch) = timed(|| explainer.explain_batch(rows));
    const REPEATS: usize = 100;
    let (approximate_us, _) = timed(|| {
        let mut sum = 0.0;
        for _ in 0..REPEATS {
            for row in rows.chunks_exact(N_FEATURES) {
                sum += explainer.approximate_into(row, &mut contributions);
            }
        }
        sum
    });
    let report = Report {
        n_nodes: 0,
        base_value: explainer.base_value(),
        exact_us: us_per_row(exact_us, 1),
        batch_us: us_per_row(batch_us, 1),
        approximate_us: us_per_row(approximate_us, REPEATS),
        largest_gap,
    };
    (report, batch)
}

/// Processor seconds of what is done, and what came out of it.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_seconds();
    let done = std::hint::black_box(work());
    (cpu_seconds() - start, done)
}

/// Writes the forest as `(n_nodes, 7)`: tree, left and right child in the tree (-1 at leaves), feature, split value, value,
/// cover.
fn write_forest(folder: &Path, forest: &ForestModel) -> Result<(), Error> {
    let nodes =
        forest.trees().enumerate().flat_map(|(tree, nodes)| nodes.nodes.into_iter().map(move |node| (tree, node)));
    let columns = nodes.flat_map(|(tree, node)| {
        let [left, right, feature, split_value, value, cover] = match node {
            Node::Leaf { value, cover } => [-1.0, -1.0, 0.0, 0.0, f64::from(value), f64::from(cover)],
            Node::Split { feature, rule, left, cover, .. } => {
                let split_value = match rule {
                    SplitRule::Below(split_value) => f64::from(split_value),
                    SplitRule::Levels(_) => f64::NAN, // the table has no category
                };
                [f64::from(left), f64::from(left + 1), f64::from(feature), split_value, 0.0, f64::from(cover)]
            }
        };
        [tree as f64, left, right, feature, split_value, value, cover]
    });
    let table = Array2::from_shape_vec((forest.n_nodes(), 7), columns.collect());
    write(folder, "forest", &table.map_err(Error::fit)?)
}

fn write(folder: &Path, name: &str, array: &impl ndarray_npy::WriteNpyExt) -> Result<(), Error> {
    let path = folder.join(name).with_extension("npy");
    write_npy(&path, array).map_err(|source| Error::Write { path, source })
}
