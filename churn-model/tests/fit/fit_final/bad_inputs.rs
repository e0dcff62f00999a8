//! What the learners refuse, word for word.

use churn_features::{Feature, FeatureSchema};
use churn_model::RawScale;
use churn_model::fit::{
    CalibratorLearner, ClassWeight, DecisionTreeLearner, FitError, LinearLearner, Observations, RandomForestLearner,
};
use ndarray::{Array2, array};

use super::data::{Table, mixed};

fn message<T>(result: Result<T, FitError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn table() -> Table {
    mixed(30, 1)
}

#[test]
fn observations_that_do_not_fit_together_are_refused() {
    let schema = FeatureSchema::new(vec![Feature::numeric("n"), Feature::numeric("spend")]).unwrap();
    let features = array![[1.0, 2.0], [3.0, 4.0]];
    let new = |features: &Array2<f32>, labels: &[bool]| message(Observations::new(&schema, features.view(), labels));
    assert_eq!(new(&features, &[true]), "labels has 1 entries where 2 are expected");
    assert_eq!(new(&array![[1.0], [2.0]], &[true, false]), "a feature vector has 1 entries where 2 are expected");
    assert_eq!(new(&features, &[true, true]), "all 2 observations are labelled churned; a model needs both kinds");
    assert_eq!(new(&features, &[false, false]), "all 2 observations are labelled stayed; a model needs both kinds");
    assert_eq!(new(&Array2::zeros((0, 2)), &[]), "all 0 observations are labelled stayed; a model needs both kinds");
    assert_eq!(
        new(&array![[1.0, 2.0], [3.0, f32::NEG_INFINITY]], &[true, false]),
        "observation 1, feature \"spend\": the value is infinite"
    );
    let sound = Observations::new(&schema, features.view(), &[true, false]).unwrap();
    assert_eq!(message(sound.with_weights(&[1.0])), "weights has 1 entries where 2 are expected");
    assert_eq!(message(sound.with_weights(&[1.0, -0.5])), "observation 1: the weight -0.5 is negative or not finite");
    assert_eq!(
        message(sound.with_weights(&[f32::NAN, 1.0])),
        "observation 0: the weight NaN is negative or not finite"
    );
    assert_eq!(
        message(sound.with_weights(&[1.0, f32::INFINITY])),
        "observation 1: the weight inf is negative or not finite"
    );
    assert_eq!(
        message(sound.with_weights(&[0.0, 1.0])),
        "all 2 observations are labelled stayed; a model needs both kinds"
    );
    assert_eq!(message(sound.with_groups(&[1, 2, 3])), "groups has 3 entries where 2 are expected");
}

#[test]
fn hyperparameters_of_the_forest_are_checked() {
    let fit = |learner: RandomForestLearner| message(learner.fit(&table().observations()));
    let default = RandomForestLearner::default;
    let trees = |n_trees| fit(RandomForestLearner { n_trees, ..default() });
    assert_eq!(trees(0), "hyperparameter n_trees is 0; expected 1 to 65535");
    assert_eq!(trees(65_536), "hyperparameter n_trees is 65536; expected 1 to 65535");
    let depth = |max_depth| fit(RandomForestLearner { max_depth, ..default() });
    assert_eq!(depth(0), "hyperparameter max_depth is 0; expected 1 to 64");
    assert_eq!(depth(65), "hyperparameter max_depth is 65; expected 1 to 64");
    let leaf = fit(RandomForestLearner { min_leaf: Some(0), ..default() });
    assert_eq!(leaf, "hyperparameter min_leaf is 0; expected at least 1");
    let features = |n| fit(RandomForestLearner { features_per_split: Some(n), ..default() });
    assert_eq!(features(0), "hyperparameter features_per_split is 0; expected 1 to the number of features");
    assert_eq!(features(6), "hyperparameter features_per_split is 6; expected 1 to the number of features");
    for ratio in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let class_weight = ClassWeight::Churned(ratio);
        let expected = format!("hyperparameter class_weight is {ratio}; expected a positive number");
        assert_eq!(fit(RandomForestLearner { class_weight, ..default() }), expected);
        let linear = LinearLearner { class_weight, ..LinearLearner::default() };
        assert_eq!(message(linear.fit(&table().observations())), expected);
        let tree = DecisionTreeLearner { class_weight, ..DecisionTreeLearner::default() };
        assert_eq!(message(tree.fit(&table().observations())), expected);
    }
}

#[test]
fn hyperparameters_of_the_tree_are_checked() {
    let fit = |learner: DecisionTreeLearner| message(learner.fit(&table().observations()));
    let default = DecisionTreeLearner::default;
    let depth = |max_depth| fit(DecisionTreeLearner { max_depth, ..default() });
    assert_eq!(depth(0), "hyperparameter max_depth is 0; expected 1 to 64");
    assert_eq!(depth(65), "hyperparameter max_depth is 65; expected 1 to 64");
    let leaf = fit(DecisionTreeLearner { min_leaf: 0, ..default() });
    assert_eq!(leaf, "hyperparameter min_leaf is 0; expected at least 1");
    let folds = |n_folds| fit(DecisionTreeLearner { n_folds, ..default() });
    assert_eq!(folds(1), "hyperparameter n_folds is 1; expected 2 to 20");
    assert_eq!(folds(21), "hyperparameter n_folds is 21; expected 2 to 20");
    let complexity = |c| fit(DecisionTreeLearner { complexity: Some(c), ..default() });
    assert_eq!(complexity(-0.1), "hyperparameter complexity is -0.1; expected a number of at least 0");
    assert_eq!(complexity(f64::NAN), "hyperparameter complexity is NaN; expected a number of at least 0");
    assert_eq!(complexity(f64::INFINITY), "", "cuts everything");
}

#[test]
fn hyperparameters_of_the_linear_learner_are_checked() {
    let fit = |learner: LinearLearner| message(learner.fit(&table().observations()));
    let default = LinearLearner::default;
    for penalty in [-1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("hyperparameter penalty is {penalty}; expected a number of at least 0");
        assert_eq!(fit(LinearLearner { penalty: Some(penalty), ..default() }), expected);
    }
    for l1_ratio in [-0.1, 1.5, f64::NAN] {
        let expected = format!("hyperparameter l1_ratio is {l1_ratio}; expected 0 to 1");
        assert_eq!(fit(LinearLearner { l1_ratio, ..default() }), expected);
    }
    let folds = |n_folds| fit(LinearLearner { n_folds, ..default() });
    assert_eq!(folds(1), "hyperparameter n_folds is 1; expected 2 to 20");
    assert_eq!(folds(21), "hyperparameter n_folds is 21; expected 2 to 20");
    let steps = fit(LinearLearner { max_steps: 0, ..default() });
    assert_eq!(steps, "hyperparameter max_steps is 0; expected at least 1");
}

#[test]
fn a_calibrator_needs_a_score_per_row_and_both_labels() {
    let table = Table::of_numbers(&[1.0, 2.0, 3.0], &[true, false, false]);
    let fit = |raw: &[f64]| message(CalibratorLearner::Auto.fit(RawScale::Share, raw, &table.observations()));
    assert_eq!(fit(&[0.5]), "raw scores has 1 entries where 3 are expected");
    assert_eq!(fit(&[f64::NAN, 0.5, 0.5]), "all 2 observations are labelled stayed; a model needs both kinds");
    assert_eq!(fit(&[0.5, f64::NAN, f64::NAN]), "all 1 observations are labelled churned; a model needs both kinds");
    assert_eq!(fit(&[f64::NAN; 3]), "all 0 observations are labelled stayed; a model needs both kinds");
}

#[test]
fn a_forest_too_large_to_hold_is_refused_and_not_a_panic() {
    // Neighbours differ, down to single rows: about 1,000 nodes per tree.
    let n = 1_200;
    let values: Vec<f32> = (0..n).map(|row| (row * 7_919 % n) as f32).collect();
    let labels: Vec<bool> = (0..n).map(|row| row % 2 == 0).collect();
    let table = Table::of_numbers(&values, &labels);
    let learner =
        RandomForestLearner { n_trees: 40_000, min_leaf: Some(1), max_depth: 64, ..RandomForestLearner::default() };
    let message = message(learner.fit(&table.observations()));
    assert!(message.ends_with(" nodes; at most 16777216 can be fitted"), "{message}");
}
