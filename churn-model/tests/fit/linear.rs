//! The linear learner, against its optimality conditions on columns built by definition.

use churn_features::Feature;
use churn_model::fit::{ClassWeight, FittedLinear, LinearLearner, Progress};
use churn_model::{LinearModel, Term};
use proptest::prelude::*;

use super::data::{Dice, Table, mixed, tables};

fn learner(penalty: f64, l1_ratio: f64) -> LinearLearner {
    LinearLearner { penalty: Some(penalty), l1_ratio, ..LinearLearner::default() }
}

fn fit(learner: &LinearLearner, table: &Table) -> FittedLinear {
    learner.fit_out_of_fold(&table.observations(), &Progress::silent()).unwrap()
}

fn raw_scores(model: &LinearModel, table: &Table) -> Vec<f64> {
    (0..table.n()).map(|row| model.raw_score(&table.row(row))).collect()
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * (1.0 + a.abs()), "{a} and {b}");
    }
}

/// A centred column and the weight that the model gives it.
struct Column {
    values: Vec<f64>,
    weight: f64,
}

/// Mean and population standard deviation of the values that are known.
fn moments(values: &[Option<f64>], weights: &[f64]) -> (f64, f64) {
    let known = || values.iter().zip(weights).filter_map(|(value, weight)| value.map(|value| (value, weight)));
    let total: f64 = known().map(|(_, weight)| weight).sum();
    let mean = known().map(|(value, weight)| value * weight).sum::<f64>() / total;
    (mean, (known().map(|(value, weight)| weight * (value - mean).powi(2)).sum::<f64>() / total).sqrt())
}

/// The columns that the documentation of the learner describes, with weights per unit of theirs.
fn columns(model: &LinearModel, table: &Table, weights: &[f64]) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut add = |values: Vec<Option<f64>>, is_indicator: bool, weight: f64| {
        let (mean, deviation) = moments(&values, weights);
        let scale = if is_indicator { 1.0 } else { deviation };
        if deviation > 0.0 {
            let scaled = |value: &Option<f64>| value.map_or(0.0, |value| (value - mean) / scale);
            columns.push(Column { values: values.iter().map(scaled).collect(), weight });
        }
    };
    for (position, term) in model.terms().iter().enumerate() {
        let values: Vec<f32> = table.features.column(position).to_vec();
        let is = |what: &dyn Fn(f32) -> bool| values.iter().map(|&v| Some(f64::from(u8::from(what(v))))).collect();
        match term {
            Term::Numeric { value, signed_log, missing_weight } => {
                let known = |of: &dyn Fn(f64) -> f64| -> Vec<Option<f64>> {
                    values.iter().map(|&v| (!v.is_nan()).then(|| of(f64::from(v)))).collect()
                };
                add(known(&|v| v), false, value.weight);
                if let Some(log) = signed_log {
                    add(known(&|v| v.signum() * v.abs().ln_1p()), false, log.weight);
                }
                add(is(&f32::is_nan), true, *missing_weight);
            }
            Term::Category { level_weights, missing_weight } => {
                for (code, weight) in level_weights.iter().enumerate() {
                    add(is(&|v| v == code as f32), true, *weight);
                }
                // A code that no level has counts as missing.
                add(is(&|v| !(0..level_weights.len()).any(|code| v == code as f32)), true, *missing_weight);
            }
        }
    }
    columns
}

/// The largest violation of the optimality conditions of mean log loss + ridge / 2 |w|^2 + lasso |w|_1.
fn violation(model: &LinearModel, table: &Table, weights: &[f64], penalty: f64, l1_ratio: f64) -> f64 {
    let columns = columns(model, table, weights);
    let log_odds = |row: usize| columns.iter().map(|column| column.weight * column.values[row]).sum::<f64>();
    let intercept = model.raw_score(&table.row(0)) - log_odds(0);
    let total: f64 = weights.iter().sum();
    let residuals: Vec<f64> = (0..table.n())
        .map(|row| {
            let log_odds = intercept + log_odds(row);
            assert!((log_odds - model.raw_score(&table.row(row))).abs() < 1e-9, "the columns give other scores");
            weights[row] / total * (1.0 / (1.0 + (-log_odds).exp()) - f64::from(u8::from(table.labels[row])))
        })
        .collect();
    let (ridge, lasso) = (penalty * (1.0 - l1_ratio), penalty * l1_ratio);
    let of_column = |column: &Column| {
        let gradient = column.values.iter().zip(&residuals).map(|(x, residual)| x * residual).sum::<f64>();
        if column.weight == 0.0 {
            (gradient.abs() - lasso).max(0.0)
        } else {
            (gradient + ridge * column.weight + lasso * column.weight.signum()).abs()
        }
    };
    columns.iter().map(of_column).fold(residuals.iter().sum::<f64>().abs(), f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_weights_minimise_the_penalised_loss(
        table in tables(400),
        exponent in -4.0..-0.5_f64,
        l1_ratio in prop_oneof![Just(0.0), Just(0.5), Just(1.0)],
    ) {
        let penalty = 10_f64.powf(exponent);
        let fitted = fit(&learner(penalty, l1_ratio), &table);
        prop_assert!(fitted.has_converged);
        let weights: Vec<f64> = table.weights.iter().map(|&weight| f64::from(weight)).collect();
        let violation = violation(&fitted.model, &table, &weights, penalty, l1_ratio);
        prop_assert!(violation < 1e-6, "{} with penalty {} and l1 ratio {}", violation, penalty, l1_ratio);
    }

    #[test]
    fn a_linear_model_does_not_depend_on_the_order_of_rows(table in tables(300), seed: u64) {
        let (shuffled, order) = table.shuffled(seed);
        let (one, other) = (fit(&learner(1e-3, 0.0), &table), fit(&learner(1e-3, 0.0), &shuffled));
        assert_close(&raw_scores(&one.model, &table), &raw_scores(&other.model, &table), 1e-9);
        let moved: Vec<f64> = order.iter().map(|&row| one.out_of_fold[row]).collect();
        assert_close(&moved, &other.out_of_fold, 1e-9);
    }

    #[test]
    fn a_weight_counts_like_as_many_rows(table in tables(300), l1_ratio in prop_oneof![Just(0.0), Just(0.7)]) {
        let learner = learner(1e-3, l1_ratio);
        let (weighted, repeated) = (fit(&learner, &table), fit(&learner, &table.repeated()));
        assert_close(&raw_scores(&weighted.model, &table), &raw_scores(&repeated.model, &table), 1e-8);
    }
}

#[test]
fn the_chosen_penalty_does_not_depend_on_the_order_of_rows_or_on_repetition() {
    for seed in 0..5 {
        let mut table = mixed(400, seed);
        table.weights = (0..400).map(|row| (row % 3 + 1) as f32).collect();
        let chosen = fit(&LinearLearner::default(), &table);
        assert_eq!(chosen.penalty, fit(&LinearLearner::default(), &table.shuffled(seed).0).penalty);
        assert_eq!(chosen.penalty, fit(&LinearLearner::default(), &table.repeated()).penalty);
        let given = fit(&learner(chosen.penalty, 0.0), &table);
        assert_close(&raw_scores(&chosen.model, &table), &raw_scores(&given.model, &table), 1e-6);
    }
}

#[test]
fn class_weights_are_row_weights() {
    let table = mixed(500, 3);
    let weights: Vec<f64> = table.labels.iter().map(|&label| if label { 4.0 } else { 1.0 }).collect();
    let class_weight = ClassWeight::Churned(4.0);
    let fitted = fit(&LinearLearner { class_weight, ..learner(1e-3, 0.0) }, &table);
    assert!(violation(&fitted.model, &table, &weights, 1e-3, 0.0) < 1e-6);
}

/// Two features of 30, and their labels.
fn sparse(n: usize) -> Table {
    let mut dice = Dice::new(1);
    let values: Vec<f32> = (0..n * 30).map(|_| dice.normal() as f32).collect();
    let log_odds = |row: usize| 1.5 * values[row * 30 + 3] - 2.0 * values[row * 30 + 17];
    let labels: Vec<bool> = (0..n).map(|row| dice.uniform() < 1.0 / (1.0 + f64::from(-log_odds(row)).exp())).collect();
    Table::of_features((0..30).map(|i| Feature::numeric(format!("f{i}"))).collect(), &values, &labels)
}

#[test]
fn the_lasso_drops_noise() {
    let table = sparse(1_000);
    let is_used = |model: &LinearModel| -> Vec<usize> {
        let used = |term: &Term| match term {
            Term::Numeric { value, signed_log, missing_weight } => {
                value.weight != 0.0 || signed_log.is_some_and(|log| log.weight != 0.0) || *missing_weight != 0.0
            }
            Term::Category { .. } => true,
        };
        (0..30).filter(|&feature| used(&model.terms()[feature])).collect()
    };
    let lasso = fit(&learner(0.04, 1.0), &table);
    assert_eq!(is_used(&lasso.model), [3, 17]);
    assert_eq!(is_used(&fit(&learner(0.04, 0.0), &table).model).len(), 30);
    assert!(is_used(&fit(&learner(10.0, 1.0), &table).model).is_empty());
}

#[test]
fn labels_that_can_be_separated_stay_finite() {
    let values: Vec<f32> = (0..200).map(|row| row as f32).collect();
    let labels: Vec<bool> = (0..200).map(|row| row >= 90).collect();
    let table = Table::of_numbers(&values, &labels);
    for penalty in [0.0, 1e-9, 1e-3] {
        let fitted = fit(&learner(penalty, 0.0), &table);
        let scores = raw_scores(&fitted.model, &table);
        assert!(scores.iter().all(|score| score.is_finite()), "{penalty}");
        assert!((0..200).all(|row| (scores[row] > 0.0) == labels[row] || penalty == 1e-3), "{penalty}");
        assert!(penalty == 0.0 || fitted.has_converged, "{penalty}");
        let few = fit(&LinearLearner { max_steps: 2, ..learner(penalty, 0.0) }, &table);
        assert_eq!((few.n_steps, few.has_converged), (2, false), "{penalty}");
    }
}

#[test]
fn of_a_number_with_two_values_the_scale_does_not_matter() {
    // With more values the signed logarithm is another column on another scale.
    let mut dice = Dice::new(6);
    let labels: Vec<bool> = (0..300).map(|_| dice.flip()).collect();
    let values: Vec<f32> = labels.iter().map(|&label| f32::from(u8::from(label != (dice.below(4) == 0)))).collect();
    let plain = Table::of_numbers(&values, &labels);
    let scaled = Table::of_numbers(&values.iter().map(|value| 1_000.0 * value).collect::<Vec<f32>>(), &labels);
    let shifted = Table::of_numbers(&values.iter().map(|value| 4.0 - value).collect::<Vec<f32>>(), &labels);
    let expected = raw_scores(&fit(&learner(1e-3, 0.0), &plain).model, &plain);
    assert_close(&expected, &raw_scores(&fit(&learner(1e-3, 0.0), &scaled).model, &scaled), 1e-9);
    assert_close(&expected, &raw_scores(&fit(&learner(1e-3, 0.0), &shifted).model, &shifted), 1e-9);
}

#[test]
fn rows_of_one_fold_are_scored_by_the_rows_of_the_others() {
    let table = mixed(300, 5);
    let fitted = fit(&learner(1e-2, 0.0), &table);
    // Another label of one row moves every score but those of its own fold.
    let mut flipped = table.clone();
    flipped.labels[7] = !flipped.labels[7];
    let moved = fit(&learner(1e-2, 0.0), &flipped);
    assert!((fitted.out_of_fold[7] - moved.out_of_fold[7]).abs() < 1e-6);
    let n_still = (0..300).filter(|&row| (fitted.out_of_fold[row] - moved.out_of_fold[row]).abs() < 1e-6).count();
    assert!((30..100).contains(&n_still), "a fifth, not {n_still} of 300");
}

#[test]
fn a_wide_category_is_fitted_in_good_time() {
    let mut dice = Dice::new(2);
    let codes: Vec<f32> = (0..8_000).map(|_| dice.below(254) as f32).collect();
    let labels: Vec<bool> = codes.iter().map(|&code| dice.uniform() < f64::from(code) / 254.0).collect();
    let levels = (0..254).map(|level| level.to_string()).collect();
    let table = Table::of_features(vec![Feature::category("c", levels)], &codes, &labels);
    let fitted = fit(&LinearLearner { n_folds: 2, ..LinearLearner::default() }, &table);
    assert!(fitted.has_converged);
    let (low, high) = (fitted.model.raw_score(&[20.0]), fitted.model.raw_score(&[230.0]));
    assert!(low < -1.0 && high > 1.0, "{low} and {high}");
}
