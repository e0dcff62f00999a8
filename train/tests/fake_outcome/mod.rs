//! An outcome as a run might end with, from scores and labels drawn for the test: every curve and metric is real.

// Each test file uses a part of it, and a world that cannot be built shall fail its test.
#![allow(dead_code, clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use churn_features::Feature;
use churn_model::evaluate::{
    Binning, Confusion, Importance, MeanChange, Metrics, calibration_table, choose_threshold, gains_curve,
    precision_recall_curve, profit_curve, roc_curve,
};
use churn_model::{Calibrator, Campaign, ThresholdRule};
use churn_train::{
    Algorithm, Baseline, CandidateOutcome, CrossValidation, Evaluation, FoldOutcome, Outcome, Segment, Split,
};
use churn_training_data::{ColumnSummary, Role, ValueSummary};
use serde_json::json;

pub(crate) use world::observed;

/// Numbers in `[0, 1)` that look random (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Close enough to normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// Scores and labels of `n` tenants: the higher `signal`, the further scores spread around the base rate.
pub(crate) fn draw(n: usize, signal: f64, seed: u64) -> (Vec<f64>, Vec<bool>) {
    let mut dice = Dice::new(seed);
    let draw_one = |_| {
        let log_odds = signal * dice.normal() - 1.3;
        // A little too sure of itself, as models are.
        (sigmoid(1.08 * log_odds), dice.roll() < sigmoid(log_odds))
    };
    (0..n).map(draw_one).unzip()
}

/// The scores of a model that knows less about the same tenants.
fn blurred(scores: &[f64], blur: f64, seed: u64) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    let blurred = scores.iter().map(|score| (score / (1.0 - score)).ln() + blur * dice.normal());
    blurred.map(|log_odds| sigmoid((log_odds + 1.3) / (1.0 + 0.5 * blur * blur) - 1.3)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(crate) fn evaluation(scores: &[f64], labels: &[bool], threshold: f64, campaign: &Campaign) -> Evaluation {
    let mut histogram = vec![(0, 0); 40];
    for (score, churned) in scores.iter().zip(labels) {
        let bin = &mut histogram[((score * 40.0) as usize).min(39)];
        if *churned { bin.1 += 1 } else { bin.0 += 1 }
    }
    Evaluation {
        metrics: Metrics::of(scores, labels, campaign).unwrap(),
        roc: roc_curve(scores, labels).unwrap(),
        precision_recall: precision_recall_curve(scores, labels).unwrap(),
        calibration: calibration_table(scores, labels, Binning::EqualMass, 10).unwrap(),
        gains: gains_curve(scores, labels).unwrap(),
        profit: profit_curve(scores, labels, campaign).unwrap(),
        confusion: Confusion::at(threshold, scores, labels).unwrap(),
        histogram,
    }
}

/// A forest kept among three learners on a table of telephone customers, tested on `n_test` of them.
pub(crate) fn telco(n_test: usize) -> Outcome {
    let campaign = Campaign::default();
    let (scores, labels) = draw(n_test, 1.5, 7);
    let threshold = choose_threshold(ThresholdRule::Profit { campaign }, &scores, &labels).unwrap();
    let test = evaluation(&scores, &labels, threshold.score, &campaign);
    let metrics_of = |blur, seed| Metrics::of(&blurred(&scores, blur, seed), &labels, &campaign).unwrap();
    let candidate = |algorithm, honest_log_loss, metrics, fit_seconds| CandidateOutcome {
        algorithm,
        honest_log_loss,
        criterion: if algorithm == Algorithm::RandomForest { "out-of-bag" } else { "cross-validated" },
        test: metrics,
        hyperparameters: hyperparameters(algorithm),
        calibrator: "logistic",
        notes: Vec::new(),
        fit_seconds,
    };
    let mut linear = candidate(Algorithm::LinearLearner, 0.4196, metrics_of(0.2, 8), 0.18);
    linear.notes.push("the fit stopped after 200 iterations before it had converged".into());
    let split = Split {
        n_fit: 4 * n_test,
        n_fit_churned: 4 * test.metrics.n_churned - 3,
        n_calibration: 0,
        n_test,
        n_test_churned: test.metrics.n_churned,
        is_test_held_out: true,
        group: None,
    };
    Outcome {
        model_id: "3f9a1c07d2be".into(),
        source: "telco.csv".into(),
        label: "Churn: Yes = churn, No = stayed".into(),
        columns: columns(split.n_fit + split.n_test),
        features: features(),
        split,
        chosen: 0,
        candidates: vec![
            candidate(Algorithm::RandomForest, 0.4142, test.metrics, 1.37),
            linear,
            candidate(Algorithm::DecisionTree, 0.4419, metrics_of(0.6, 9), 0.06),
        ],
        cross_validation: None,
        baseline: Baseline { feature: "Contract".into(), test: metrics_of(1.4, 10) },
        importance: importance(),
        n_importance: n_test.min(5_000),
        segments: segments(n_test),
        calibrator: Calibrator::Logistic { slope: 1.083, intercept: -0.021 },
        threshold,
        campaign,
        rules: None,
        caveats: vec![
            "not point-in-time: a flat table does not say when its values became known, so features may hold what came \
             after the churn"
                .into(),
            "only 61 churned rows in the test; mind the interval of the ROC-AUC".into(),
        ],
        seed: 42,
        repeat: Some(
            "--table telco.csv --label Churn --id customerID --seed 42".split(' ').map(str::to_owned).collect(),
        ),
        test,
        over_time: None,
    }
}

/// The same with everything that is optional, and names that HTML and Markdown could trip over.
pub(crate) fn everything(n_test: usize) -> Outcome {
    let mut outcome = telco(n_test);
    outcome.source = "tenants & <b>\"friends\"</b>.csv".into();
    outcome.repeat = Some(vec!["--table".into(), outcome.source.clone()]);
    outcome.split.group = Some("parent | company".into());
    outcome.columns[3].name = "x<script>alert('1')</script>".into();
    outcome.importance[1].name = "a & b < \"c\"".into();
    outcome.segments[0].part = "<18 & 'young'".into();
    outcome.chosen = 2;
    outcome.rules = Some(
        "if Contract is Month-to-month\n  if tenure < 5.5\n    churn 0.58 (n = 871)\n  else\n    churn 0.31 (n = \
         1,504)\nelse\n  churn 0.07 (n = 3,259)\n"
            .into(),
    );
    outcome.calibrator = Calibrator::Isotonic { raw_scores: vec![0.1, 0.4, 0.9], probabilities: vec![0.05, 0.4, 0.8] };
    outcome.cross_validation = Some(cross_validation(n_test));
    outcome
}

fn hyperparameters(algorithm: Algorithm) -> BTreeMap<String, serde_json::Value> {
    let named: &[(&str, serde_json::Value)] = match algorithm {
        Algorithm::RandomForest => &[
            ("n_trees", json!(400)),
            ("min_leaf", json!(20)),
            ("features_per_split", json!("sqrt")),
            ("max_depth", json!(null)),
        ],
        Algorithm::DecisionTree => &[("max_depth", json!(6)), ("min_leaf", json!(30)), ("pruned_by", json!("one-se"))],
        Algorithm::LinearLearner => {
            &[("penalty", json!(0.0031)), ("l1_share", json!(0.5)), ("max_iterations", json!(200))]
        }
    };
    named.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn importance() -> Vec<Importance> {
    let names = [
        "Contract",
        "tenure",
        "MonthlyCharges",
        "InternetService",
        "OnlineSecurity",
        "TechSupport",
        "TotalCharges",
        "PaymentMethod",
        "PaperlessBilling",
        "SeniorCitizen",
        "MultipleLines",
        "StreamingMovies",
        "StreamingTV",
        "Dependents",
        "OnlineBackup",
        "DeviceProtection",
        "Partner",
        "PhoneService",
        "gender",
    ];
    let mut dice = Dice::new(3);
    let named = names.iter().enumerate().map(|(i, name)| {
        let mean = 0.083 * (-0.42 * i as f64).exp() - 0.0004;
        let sd = 0.0009 + 0.05 * mean.abs() + 0.0005 * dice.roll();
        Importance {
            name: (*name).to_owned(),
            roc_auc_decrease: MeanChange { mean: 0.8 * mean + 0.001 * dice.roll(), sd: Some(0.9 * sd) },
            log_loss_increase: MeanChange { mean, sd: Some(sd) },
        }
    });
    named.collect()
}

fn segments(n_test: usize) -> Vec<Segment> {
    let part = |feature: &str, part: &str, share: f64, churned: f64, mean_score, roc_auc| {
        let n = (share * n_test as f64) as usize;
        Segment {
            feature: feature.into(),
            part: part.into(),
            n,
            n_churned: (churned * n as f64) as usize,
            mean_score,
            roc_auc,
            decided_share: (1.6 * mean_score).min(1.0),
        }
    };
    vec![
        part("Contract", "Month-to-month", 0.55, 0.427, 0.431, Some(0.751)),
        part("Contract", "One year", 0.21, 0.113, 0.108, Some(0.702)),
        part("Contract", "Two year", 0.24, 0.02, 0.026, Some(0.688)),
        part("tenure", "below 9", 0.25, 0.49, 0.47, Some(0.74)),
        part("tenure", "9 to 29", 0.25, 0.28, 0.29, Some(0.79)),
        part("tenure", "29 to 55", 0.25, 0.19, 0.2, Some(0.81)),
        part("tenure", "55 and above", 0.25, 0.07, 0.074, Some(0.83)),
        part("InternetService", "Fiber optic", 0.44, 0.42, 0.41, Some(0.78)),
        part("InternetService", "DSL", 0.34, 0.19, 0.19, Some(0.82)),
        part("InternetService", "missing", 0.004, 0.0, 0.11, None),
    ]
}

fn features() -> Vec<Feature> {
    let contracts = ["Month-to-month", "One year", "Two year"].map(str::to_owned).to_vec();
    vec![
        Feature::category("Contract", contracts),
        Feature::numeric("tenure").with_unit("months"),
        Feature::category("Postcode", (1..=23).map(|number| format!("D{number}")).collect()),
        Feature::boolean("#paperless | billing"),
    ]
}

fn columns(n: usize) -> Vec<ColumnSummary> {
    let levels = |named: &[(&str, f64)]| {
        ValueSummary::Levels(
            named.iter().map(|(name, share)| ((*name).to_owned(), (share * n as f64) as usize)).collect(),
        )
    };
    let column = |name: &str, role, kind, missing: f64, distinct, values, notes: &[&str]| ColumnSummary {
        name: name.into(),
        role,
        kind,
        n_missing: Some((missing * n as f64) as usize),
        n_distinct: Some(distinct),
        values,
        notes: notes.iter().map(|note| (*note).to_owned()).collect(),
    };
    let dropped = |reason: &str| Role::Dropped { reason: reason.into() };
    vec![
        column("customerID", Role::Id, None, 0.0, n, ValueSummary::Nothing, &[]),
        column(
            "Churn",
            Role::Label,
            None,
            0.0,
            2,
            levels(&[("No", 0.735), ("Yes", 0.265)]),
            &["Yes = churn, No = stayed"],
        ),
        column(
            "Contract",
            Role::Feature,
            Some("category"),
            0.0,
            3,
            levels(&[("Month-to-month", 0.55), ("Two year", 0.24), ("One year", 0.21)]),
            &[],
        ),
        column(
            "tenure",
            Role::Feature,
            Some("number"),
            0.0,
            73,
            ValueSummary::Numbers { min: 0.0, median: 29.0, max: 72.0 },
            &[],
        ),
        column(
            "MonthlyCharges",
            Role::Feature,
            Some("number"),
            0.0,
            1585,
            ValueSummary::Numbers { min: 18.25, median: 70.35, max: 118.75 },
            &[],
        ),
        column(
            "TotalCharges",
            Role::Feature,
            Some("number"),
            0.0016,
            6530,
            ValueSummary::Numbers { min: 18.8, median: 1397.5, max: 8684.8 },
            &["blank cells read as missing"],
        ),
        column(
            "SeniorCitizen",
            Role::Feature,
            Some("boolean"),
            0.0,
            2,
            levels(&[("no", 0.838), ("yes", 0.162)]),
            &["0 and 1 read as no and yes"],
        ),
        column(
            "PaymentMethod",
            Role::Feature,
            Some("category"),
            0.021,
            4,
            levels(&[
                ("Electronic check", 0.336),
                ("Mailed check", 0.229),
                ("Bank transfer (automatic)", 0.219),
                ("Credit card (automatic)", 0.216),
            ]),
            &[],
        ),
        column("Country", dropped("the same value in every row"), None, 0.0, 1, ValueSummary::Nothing, &[]),
        column("ChurnReason", dropped("asked for with --drop"), None, 0.735, 20, ValueSummary::Nothing, &[]),
    ]
}

fn cross_validation(n_test: usize) -> CrossValidation {
    let fold = |fold: u32| {
        let (scores, labels) = draw(n_test, 1.5, 100 + u64::from(fold));
        let algorithm = if fold == 3 { Algorithm::LinearLearner } else { Algorithm::DecisionTree };
        FoldOutcome { fold, algorithm, metrics: Metrics::of(&scores, &labels, &Campaign::default()).unwrap() }
    };
    let folds: Vec<_> = (0..5).map(fold).collect();
    let mean = |of: fn(&Metrics) -> f64| folds.iter().map(|fold| of(&fold.metrics)).sum::<f64>() / folds.len() as f64;
    let means = BTreeMap::from([
        ("roc_auc", mean(|metrics| metrics.roc_auc)),
        ("pr_auc", mean(|metrics| metrics.pr_auc)),
        ("log_loss", mean(|metrics| metrics.log_loss)),
        ("brier", mean(|metrics| metrics.brier)),
        ("ece", mean(|metrics| metrics.ece)),
        ("lift_10", mean(|metrics| metrics.lift_10)),
    ]);
    let candidates = BTreeMap::from([("decision-tree", means.clone()), ("linear-learner", means.clone())]);
    CrossValidation { mean: means, folds, candidates }
}
