//! What cannot be measured is refused with a reason, and nothing panics.
#![cfg(feature = "evaluate")]

use churn_model::evaluate::{
    Binning, Confusion, EvaluateError, Metrics, average_precision, brier, calibration_table, choose_threshold,
    expected_calibration_error, expected_maximum_profit, gains_curve, lift_at_count, lift_at_share, log_loss,
    maximum_profit, precision_recall_curve, profit_curve, roc_auc, roc_auc_interval, roc_curve,
};
use churn_model::{Campaign, CampaignError, ThresholdRule};

const CAMPAIGN: Campaign =
    Campaign { lifetime_value: 200.0, offer: 10.0, contact: 1.0, accept_alpha: 6.0, accept_beta: 14.0 };

type Measure = fn(&[f64], &[bool]) -> Option<EvaluateError>;

/// Those that use the order of scores only.
const RANKING: [(&str, Measure); 11] = [
    ("roc_auc", |s, l| roc_auc(s, l).err()),
    ("roc_auc_interval", |s, l| roc_auc_interval(s, l).err()),
    ("roc_curve", |s, l| roc_curve(s, l).err()),
    ("average_precision", |s, l| average_precision(s, l).err()),
    ("precision_recall_curve", |s, l| precision_recall_curve(s, l).err()),
    ("lift", |s, l| lift_at_share(s, l, 0.1).err()),
    ("gains_curve", |s, l| gains_curve(s, l).err()),
    ("expected_maximum_profit", |s, l| expected_maximum_profit(s, l, &CAMPAIGN).err()),
    ("profit_curve", |s, l| profit_curve(s, l, &CAMPAIGN).err()),
    ("maximum_profit", |s, l| maximum_profit(s, l, &CAMPAIGN).err()),
    ("confusion", |s, l| Confusion::at(0.5, s, l).err()),
];

/// Those that take scores as probabilities.
const PROBABILITY: [(&str, Measure); 6] = [
    ("log_loss", |s, l| log_loss(s, l).err()),
    ("brier", |s, l| brier(s, l).err()),
    ("expected_calibration_error", |s, l| expected_calibration_error(s, l).err()),
    ("calibration_table", |s, l| calibration_table(s, l, Binning::EqualMass, 4).err()),
    ("choose_threshold", |s, l| choose_threshold(ThresholdRule::Capacity { share: 0.5 }, s, l).err()),
    ("metrics", |s, l| Metrics::of(s, l, &CAMPAIGN).err()),
];

fn all() -> impl Iterator<Item = (&'static str, Measure)> {
    RANKING.into_iter().chain(PROBABILITY)
}

#[test]
fn lengths_that_differ_are_refused_everywhere() {
    for (name, measure) in all() {
        let error = measure(&[0.1, 0.2, 0.3], &[true, false]);
        assert_eq!(error, Some(EvaluateError::Length { what: "labels", found: 2, expected: 3 }), "{name}");
    }
}

#[test]
fn no_rows_are_refused_everywhere() {
    for (name, measure) in all() {
        assert_eq!(measure(&[], &[]), Some(EvaluateError::Empty), "{name}");
    }
}

#[test]
fn a_score_that_is_not_a_number_is_refused_everywhere_with_its_row() {
    for (name, measure) in all() {
        for nan in [f64::NAN, -f64::NAN] {
            let error = measure(&[0.1, 0.9, nan], &[true, false, true]);
            assert_eq!(error, Some(EvaluateError::NotANumber { row: 2 }), "{name}");
        }
    }
}

#[test]
fn a_score_outside_zero_to_one_is_refused_where_probabilities_are_needed_only() {
    for score in [-0.1, 1.0_f64.next_up(), f64::INFINITY, f64::NEG_INFINITY] {
        for (name, measure) in PROBABILITY {
            let error = measure(&[0.1, score], &[true, false]);
            assert_eq!(error, Some(EvaluateError::NotAProbability { row: 1, score }), "{name}");
        }
        for (name, measure) in RANKING {
            assert_eq!(measure(&[0.1, score], &[true, false]), None, "{name}");
        }
    }
}

#[test]
fn one_label_is_refused_where_both_are_needed_and_its_name_is_told() {
    let refusals = |labels: [bool; 2]| -> Vec<&str> {
        let label = if labels[0] { "churned" } else { "stayed" };
        all()
            .filter_map(|(name, measure)| measure(&[0.1, 0.2], &labels).map(|error| (name, error)))
            .map(|(name, error)| {
                assert_eq!(error, EvaluateError::OneLabel { n: 2, label }, "{name}");
                name
            })
            .collect()
    };
    let both = ["roc_auc", "roc_auc_interval", "roc_curve", "metrics"];
    assert_eq!(refusals([true; 2]), both);
    let [a, b, c, last] = both;
    let churned = ["average_precision", "precision_recall_curve", "lift", "gains_curve"];
    assert_eq!(refusals([false; 2]), [[a, b, c].as_slice(), churned.as_slice(), &[last]].concat());
}

#[test]
fn arguments_out_of_range_are_refused_by_name() {
    let (scores, labels) = ([0.1, 0.2], [true, false]);
    let name = |error: Option<EvaluateError>| match error {
        Some(EvaluateError::Argument { name, .. }) => name,
        other => panic!("an argument is out of range, but got {other:?}"),
    };
    for share in [0.0, -0.5, 1.0_f64.next_up(), f64::NAN] {
        assert_eq!(name(lift_at_share(&scores, &labels, share).err()), "share");
        let capacity = ThresholdRule::Capacity { share };
        assert_eq!(name(choose_threshold(capacity, &scores, &labels).err()), "share");
        let precision = ThresholdRule::Precision { at_least: share };
        assert_eq!(name(choose_threshold(precision, &scores, &labels).err()), "at_least");
    }
    for count in [0, 3, usize::MAX] {
        assert_eq!(name(lift_at_count(&scores, &labels, count).err()), "count");
    }
    assert_eq!(name(calibration_table(&scores, &labels, Binning::EqualWidth, 0).err()), "n_bins");
    assert!(calibration_table(&scores, &labels, Binning::EqualWidth, usize::MAX).is_ok());
    assert!(calibration_table(&scores, &labels, Binning::EqualMass, usize::MAX).is_ok());
    assert_eq!(name(Confusion::at(f64::NAN, &scores, &labels).err()), "threshold");
    let sure = Campaign { accept_beta: 1e6, ..CAMPAIGN };
    assert_eq!(name(expected_maximum_profit(&scores, &labels, &sure).err()), "accept_beta");
}

#[test]
fn campaigns_that_cannot_be_used_are_refused() {
    let (scores, labels) = ([0.1, 0.2], [true, false]);
    let refused = Some(EvaluateError::Campaign(CampaignError));
    let losing = Campaign { offer: 300.0, ..CAMPAIGN };
    assert_eq!(expected_maximum_profit(&scores, &labels, &losing).err(), refused);
    assert_eq!(profit_curve(&scores, &labels, &losing).err(), refused);
    assert_eq!(maximum_profit(&scores, &labels, &losing).err(), refused);
    assert_eq!(Metrics::of(&scores, &labels, &losing).err(), refused);
    let rule = ThresholdRule::Profit { campaign: losing };
    assert_eq!(choose_threshold(rule, &scores, &labels).err(), refused);
    // Costs beyond any float: the acceptance from which they pay is no number.
    let absurd = Campaign { lifetime_value: 1e-300, offer: 0.0, contact: 1e300, ..CAMPAIGN };
    assert_eq!(expected_maximum_profit(&scores, &labels, &absurd).map(|best| best.profit_per_tenant), Ok(0.0));
    assert_eq!(expected_maximum_profit(&[0.9, 0.1], &[true, false], &absurd).err(), refused);
}

#[test]
fn a_fixed_threshold_is_not_chosen() {
    let error = choose_threshold(ThresholdRule::Fixed, &[0.1, 0.2], &[true, false]).unwrap_err();
    assert_eq!(error, EvaluateError::FixedRule);
}

#[test]
fn messages_state_what_was_found_and_expected() {
    let message = |error: EvaluateError| error.to_string();
    assert_eq!(message(roc_auc(&[0.1, 0.2], &[true]).unwrap_err()), "labels has 1 entries where 2 are expected");
    assert_eq!(
        message(roc_auc(&[0.1, 0.2], &[true, true]).unwrap_err()),
        "all 2 observations are labelled churned; this needs both kinds"
    );
    assert_eq!(
        message(brier(&[1.5], &[true]).unwrap_err()),
        "observation 0: the score 1.5 is no probability between 0 and 1"
    );
    assert_eq!(message(lift_at_share(&[0.1], &[true], 2.0).unwrap_err()), "share is 2; expected above 0 and at most 1");
}
