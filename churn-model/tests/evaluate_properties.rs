//! What holds for the metrics of all scores and labels.
#![cfg(feature = "evaluate")]

use churn_model::evaluate::{
    Binning, Confusion, Metrics, calibration_table, choose_threshold, expected_calibration_error,
    expected_maximum_profit, gains_curve, lift_at_count, lift_at_share, log_loss, maximum_profit,
    precision_recall_curve, profit_curve, roc_auc, roc_auc_interval, roc_curve,
};
use churn_model::{Campaign, ThresholdRule};
use proptest::prelude::*;

/// Scores and labels.
type Scored = (Vec<f64>, Vec<bool>);

/// Scores on a coarse grid, so that ties are many, or on a fine one; with at least one label of each kind.
fn scored() -> impl Strategy<Value = Scored> {
    prop_oneof![Just(8_u32), Just(1 << 20)].prop_flat_map(|grid| {
        let row = (0..=grid, any::<bool>());
        (proptest::collection::vec(row, 0..80), 0..=grid, 0..=grid).prop_map(move |(mut rows, churned, stayed)| {
            rows.extend([(churned, true), (stayed, false)]);
            rows.into_iter().map(|(score, label)| (f64::from(score) / f64::from(grid), label)).unzip()
        })
    })
}

/// The same rows twice, the second time in any order.
fn shuffled() -> impl Strategy<Value = (Scored, Scored)> {
    scored().prop_flat_map(|(scores, labels)| {
        let rows: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        (Just((scores, labels)), Just(rows).prop_shuffle().prop_map(|rows| rows.into_iter().unzip()))
    })
}

fn campaign() -> impl Strategy<Value = Campaign> {
    (10.0..1000.0, 0.0..0.9, 0.0..0.5, 0.3..40.0, 0.3..40.0).prop_map(
        |(lifetime_value, offer_share, contact_share, accept_alpha, accept_beta): (f64, f64, f64, f64, f64)| Campaign {
            lifetime_value,
            offer: offer_share * lifetime_value,
            contact: contact_share * lifetime_value,
            accept_alpha,
            accept_beta,
        },
    )
}

proptest! {
    #[test]
    fn roc_auc_depends_on_the_order_of_scores_only((scores, labels) in scored()) {
        let moved: Vec<f64> = scores.iter().map(|score| (3.0 * score).exp() - 7.0).collect();
        prop_assert_eq!(roc_auc_interval(&scores, &labels), roc_auc_interval(&moved, &labels));
    }

    #[test]
    fn negated_scores_have_the_opposite_roc_auc((scores, labels) in scored()) {
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        let (auc, opposite) = (roc_auc(&scores, &labels).unwrap(), roc_auc(&negated, &labels).unwrap());
        prop_assert!((auc + opposite - 1.0).abs() < 1e-14, "{} {}", auc, opposite);
    }

    #[test]
    fn roc_auc_is_the_area_under_the_curve_and_inside_its_interval((scores, labels) in scored()) {
        let curve = roc_curve(&scores, &labels).unwrap();
        let area: f64 = curve.windows(2).map(|pair| {
            let width = pair[1].false_positive_rate - pair[0].false_positive_rate;
            width * 0.5 * (pair[0].true_positive_rate + pair[1].true_positive_rate)
        }).sum();
        let auc = roc_auc_interval(&scores, &labels).unwrap();
        prop_assert!((area - auc.value).abs() < 1e-12, "{} {:?}", area, auc);
        prop_assert!(0.0 <= auc.low && auc.low <= auc.value && auc.value <= auc.high && auc.high <= 1.0, "{:?}", auc);
    }

    #[test]
    fn the_order_of_rows_changes_nothing(
        ((scores, labels), (other_scores, other_labels)) in shuffled(),
        campaign in campaign(),
        share in 0.01..=1.0,
    ) {
        let metrics = Metrics::of(&scores, &labels, &campaign);
        prop_assert!(metrics.is_ok(), "{:?}", metrics);
        prop_assert_eq!(metrics, Metrics::of(&other_scores, &other_labels, &campaign));
        prop_assert_eq!(lift_at_share(&scores, &labels, share), lift_at_share(&other_scores, &other_labels, share));
        prop_assert_eq!(
            precision_recall_curve(&scores, &labels),
            precision_recall_curve(&other_scores, &other_labels)
        );
        prop_assert_eq!(
            calibration_table(&scores, &labels, Binning::EqualMass, 5),
            calibration_table(&other_scores, &other_labels, Binning::EqualMass, 5)
        );
        prop_assert_eq!(
            profit_curve(&scores, &labels, &campaign),
            profit_curve(&other_scores, &other_labels, &campaign)
        );
    }

    #[test]
    fn lift_over_everybody_is_one((scores, labels) in scored()) {
        prop_assert_eq!(lift_at_share(&scores, &labels, 1.0), Ok(1.0));
        prop_assert_eq!(lift_at_count(&scores, &labels, scores.len()), Ok(1.0));
    }

    #[test]
    fn gains_never_fall_and_end_at_one((scores, labels) in scored()) {
        let curve = gains_curve(&scores, &labels).unwrap();
        prop_assert!(curve.windows(2).all(|pair| pair[0].contacted_share < pair[1].contacted_share));
        prop_assert!(curve.windows(2).all(|pair| pair[0].found_share <= pair[1].found_share));
        let last = curve[curve.len() - 1];
        prop_assert_eq!((last.contacted_share, last.found_share), (1.0, 1.0));
    }

    #[test]
    fn knowing_the_acceptance_is_never_worth_less_than_nothing(
        (scores, labels) in scored(),
        campaign in campaign(),
    ) {
        let best = expected_maximum_profit(&scores, &labels, &campaign).unwrap();
        let at_the_mean = maximum_profit(&scores, &labels, &campaign).unwrap();
        prop_assert!(best.profit_per_tenant >= 0.0);
        prop_assert!(
            best.profit_per_tenant >= at_the_mean.profit_per_tenant - 1e-11 * campaign.lifetime_value,
            "{:?} {:?}", best, at_the_mean
        );
        prop_assert!((0.0..=1.0).contains(&best.contacted_share), "{:?}", best);
    }

    #[test]
    fn calibration_error_lies_between_zero_and_one_and_bins_hold_every_row(
        (scores, labels) in scored(),
        n_bins in 1_usize..30,
    ) {
        prop_assert!((0.0..=1.0).contains(&expected_calibration_error(&scores, &labels).unwrap()));
        for binning in [Binning::EqualWidth, Binning::EqualMass] {
            let bins = calibration_table(&scores, &labels, binning, n_bins).unwrap();
            prop_assert!(bins.len() <= n_bins);
            prop_assert_eq!(bins.iter().map(|bin| bin.n).sum::<usize>(), scores.len());
            let churned = labels.iter().filter(|label| **label).count();
            prop_assert_eq!(bins.iter().map(|bin| bin.n_churned).sum::<usize>(), churned);
            for bin in bins {
                prop_assert!(bin.low - 1e-15 <= bin.mean_score && bin.mean_score <= bin.high + 1e-15, "{:?}", bin);
            }
        }
    }

    #[test]
    fn the_base_rate_for_everybody_has_the_entropy_as_log_loss((_, labels) in scored()) {
        let churned = labels.iter().filter(|label| **label).count() as f64;
        let p = churned / labels.len() as f64;
        let entropy = -(p * p.ln() + (1.0 - p) * (1.0 - p).ln());
        let found = log_loss(&vec![p; labels.len()], &labels).unwrap();
        prop_assert!((found - entropy).abs() < 1e-12);
        prop_assert!(expected_calibration_error(&vec![p; labels.len()], &labels).unwrap() < 1e-12);
    }

    #[test]
    fn a_capacity_is_kept_unless_the_highest_tie_alone_exceeds_it((scores, labels) in scored(), share in 0.01..=1.0) {
        let threshold = choose_threshold(ThresholdRule::Capacity { share }, &scores, &labels).unwrap();
        let reached = |at: f64| scores.iter().filter(|score| **score >= at).count() as f64 / scores.len() as f64;
        let highest = scores.iter().copied().fold(0.0, f64::max);
        prop_assert!(reached(threshold.score) <= share || threshold.score == highest);
        // The next lower score would be too low.
        let next = scores.iter().copied().filter(|score| *score < threshold.score).fold(-1.0, f64::max);
        prop_assert!(next < 0.0 || reached(next) > share);
    }

    #[test]
    fn a_precision_floor_is_kept_and_no_lower_score_keeps_it((scores, labels) in scored(), at_least in 0.01..=1.0) {
        let precision = |at: f64| Confusion::at(at, &scores, &labels).unwrap().precision().unwrap();
        match choose_threshold(ThresholdRule::Precision { at_least }, &scores, &labels) {
            Ok(threshold) => {
                prop_assert!(precision(threshold.score) >= at_least);
                let lower = scores.iter().filter(|score| **score < threshold.score);
                prop_assert!(lower.into_iter().all(|score| precision(*score) < at_least));
            }
            Err(_) => prop_assert!(scores.iter().all(|score| precision(*score) < at_least)),
        }
    }
}
