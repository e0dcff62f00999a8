//! Out-of-bag scores come from trees that have not seen the group.

use churn_features::Feature;
use churn_model::evaluate::roc_auc;
use churn_model::fit::{FittedForest, Progress, RandomForestLearner};

use super::data::{Dice, Table, mixed};

fn fit(learner: &RandomForestLearner, table: &Table) -> FittedForest {
    learner.fit_out_of_bag(&table.observations(), &Progress::silent()).unwrap()
}

fn auc(scores: &[f64], labels: &[bool]) -> f64 {
    roc_auc(scores, labels).unwrap()
}

/// 800 tenants observed six times each, whose features tell who they are and whose labels are a matter of chance.
fn chance_by_tenant() -> Table {
    let mut dice = Dice::new(9);
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..800 {
        let (row, label) = ([dice.normal() as f32, dice.normal() as f32, dice.normal() as f32], dice.flip());
        (0..6).for_each(|_| {
            values.extend(row);
            labels.push(label);
        });
    }
    let features = ["x", "y", "z"].map(Feature::numeric).to_vec();
    let mut table = Table::of_features(features, &values, &labels);
    table.groups = (0..labels.len() as u64).map(|row| row / 6).collect();
    table
}

#[test]
fn a_tenant_known_from_another_row_is_no_evidence() {
    let grouped = chance_by_tenant();
    let mut row_wise = grouped.clone();
    row_wise.groups = (0..grouped.n() as u64).collect();
    let learner = RandomForestLearner { n_trees: 100, min_leaf: Some(1), ..RandomForestLearner::default() };
    let leaked = auc(&fit(&learner, &row_wise).out_of_bag, &grouped.labels);
    let honest = auc(&fit(&learner, &grouped).out_of_bag, &grouped.labels);
    assert!(leaked > 0.97, "{leaked}");
    assert!((honest - 0.5).abs() < 0.05, "{honest}");
}

#[test]
fn folds_keep_tenants_together_too() {
    use churn_model::fit::{DecisionTreeLearner, LinearLearner};
    let grouped = chance_by_tenant();
    let tree = DecisionTreeLearner { complexity: Some(0.0), max_depth: 30, min_leaf: 1, ..Default::default() };
    let tree = tree.fit_out_of_fold(&grouped.observations(), &Progress::silent()).unwrap();
    let fitted: Vec<f64> = (0..grouped.n()).map(|row| tree.model.raw_score(&grouped.row(row))).collect();
    assert!(auc(&fitted, &grouped.labels) > 0.95, "the tree itself knows them all");
    assert!((auc(&tree.out_of_fold, &grouped.labels) - 0.5).abs() < 0.05);
    let linear = LinearLearner { penalty: Some(1e-6), ..LinearLearner::default() };
    let linear = linear.fit_out_of_fold(&grouped.observations(), &Progress::silent()).unwrap();
    assert!((auc(&linear.out_of_fold, &grouped.labels) - 0.5).abs() < 0.08);
}

#[test]
fn rows_that_every_bag_held_have_no_score() {
    let table = mixed(2_000, 1);
    let missing = |n_trees| -> Vec<bool> {
        let learner = RandomForestLearner { n_trees, min_leaf: Some(20), ..RandomForestLearner::default() };
        fit(&learner, &table).out_of_bag.iter().map(|score| score.is_nan()).collect()
    };
    // A bag leaves out 1/e of the groups; bags of more trees are those of fewer and others.
    let mut before = vec![true; 2_000];
    for n_trees in [1, 2, 4, 8] {
        let now = missing(n_trees);
        assert!(now.iter().zip(&before).all(|(now, before)| *before || !now), "a score vanished");
        let share = now.iter().filter(|&&is_missing| is_missing).count() as f64 / 2_000.0;
        let expected = (1.0 - (-1.0_f64).exp()).powi(n_trees as i32);
        assert!((share - expected).abs() < 0.04, "{n_trees} trees: {share}, expected {expected}");
        before = now;
    }
    assert!(!missing(100).contains(&true));
}

#[test]
fn of_one_group_nothing_is_left_out_and_the_default_leaf_is_kept() {
    let mut table = mixed(3_000, 1);
    table.groups.fill(7);
    let fitted = fit(&RandomForestLearner { n_trees: 5, ..RandomForestLearner::default() }, &table);
    assert!(fitted.out_of_bag.iter().all(|score| score.is_nan()));
    // There was nothing to choose by: no setting is better than the one that the search starts from.
    assert_eq!(fitted.min_leaf, 10);
}
