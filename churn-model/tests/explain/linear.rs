use churn_features::{Feature, FeatureSchema};
use churn_model::{LinearModel, Model, ModelKind, ReferenceHistogram, Standardised, Term};

use crate::forests::model_with;

const MINUTES: [f32; 5] = [10.0, 30.0, f32::NAN, 50.0, 70.0];
const PLANS: [f32; 5] = [0.0, 1.0, 0.0, f32::NAN, 0.0];

/// A number and a category, fitted on the five observations above.
fn linear() -> Model {
    let schema = FeatureSchema::new(vec![
        Feature::numeric("session_minutes"),
        Feature::category("plan", vec!["free".into(), "paid".into()]),
    ])
    .expect("valid");
    let references =
        schema.features().iter().zip([MINUTES, PLANS]).map(|(f, values)| ReferenceHistogram::of(f, values));
    let references = references.collect();
    let terms = vec![
        Term::Numeric {
            value: Standardised { mean: 40.0, scale: 20.0, weight: -0.5 },
            signed_log: None,
            missing_weight: 0.75,
        },
        Term::Category { level_weights: vec![0.25, -1.0], missing_weight: 0.5 },
    ];
    let linear = LinearModel::new(&schema, -2.0, terms).expect("valid");
    model_with(schema, ModelKind::Linear(linear), references)
}

#[test]
fn contributions_of_a_linear_model_add_up_and_are_0_on_average() {
    let explainer = linear().explainer();
    let mut sums = [0.0; 2];
    let mut raw_scores = 0.0;
    for (minutes, plan) in MINUTES.into_iter().zip(PLANS) {
        let found = explainer.explain(&[minutes, plan]);
        assert_eq!(found.raw_score, linear().kind().raw_score(&[minutes, plan]));
        assert!((found.base_value + found.contributions.iter().sum::<f64>() - found.raw_score).abs() < 1e-12);
        assert_eq!(found, explainer.approximate(&[minutes, plan]));
        sums.iter_mut().zip(found.contributions).for_each(|(sum, contribution)| *sum += contribution);
        raw_scores += found.raw_score;
    }
    assert!(sums.iter().all(|sum: &f64| sum.abs() < 1e-12), "{sums:?}");
    assert!((explainer.base_value() - raw_scores / 5.0).abs() < 1e-12);
}

#[test]
fn a_batch_of_a_linear_model_is_explained_as_row_after_row() {
    let explainer = linear().explainer();
    let rows: Vec<f32> = MINUTES.into_iter().zip(PLANS).flat_map(|(minutes, plan)| [minutes, plan]).collect();
    let one_by_one: Vec<f64> = rows.chunks(2).flat_map(|row| explainer.explain(row).contributions).collect();
    assert_eq!(explainer.explain_batch(&rows), one_by_one);
}
