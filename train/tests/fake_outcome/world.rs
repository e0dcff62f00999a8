//! What a run on a log of events adds to an outcome.

use churn_events::ObservationDate;
use churn_model::Campaign;
use churn_model::evaluate::{Importance, MeanChange, Metrics};
use churn_train::{
    Algorithm, BacktestFacts, BagFacts, BaggingFacts, DateFacts, LogFacts, OracleFacts, OriginalFacts, Outcome,
    OverTime, Part, SplitKind, StudyWeek,
};
use churn_training_data::ObservationPlan;

use super::{Dice, draw, telco};

/// 2024-01-01.
const START: i32 = 19_723;
const N_DATES: i32 = 23;
const EVERY: i32 = 28;

/// A forest kept on the observations of two simulated years, with everything that a log can tell.
pub(crate) fn observed(n_test: usize) -> Outcome {
    let mut outcome = telco(n_test);
    outcome.source = "simulated world, seed 42".into();
    outcome.label = "cancelled within [14 d, 74 d) after the observation date".into();
    outcome.split.group = Some("tenant".into());
    outcome.caveats = vec!["the world is simulated".into()];
    for (segment, industry) in outcome.segments.iter_mut().zip(["retail", "finance", "health"]) {
        (segment.feature, segment.part) = ("industry".into(), industry.into());
    }
    outcome.segments[3..7].iter_mut().for_each(|segment| segment.feature = "employees".into());
    outcome.over_time = Some(over_time(n_test, outcome.test.metrics.roc_auc));
    outcome
}

/// Two years of a world of 2,000 tenants; `reached` is the model's ROC-AUC on the test.
fn over_time(n_test: usize, reached: f64) -> OverTime {
    let best = metrics(n_test, 1.75, 31);
    let mut without = metrics(n_test, 1.0, 32);
    without.n = n_test;
    OverTime {
        log: LogFacts {
            n_tenants: 2_000,
            n_events: 9_812_345,
            first: ObservationDate::from_days(START),
            end: ObservationDate::from_days(START + 730),
            left_out: vec![(LogFacts::LATE.into(), 1_204)],
        },
        plan: ObservationPlan::default(),
        split: SplitKind::Time,
        dates: dates(),
        event_study: study(),
        oracle: Some(OracleFacts { test: best, reached: (reached - 0.5) / (best.roc_auc - 0.5) }),
        original: Some(OriginalFacts {
            features: ["revenue", "employees", "job30", "job90", "monthly_charge", "total_charge", "industry"]
                .map(str::to_owned)
                .to_vec(),
            algorithm: Algorithm::LinearLearner,
            test: without,
        }),
        bagging: Some(BaggingFacts { by_tenant: bag(20, 0.812, reached), by_row: bag(2, 0.901, reached - 0.007) }),
        families: families(),
        backtest: (0..7).map(backtest).collect(),
        backtest_left_out: 4,
        n_scored: 1_322,
    }
}

fn metrics(n: usize, signal: f64, seed: u64) -> Metrics {
    let (scores, labels) = draw(n, signal, seed);
    Metrics::of(&scores, &labels, &Campaign::default()).unwrap()
}

fn dates() -> Vec<DateFacts> {
    let mut dice = Dice::new(12);
    let parts = (0..N_DATES).map(|i| match i {
        0..=10 => Part::Fit,
        11..=12 => Part::Embargo,
        13..=14 => Part::Calibration,
        15..=16 => Part::Embargo,
        17..=20 => Part::Test,
        _ => Part::Censored,
    });
    let date = |(i, part): (i32, Part)| {
        let n_observed = 1_050 + 14 * i as usize + (20.0 * dice.roll()) as usize;
        let churned = 0.06 + 0.012 * (f64::from(i) / 3.0).sin() + 0.008 * dice.roll();
        DateFacts {
            date: ObservationDate::from_days(START + 88 + EVERY * i),
            part,
            n_observed,
            n_churned: if part == Part::Censored { 0 } else { (churned * n_observed as f64) as usize },
            n_too_young: 31,
            n_cancelled_in_gap: 12,
        }
    };
    (0..N_DATES).zip(parts).map(date).collect()
}

fn study() -> Vec<StudyWeek> {
    let mut dice = Dice::new(13);
    let week = |week: i32| {
        let falls = (f64::from(week + 13) / 13.0).clamp(0.0, 1.0);
        StudyWeek {
            week,
            churners: 1.0 - 0.48 * falls * falls.sqrt() + 0.02 * (dice.roll() - 0.5),
            stayers: 1.01 + 0.02 * (dice.roll() - 0.5),
            n_churners: 612,
        }
    };
    (-26..=0).map(week).collect()
}

fn bag(min_leaf: u32, out_of_bag_roc_auc: f64, test_roc_auc: f64) -> BagFacts {
    BagFacts { min_leaf, out_of_bag_roc_auc, out_of_bag_log_loss: 0.191, test_roc_auc, test_log_loss: 0.204 }
}

fn families() -> Vec<Importance> {
    let names = ["login", "job", "tenant", "charge", "usage", "seat", "user", "session", "data size"];
    let family = |(i, name): (usize, &str)| {
        let mean = 0.041 * (-0.5 * i as f64).exp();
        Importance {
            name: name.to_owned(),
            roc_auc_decrease: MeanChange { mean: 0.9 * mean, sd: Some(0.002) },
            log_loss_increase: MeanChange { mean, sd: Some(0.001) },
        }
    };
    names.into_iter().enumerate().map(family).collect()
}

fn backtest(step: i32) -> BacktestFacts {
    let test = metrics(1_300, 1.3 + 0.05 * f64::from(step % 3), 200 + step as u64);
    BacktestFacts {
        date: ObservationDate::from_days(START + 88 + EVERY * (13 + step)),
        n_fit: 8_000 + 1_200 * step as usize,
        algorithm: if step == 2 { Algorithm::LinearLearner } else { Algorithm::RandomForest },
        test,
        oracle_roc_auc: Some(test.roc_auc + 0.03),
    }
}
