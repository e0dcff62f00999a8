//! Scores rows with the forest of another Rust library, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --features rust-peers --bin score_rust_peers -- biosphere --folder target/score
//! ```
//!
//! The folder holds the table, as `score_case` writes it. Every library gets rows in the numbers that it takes, made
//! beforehand; the matrix of one row that most of them ask for is part of the call.

use std::io::Write;
use std::path::PathBuf;

use churn_benches::rust_peers::{ForestShape, RustPeer, fit_biosphere, fit_forust, fit_linfa, fit_smartcore};
use churn_benches::{N_FEATURES, Part, Table, batch_us, cold_row_us, cpu_seconds, read_table, row_us, schema};
use churn_model::{ForestModel, LeafValue};
use clap::Parser;
use forust_ml::Matrix;
use linfa::prelude::Predict;
use ndarray::ArrayView2;
use serde::Serialize;
use smartcore::linalg::basic::matrix::DenseMatrix;

/// Scores rows with the forest of another Rust library and prints times as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// The library
    engine: RustPeer,
    /// Folder with the table
    #[arg(long)]
    folder: PathBuf,
    /// Trees of the forest
    #[arg(long, default_value_t = 100)]
    trees: usize,
    /// Splits between a root and its leaves, at most; 0 for no limit
    #[arg(long, default_value_t = 12)]
    depth: u32,
    /// Observations to fit on, as many as the folder holds
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// Rows to score, as many as the folder holds
    #[arg(long, default_value_t = 100_000)]
    score: usize,
    /// Seed of the learner
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Microseconds per row, as in `score_case`.
#[derive(Debug, Serialize)]
struct Report {
    single_us: f64,
    cold_us: f64,
    batch_us: f64,
    nodes: Option<usize>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let fit = read_table(&args.folder, Part::Fit, args.rows)?;
    let test = read_table(&args.folder, Part::Test, args.score)?;
    let max_depth = (args.depth > 0).then_some(args.depth);
    let shape = ForestShape { n_trees: args.trees, max_depth, seed: args.seed, n_threads: 2 };
    let report = match args.engine {
        RustPeer::Biosphere => biosphere(&fit, &test, shape),
        RustPeer::ForustMl => forust(&fit, &test, shape)?,
        RustPeer::LinfaEnsemble => linfa_ensemble(&fit, &test, shape)?,
        RustPeer::Smartcore => smartcore(&fit, &test, shape)?,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &report)?;
    Ok(writeln!(out)?)
}

fn biosphere(fit: &Table, test: &Table, shape: ForestShape) -> Report {
    let forest = fit_biosphere(fit, shape);
    let rows: Vec<f64> = test.features.iter().copied().map(f64::from).collect();
    let score = |rows: &[f64]| {
        let n_rows = rows.len() / N_FEATURES;
        let rows = ArrayView2::from_shape((n_rows, N_FEATURES), rows);
        forest.predict(&rows.expect("this cannot fail because rows are whole"))
    };
    report(&rows, score, || score(&rows), None)
}

fn forust(fit: &Table, test: &Table, shape: ForestShape) -> Result<Report, Box<dyn std::error::Error>> {
    let booster = fit_forust(fit, shape)?;
    let rows: Vec<f64> = test.features.iter().copied().map(f64::from).collect();
    let by_column: Vec<f64> = test.features.t().iter().copied().map(f64::from).collect();
    let n_nodes = booster.trees.iter().map(|tree| tree.nodes.len()).sum();
    let score = |row: &[f64]| {
        let leaves = booster.trees.iter().map(|tree| tree.predict_row_from_row_slice(row, &f64::NAN));
        booster.base_score + leaves.sum::<f64>()
    };
    let batch = || booster.predict(&Matrix::new(&by_column, test.labels.len(), N_FEATURES), false);
    Ok(report(&rows, score, batch, Some(n_nodes)))
}

fn linfa_ensemble(fit: &Table, test: &Table, shape: ForestShape) -> Result<Report, Box<dyn std::error::Error>> {
    let forest = fit_linfa(fit, shape)?;
    let n_nodes = ForestModel::from_linfa_forest(&schema(), &forest, &true)?.n_nodes();
    let rows: Vec<f32> = test.features.iter().copied().collect();
    let matrix = |rows: &[f32]| {
        let size = (rows.len() / N_FEATURES, N_FEATURES);
        let rows = ndarray_of_linfa::Array2::from_shape_vec(size, rows.to_vec());
        rows.expect("this cannot fail because rows are whole")
    };
    let all = matrix(&rows);
    Ok(report(&rows, |row| forest.predict(&matrix(row)), || forest.predict(&all), Some(n_nodes)))
}

fn smartcore(fit: &Table, test: &Table, shape: ForestShape) -> Result<Report, Box<dyn std::error::Error>> {
    let forest = fit_smartcore(fit, shape)?;
    let n_nodes = ForestModel::from_smartcore_forest(&schema(), &forest, 1, LeafValue::Vote)?.n_nodes();
    let rows: Vec<f32> = test.features.iter().copied().collect();
    let matrix = |rows: &[f32]| DenseMatrix::new(rows.len() / N_FEATURES, N_FEATURES, rows.to_vec(), false);
    let all = matrix(&rows)?;
    let score = |row: &[f32]| matrix(row).and_then(|row| forest.predict(&row));
    score(&rows[..N_FEATURES])?;
    Ok(report(&rows, score, || forest.predict(&all), Some(n_nodes)))
}

fn report<T: Clone, S, B>(
    rows: &[T],
    score: impl Fn(&[T]) -> S,
    batch: impl FnMut() -> B,
    nodes: Option<usize>,
) -> Report {
    Report {
        single_us: row_us(rows, N_FEATURES, &score),
        cold_us: cold_row_us(rows, N_FEATURES, &score),
        batch_us: batch_us(rows.len() / N_FEATURES, 3, cpu_seconds, batch),
        nodes,
    }
}
