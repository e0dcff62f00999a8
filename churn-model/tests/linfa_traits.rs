//! Our learners and models where linfa's are expected.

use churn_features::{Feature, FeatureSchema};
use churn_model::fit::{
    DecisionTreeLearner, FitError, LinearLearner, LinfaError, Observations, RandomForestLearner, linfa_schema,
};
use churn_model::{
    Calibrator, Combine, ForestModel, LinearModel, Model, ModelCard, ModelKind, Node, ReferenceHistogram, SplitRule,
    Standardised, Term, Threshold, ThresholdRule, Tree,
};
use linfa::prelude::*;
use ndarray_of_linfa::{Array1, Array2, ShapeBuilder, array, s};

const LEARNER: fn() -> RandomForestLearner =
    || RandomForestLearner { n_trees: 30, min_leaf: Some(5), seed: 3, ..RandomForestLearner::default() };

/// 400 tenants: the less they log in, and the more their jobs fail, the likelier they churn. Every seventh is odd.
fn tenants() -> Dataset<f64, bool, ndarray_of_linfa::Ix1> {
    let records = Array2::from_shape_fn((400, 3), |(row, column)| match column {
        0 => ((row * 37) % 101) as f64,
        1 => ((row * 53) % 97) as f64 / 10.0,
        _ => ((row * 71) % 89) as f64,
    });
    let churned = records.rows().into_iter().enumerate().map(|(row, x)| (x[0] - 8.0 * x[1] < 10.0) != (row % 7 == 0));
    let churned = churned.collect::<Array1<bool>>();
    Dataset::new(records, churned).with_feature_names(vec!["logins", "failures", "noise"])
}

#[test]
fn a_forest_is_fitted_predicts_and_is_measured_as_in_linfa() {
    let (train, valid) = tenants().split_with_ratio(0.75);
    let forest: ForestModel = Fit::fit(&LEARNER(), &train).expect("fits");

    let churn = forest.predict(&valid);
    let roc = churn.roc(valid.targets().as_slice().expect("contiguous")).expect("both labels");
    let auc = roc.area_under_curve();
    assert!(auc > 0.8, "area under the curve {auc}");

    let base_rate = Array1::from_elem(valid.nsamples(), Pr::new(0.5));
    let labels = valid.targets().as_slice().expect("contiguous");
    assert!(churn.log_loss(labels).expect("not empty") < base_rate.log_loss(labels).expect("not empty"));

    let scored = forest.predict(valid.clone()); // linfa's other way: a dataset whose targets are the predictions
    assert_eq!(scored.roc(&valid).expect("both labels").area_under_curve(), auc);
    assert_eq!(forest.predict(valid.records()), churn);
}

#[test]
fn linear_models_and_decision_trees_are_fitted_and_measured_as_in_linfa() {
    let (train, valid) = tenants().split_with_ratio(0.75);
    let linear: LinearModel = Fit::fit(&LinearLearner::default(), &train).expect("fits");
    let tree: ForestModel = Fit::fit(&DecisionTreeLearner::default(), &train).expect("fits");
    assert_eq!(tree.n_trees(), 1);
    for scored in [linear.predict(valid.clone()), tree.predict(valid.clone())] {
        let auc = scored.roc(&valid).expect("both labels").area_under_curve();
        assert!(auc > 0.75, "area under the curve {auc}");
    }
}

#[test]
fn a_dataset_of_any_layout_and_precision_fits_the_model_that_its_rows_do() {
    let dataset = tenants();
    let schema = linfa_schema(&dataset).expect("valid names");
    let values = dataset.records().iter().map(|&value| value as f32).collect();
    let features = ndarray::Array2::from_shape_vec((400, 3), values).expect("400 rows");
    let labels = dataset.targets().to_vec();
    let observations = Observations::new(&schema, features.view(), &labels).expect("valid");
    let expected = LEARNER().fit(&observations).expect("fits");

    let mut by_column = Array2::zeros((400, 3).f());
    by_column.assign(dataset.records());
    assert!(!by_column.is_standard_layout());
    let mut wide = Array2::from_elem((400, 5), f64::INFINITY);
    wide.slice_mut(s![.., 1..4]).assign(dataset.records());

    let single = Dataset::new(dataset.records().mapv(|value| value as f32), dataset.targets().clone());
    let by_column = Dataset::new(by_column, dataset.targets().clone());
    let cut_out = DatasetBase::new(wide.slice(s![.., 1..4]), dataset.targets().view());
    assert_eq!(Fit::fit(&LEARNER(), &dataset).expect("fits"), expected);
    assert_eq!(Fit::fit(&LEARNER(), &single).expect("fits"), expected);
    assert_eq!(Fit::fit(&LEARNER(), &by_column).expect("fits"), expected);
    assert_eq!(Fit::fit(&LEARNER(), &cut_out).expect("fits"), expected);
    assert_eq!(expected.predict(cut_out.records()), expected.predict(&dataset));
}

#[test]
fn the_weights_of_a_dataset_count() {
    let weights: Array1<f32> = (0..400).map(|row| if row % 2 == 0 { 0.0 } else { 1.0 }).collect();
    let mut turned = tenants(); // rows without weight tell the opposite
    turned.targets.iter_mut().step_by(2).for_each(|churn| *churn = !*churn);

    let model = Fit::fit(&LEARNER(), &turned.clone().with_weights(weights.clone())).expect("fits");
    let same = Fit::fit(&LEARNER(), &tenants().with_weights(weights)).expect("fits");
    assert_eq!(model, same, "what has no weight has no say");
    assert_ne!(model, Fit::fit(&LEARNER(), &turned).expect("fits"));

    let error = Fit::fit(&LEARNER(), &tenants().with_weights(array![1.0, 2.0])).expect_err("two weights of 400");
    assert!(matches!(error, LinfaError::Fit(FitError::Length { what: "weights", found: 2, expected: 400 })), "{error}");
}

#[test]
fn feature_names_come_from_the_dataset() {
    let names = |schema: FeatureSchema| schema.features().iter().map(|f| f.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(linfa_schema(&tenants()).expect("valid")), ["logins", "failures", "noise"]);
    let nameless = Dataset::new(tenants().records().clone(), tenants().targets().clone());
    assert_eq!(names(linfa_schema(&nameless).expect("valid")), ["feature-0", "feature-1", "feature-2"]);

    let mut infinite = tenants();
    infinite.records[(5, 1)] = 1e300; // finite in f64, but no f32
    let error = Fit::fit(&LEARNER(), &infinite).expect_err("beyond f32");
    assert!(matches!(&error, LinfaError::Fit(FitError::Infinite { row: 5, feature }) if feature == "failures"));

    let twice = tenants().with_feature_names(vec!["logins", "noise", "noise"]);
    assert!(matches!(Fit::fit(&LEARNER(), &twice), Err(LinfaError::Names(_))));
}

#[test]
fn a_missing_value_is_fitted_and_predicted() {
    let mut dataset = tenants();
    dataset.records.column_mut(0).iter_mut().step_by(3).for_each(|value| *value = f64::NAN);
    let forest: ForestModel = Fit::fit(&LEARNER(), &dataset).expect("fits");
    assert!(forest.predict(&dataset).iter().all(|churn| (0.0..=1.0).contains(&**churn)));
}

#[test]
fn linfa_folds_fit_and_predict_through_the_traits_alone() {
    fn fold_areas<L>(learner: &L, mut dataset: Dataset<f64, bool, ndarray_of_linfa::Ix1>) -> Vec<f32>
    where
        L: for<'a> Fit<
                ndarray_of_linfa::ArrayView2<'a, f64>,
                ndarray_of_linfa::ArrayView1<'a, bool>,
                LinfaError,
                Object = ForestModel,
            >,
    {
        let folds = dataset.iter_fold(4, |train| learner.fit(train).expect("fits"));
        folds
            .map(|(model, valid)| {
                let labels = valid.targets().to_vec();
                model.predict(valid.records()).roc(&labels).expect("both labels").area_under_curve()
            })
            .collect()
    }
    let areas = fold_areas(&LEARNER(), tenants());
    assert!(areas.len() == 4 && areas.iter().all(|&area| area > 0.75), "{areas:?}");
}

#[test]
fn every_kind_of_model_predicts_probabilities() {
    let schema = FeatureSchema::new(vec![Feature::numeric("jobs")]).expect("valid");
    let records = array![[1.0_f32], [5.0]];
    let plain = |probabilities: Array1<Pr>| probabilities.mapv(|p| *p).to_vec();

    let term = Term::Numeric {
        value: Standardised { mean: 0.0, scale: 1.0, weight: -1.0 },
        signed_log: None,
        missing_weight: 0.0,
    };
    let linear = LinearModel::new(&schema, 1.0, vec![term]).expect("valid");
    assert_eq!(plain(linear.predict(&records)), [0.5, 1.0 / (1.0 + 4.0_f32.exp())]);

    let leaf = |value| Node::Leaf { value, cover: 1.0 };
    let rule = SplitRule::Below(3.0);
    let root = Node::Split { feature: 0, rule, missing_left: false, left: 1, cover: 2.0 };
    let tree = [Tree { nodes: vec![root, leaf(0.75), leaf(0.25)] }];
    let shares = ForestModel::new(&schema, Combine::MeanShare, &tree).expect("valid");
    assert_eq!(plain(shares.predict(&records)), [0.75, 0.25]);
    let boosted = ForestModel::new(&schema, Combine::SumLogOdds { base: -0.25 }, &tree).expect("valid");
    assert_eq!(plain(boosted.predict(&records)), [(1.0 / (1.0 + (-0.5_f64).exp())) as f32, 0.5]);

    let model = Model::new(
        schema,
        ModelKind::Forest(shares),
        Calibrator::Isotonic { raw_scores: vec![0.25, 0.75], probabilities: vec![0.1, 0.4] },
        Threshold { score: 0.2, rule: ThresholdRule::Fixed },
        vec![ReferenceHistogram::of(&Feature::numeric("jobs"), [1.0, 5.0])],
        ModelCard::default(),
    )
    .expect("valid");
    assert_eq!(plain(model.predict(&records)), [0.4, 0.1], "a whole model predicts what its calibrator says");
}

#[test]
#[should_panic(expected = "a record has one value per feature")]
fn records_of_another_width_are_a_mistake_of_the_caller() {
    let forest: ForestModel = Fit::fit(&LEARNER(), &tenants()).expect("fits");
    forest.predict(&array![[1.0, 2.0]]);
}
