//! What a forest may and may not depend on, and what holds for its trees.

use churn_model::Node;
use churn_model::fit::{
    ClassWeight, DecisionTreeLearner, FittedForest, FittedLinear, FittedTree, LinearLearner, Progress,
    RandomForestLearner,
};
use proptest::prelude::*;

use super::data::{Table, cover, depths, leaf_value, mixed, on_threads, path, same_bits, tables};

/// A few trees whose leaf size and features per split are chosen.
const CHOOSING: RandomForestLearner = RandomForestLearner {
    n_trees: 12,
    max_depth: 12,
    min_leaf: None,
    features_per_split: None,
    class_weight: ClassWeight::Equal,
    seed: 5,
};

/// A few trees, all given.
const GIVEN: RandomForestLearner = RandomForestLearner { min_leaf: Some(2), features_per_split: Some(2), ..CHOOSING };

fn fit(learner: &RandomForestLearner, table: &Table) -> FittedForest {
    learner.fit_out_of_bag(&table.observations(), &Progress::silent()).unwrap()
}

fn raw_scores(fitted: &FittedForest, table: &Table) -> Vec<f64> {
    (0..table.n()).map(|row| fitted.model.raw_score(&table.row(row))).collect()
}

/// The table with feature 0 replaced where it is known.
fn with_measure(table: &Table, change: impl Fn(f32) -> f32) -> Table {
    let mut changed = table.clone();
    changed.features.column_mut(0).mapv_inplace(|value| if value.is_nan() { value } else { change(value) });
    changed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn rows_scored_together_score_bit_for_bit_as_they_do_alone(table in tables(1200)) {
        let model = fit(&GIVEN, &table).model;
        let rows = table.features.as_slice().expect("rows stand one after the other");
        let alone: Vec<f64> = rows.chunks(model.n_features()).map(|row| model.raw_score(row)).collect();
        prop_assert!(same_bits(&model.raw_scores(rows), &alone));
    }

    #[test]
    fn a_forest_does_not_depend_on_the_order_of_rows(table in tables(300), seed: u64) {
        let (shuffled, order) = table.shuffled(seed);
        for learner in [CHOOSING, GIVEN] {
            let (one, other) = (fit(&learner, &table), fit(&learner, &shuffled));
            prop_assert_eq!(&one.model, &other.model);
            let moved: Vec<f64> = order.iter().map(|&row| one.out_of_bag[row]).collect();
            prop_assert!(same_bits(&moved, &other.out_of_bag));
        }
    }

    #[test]
    fn a_weight_counts_like_as_many_rows(table in tables(300)) {
        let repeated = table.repeated();
        for learner in [CHOOSING, GIVEN] {
            let (weighted, repeated) = (fit(&learner, &table), fit(&learner, &repeated));
            prop_assert_eq!(weighted.min_leaf, repeated.min_leaf);
            prop_assert_eq!(weighted.features_per_split, repeated.features_per_split);
            prop_assert_eq!(&weighted.model, &repeated.model);
        }
    }

    #[test]
    fn leaves_are_heavy_enough_and_not_too_deep(
        table in tables(300),
        min_leaf in 1_u32..20,
        max_depth in 1_u32..9,
        fractional: bool,
    ) {
        let mut table = table;
        if fractional {
            table.weights.iter_mut().for_each(|weight| *weight *= 0.37);
        }
        let learner = RandomForestLearner { min_leaf: Some(min_leaf), max_depth, ..GIVEN };
        for tree in fit(&learner, &table).model.trees() {
            prop_assert!(depths(&tree).into_iter().all(|depth| depth <= max_depth));
            for node in tree.nodes.iter().skip(1) {
                let least = min_leaf as f32 * if fractional { 1.0 - 1e-5 } else { 1.0 };
                prop_assert!(cover(node) >= least, "{:?}", node);
            }
            for node in &tree.nodes {
                if let Node::Split { left, cover: whole, .. } = node {
                    let parts = cover(&tree.nodes[*left as usize]) + cover(&tree.nodes[*left as usize + 1]);
                    prop_assert!((parts - whole).abs() <= whole * 1e-5);
                }
            }
        }
    }

    #[test]
    fn every_row_ends_where_the_documented_rules_lead(table in tables(200), other in tables(60)) {
        let forest = fit(&GIVEN, &table).model;
        for row in 0..other.n() {
            let row = other.row(row);
            let leaf = |tree: churn_model::Tree| tree.nodes[*path(&table.schema, &tree, &row).last().unwrap()];
            let sum: f64 = forest.trees().map(|tree| f64::from(leaf_value(&leaf(tree)))).sum();
            let mean = sum / forest.n_trees() as f64;
            prop_assert_eq!(forest.raw_score(&row).to_bits(), mean.to_bits());
        }
    }
}

#[test]
fn only_the_order_of_a_numeric_feature_counts() {
    // Fewer distinct values than bins, and more; ranks are whole numbers.
    for (n, n_distinct) in [(600, 200), (3_000, 3_000)] {
        let table = mixed(n, 3);
        let mut sorted: Vec<f32> = table.features.column(0).iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let rank = |value: f32| (sorted.partition_point(|&other| other < value) * n_distinct / n) as f32;
        let ranks = with_measure(&table, rank);
        // Exact in f32, and strictly increasing from one rank to the next.
        let bent = with_measure(&ranks, |rank| (rank - 1_000.0) * (rank - 1_000.0).abs() / 1_048_576.0);
        let steep = with_measure(&ranks, |rank| f32::from_bits(0x0080_0000 + rank as u32 * 0x0010_0000).min(f32::MAX));
        for learner in [CHOOSING, GIVEN] {
            let expected = fit(&learner, &ranks);
            for other in if n_distinct < 254 { vec![&bent, &steep] } else { vec![&bent] } {
                let found = fit(&learner, other);
                assert!(same_bits(&raw_scores(&expected, &ranks), &raw_scores(&found, other)), "{n_distinct} values");
                assert!(same_bits(&expected.out_of_bag, &found.out_of_bag), "{n_distinct} values");
            }
        }
    }
}

#[test]
fn learners_do_not_depend_on_the_number_of_threads() {
    let table = mixed(5_000, 8);
    type Fitted = (FittedForest, FittedTree, FittedLinear);
    let fit_all = || -> Fitted {
        let (observations, silent) = (table.observations(), Progress::silent());
        (
            CHOOSING.fit_out_of_bag(&observations, &silent).unwrap(),
            DecisionTreeLearner::default().fit_out_of_fold(&observations, &silent).unwrap(),
            LinearLearner::default().fit_out_of_fold(&observations, &silent).unwrap(),
        )
    };
    let (forest, tree, linear) = on_threads(1, fit_all);
    assert!(forest.trials.len() > 2 && tree.trials.len() > 2 && linear.trials.len() > 2);
    for n_threads in [2, 3, 8] {
        let (other_forest, other_tree, other_linear) = on_threads(n_threads, fit_all);
        assert_eq!(forest.model, other_forest.model, "{n_threads} threads");
        assert_eq!(forest.trials, other_forest.trials, "{n_threads} threads");
        assert_eq!(
            (forest.min_leaf, forest.features_per_split),
            (other_forest.min_leaf, other_forest.features_per_split)
        );
        assert!(same_bits(&forest.out_of_bag, &other_forest.out_of_bag), "{n_threads} threads");
        assert_eq!(tree.model, other_tree.model, "{n_threads} threads");
        assert_eq!((&tree.trials, tree.complexity), (&other_tree.trials, other_tree.complexity));
        assert!(same_bits(&tree.out_of_fold, &other_tree.out_of_fold), "{n_threads} threads");
        assert_eq!(linear.model, other_linear.model, "{n_threads} threads");
        assert_eq!((&linear.trials, linear.penalty), (&other_linear.trials, other_linear.penalty));
        assert!(same_bits(&linear.out_of_fold, &other_linear.out_of_fold), "{n_threads} threads");
    }
}

#[test]
fn another_seed_gives_another_forest_and_the_same_seed_the_same() {
    let table = mixed(400, 2);
    let learner = |seed| RandomForestLearner { seed, ..GIVEN };
    assert_eq!(fit(&learner(1), &table).model, fit(&learner(1), &table).model);
    assert_ne!(fit(&learner(1), &table).model, fit(&learner(2), &table).model);
}

#[test]
fn fit_gives_the_model_of_fit_out_of_bag() {
    let table = mixed(400, 2);
    for learner in [CHOOSING, GIVEN] {
        assert_eq!(learner.fit(&table.observations()).unwrap(), fit(&learner, &table).model);
    }
}

#[test]
fn churned_rows_weighing_more_raise_the_scores_of_all() {
    let table = mixed(2_000, 4);
    let mean = |class_weight| {
        let fitted = fit(&RandomForestLearner { class_weight, n_trees: 40, ..GIVEN }, &table);
        let mean_of = |label: bool| {
            let scores = || fitted.out_of_bag.iter().zip(&table.labels).filter(|(_, l)| **l == label).map(|(s, _)| s);
            scores().sum::<f64>() / scores().count() as f64
        };
        (mean_of(false), mean_of(true))
    };
    let base_rate = table.labels.iter().filter(|&&label| label).count() as f64 / 2_000.0;
    let (equal, balanced, churned) =
        (mean(ClassWeight::Equal), mean(ClassWeight::Balanced), mean(ClassWeight::Churned(8.0)));
    assert!(((1.0 - base_rate) * equal.0 + base_rate * equal.1 - base_rate).abs() < 0.02, "{equal:?}");
    assert!((0.5 * (balanced.0 + balanced.1) - 0.5).abs() < 0.05, "{balanced:?}");
    assert!(churned.0 > equal.0 + 0.1 && churned.1 > equal.1 + 0.1, "{equal:?} and {churned:?}");
}
