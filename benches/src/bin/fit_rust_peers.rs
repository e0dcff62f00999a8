//! Fits the same forest with another Rust library, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --features rust-peers --bin fit_rust_peers -- biosphere --rows 20000
//! ```
//!
//! smartcore and linfa-ensemble use one thread whatever they are told, and their forests only vote: their score is the
//! share of votes, counted by our import of their trees. linfa-ensemble draws its features once per tree.

use biosphere::{MaxFeatures, RandomForest, RandomForestParameters};
use churn_benches::{
    CaseArgs, CaseReport, Error, FEATURES_PER_SPLIT, MAX_DEPTH, MIN_LEAF, N_FEATURES, N_TREES, Table, schema,
};
use churn_model::{ForestModel, LeafValue};
use clap::{Parser, ValueEnum};
use linfa::prelude::{Dataset, Fit};
use linfa_ensemble::EnsembleLearnerParams;
use linfa_trees::DecisionTree;
use ndarray::{Array1, Array2};
use rand_of_linfa::SeedableRng;
use rand_of_linfa::rngs::SmallRng;
use smartcore::ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

/// Fits the forest of another Rust library and prints time, memory and quality as one line of JSON.
#[derive(Debug, Parser)]
struct Args {
    /// The library
    engine: Engine,
    #[command(flatten)]
    case: CaseArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Biosphere,
    LinfaEnsemble,
    Smartcore,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { engine, case } = Args::parse();
    let report = match engine {
        Engine::Biosphere => biosphere(&case),
        Engine::LinfaEnsemble => linfa_ensemble(&case),
        Engine::Smartcore => smartcore(&case),
    };
    Ok(report?.print()?)
}

fn biosphere(case: &CaseArgs) -> Result<CaseReport, Error> {
    let parameters = RandomForestParameters::default()
        .with_n_estimators(N_TREES)
        .with_max_depth(Some(MAX_DEPTH as usize))
        .with_min_samples_leaf(MIN_LEAF as usize)
        .with_max_features(MaxFeatures::Value(FEATURES_PER_SPLIT))
        .with_seed(case.seed)
        .with_n_jobs(Some(case.threads as i32));
    let fit = |table: &Table| {
        let labels: Array1<f64> = table.labels.iter().map(|&churned| f64::from(u8::from(churned))).collect();
        let mut forest = RandomForest::new(parameters.clone());
        forest.fit(&wide(table).view(), &labels.view());
        Ok(forest)
    };
    let score = |forest: &RandomForest, table: &Table| Ok(forest.predict(&wide(table).view()).to_vec());
    case.run("biosphere", fit, score, |_| None)
}

fn wide(table: &Table) -> Array2<f64> {
    table.features.mapv(f64::from)
}

fn linfa_ensemble(case: &CaseArgs) -> Result<CaseReport, Error> {
    let tree = DecisionTree::<f32, bool>::params().max_depth(Some(MAX_DEPTH as usize)).min_weight_leaf(MIN_LEAF as f32);
    let learner = EnsembleLearnerParams::new_fixed_rng(tree, SmallRng::seed_from_u64(case.seed))
        .ensemble_size(N_TREES)
        .bootstrap_proportion(1.0)
        .feature_proportion(FEATURES_PER_SPLIT as f64 / N_FEATURES as f64);
    let fit = |table: &Table| {
        let shape = (table.labels.len(), N_FEATURES);
        let values = table.features.iter().copied().collect();
        let records = ndarray_of_linfa::Array2::from_shape_vec(shape, values).map_err(Error::fit)?;
        let labels = ndarray_of_linfa::Array1::from(table.labels.clone());
        learner.fit(&Dataset::new(records, labels)).map_err(Error::fit)
    };
    let score = |forest: &_, table: &Table| {
        Ok(scores(&ForestModel::from_linfa_forest(&schema(), forest, &true).map_err(Error::fit)?, table))
    };
    case.run("linfa-ensemble", fit, score, |_| None)
}

fn smartcore(case: &CaseArgs) -> Result<CaseReport, Error> {
    let parameters = RandomForestClassifierParameters::default()
        .with_n_trees(N_TREES as u16)
        .with_max_depth(MAX_DEPTH as u16)
        .with_min_samples_leaf(MIN_LEAF as usize)
        .with_m(FEATURES_PER_SPLIT)
        .with_seed(case.seed);
    let fit = |table: &Table| {
        let values: Vec<f32> = table.features.iter().copied().collect();
        let features = DenseMatrix::new(table.labels.len(), N_FEATURES, values, false).map_err(Error::fit)?;
        let labels: Vec<u8> = table.labels.iter().map(|&churned| u8::from(churned)).collect();
        RandomForestClassifier::fit(&features, &labels, parameters.clone()).map_err(Error::fit)
    };
    let score = |forest: &RandomForestClassifier<f32, u8, DenseMatrix<f32>, Vec<u8>>, table: &Table| {
        let model = ForestModel::from_smartcore_forest(&schema(), forest, 1, LeafValue::Vote).map_err(Error::fit)?;
        Ok(scores(&model, table))
    };
    case.run("smartcore", fit, score, |_| None)
}

fn scores(model: &ForestModel, table: &Table) -> Vec<f64> {
    table.features.outer_iter().map(|row| model.raw_score(&row.to_vec())).collect()
}
