//! The same forest fitted by other Rust libraries, each set to the nearest thing it has.
//!
//! smartcore and linfa-ensemble use one thread whatever they are told, and their forests only vote. linfa-ensemble draws
//! its features once per tree. forust only boosts: a small step keeps its later trees as large as those of a forest.

use biosphere::{MaxFeatures, RandomForest, RandomForestParameters};
use clap::ValueEnum;
use forust_ml::{GradientBooster, Matrix};
use linfa::prelude::{Dataset, Fit};
use linfa_ensemble::{EnsembleLearner, EnsembleLearnerParams};
use linfa_trees::DecisionTree;
use ndarray::Array1;
use rand_of_linfa::SeedableRng;
use rand_of_linfa::rngs::SmallRng;
use smartcore::ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::{Error, FEATURES_PER_SPLIT, MIN_LEAF, N_FEATURES, Table};

/// Another Rust library, by the name of its crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RustPeer {
    /// Random forests of regression trees.
    Biosphere,
    /// Gradient boosting.
    ForustMl,
    /// Bagged trees of linfa-trees.
    LinfaEnsemble,
    /// Random forests that vote.
    Smartcore,
}

/// The forest that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ForestShape {
    /// Number of trees.
    pub n_trees: usize,
    /// Splits between a root and its leaves, at most.
    pub max_depth: Option<u32>,
    /// Seed of the learner.
    pub seed: u64,
    /// Threads to fit with.
    pub n_threads: usize,
}

/// A forest of biosphere.
pub fn fit_biosphere(table: &Table, shape: ForestShape) -> RandomForest {
    let parameters = RandomForestParameters::default()
        .with_n_estimators(shape.n_trees)
        .with_max_depth(shape.max_depth.map(|depth| depth as usize))
        .with_min_samples_leaf(MIN_LEAF as usize)
        .with_max_features(MaxFeatures::Value(FEATURES_PER_SPLIT))
        .with_seed(shape.seed)
        .with_n_jobs(Some(shape.n_threads as i32));
    let labels: Array1<f64> = zero_or_one(table).into();
    let mut forest = RandomForest::new(parameters);
    forest.fit(&table.features.mapv(f64::from).view(), &labels.view());
    forest
}

/// A boosted forest of forust.
///
/// # Errors
/// When forust refuses.
pub fn fit_forust(table: &Table, shape: ForestShape) -> Result<GradientBooster, Error> {
    const STEP: f32 = 0.01;
    let base_rate = zero_or_one(table).iter().sum::<f64>() / table.labels.len() as f64;
    let second_derivative = (base_rate * (1.0 - base_rate)) as f32;
    let mut booster = GradientBooster::default()
        .set_iterations(shape.n_trees)
        .set_learning_rate(STEP)
        .set_max_depth(shape.max_depth.map_or(usize::MAX, |depth| depth as usize))
        .set_min_leaf_weight(MIN_LEAF as f32 * second_derivative)
        .set_seed(shape.seed)
        .set_num_threads(Some(shape.n_threads));
    let by_column: Vec<f64> = table.features.t().iter().copied().map(f64::from).collect();
    let features = Matrix::new(&by_column, table.labels.len(), N_FEATURES);
    booster.fit_unweighted(&features, &zero_or_one(table), None).map_err(Error::fit)?;
    Ok(booster)
}

/// Trees of linfa-trees, bagged.
///
/// # Errors
/// When linfa refuses.
pub fn fit_linfa(table: &Table, shape: ForestShape) -> Result<EnsembleLearner<DecisionTree<f32, bool>>, Error> {
    let depth = shape.max_depth.map(|depth| depth as usize);
    let tree = DecisionTree::<f32, bool>::params().max_depth(depth).min_weight_leaf(MIN_LEAF as f32);
    let learner = EnsembleLearnerParams::new_fixed_rng(tree, SmallRng::seed_from_u64(shape.seed))
        .ensemble_size(shape.n_trees)
        .bootstrap_proportion(1.0)
        .feature_proportion(FEATURES_PER_SPLIT as f64 / N_FEATURES as f64);
    let values = table.features.iter().copied().collect();
    let size = (table.labels.len(), N_FEATURES);
    let records = ndarray_of_linfa::Array2::from_shape_vec(size, values).map_err(Error::fit)?;
    let labels = ndarray_of_linfa::Array1::from(table.labels.clone());
    learner.fit(&Dataset::new(records, labels)).map_err(Error::fit)
}

/// A forest of smartcore.
pub type SmartcoreForest = RandomForestClassifier<f32, u8, DenseMatrix<f32>, Vec<u8>>;

/// A forest of smartcore.
///
/// # Errors
/// When smartcore refuses.
pub fn fit_smartcore(table: &Table, shape: ForestShape) -> Result<SmartcoreForest, Error> {
    let parameters = RandomForestClassifierParameters {
        max_depth: shape.max_depth.map(|depth| depth as u16 + 1), // levels: a tree that is only a root has depth 1
        ..RandomForestClassifierParameters::default()
            .with_n_trees(shape.n_trees as u16)
            .with_min_samples_leaf(MIN_LEAF as usize)
            .with_m(FEATURES_PER_SPLIT)
            .with_seed(shape.seed)
    };
    let values = table.features.iter().copied().collect();
    let features = DenseMatrix::new(table.labels.len(), N_FEATURES, values, false).map_err(Error::fit)?;
    let labels: Vec<u8> = table.labels.iter().map(|&churned| u8::from(churned)).collect();
    RandomForestClassifier::fit(&features, &labels, parameters).map_err(Error::fit)
}

fn zero_or_one(table: &Table) -> Vec<f64> {
    table.labels.iter().map(|&churned| f64::from(u8::from(churned))).collect()
}
