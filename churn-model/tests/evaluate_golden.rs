//! Every metric equals what scikit-learn, SciPy and spelled-out definitions say; `golden/metrics/make_golden.py` says how.
#![cfg(feature = "evaluate")]

use std::path::{Path, PathBuf};

use churn_model::Campaign;
use churn_model::evaluate::{
    Binning, CalibrationBin, Confusion, Metrics, average_precision, brier, calibration_table,
    expected_calibration_error, expected_maximum_profit, gains_curve, lift_at_count, lift_at_share, log_loss,
    maximum_profit, precision_recall_curve, profit_curve, roc_auc, roc_auc_interval, roc_curve,
};
use serde::Deserialize;

const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Golden {
    data_sets: Vec<DataSet>,
}

#[derive(Deserialize)]
struct DataSet {
    name: String,
    metrics: Metrics,
    roc_curve: Vec<[f64; 2]>,
    precision_recall_curve: Vec<[f64; 3]>,
    equal_width_10: Vec<(f64, f64, usize, usize, f64)>,
    equal_mass_7: Vec<(f64, f64, usize, usize, f64)>,
    lift_at_share: Vec<[f64; 2]>,
    lift_at_count: Vec<(usize, f64)>,
    confusions: Vec<GoldenConfusion>,
    campaigns: Vec<GoldenCampaign>,
}

#[derive(Deserialize)]
struct GoldenConfusion {
    threshold: f64,
    counts: [usize; 4],
    precision: Option<f64>,
    recall: Option<f64>,
    specificity: Option<f64>,
    f1: Option<f64>,
    accuracy: Option<f64>,
}

#[derive(Deserialize)]
struct GoldenCampaign {
    name: String,
    campaign: Campaign,
    empc: f64,
    empc_fraction: f64,
    profit_curve: Vec<[f64; 2]>,
    maximum_profit: [f64; 2],
}

/// Runs `check` on every data set with its scores and labels.
fn for_every_data_set(check: impl Fn(&DataSet, &[f64], &[bool])) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics");
    let golden = std::fs::read_to_string(folder.join("golden.json")).expect("golden.json is committed");
    let golden: Golden = serde_json::from_str(&golden).expect("golden.json has the keys that make_golden.py writes");
    assert_eq!(golden.data_sets.len(), 3);
    for data_set in &golden.data_sets {
        let path = folder.join(format!("{}.csv", data_set.name));
        let text = std::fs::read_to_string(path).expect("the data set is committed");
        let rows = text.lines().skip(1).map(|line| {
            let (score, churned) = line.split_once(',').expect("a row is a score and a label");
            (score.parse::<f64>().expect("a score is a number"), churned == "1")
        });
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.unzip();
        assert_eq!(scores.len(), data_set.metrics.n, "{}", data_set.name);
        check(data_set, &scores, &labels);
    }
}

#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE, "{what}: found {found}, expected {expected}");
}

#[test]
fn metrics_agree_key_by_key() {
    for_every_data_set(|golden, scores, labels| {
        let found = Metrics::of(scores, labels, &Campaign::default()).unwrap();
        let numbers = |metrics: &Metrics| match serde_json::to_value(metrics).unwrap() {
            serde_json::Value::Object(fields) => fields,
            other => panic!("metrics are an object, not {other}"),
        };
        let (found, expected) = (numbers(&found), numbers(&golden.metrics));
        assert_eq!(found.len(), 13);
        for (key, value) in &expected {
            assert_close(found[key].as_f64().unwrap(), value.as_f64().unwrap(), &format!("{} {key}", golden.name));
        }
    });
}

#[test]
fn each_function_returns_what_metrics_hold() {
    for_every_data_set(|_, scores, labels| {
        let metrics = Metrics::of(scores, labels, &Campaign::default()).unwrap();
        let auc = roc_auc_interval(scores, labels).unwrap();
        let best = expected_maximum_profit(scores, labels, &Campaign::default()).unwrap();
        assert_eq!(roc_auc(scores, labels), Ok(metrics.roc_auc));
        assert_eq!([auc.value, auc.low, auc.high], [metrics.roc_auc, metrics.roc_auc_low, metrics.roc_auc_high]);
        assert_eq!(average_precision(scores, labels), Ok(metrics.pr_auc));
        assert_eq!(log_loss(scores, labels), Ok(metrics.log_loss));
        assert_eq!(brier(scores, labels), Ok(metrics.brier));
        assert_eq!(expected_calibration_error(scores, labels), Ok(metrics.ece));
        assert_eq!(lift_at_share(scores, labels, 0.1), Ok(metrics.lift_10));
        assert_eq!([best.profit_per_tenant, best.contacted_share], [metrics.empc, metrics.empc_fraction]);
    });
}

#[test]
fn roc_and_precision_recall_curves_agree_point_by_point() {
    for_every_data_set(|golden, scores, labels| {
        let roc = roc_curve(scores, labels).unwrap();
        assert_eq!(roc.len(), golden.roc_curve.len());
        for (point, [false_positive_rate, true_positive_rate]) in roc.iter().zip(&golden.roc_curve) {
            assert_close(point.false_positive_rate, *false_positive_rate, &golden.name);
            assert_close(point.true_positive_rate, *true_positive_rate, &golden.name);
        }
        let curve = precision_recall_curve(scores, labels).unwrap();
        // scikit-learn stops nowhere early: both have one point per distinct score.
        assert_eq!(curve.len(), golden.precision_recall_curve.len());
        for (point, [threshold, precision, recall]) in curve.iter().zip(&golden.precision_recall_curve) {
            assert_eq!(point.threshold, *threshold);
            assert_close(point.precision, *precision, &golden.name);
            assert_close(point.recall, *recall, &golden.name);
        }
    });
}

#[test]
fn calibration_tables_agree_bin_by_bin() {
    let check = |found: Vec<CalibrationBin>, expected: &[(f64, f64, usize, usize, f64)]| {
        assert_eq!(found.len(), expected.len());
        for (bin, &(low, high, n, n_churned, mean_score)) in found.iter().zip(expected) {
            assert_eq!((bin.low, bin.high, bin.n, bin.n_churned), (low, high, n, n_churned));
            assert_close(bin.mean_score, mean_score, "mean score");
        }
    };
    for_every_data_set(|golden, scores, labels| {
        check(calibration_table(scores, labels, Binning::EqualWidth, 10).unwrap(), &golden.equal_width_10);
        check(calibration_table(scores, labels, Binning::EqualMass, 7).unwrap(), &golden.equal_mass_7);
    });
}

#[test]
fn lift_agrees_at_every_count_and_share_and_lies_on_the_gains_curve() {
    for_every_data_set(|golden, scores, labels| {
        for &[share, lift] in &golden.lift_at_share {
            assert_close(lift_at_share(scores, labels, share).unwrap(), lift, &format!("{} {share}", golden.name));
        }
        let n = scores.len();
        assert_eq!(golden.lift_at_count.len(), n);
        for &(count, lift) in &golden.lift_at_count {
            assert_close(lift_at_count(scores, labels, count).unwrap(), lift, &format!("{} {count}", golden.name));
        }
        for point in &gains_curve(scores, labels).unwrap()[1..] {
            let count = (point.contacted_share * n as f64).round() as usize;
            let (_, lift) = golden.lift_at_count[count - 1];
            assert_close(point.found_share, lift * point.contacted_share, &golden.name);
        }
    });
}

#[test]
fn confusions_agree_count_by_count() {
    for_every_data_set(|golden, scores, labels| {
        for expected in &golden.confusions {
            let found = Confusion::at(expected.threshold, scores, labels).unwrap();
            let counts = [found.true_positives, found.false_positives, found.true_negatives, found.false_negatives];
            assert_eq!(counts, expected.counts);
            for (found, expected) in [
                (found.precision(), expected.precision),
                (found.recall(), expected.recall),
                (found.specificity(), expected.specificity),
                (found.f1(), expected.f1),
                (found.accuracy(), expected.accuracy),
            ] {
                assert_eq!(found.is_some(), expected.is_some());
                assert_close(found.unwrap_or(0.0), expected.unwrap_or(0.0), &golden.name);
            }
        }
    });
}

#[test]
fn expected_maximum_profit_agrees_with_numerical_integration_for_every_campaign() {
    for_every_data_set(|golden, scores, labels| {
        for expected in &golden.campaigns {
            let what = format!("{} {}", golden.name, expected.name);
            let found = expected_maximum_profit(scores, labels, &expected.campaign).unwrap();
            assert_close(found.profit_per_tenant, expected.empc, &what);
            assert_close(found.contacted_share, expected.empc_fraction, &what);
        }
    });
}

#[test]
fn profit_curves_agree_point_by_point_and_so_do_their_maxima() {
    for_every_data_set(|golden, scores, labels| {
        for expected in &golden.campaigns {
            let what = format!("{} {}", golden.name, expected.name);
            let curve = profit_curve(scores, labels, &expected.campaign).unwrap();
            assert_eq!(curve.len(), expected.profit_curve.len());
            for (point, [contacted_share, profit]) in curve.iter().zip(&expected.profit_curve) {
                assert_close(point.contacted_share, *contacted_share, &what);
                assert_close(point.profit_per_tenant, *profit, &what);
            }
            let best = maximum_profit(scores, labels, &expected.campaign).unwrap();
            assert_close(best.contacted_share, expected.maximum_profit[0], &what);
            assert_close(best.profit_per_tenant, expected.maximum_profit[1], &what);
        }
    });
}
