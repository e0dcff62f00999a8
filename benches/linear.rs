//! What does a score of a linear model cost?
//!
//! `cargo bench -p churn-benches --bench linear`. Goal: under 60 ns for a row of 48 raw features, one thread, with missing
//! values, logarithms, categories and the calibrator.

use churn_features::{Feature, FeatureSchema};
use churn_model::{
    Calibrator, Kernel, LinearModel, Model, ModelCard, ModelKind, ReferenceHistogram, Scorer, Standardised, Term,
    Threshold, ThresholdRule,
};
use criterion::{Criterion, criterion_group, criterion_main};
use rand_distr::{Distribution, LogNormal, StandardNormal, StandardUniform};
use rand_pcg::Pcg64Mcg;

const SEED: u128 = 1;
const N_ROWS: usize = 1_000;
const N_NUMBERS: usize = 40;
const N_BOOLEANS: usize = 4;
const N_CATEGORIES: usize = 4;
const N_FEATURES: usize = N_NUMBERS + N_BOOLEANS + N_CATEGORIES;
const N_LEVELS: usize = 6;

fn linear(criterion: &mut Criterion) {
    let mut dice = Pcg64Mcg::new(SEED);
    let rows = rows(&mut dice);
    let mut next = rows.chunks_exact(N_FEATURES).cycle();
    let logistic = Calibrator::Logistic { slope: 0.9, intercept: -0.1 };
    let knots = |to: f64| (0..=30).map(move |i| to * f64::from(i - 15) / 15.0);
    let isotonic = Calibrator::Isotonic {
        raw_scores: knots(3.0).collect(),
        probabilities: knots(4.0).map(|z| 1.0 / (1.0 + (-z).exp())).collect(),
    };
    for (name, calibrator) in [("logistic", logistic), ("isotonic, 31 knots", isotonic)] {
        let model = model(&mut dice, calibrator);
        let mut group = criterion.benchmark_group(format!("linear score of {N_FEATURES} features, {name}"));
        group.bench_function("the model's plain sum", |bencher| {
            bencher.iter(|| model.score(next.next().expect("endless")));
        });
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            group.bench_function(format!("{kernel:?}"), |bencher| {
                bencher.iter(|| scorer.score(next.next().expect("endless")));
            });
        }
        group.finish();
    }
}

/// Numbers with heavy tails, booleans and levels; one value in twenty is missing.
fn rows(dice: &mut Pcg64Mcg) -> Vec<f32> {
    let heavy = LogNormal::new(2.0_f32, 2.0).expect("a positive deviation");
    let mut value = |position: usize| {
        let share: f32 = StandardUniform.sample(dice);
        match position % N_FEATURES {
            _ if share < 0.05 => f32::NAN,
            feature if feature < N_NUMBERS => heavy.sample(dice),
            feature if feature < N_NUMBERS + N_BOOLEANS => f32::from(u8::from(share < 0.4)),
            _ => (share * N_LEVELS as f32).floor(),
        }
    };
    (0..N_ROWS * N_FEATURES).map(&mut value).collect()
}

fn model(dice: &mut Pcg64Mcg, calibrator: Calibrator) -> Model {
    let levels = || (0..N_LEVELS).map(|level| format!("level {level}")).collect();
    let features = (0..N_FEATURES).map(|i| match i {
        _ if i < N_NUMBERS => Feature::numeric(format!("number_{i}")),
        _ if i < N_NUMBERS + N_BOOLEANS => Feature::boolean(format!("boolean_{i}")),
        _ => Feature::category(format!("category_{i}"), levels()),
    });
    let schema = FeatureSchema::new(features.collect()).expect("names differ");
    let mut weight = || {
        let normal: f64 = StandardNormal.sample(dice);
        0.2 * normal
    };
    let terms = (0..N_FEATURES).map(|i| match i {
        _ if i < N_NUMBERS => Term::Numeric {
            value: Standardised { mean: 54.6, scale: 400.0, weight: weight() },
            signed_log: Some(Standardised { mean: 2.4, scale: 1.6, weight: weight() }),
            missing_weight: weight(),
        },
        _ if i < N_NUMBERS + N_BOOLEANS => Term::Numeric {
            value: Standardised { mean: 0.4, scale: 0.49, weight: weight() },
            signed_log: None,
            missing_weight: weight(),
        },
        _ => Term::Category { level_weights: (0..N_LEVELS).map(|_| weight()).collect(), missing_weight: weight() },
    });
    let linear = LinearModel::new(&schema, -1.0, terms.collect()).expect("one term per feature");
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    Model::new(schema, ModelKind::Linear(linear), calibrator, threshold, references, ModelCard::default())
        .expect("the parts fit")
}

criterion_group!(benches, linear);
criterion_main!(benches);
