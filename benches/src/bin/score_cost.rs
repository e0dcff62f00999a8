//! Scores with forests of more and more trees, and batches of more and more rows, and prints one line of JSON: what
//! `benches/plots/score_cost.py` draws.
//!
//! ```text
//! cargo run --release -p churn-benches --bin score_cost
//! ```

use std::collections::BTreeMap;
use std::io::Write;

use churn_benches::{N_FEATURES, Part, Table, batch_us, cpu_seconds, forest_model, row_us};
use churn_model::{Kernel, Model, Scorer};
use clap::Parser;
use rayon::ThreadPoolBuilder;
use serde::Serialize;

/// Times scores by number of trees and by rows of a batch, and prints one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// Forests to score single rows with
    #[arg(long, num_args = 1.., default_values_t = [10, 25, 50, 100, 150, 200, 300, 400])]
    trees: Vec<usize>,
    /// Batches to score with `--batch-trees` trees
    #[arg(long, num_args = 1.., default_values_t = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000])]
    rows: Vec<usize>,
    /// Trees of the forest that batches are scored with
    #[arg(long, default_value_t = 100)]
    batch_trees: usize,
    /// Splits between a root and its leaves, at most
    #[arg(long, default_value_t = 8)]
    depth: u32,
    /// Observations to fit on
    #[arg(long, default_value_t = 100_000)]
    fit_rows: usize,
    /// Seed of the table and of the learner
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What one kernel takes, as processor time on one thread.
#[derive(Debug, Default, Serialize)]
struct Cost {
    /// Trees, and microseconds for one row.
    row_us: Vec<(usize, f64)>,
    /// Rows, and milliseconds for the whole batch.
    batch_ms: Vec<(usize, f64)>,
}

#[derive(Debug, Serialize)]
struct Report {
    depth: u32,
    batch_trees: usize,
    kernels: BTreeMap<String, Cost>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let fit = Table::generate(Part::Fit, args.fit_rows, args.seed);
    let most_rows = args.rows.iter().copied().max().unwrap_or(0).max(50_000);
    let test = Table::generate(Part::Test, most_rows, args.seed);
    let rows = test.features.as_slice().ok_or("a table is row-major")?;
    let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut kernels: BTreeMap<String, Cost> = BTreeMap::new();

    for &n_trees in &args.trees {
        let model = forest_model(&fit, n_trees, args.depth, args.seed)?;
        for (kernel, scorer) in scorers(&model) {
            let us = row_us(rows, N_FEATURES, |row| scorer.score(row));
            kernels.entry(kernel).or_default().row_us.push((n_trees, us));
        }
    }
    let model = forest_model(&fit, args.batch_trees, args.depth, args.seed)?;
    for (kernel, scorer) in scorers(&model) {
        let cost = kernels.entry(kernel).or_default();
        for &n_rows in &args.rows {
            let mut scores = vec![0.0; n_rows];
            let mut score = || scorer.score_into(&rows[..n_rows * N_FEATURES], &mut scores);
            let us = pool.install(|| batch_us(n_rows, 5, cpu_seconds, &mut score));
            cost.batch_ms.push((n_rows, us * n_rows as f64 / 1e3));
        }
    }
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &Report { depth: args.depth, batch_trees: args.batch_trees, kernels })?;
    Ok(writeln!(out)?)
}

/// A scorer for every kernel that can walk this model.
fn scorers(model: &Model) -> impl Iterator<Item = (String, Scorer)> {
    let scorers = Kernel::available().into_iter().map(|kernel| (kernel, Scorer::new(model).limited_to(kernel)));
    let scorers = scorers.filter(|(kernel, scorer)| scorer.kernel() == *kernel);
    scorers.map(|(kernel, scorer)| (format!("{kernel:?}").to_lowercase(), scorer))
}
