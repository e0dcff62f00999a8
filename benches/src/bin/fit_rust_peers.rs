//! Fits the same forest with another Rust library, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --features rust-peers --bin fit_rust_peers -- biosphere --rows 20000
//! ```
//!
//! smartcore and linfa-ensemble use one thread whatever they are told, and their forests only vote: their score is the
//! share of votes, counted by our import of their trees.

use churn_benches::rust_peers::{ForestShape, RustPeer, fit_biosphere, fit_forust, fit_linfa, fit_smartcore};
use churn_benches::{CaseArgs, Error, MAX_DEPTH, N_FEATURES, N_TREES, Table, schema};
use churn_model::{ForestModel, LeafValue};
use clap::Parser;
use forust_ml::Matrix;

/// Fits the forest of another Rust library and prints time, memory and quality as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// The library
    engine: RustPeer,
    #[command(flatten)]
    case: CaseArgs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { engine, case } = Args::parse();
    let shape = ForestShape { n_trees: N_TREES, max_depth: Some(MAX_DEPTH), seed: case.seed, n_threads: case.threads };
    let report = match engine {
        RustPeer::Biosphere => case.run(
            "biosphere",
            |table| Ok(fit_biosphere(table, shape)),
            |forest, table| Ok(forest.predict(&table.features.mapv(f64::from).view()).to_vec()),
            |_| None,
        ),
        RustPeer::ForustMl => case.run(
            "forust-ml",
            |table| fit_forust(table, shape),
            |booster, table| {
                let by_column: Vec<f64> = table.features.t().iter().copied().map(f64::from).collect();
                let log_odds = booster.predict(&Matrix::new(&by_column, table.labels.len(), N_FEATURES), true);
                Ok(log_odds.into_iter().map(|log_odds| 1.0 / (1.0 + (-log_odds).exp())).collect())
            },
            |booster| Some(booster.trees.iter().map(|tree| tree.nodes.len()).sum()),
        ),
        RustPeer::LinfaEnsemble => case.run(
            "linfa-ensemble",
            |table| fit_linfa(table, shape),
            |forest, table| {
                let model = ForestModel::from_linfa_forest(&schema(), forest, &true).map_err(Error::fit)?;
                Ok(scores(&model, table))
            },
            |_| None,
        ),
        RustPeer::Smartcore => case.run(
            "smartcore",
            |table| fit_smartcore(table, shape),
            |forest, table| {
                let model =
                    ForestModel::from_smartcore_forest(&schema(), forest, 1, LeafValue::Vote).map_err(Error::fit)?;
                Ok(scores(&model, table))
            },
            |_| None,
        ),
    };
    Ok(report?.print()?)
}

fn scores(model: &ForestModel, table: &Table) -> Vec<f64> {
    table.features.outer_iter().map(|row| model.raw_score(&row.to_vec())).collect()
}
