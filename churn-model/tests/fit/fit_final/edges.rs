//! Tables at the edge of what can be fitted.

use churn_features::Feature;
use churn_model::ModelKind;
use churn_model::fit::{ClassWeight, DecisionTreeLearner, LinearLearner, Progress, RandomForestLearner};
use proptest::prelude::*;

use super::data::{Dice, Table, mixed};

/// Fits all three learners and returns their raw scores of every row, all finite.
fn raw_scores(table: &Table) -> [Vec<f64>; 3] {
    let observations = table.observations();
    let forest = RandomForestLearner { n_trees: 10, ..RandomForestLearner::default() };
    let models = [
        ModelKind::Forest(forest.fit_out_of_bag(&observations, &Progress::silent()).unwrap().model),
        ModelKind::Forest(DecisionTreeLearner::default().fit(&observations).unwrap()),
        ModelKind::Linear(LinearLearner::default().fit(&observations).unwrap()),
    ];
    models.map(|model| {
        let scores: Vec<f64> = (0..table.n()).map(|row| model.raw_score(&table.row(row))).collect();
        assert!(scores.iter().all(|score| score.is_finite()), "{scores:?}");
        scores
    })
}

fn assert_constant(scores: &[f64]) {
    assert!(scores.iter().all(|score| (score - scores[0]).abs() < 1e-9), "{scores:?}");
}

#[test]
fn two_rows_are_enough() {
    let scores = raw_scores(&Table::of_numbers(&[1.0, 2.0], &[false, true]));
    assert!(scores[2][0] <= scores[2][1]);
    let one_leaf_each = DecisionTreeLearner { min_leaf: 1, complexity: Some(0.0), ..DecisionTreeLearner::default() };
    let table = Table::of_numbers(&[1.0, 2.0], &[false, true]);
    let tree = one_leaf_each.fit(&table.observations()).unwrap();
    assert_eq!((tree.raw_score(&[1.0]), tree.raw_score(&[1.4]), tree.raw_score(&[2.0])), (0.0, 0.0, 1.0));
}

#[test]
fn a_leaf_may_hold_a_single_row() {
    let mut labels = [false; 50];
    labels[20] = true;
    let values: Vec<f32> = (0..50).map(|row| row as f32).collect();
    let tree = DecisionTreeLearner { min_leaf: 1, complexity: Some(0.0), ..DecisionTreeLearner::default() };
    let tree = tree.fit(&Table::of_numbers(&values, &labels).observations()).unwrap();
    (0..50).for_each(|row| assert_eq!(tree.raw_score(&[row as f32]) == 1.0, row == 20, "row {row}"));
}

#[test]
fn features_that_say_nothing_give_the_base_rate() {
    let labels: Vec<bool> = (0..100).map(|row| row % 4 == 0).collect();
    let level = |name: &'static str| Feature::category(name, vec!["x".into()]);
    for (feature, value) in [
        (Feature::numeric("constant"), 4.5),
        (Feature::numeric("all_missing"), f32::NAN),
        (Feature::boolean("always"), 1.0),
        (level("one_level"), 0.0),
        (level("unknown_level"), 7.0),
        (Feature::category("no_levels", vec![]), 0.0),
    ] {
        let name = feature.name().to_owned();
        let [forest, tree, linear] = raw_scores(&Table::of_features(vec![feature], &[value; 100], &labels));
        assert_constant(&forest);
        assert!((forest[0] - 0.25).abs() < 0.15, "{name}: {}", forest[0]);
        assert_eq!(tree, vec![0.25; 100], "{name}");
        assert_constant(&linear);
        assert!((linear[0] - (0.25_f64 / 0.75).ln()).abs() < 1e-6, "{name}: {}", linear[0]);
    }
}

#[test]
fn constant_and_missing_columns_beside_real_ones_change_nothing() {
    let real = Table::of_numbers(&(0..200).map(|row| row as f32).collect::<Vec<f32>>(), &[true; 200]);
    let mut dice = Dice::new(3);
    let labels: Vec<bool> = (0..200).map(|row| dice.uniform() < f64::from(row) / 200.0).collect();
    let real = Table { labels: labels.clone(), ..real };
    let names = ["a", "b", "x", "c", "d", "e", "f"];
    let values: Vec<f32> = (0..200).flat_map(|row| [3.0, f32::NAN, row as f32, 0.0, f32::NAN, -7.5, 0.0]).collect();
    let padded = Table::of_features(names.map(Feature::numeric).to_vec(), &values, &labels);
    // The forest draws until it has found a feature that is not constant, whichever of the seven that is.
    let one_feature = |n: usize| RandomForestLearner {
        n_trees: 10,
        min_leaf: Some(5),
        features_per_split: Some(n),
        ..RandomForestLearner::default()
    };
    let (alone, beside) =
        (one_feature(1).fit(&real.observations()).unwrap(), one_feature(1).fit(&padded.observations()).unwrap());
    let tree = DecisionTreeLearner::default();
    let (tree_alone, tree_beside) =
        (tree.fit(&real.observations()).unwrap(), tree.fit(&padded.observations()).unwrap());
    let linear = LinearLearner::default();
    let (linear_alone, linear_beside) =
        (linear.fit(&real.observations()).unwrap(), linear.fit(&padded.observations()).unwrap());
    for row in 0..200 {
        let (x, padded) = (real.row(row), padded.row(row));
        assert_eq!(alone.raw_score(&x), beside.raw_score(&padded));
        assert_eq!(tree_alone.raw_score(&x), tree_beside.raw_score(&padded));
        assert_eq!(linear_alone.raw_score(&x), linear_beside.raw_score(&padded));
    }
}

#[test]
fn the_whole_range_of_floats_can_be_split() {
    let tiny = f32::from_bits(1);
    let ordered =
        [f32::MIN, -1.0, -f32::MIN_POSITIVE, -tiny, -0.0, tiny, 2.0 * tiny, 1.0, f32::MAX.next_down(), f32::MAX];
    let learner = DecisionTreeLearner { min_leaf: 1, complexity: Some(0.0), ..DecisionTreeLearner::default() };
    for first_churned in 1..ordered.len() {
        let values: Vec<f32> = ordered.iter().flat_map(|&value| [value; 8]).collect();
        let labels: Vec<bool> = (0..values.len()).map(|row| row / 8 >= first_churned).collect();
        let table = Table::of_numbers(&values, &labels);
        let tree = learner.fit(&table.observations()).unwrap();
        for (place, &value) in ordered.iter().enumerate() {
            assert_eq!(tree.raw_score(&[value]) == 1.0, place >= first_churned, "{value:e} of {first_churned}");
        }
        assert_eq!(tree.raw_score(&[0.0]), tree.raw_score(&[-0.0]), "both zeros are one value");
        raw_scores(&table);
    }
}

#[test]
fn one_group_of_all_rows_can_be_fitted() {
    let mut table = mixed(200, 3);
    table.groups.fill(u64::MAX);
    raw_scores(&table);
}

#[test]
fn one_group_per_label_can_be_fitted() {
    // Some fold or bag then sees one label only, or nothing at all.
    let mut table = mixed(100, 3);
    table.groups = table.labels.iter().map(|&label| u64::from(label)).collect();
    raw_scores(&table);
}

#[test]
fn weights_of_any_size_can_be_fitted() {
    let labels: Vec<bool> = (0..60).map(|row| row % 3 == 0).collect();
    let values: Vec<f32> = (0..60).map(|row| row as f32).collect();
    for (light, heavy) in [(1e-30, 1e30), (1e30, 1e-30), (1e-45, f32::MAX), (f32::MAX, f32::MAX), (1e-45, 1e-45)] {
        for heavy_label in [true, false] {
            let mut table = Table::of_numbers(&values, &labels);
            table.weights = labels.iter().map(|&label| if label == heavy_label { heavy } else { light }).collect();
            raw_scores(&table);
        }
        let mut table = Table::of_numbers(&values, &labels);
        table.weights = (0..60).map(|row| if row == 17 { heavy } else { light }).collect();
        raw_scores(&table);
    }
}

#[test]
fn class_weights_of_any_size_can_be_fitted() {
    let table = mixed(100, 3);
    for ratio in [f64::MAX, 1e300, 1e30, 1e-30, 1e-300, f64::MIN_POSITIVE] {
        let class_weight = ClassWeight::Churned(ratio);
        let forest = RandomForestLearner { n_trees: 3, class_weight, ..RandomForestLearner::default() };
        let forest = forest.fit(&table.observations()).unwrap();
        let linear = LinearLearner { class_weight, ..LinearLearner::default() }.fit(&table.observations()).unwrap();
        let tree = DecisionTreeLearner { class_weight, ..Default::default() }.fit(&table.observations()).unwrap();
        for row in 0..100 {
            let row = table.row(row);
            let scores = [forest.raw_score(&row), tree.raw_score(&row), linear.raw_score(&row)];
            assert!(scores.iter().all(|score| score.is_finite()), "{ratio:e}: {scores:?}");
            assert_eq!(scores[2] > 0.0, ratio > 1.0, "{ratio:e}: {scores:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever can be observed can be fitted and scored, without a panic and without a number that is none.
    #[test]
    fn every_table_can_be_fitted(
        n in 2_usize..60,
        bits in proptest::collection::vec(any::<u32>(), 180),
        seed: u64,
    ) {
        let mut dice = Dice::new(seed);
        let value = |at: usize| Some(f32::from_bits(bits[at])).filter(|value| !value.is_infinite()).unwrap_or(0.0);
        let values: Vec<f32> = (0..n * 3).map(value).collect();
        let mut labels: Vec<bool> = (0..n).map(|_| dice.flip()).collect();
        (labels[0], labels[1]) = (true, false);
        let levels = ["x", "y"].map(str::to_owned).to_vec();
        let features = vec![Feature::numeric("n"), Feature::boolean("b"), Feature::category("c", levels)];
        raw_scores(&Table::of_features(features, &values, &labels));
    }
}
