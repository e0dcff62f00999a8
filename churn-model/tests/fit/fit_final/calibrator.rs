//! What holds for every calibrator, on every set of scores.

use churn_model::fit::CalibratorLearner;
use churn_model::{Calibrator, RawScale};
use proptest::prelude::*;

use super::data::{Dice, Table};

const LEARNERS: [CalibratorLearner; 4] =
    [CalibratorLearner::Auto, CalibratorLearner::Identity, CalibratorLearner::Logistic, CalibratorLearner::Isotonic];

fn fit(learner: CalibratorLearner, raw: &[f64], table: &Table) -> Calibrator {
    learner.fit(RawScale::Share, raw, &table.observations()).unwrap()
}

/// Scores with ties and gaps, labels that follow them, whole weights, groups of about two.
fn scored(n: usize, seed: u64) -> (Vec<f64>, Table) {
    let mut dice = Dice::new(seed);
    let raw: Vec<f64> = (0..n).map(|_| dice.below(25) as f64 / 24.0).collect();
    let mut labels: Vec<bool> = raw.iter().map(|share| dice.uniform() < share * share).collect();
    (labels[0], labels[1]) = (true, false);
    let mut table = Table::of_numbers(&vec![0.0; n], &labels);
    table.groups = (0..n).map(|_| dice.below(n / 2 + 1) as u64).collect();
    table.weights = (0..n).map(|_| dice.below(4) as f32).collect();
    (table.weights[0], table.weights[1]) = (1.0, 1.0);
    (raw, table)
}

/// The derivatives of the loss by intercept and slope are 0.
fn assert_is_least(n: usize, seed: u64) {
    let (raw, table) = scored(n, seed);
    let Calibrator::Logistic { slope, intercept } = fit(CalibratorLearner::Logistic, &raw, &table) else {
        panic!("a logistic one was asked for")
    };
    let weight_of = |label: bool| -> f64 {
        (0..n).filter(|&row| table.labels[row] == label).map(|row| f64::from(table.weights[row])).sum()
    };
    let (high, low) = (1.0 - 1.0 / (weight_of(true) + 2.0), 1.0 / (weight_of(false) + 2.0));
    let (mut by_intercept, mut by_slope) = (0.0, 0.0);
    for row in 0..n {
        let log_odds = RawScale::Share.log_odds(raw[row]);
        let score = 1.0 / (1.0 + (-slope * log_odds - intercept).exp());
        let residual = f64::from(table.weights[row]) * (score - if table.labels[row] { high } else { low });
        by_intercept += residual;
        by_slope += residual * log_odds;
    }
    assert!(by_intercept.abs() < 1e-4, "{by_intercept}");
    // Only the least slope may want to be lower still.
    assert!(by_slope.abs() < 1e-4 || (slope < 1.001e-3 && by_slope > 0.0), "{by_slope} at {slope}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scores_are_probabilities_that_never_fall(n in 2_usize..120, seed: u64) {
        let (mut raw, table) = scored(n, seed);
        if n > 10 {
            raw[5] = f64::NAN;
        }
        for learner in LEARNERS {
            let calibrator = fit(learner, &raw, &table);
            prop_assert_eq!(calibrator.check(), Ok(()), "{:?}", calibrator);
            let scores: Vec<f64> = (0..=100).map(|i| calibrator.score(RawScale::Share, f64::from(i) / 100.0)).collect();
            prop_assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
            prop_assert!(scores.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", calibrator);
        }
    }

    #[test]
    fn a_weight_counts_like_as_many_rows(n in 2_usize..120, seed: u64) {
        let (raw, table) = scored(n, seed);
        let times = |row: usize| std::iter::repeat_n(raw[row], table.weights[row] as usize);
        let repeated_raw: Vec<f64> = (0..n).flat_map(times).collect();
        let repeated = table.repeated();
        for learner in LEARNERS {
            let (weighted, repeated) = (fit(learner, &raw, &table), fit(learner, &repeated_raw, &repeated));
            prop_assert_eq!(weighted.word(), repeated.word());
            for share in (0..=20).map(|i| f64::from(i) / 20.0) {
                let (a, b) = (weighted.score(RawScale::Share, share), repeated.score(RawScale::Share, share));
                prop_assert!((a - b).abs() < 1e-8, "{} and {} at {}", a, b, share);
            }
        }
    }

    #[test]
    fn the_logistic_calibrator_is_where_its_loss_is_least(n in 2_usize..120, seed: u64) {
        assert_is_least(n, seed);
    }

    #[test]
    fn the_order_of_rows_does_not_matter(n in 2_usize..120, seed: u64) {
        let (raw, table) = scored(n, seed);
        let (shuffled, order) = table.shuffled(seed);
        let shuffled_raw: Vec<f64> = order.iter().map(|&row| raw[row]).collect();
        for learner in LEARNERS {
            let (one, other) = (fit(learner, &raw, &table), fit(learner, &shuffled_raw, &shuffled));
            for share in (0..=20).map(|i| f64::from(i) / 20.0) {
                let (a, b) = (one.score(RawScale::Share, share), other.score(RawScale::Share, share));
                prop_assert!((a - b).abs() < 1e-8, "{} and {} at {}", a, b, share);
            }
        }
    }
}

#[test]
fn newton_steps_do_not_go_round_in_circles() {
    // Full steps from here lead from one side of the least loss to the other and back, a hundred times.
    assert_is_least(13, 7_202_714_375_859_798_614);
}

#[test]
fn a_single_group_can_be_calibrated() {
    let (raw, mut table) = scored(60, 1);
    table.groups.fill(3);
    for learner in LEARNERS {
        assert_eq!(fit(learner, &raw, &table).check(), Ok(()), "{learner:?}");
    }
}

#[test]
fn scores_that_rank_upside_down_are_worth_the_base_rate() {
    // Fold means of a model that knows nothing are like this: a little the wrong way round, and all but equal.
    for spread in [0.3, 0.03, 0.001] {
        let labels: Vec<bool> = (0..3_000).map(|row| row % 3 == 0).collect();
        let table = Table::of_numbers(&vec![0.0; 3_000], &labels);
        let raw: Vec<f64> =
            (0..3_000).map(|row| 0.5 - spread * f64::from(u8::from(row % 3 == 0 || row % 2 == 0))).collect();
        let calibrator = fit(CalibratorLearner::Logistic, &raw, &table);
        for &raw in &raw {
            let score = calibrator.score(RawScale::Share, raw);
            assert!((score - 1.0 / 3.0).abs() < 1e-3, "{spread}: {score} by {calibrator:?}");
        }
    }
}

#[test]
fn rows_without_weight_do_not_count_as_labels() {
    let mut table = Table::of_numbers(&[0.0; 4], &[true, true, false, false]);
    table.weights = vec![1.0, 0.0, 1.0, 0.0];
    let scores = [f64::NAN, 0.5, 0.5, 0.5];
    let refused = CalibratorLearner::Isotonic.fit(RawScale::Share, &scores, &table.observations());
    assert_eq!(
        refused.map_err(|error| error.to_string()),
        Err("all 1 observations are labelled stayed; a model needs both kinds".to_owned())
    );
}
