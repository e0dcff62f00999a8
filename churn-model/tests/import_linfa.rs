//! Models fitted by linfa decide the same after they were brought into ours.

mod import_table;

use churn_features::Feature;
use churn_model::{Combine, ForestModel, ImportError, LinearModel};
use import_table::{N_FEATURES, Table, schema, schema_of, schema_with_category};
use linfa::prelude::*;
use linfa_ensemble::{EnsembleLearnerParams, RandomForest};
use linfa_logistic::{LogisticRegression, MultiLogisticRegression};
use linfa_trees::DecisionTree;
use ndarray_of_linfa::{Array1, Array2, Axis};
use rand_of_linfa::SeedableRng;
use rand_of_linfa::rngs::SmallRng;

const SEEDS: [u64; 4] = [1, 2, 3, 4];

fn records<F: linfa::Float + From<f32>>(rows: &[[f32; N_FEATURES]]) -> Array2<F> {
    Array2::from_shape_vec((rows.len(), N_FEATURES), Table::values(rows)).expect("rows of equal width")
}

fn dataset<F: linfa::Float + From<f32>>(table: &Table) -> Dataset<F, bool, ndarray_of_linfa::Ix1> {
    Dataset::new(records(&table.rows), Array1::from(table.churned.clone()))
}

fn tree_decides_the_same<F: linfa::Float + From<f32>>(seed: u64) {
    let table = Table::new(seed, 0.4);
    let original = DecisionTree::params().min_weight_leaf(2.0).fit(&dataset::<F>(&table)).expect("fits");
    let imported = ForestModel::from_linfa_tree(&schema(), &original, &true).expect("imports");
    assert!(imported.n_nodes() > 50, "a tree of {} nodes proves little", imported.n_nodes());

    for rows in [table.rows.clone(), table.rows_at_splits(&imported)] {
        let predicted = original.predict(&records::<F>(&rows));
        for (row, &churn) in rows.iter().zip(&predicted) {
            assert_eq!(imported.raw_score(row), if churn { 1.0 } else { 0.0 }, "{row:?}");
        }
    }
}

#[test]
fn a_tree_decides_the_same_on_its_rows_and_at_its_split_values() {
    for seed in SEEDS {
        tree_decides_the_same::<f64>(seed);
        tree_decides_the_same::<f32>(seed);
    }
}

#[test]
fn labels_that_are_numbers_decide_the_same_from_both_sides() {
    let table = Table::new(5, 0.4);
    let targets = table.churned.iter().map(|&churn| if churn { 7_usize } else { 3 }).collect::<Array1<_>>();
    let original = DecisionTree::params().fit(&Dataset::new(records::<f64>(&table.rows), targets)).expect("fits");
    let churn = ForestModel::from_linfa_tree(&schema(), &original, &7).expect("imports");
    let stay = ForestModel::from_linfa_tree(&schema(), &original, &3).expect("imports");
    for (row, &label) in table.rows.iter().zip(&original.predict(&records::<f64>(&table.rows))) {
        assert_eq!(churn.raw_score(row), if label == 7 { 1.0 } else { 0.0 });
        assert_eq!(stay.raw_score(row), 1.0 - churn.raw_score(row));
    }
}

fn forest(table: &Table, n_trees: usize, feature_proportion: f64, seed: u64) -> RandomForest<f64, bool> {
    EnsembleLearnerParams::new_fixed_rng(DecisionTree::params(), SmallRng::seed_from_u64(seed))
        .ensemble_size(n_trees)
        .bootstrap_proportion(0.7)
        .feature_proportion(feature_proportion)
        .fit(&dataset::<f64>(table))
        .expect("fits")
}

#[test]
fn a_forest_counts_the_same_votes_whichever_columns_each_tree_drew() {
    for seed in SEEDS {
        let table = Table::new(seed, 0.4);
        for feature_proportion in [0.3, 1.0] {
            let original = forest(&table, 15, feature_proportion, seed);
            let imported = ForestModel::from_linfa_forest(&schema(), &original, &true).expect("imports");
            assert_eq!((imported.n_trees(), imported.combine()), (15, Combine::MeanShare));

            for rows in [table.rows.clone(), table.rows_at_splits(&imported)] {
                let records = records::<f64>(&rows);
                let mut votes = vec![0; rows.len()];
                for (tree, columns) in original.models.iter().zip(&original.model_features) {
                    let predicted: Array1<bool> = tree.predict(&records.select(Axis(1), columns));
                    votes.iter_mut().zip(&predicted).for_each(|(votes, &churn)| *votes += i32::from(churn));
                }
                let decided: Array1<bool> = original.predict(&records);
                for (at, row) in rows.iter().enumerate() {
                    let raw = imported.raw_score(row);
                    assert_eq!(raw, f64::from(votes[at]) / 15.0, "{row:?}");
                    assert_eq!(raw > 0.5, decided[at], "{row:?}");
                }
            }
        }
    }
}

#[test]
fn a_tied_forest_scores_one_half() {
    let table = Table::new(6, 0.5);
    let original = forest(&table, 2, 1.0, 6);
    let imported = ForestModel::from_linfa_forest(&schema(), &original, &true).expect("imports");
    let records = records::<f64>(&table.rows);
    let votes: Vec<Array1<bool>> = original
        .models
        .iter()
        .zip(&original.model_features)
        .map(|(tree, columns)| tree.predict(&records.select(Axis(1), columns)))
        .collect();
    let tied: Vec<usize> = (0..table.rows.len()).filter(|&row| votes[0][row] != votes[1][row]).collect();
    assert!(!tied.is_empty());
    assert!(tied.iter().all(|&row| imported.raw_score(&table.rows[row]) == 0.5));
}

#[test]
fn a_logistic_regression_gives_the_same_probabilities_whichever_class_is_larger() {
    for (seed, base_rate) in [(1, 0.25), (2, 0.75), (3, 0.5)] {
        let table = Table::new(seed, base_rate);
        let original = LogisticRegression::default().max_iterations(200).fit(&dataset::<f64>(&table)).expect("fits");
        let imported = LinearModel::from_linfa_logistic(&schema(), &original, &true).expect("imports");
        let speaks_for_churn = original.labels().pos.class;
        assert_eq!(speaks_for_churn, table.churned.iter().filter(|&&churn| churn).count() * 2 > table.churned.len());

        let records = records::<f64>(&table.rows);
        let (probabilities, decided) = (original.predict_probabilities(&records), original.predict(&records));
        for (at, row) in table.rows.iter().enumerate() {
            let churn = 1.0 / (1.0 + (-imported.raw_score(row)).exp());
            let expected = if speaks_for_churn { probabilities[at] } else { 1.0 - probabilities[at] };
            assert!((churn - expected).abs() < 1e-12, "{churn} for {expected}");
            assert_eq!(churn > 0.5, decided[at]);
        }
    }
}

#[test]
fn a_logistic_regression_in_single_precision_gives_the_same_probabilities() {
    let table = Table::new(4, 0.3);
    let original = LogisticRegression::default().max_iterations(200).fit(&dataset::<f32>(&table)).expect("fits");
    let imported = LinearModel::from_linfa_logistic(&schema(), &original, &false).expect("imports");
    let probabilities = original.predict_probabilities(&records::<f32>(&table.rows));
    assert!(!original.labels().pos.class, "those who stayed are more");
    for (row, &expected) in table.rows.iter().zip(&probabilities) {
        let stays = 1.0 / (1.0 + (-imported.raw_score(row)).exp());
        assert!((stays - f64::from(expected)).abs() < 1e-6, "{stays} for {expected}");
    }
}

#[test]
fn a_multinomial_regression_on_two_classes_gives_the_same_probabilities() {
    let table = Table::new(7, 0.3);
    let original = MultiLogisticRegression::default().max_iterations(200).fit(&dataset::<f64>(&table)).expect("fits");
    let imported = LinearModel::from_linfa_logistic(&schema(), &original, &true).expect("imports");
    let probabilities = original.predict_probabilities(&records::<f64>(&table.rows));
    assert_eq!(original.classes(), [false, true]);
    for (row, expected) in table.rows.iter().zip(probabilities.rows()) {
        let churn = 1.0 / (1.0 + (-imported.raw_score(row)).exp());
        assert!((churn - expected[1]).abs() < 1e-12, "{churn} for {}", expected[1]);
    }
}

#[test]
fn columns_that_had_names_are_matched_by_name() {
    let table = Table::new(8, 0.4);
    let names: Vec<String> = schema().features().iter().map(|feature| feature.name().to_owned()).collect();
    let named = DecisionTree::params().fit(&dataset::<f64>(&table).with_feature_names(names)).expect("fits");
    assert!(ForestModel::from_linfa_tree(&schema(), &named, &true).is_ok());

    let mut turned = schema().features().to_vec();
    turned.reverse();
    let error = ForestModel::from_linfa_tree(&schema_of(turned), &named, &true).expect_err("other order");
    assert!(matches!(&error, ImportError::FeatureName { column, found, expected }
        if *found == format!("f{column}") && *expected == format!("f{}", N_FEATURES - 1 - column)));
}

#[test]
fn a_schema_that_does_not_fit_is_refused() {
    let table = Table::new(9, 0.4);
    let tree = DecisionTree::params().fit(&dataset::<f64>(&table)).expect("fits");
    let forest = forest(&table, 5, 1.0, 9);
    let logistic = LogisticRegression::default().fit(&dataset::<f64>(&table)).expect("fits");
    let (category, narrow) = (schema_with_category(), schema_of(vec![Feature::numeric("only")]));

    for error in [
        ForestModel::from_linfa_tree(&category, &tree, &true).expect_err("category"),
        ForestModel::from_linfa_forest(&category, &forest, &true).expect_err("category"),
        LinearModel::from_linfa_logistic(&category, &logistic, &true).expect_err("category"),
    ] {
        assert!(matches!(&error, ImportError::Category { feature } if feature == "industry"), "{error}");
    }
    for error in [
        ForestModel::from_linfa_tree(&narrow, &tree, &true).expect_err("width"),
        ForestModel::from_linfa_forest(&narrow, &forest, &true).expect_err("width"),
        LinearModel::from_linfa_logistic(&narrow, &logistic, &true).expect_err("width"),
    ] {
        assert!(matches!(error, ImportError::Width { found: 16..=20, expected: 1 }), "{error}");
    }
}

#[test]
fn unknown_labels_and_third_classes_are_refused() {
    let table = Table::new(10, 0.4);
    let three: Array1<usize> = (0..600).map(|row| usize::from(table.churned[row]) + row % 2).collect();
    let two: Array1<usize> = table.churned.iter().map(|&churn| usize::from(churn)).collect();
    let records = records::<f64>(&table.rows);

    let tree = DecisionTree::params().fit(&Dataset::new(records.clone(), two.clone())).expect("fits");
    let error = ForestModel::from_linfa_tree(&schema(), &tree, &2).expect_err("no such label");
    assert!(matches!(&error, ImportError::Label { label, known } if label == "2" && known == "0, 1"), "{error}");

    let logistic = LogisticRegression::default().fit(&Dataset::new(records.clone(), two)).expect("fits");
    let error = LinearModel::from_linfa_logistic(&schema(), &logistic, &2).expect_err("no such label");
    assert!(matches!(&error, ImportError::Label { label, known } if label == "2" && known == "0, 1"), "{error}");

    let tree = DecisionTree::params().fit(&Dataset::new(records.clone(), three.clone())).expect("fits");
    let error = ForestModel::from_linfa_tree(&schema(), &tree, &2).expect_err("three classes");
    assert!(matches!(error, ImportError::Classes { found: 3 }), "{error}");

    let multi = MultiLogisticRegression::default().fit(&Dataset::new(records, three)).expect("fits");
    let error = LinearModel::from_linfa_logistic(&schema(), &multi, &2).expect_err("three classes");
    assert!(matches!(error, ImportError::Classes { found: 3 }), "{error}");
}
