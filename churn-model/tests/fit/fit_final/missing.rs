//! Missing values and categories, in the fit and at prediction.

use churn_features::Feature;
use churn_model::evaluate::roc_auc;
use churn_model::fit::{DecisionTreeLearner, LinearLearner, RandomForestLearner};
use churn_model::{ModelKind, Node};
use proptest::prelude::*;

use super::data::{Dice, Table, cover, mixed, path, tables};

fn forest() -> RandomForestLearner {
    RandomForestLearner { n_trees: 20, ..RandomForestLearner::default() }
}

fn fit_all(table: &Table) -> [(&'static str, ModelKind); 3] {
    let observations = table.observations();
    [
        ("forest", ModelKind::Forest(forest().fit(&observations).unwrap())),
        ("tree", ModelKind::Forest(DecisionTreeLearner::default().fit(&observations).unwrap())),
        ("linear", ModelKind::Linear(LinearLearner::default().fit(&observations).unwrap())),
    ]
}

fn auc(model: &ModelKind, table: &Table) -> f64 {
    let scores: Vec<f64> = (0..table.n()).map(|row| model.raw_score(&table.row(row))).collect();
    roc_auc(&scores, &table.labels).unwrap()
}

#[test]
fn being_missing_can_be_all_that_matters() {
    let mut dice = Dice::new(1);
    let labels: Vec<bool> = (0..400).map(|_| dice.below(4) == 0).collect();
    let values: Vec<f32> = labels.iter().map(|&label| if label { f32::NAN } else { dice.normal() as f32 }).collect();
    let numeric = Table::of_numbers(&values, &labels);
    let codes: Vec<f32> = labels.iter().map(|&label| if label { f32::NAN } else { dice.below(3) as f32 }).collect();
    let levels = ["x", "y", "z"].map(str::to_owned).to_vec();
    let category = Table::of_features(vec![Feature::category("c", levels)], &codes, &labels);
    let flags: Vec<f32> = labels.iter().map(|&label| if label { f32::NAN } else { 1.0 }).collect();
    let boolean = Table::of_features(vec![Feature::boolean("b")], &flags, &labels);
    for (kind, table) in [("numeric", &numeric), ("category", &category), ("boolean", &boolean)] {
        for (name, model) in fit_all(table) {
            assert_eq!(auc(&model, table), 1.0, "{name} on {kind}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A split that has seen missing values sends them where the impurity falls more.
    #[test]
    fn missing_rows_go_to_the_better_side(table in tables(300)) {
        let learner = DecisionTreeLearner { complexity: Some(0.0), min_leaf: 1, ..DecisionTreeLearner::default() };
        let tree = learner.fit(&table.observations()).unwrap().tree(0);
        let rows: Vec<usize> = (0..table.n()).filter(|&row| table.weights[row] > 0.0).collect();
        let paths: Vec<Vec<usize>> = rows.iter().map(|&row| path(&table.schema, &tree, &table.row(row))).collect();
        for (at, node) in tree.nodes.iter().enumerate() {
            let Node::Split { feature, missing_left, left, .. } = *node else { continue };
            let feature = usize::from(feature);
            let is_missing = |row: usize| {
                let value = table.features[[row, feature]];
                let n_levels = table.schema.features()[feature].levels().len();
                value.is_nan() || (n_levels > 0 && value >= n_levels as f32)
            };
            // Rows in this node: weight, whether churned, whether missing, whether left.
            let inside: Vec<(f64, bool, bool, bool)> = rows.iter().zip(&paths).filter(|(_, path)| path.contains(&at))
                .map(|(&row, path)| {
                    (f64::from(table.weights[row]), table.labels[row], is_missing(row), path.contains(&(left as usize)))
                })
                .collect();
            let sum = |of: &dyn Fn(bool, bool, bool) -> bool| -> f64 {
                inside.iter().filter(|(_, churned, missing, left)| of(*churned, *missing, *left)).map(|row| row.0).sum()
            };
            prop_assert_eq!(f64::from(cover(node)), sum(&|_, _, _| true));
            if !inside.iter().any(|row| row.2) {
                let (lefts, rights) = (sum(&|_, _, left| left), sum(&|_, _, left| !left));
                prop_assert_eq!(missing_left, lefts >= rights, "not the heavier side");
                continue;
            }
            let gain = |missing_goes_left: bool| {
                let is_left = |missing: bool, left: bool| if missing { missing_goes_left } else { left };
                let all = [true, false].map(|side| sum(&|_, missing, left| is_left(missing, left) == side));
                let churned =
                    [true, false].map(|side| sum(&|churned, missing, left| churned && is_left(missing, left) == side));
                let impurity = |side: usize| churned[side] * (all[side] - churned[side]) / all[side].max(1.0);
                -impurity(0) - impurity(1)
            };
            prop_assert!(gain(missing_left) >= gain(!missing_left) - 1e-9, "node {} of {:?}", at, tree);
        }
    }
}

#[test]
fn values_missing_at_prediction_only_follow_the_heavier_side() {
    let mut table = mixed(600, 6);
    // Nothing is missing in the fit.
    table.features.mapv_inplace(|value| if value.is_nan() { 0.0 } else { value });
    table.features.column_mut(3).mapv_inplace(|code| code.min(4.0));
    let model = forest().fit(&table.observations()).unwrap();
    for tree in model.trees() {
        for node in &tree.nodes {
            if let Node::Split { missing_left, left, .. } = node {
                let (left, right) = (cover(&tree.nodes[*left as usize]), cover(&tree.nodes[*left as usize + 1]));
                assert_eq!(*missing_left, left >= right, "{left} left and {right} right");
            }
        }
    }
    for (name, model) in fit_all(&table) {
        let score = model.raw_score(&[f32::NAN; 5]);
        assert!(score.is_finite(), "{name}: {score}");
    }
}

#[test]
fn a_level_missing_at_prediction_only_adds_what_the_average_level_adds() {
    let mut dice = Dice::new(4);
    let codes: Vec<f32> = (0..2_000).map(|_| dice.below(4) as f32).collect();
    let labels: Vec<bool> = codes.iter().map(|&code| dice.uniform() < 0.15 + 0.2 * f64::from(code)).collect();
    let levels = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let table = Table::of_features(vec![Feature::category("c", levels)], &codes, &labels);
    let model = LinearLearner::default().fit(&table.observations()).unwrap();
    let mean = codes.iter().map(|&code| model.raw_score(&[code])).sum::<f64>() / 2_000.0;
    for unknown in [f32::NAN, 4.0, 0.5, -1.0] {
        assert!((model.raw_score(&[unknown]) - mean).abs() < 1e-9, "{unknown}");
    }
}

#[test]
fn any_subset_of_levels_can_churn() {
    for (n_levels, seed) in [(2, 1), (3, 2), (17, 3), (254, 5)] {
        let mut dice = Dice::new(seed);
        let mut churns: Vec<bool> = (0..n_levels).map(|_| dice.flip()).collect();
        (churns[0], churns[n_levels - 1]) = (true, false);
        // Every level often enough for a leaf in every fold, in no particular order.
        let codes: Vec<usize> = (0..n_levels * 12).map(|row| row * 7 % n_levels).collect();
        let values: Vec<f32> = codes.iter().map(|&code| code as f32).collect();
        let labels: Vec<bool> = codes.iter().map(|&code| churns[code]).collect();
        let levels = (0..n_levels).map(|level| level.to_string()).collect();
        let table = Table::of_features(vec![Feature::category("c", levels)], &values, &labels);
        let tree = DecisionTreeLearner::default().fit(&table.observations()).unwrap();
        assert_eq!(tree.n_nodes(), 3, "{n_levels} levels: one split is enough");
        for (code, &churns) in churns.iter().enumerate() {
            assert_eq!(tree.raw_score(&[code as f32]) == 1.0, churns, "level {code} of {n_levels}");
        }
        for (name, model) in fit_all(&table) {
            assert_eq!(auc(&model, &table), 1.0, "{name} on {n_levels} levels");
            for unknown in [f32::NAN, n_levels as f32, 254.0, 255.0, 256.0, 0.5, -1.0, f32::MAX] {
                assert!(model.raw_score(&[unknown]).is_finite(), "{name} on {unknown}");
            }
        }
    }
}

#[test]
fn levels_unseen_in_a_node_follow_its_heavier_side() {
    // Level 2 never occurs: it goes where most rows go.
    let codes: Vec<f32> = (0..100).map(|row| if row < 30 { 0.0 } else { 1.0 }).collect();
    let labels: Vec<bool> = (0..100).map(|row| row < 30).collect();
    let levels = ["few", "many", "never"].map(str::to_owned).to_vec();
    let table = Table::of_features(vec![Feature::category("c", levels)], &codes, &labels);
    let tree = DecisionTreeLearner::default().fit(&table.observations()).unwrap();
    assert_eq!((tree.raw_score(&[0.0]), tree.raw_score(&[1.0]), tree.raw_score(&[2.0])), (1.0, 0.0, 0.0));
}
