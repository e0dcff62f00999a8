//! Models fitted by smartcore decide the same after they were brought into ours.

mod import_table;

use churn_features::Feature;
use churn_model::{Combine, ForestModel, ImportError, LeafValue, LinearModel, Node};
use import_table::{N_FEATURES, Table, path, schema, schema_of, schema_with_category};
use smartcore::api::SupervisedEstimator;
use smartcore::ensemble::random_forest_classifier::{RandomForestClassifier, RandomForestClassifierParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};
use smartcore::numbers::basenum::Number;
use smartcore::tree::decision_tree_classifier::{
    DecisionTreeClassifier, DecisionTreeClassifierParameters, SplitCriterion,
};

const SEEDS: [u64; 4] = [1, 2, 3, 4];

/// Labels of smartcore are numbers; these two are neither 0 and 1 nor in the order that rows bring them.
const STAY: i32 = -5;
const CHURN: i32 = 12;

type Tree<F> = DecisionTreeClassifier<F, i32, DenseMatrix<F>, Vec<i32>>;
type Forest<F> = RandomForestClassifier<F, i32, DenseMatrix<F>, Vec<i32>>;
type Logistic = LogisticRegression<f64, i32, DenseMatrix<f64>, Vec<i32>>;

fn matrix<F: Number + From<f32>>(rows: &[[f32; N_FEATURES]]) -> DenseMatrix<F> {
    DenseMatrix::new(rows.len(), N_FEATURES, Table::values(rows), false).expect("rows of equal width")
}

fn labels(table: &Table) -> Vec<i32> {
    table.churned.iter().map(|&churn| if churn { CHURN } else { STAY }).collect()
}

fn tree_parameters(criterion: SplitCriterion) -> DecisionTreeClassifierParameters {
    DecisionTreeClassifierParameters::default().with_criterion(criterion).with_min_samples_leaf(3)
}

/// smartcore's decisions on the table's rows and around the split values of `imported`, beside the rows.
fn decisions<F: Number + From<f32>>(
    table: &Table,
    imported: &ForestModel,
    predict: impl Fn(&DenseMatrix<F>) -> Vec<i32>,
) -> Vec<([f32; N_FEATURES], bool)> {
    let rows = [table.rows.clone(), table.rows_at_splits(imported)].concat();
    let decided = predict(&matrix(&rows));
    rows.into_iter().zip(decided.into_iter().map(|label| label == CHURN)).collect()
}

fn tree_decides_the_same<F: Number + PartialOrd + From<f32>>(seed: u64, ways: &[LeafValue]) {
    let table = Table::new(seed, 0.4);
    let original: Tree<F> =
        Tree::fit(&matrix(&table.rows), &labels(&table), tree_parameters(SplitCriterion::Gini)).expect("fits");
    for &leaves in ways {
        let imported = ForestModel::from_smartcore_tree(&schema(), &original, CHURN, leaves).expect("imports");
        let turned = ForestModel::from_smartcore_tree(&schema(), &original, STAY, leaves).expect("imports");
        assert!(imported.n_nodes() > 50, "a tree of {} nodes proves little", imported.n_nodes());
        for (row, churn) in decisions(&table, &imported, |rows| original.predict(rows).expect("predicts")) {
            assert_eq!(imported.raw_score(&row) > 0.5, churn, "{row:?}");
            assert_eq!(turned.raw_score(&row) >= 0.5, !churn, "{row:?}");
        }
    }
}

#[test]
fn a_tree_decides_the_same_on_its_rows_and_at_its_split_values() {
    for seed in SEEDS {
        tree_decides_the_same::<f64>(seed, &[LeafValue::Vote, LeafValue::Share]);
        tree_decides_the_same::<f32>(seed, &[LeafValue::Vote]);
    }
}

#[test]
fn a_forest_decides_the_same_with_ties_going_to_the_lesser_label() {
    for seed in SEEDS {
        let table = Table::new(seed, 0.45);
        for n_trees in [1, 2, 5, 40] {
            let parameters = RandomForestClassifierParameters::default().with_n_trees(n_trees).with_seed(seed);
            let original: Forest<f64> = Forest::fit(&matrix(&table.rows), &labels(&table), parameters).expect("fits");
            let import = |label| ForestModel::from_smartcore_forest(&schema(), &original, label, LeafValue::Vote);
            let (imported, turned) = (import(CHURN).expect("imports"), import(STAY).expect("imports"));
            assert_eq!((imported.n_trees(), imported.combine()), (usize::from(n_trees), Combine::MeanShare));

            let mut n_ties = 0;
            for (row, churn) in decisions(&table, &imported, |rows| original.predict(rows).expect("predicts")) {
                n_ties += usize::from(imported.raw_score(&row) == 0.5);
                assert_eq!(imported.raw_score(&row) > 0.5, churn, "{row:?}");
                assert_eq!(turned.raw_score(&row) >= 0.5, !churn, "{row:?}");
            }
            assert_eq!(n_ties > 0, n_trees % 2 == 0, "{n_ties} ties of {n_trees} trees");
        }
    }
}

/// Checks every row's share by counting; gives the number of rows where the leaf's label contradicts its share.
fn leaf_shares_are_those_of_the_rows<F: Number + PartialOrd + From<f32>>(
    seed: u64,
    criterion: SplitCriterion,
    max_depth: u16,
) -> usize {
    let table = Table::new(seed, 0.4);
    let parameters = tree_parameters(criterion).with_max_depth(max_depth);
    let original: Tree<F> = Tree::fit(&matrix(&table.rows), &labels(&table), parameters).expect("fits");
    let import = |leaves| ForestModel::from_smartcore_tree(&schema(), &original, CHURN, leaves).expect("imports");
    let (votes, shares) = (import(LeafValue::Vote), import(LeafValue::Share));

    let tree = shares.tree(0);
    let leaves: Vec<usize> = table.rows.iter().map(|row| path(&tree, row).pop().expect("a root")).collect();
    for (row, leaf) in table.rows.iter().zip(&leaves) {
        let here = || leaves.iter().zip(&table.churned).filter(|(other, _)| *other == leaf);
        let share = here().filter(|(_, churn)| **churn).count() as f32 / here().count() as f32;
        assert_eq!(shares.raw_score(row), f64::from(share));
    }
    table.rows.iter().filter(|row| (votes.raw_score(*row) - shares.raw_score(*row)).abs() > 0.5).count()
}

#[test]
fn leaf_shares_are_those_of_the_rows_that_the_tree_was_fitted_on() {
    for criterion in [SplitCriterion::Gini, SplitCriterion::Entropy, SplitCriterion::ClassificationError] {
        for max_depth in [2, 5, 30] {
            let n_against = leaf_shares_are_those_of_the_rows::<f64>(11, criterion.clone(), max_depth);
            assert_eq!(n_against, 0, "rows whose label contradicts their leaf's share");
        }
    }
}

#[test]
fn leaf_shares_are_right_where_rounding_in_single_precision_made_a_label_wrong() {
    let n_against: Vec<usize> =
        (0..40).map(|seed| leaf_shares_are_those_of_the_rows::<f32>(seed, SplitCriterion::Gini, 30)).collect();
    assert!(n_against.iter().any(|&n| n > 0), "no tree had such a leaf, which proves nothing");
}

#[test]
fn the_cover_is_that_of_the_rows_that_the_tree_was_fitted_on() {
    let table = Table::new(12, 0.4);
    let original: Tree<f64> =
        Tree::fit(&matrix(&table.rows), &labels(&table), tree_parameters(SplitCriterion::Gini)).expect("fits");
    let imported = ForestModel::from_smartcore_tree(&schema(), &original, CHURN, LeafValue::Vote).expect("imports");
    let counted = imported.clone().with_counted_cover(table.rows.iter().map(|row| row.as_slice()));
    assert_eq!(imported, counted);
}

#[test]
fn each_tree_of_a_forest_saw_as_much_churn_as_there_was() {
    let table = Table::new(13, 0.3);
    let parameters = RandomForestClassifierParameters::default().with_n_trees(30).with_max_depth(6);
    let original: Forest<f32> = Forest::fit(&matrix(&table.rows), &labels(&table), parameters).expect("fits");
    let imported = ForestModel::from_smartcore_forest(&schema(), &original, CHURN, LeafValue::Share).expect("imports");
    let n_churned = table.churned.iter().filter(|&&churn| churn).count() as f64;
    for tree in imported.trees() {
        // smartcore draws its bootstrap class by class, so the number of each stays.
        let share_by_cover = |node: &Node| match *node {
            Node::Leaf { value, cover } => f64::from(value) * f64::from(cover),
            Node::Split { .. } => 0.0,
        };
        let sum: f64 = tree.nodes.iter().map(share_by_cover).sum();
        assert!((sum - n_churned).abs() < 1e-3, "{sum} of {n_churned}");
    }
}

#[test]
fn a_logistic_regression_decides_the_same_from_both_sides() {
    for (seed, base_rate) in [(1, 0.25), (2, 0.75), (3, 0.5)] {
        let table = Table::new(seed, base_rate);
        let original = logistic(&table);
        let imported = LinearModel::from_smartcore_logistic(&schema(), &original, CHURN).expect("imports");
        let turned = LinearModel::from_smartcore_logistic(&schema(), &original, STAY).expect("imports");
        let decided = original.predict(&matrix(&table.rows)).expect("predicts");
        assert!(decided.contains(&CHURN) && decided.contains(&STAY));
        for (row, label) in table.rows.iter().zip(decided) {
            assert_eq!(imported.raw_score(row) > 0.0, label == CHURN);
            assert_eq!(turned.raw_score(row), -imported.raw_score(row));
        }
        let mean: f64 =
            table.rows.iter().map(|row| 1.0 / (1.0 + (-imported.raw_score(row)).exp())).sum::<f64>() / 600.0;
        let base_rate = table.churned.iter().filter(|&&churn| churn).count() as f64 / 600.0;
        assert!((mean - base_rate).abs() < 0.02, "a fitted intercept keeps the base rate: {mean} of {base_rate}");
    }
}

fn logistic(table: &Table) -> Logistic {
    let parameters = LogisticRegressionParameters::default().with_alpha(1.0);
    Logistic::fit(&matrix(&table.rows), &labels(table), parameters).expect("fits")
}

#[test]
fn models_that_were_never_fitted_are_refused() {
    let forest = ForestModel::from_smartcore_forest(&schema(), &Forest::<f64>::new(), CHURN, LeafValue::Vote);
    assert!(matches!(forest, Err(ImportError::NotFitted)));
    let tree = ForestModel::from_smartcore_tree(&schema(), &Tree::<f64>::new(), CHURN, LeafValue::Vote);
    assert!(matches!(tree, Err(ImportError::NotFitted)));
    let linear = LinearModel::from_smartcore_logistic(&schema(), &Logistic::new(), CHURN);
    assert!(matches!(linear, Err(ImportError::NotFitted)));
}

#[test]
fn schemas_labels_and_classes_that_do_not_fit_are_refused() {
    let table = Table::new(14, 0.4);
    let parameters = RandomForestClassifierParameters::default().with_n_trees(3);
    let forest: Forest<f64> = Forest::fit(&matrix(&table.rows), &labels(&table), parameters.clone()).expect("fits");
    let logistic = logistic(&table);
    let import = |schema, label| ForestModel::from_smartcore_forest(schema, &forest, label, LeafValue::Vote);

    let (category, narrow) = (schema_with_category(), schema_of(vec![Feature::numeric("only")]));
    for error in [
        import(&category, CHURN).expect_err("category"),
        LinearModel::from_smartcore_logistic(&category, &logistic, CHURN).expect_err("category"),
    ] {
        assert!(matches!(&error, ImportError::Category { feature } if feature == "industry"), "{error}");
    }
    for error in [
        import(&narrow, CHURN).expect_err("width"),
        LinearModel::from_smartcore_logistic(&narrow, &logistic, CHURN).expect_err("width"),
    ] {
        assert!(matches!(error, ImportError::Width { found: 20, expected: 1 }), "{error}");
    }
    for error in [
        import(&schema(), 1).expect_err("no such label"),
        LinearModel::from_smartcore_logistic(&schema(), &logistic, 1).expect_err("no such label"),
    ] {
        assert!(matches!(&error, ImportError::Label { label, known } if label == "1" && known == "-5, 12"), "{error}");
    }

    let three: Vec<i32> = (0..600).map(|row| row % 3).collect();
    let forest: Forest<f64> = Forest::fit(&matrix(&table.rows), &three, parameters).expect("fits");
    let error = ForestModel::from_smartcore_forest(&schema(), &forest, 2, LeafValue::Vote).expect_err("three classes");
    assert!(matches!(error, ImportError::Classes { found: 3 }), "{error}");
}

#[test]
fn saved_trees_with_nodes_that_make_no_tree_are_refused() {
    let table = Table::new(15, 0.4);
    let original: Tree<f64> =
        Tree::fit(&matrix(&table.rows), &labels(&table), tree_parameters(SplitCriterion::Gini)).expect("fits");
    let saved = serde_json::to_value(&original).expect("serializes");
    let with = |field: &str, value: serde_json::Value| {
        let mut broken = saved.clone();
        broken["nodes"][0][field] = value;
        let tree: Tree<f64> = serde_json::from_value(broken).expect("reads");
        [LeafValue::Vote, LeafValue::Share]
            .map(|leaves| ForestModel::from_smartcore_tree(&schema(), &tree, CHURN, leaves).map(|_| ()))
    };
    for [vote, share] in [
        with("true_child", 0.into()),
        with("true_child", 1_000_000.into()),
        with("false_child", serde_json::Value::Null),
        with("split_feature", 20.into()),
    ] {
        assert!(matches!(vote, Err(ImportError::Structure { tree: 0, .. })), "{vote:?}");
        assert!(matches!(share, Err(ImportError::Structure { tree: 0, .. })), "{share:?}");
    }
    let [vote, share] = with("split_value", serde_json::Value::Null);
    assert!(matches!(vote, Err(ImportError::SplitValue { tree: 0, .. })), "{vote:?}");
    assert!(matches!(share, Err(ImportError::SplitValue { tree: 0, .. })), "{share:?}");
    let [vote, share] = with("impurity", 0.01.into());
    assert!(vote.is_ok(), "votes need no impurity: {vote:?}");
    assert!(matches!(share, Err(ImportError::Structure { tree: 0, .. })), "{share:?}");
}
