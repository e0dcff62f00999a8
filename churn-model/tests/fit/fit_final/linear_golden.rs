//! The linear learner against scikit-learn on the same columns; `tests/golden/linear/make_golden.py` wrote the files.

use churn_features::Feature;
use churn_model::fit::LinearLearner;
use serde::Deserialize;

use super::data::Table;

#[derive(Deserialize)]
struct Golden {
    levels: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    penalty: f64,
    l1_ratio: f64,
    is_weighted: bool,
    log_odds: Vec<f64>,
}

fn table(levels: &[String]) -> Table {
    let lines = include_str!("../golden/linear/observations.csv").lines().skip(1);
    let number = |text: &str| if text.is_empty() { f32::NAN } else { text.parse().unwrap() };
    let rows: Vec<Vec<f32>> = lines.map(|line| line.split(',').map(number).collect()).collect();
    let mut features = ["amount", "change", "count"].map(Feature::numeric).to_vec();
    features.extend([Feature::boolean("flag"), Feature::category("industry", levels.to_vec())]);
    let values: Vec<f32> = rows.iter().flat_map(|row| row[..5].to_vec()).collect();
    let labels: Vec<bool> = rows.iter().map(|row| row[6] == 1.0).collect();
    let weights = rows.iter().map(|row| row[5]).collect();
    Table { weights, ..Table::of_features(features, &values, &labels) }
}

#[test]
fn log_odds_are_those_of_scikit_learn() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/linear/golden.json")).unwrap();
    assert_eq!(golden.cases.len(), 7);
    for Case { penalty, l1_ratio, is_weighted, log_odds } in golden.cases {
        let mut table = table(&golden.levels);
        if !is_weighted {
            table.weights.fill(1.0);
        }
        let learner = LinearLearner { penalty: Some(penalty), l1_ratio, ..LinearLearner::default() };
        let model = learner.fit(&table.observations()).unwrap();
        for (row, expected) in log_odds.into_iter().enumerate() {
            let found = model.raw_score(&table.row(row));
            let at = format!("row {row}, penalty {penalty}, l1 ratio {l1_ratio}, weighted {is_weighted}");
            assert!((found - expected).abs() < 1e-6, "{at}: {found} instead of {expected}");
        }
    }
}
