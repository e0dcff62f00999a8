//! The same contributions as `shap.TreeExplainer`, on forests of scikit-learn and XGBoost; `golden/shap/make_golden.py`
//! made the file.

use std::collections::{BTreeMap, VecDeque};

use churn_features::{Feature, FeatureSchema};
use churn_model::{Combine, ForestModel, ModelKind, Node, SplitRule, Tree};
use serde::Deserialize;

use crate::forests::model;

#[derive(Deserialize)]
struct Golden {
    cases: BTreeMap<String, Case>,
}

#[derive(Deserialize)]
struct Case {
    combine: String,
    base: f64,
    trees: Vec<Vec<GoldenNode>>,
    rows: Vec<Vec<Option<f32>>>,
    base_value: f64,
    contributions: Vec<Vec<f64>>,
    tolerance: f64,
}

/// Feature or -1, split value, missing left, left child, right child, leaf value, cover.
#[derive(Deserialize)]
struct GoldenNode(i32, f32, bool, i32, i32, f32, f32);

/// Breadth first, as then children are neighbours and stand behind their parents.
fn tree(golden: &[GoldenNode]) -> Tree {
    let mut nodes = Vec::new();
    let mut waiting = VecDeque::from([0]);
    while let Some(at) = waiting.pop_front() {
        let GoldenNode(feature, split_value, missing_left, left, right, value, cover) = golden[at];
        if feature < 0 {
            nodes.push(Node::Leaf { value, cover });
            continue;
        }
        nodes.push(Node::Split {
            feature: feature as u16,
            rule: SplitRule::Below(split_value),
            missing_left,
            left: (nodes.len() + waiting.len() + 1) as u32,
            cover,
        });
        waiting.extend([left as usize, right as usize]);
    }
    Tree { nodes }
}

#[test]
fn contributions_are_those_of_shap() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/shap/golden.json")).expect("parses");
    assert_eq!(golden.cases.len(), 2);
    for (name, case) in golden.cases {
        let width = case.rows[0].len();
        let schema =
            FeatureSchema::new((0..width).map(|i| Feature::numeric(format!("f{i}"))).collect()).expect("valid");
        let combine = match case.combine.as_str() {
            "mean" => Combine::MeanShare,
            _ => Combine::SumLogOdds { base: case.base },
        };
        let trees: Vec<Tree> = case.trees.iter().map(|nodes| tree(nodes)).collect();
        let forest = ForestModel::new(&schema, combine, &trees).expect("valid");
        let explainer = model(schema, ModelKind::Forest(forest)).explainer();
        let check = |found: f64, expected: f64| {
            assert!((found - expected).abs() < case.tolerance, "{name}: {found} for {expected}");
        };
        check(explainer.base_value(), case.base_value);
        for (row, expected) in case.rows.iter().zip(&case.contributions) {
            let row: Vec<f32> = row.iter().map(|value| value.unwrap_or(f32::NAN)).collect();
            let found = explainer.explain(&row).contributions;
            found.into_iter().zip(expected).for_each(|(found, &expected)| check(found, expected));
        }
    }
}
