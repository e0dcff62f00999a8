//! Makes a golden folder: small models of every kind, and the scores they give.
//!
//! ```sh
//! cargo run -p churn-model --example make_golden -- churn-model/tests/golden/<format version>
//! ```
//!
//! The folder must not exist: golden files are never made again. A new format version gets a new folder.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use churn_features::{Feature, FeatureSchema};
use churn_model::{
    Calibrator, Campaign, Combine, ForestModel, LinearModel, Model, ModelCard, ModelKind, Node, ReferenceHistogram,
    SplitRule, Standardised, Term, Threshold, ThresholdRule, Tree,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name the folder to make, as the last argument")?;
    let folder = Path::new(&folder);
    std::fs::create_dir(folder).map_err(|error| format!("cannot make {folder:?}: {error}"))?;
    let mut table = String::from("model,days_since_login,is_trial,industry,raw_score,score\n");
    for (name, model) in [
        ("forest", forest()?),
        ("ensemble", ensemble()?),
        ("linear", linear("linear", None)?),
        ("linear-log", linear("linear-log", Some(Standardised { mean: 1.25, scale: 0.875, weight: 0.3 }))?),
    ] {
        model.write(&folder.join(format!("{name}.safetensors")))?;
        for row in feature_vectors() {
            let (raw_score, score) = (model.kind().raw_score(&row), model.score(&row));
            writeln!(table, "{name},{:?},{:?},{:?},{raw_score:?},{score:?}", row[0], row[1], row[2])?;
        }
    }
    std::fs::write(folder.join("scores.csv"), table)?;
    Ok(())
}

/// Both sides of every split and knot, missing values, and category codes that are no level.
fn feature_vectors() -> Vec<[f32; 3]> {
    let days = [f32::NAN, -3.0, 0.0, 6.999_999_5, 7.0, 29.5, 1e30];
    let industries = [f32::NAN, 0.0, 1.0, 2.0, 3.0, 0.5, -1.0];
    let trial = [0.0, 1.0, f32::NAN];
    let mut rows = Vec::new();
    for (i, day) in days.into_iter().enumerate() {
        for (j, industry) in industries.into_iter().enumerate() {
            rows.push([day, trial[(i + j) % trial.len()], industry]);
        }
    }
    rows
}

fn schema() -> Result<FeatureSchema, churn_features::Error> {
    FeatureSchema::new(vec![
        Feature::numeric("days_since_login").with_unit("days").with_missing_when("nobody ever logged in"),
        Feature::boolean("is_trial").with_lookback_days(90),
        Feature::category("industry", vec!["Énergie".into(), "retail, \"other\"".into(), "IT".into()]),
    ])
}

fn references(schema: &FeatureSchema) -> Vec<ReferenceHistogram> {
    let rows = feature_vectors();
    let column = |position: usize| rows.iter().map(move |row| row[position]);
    schema.features().iter().enumerate().map(|(i, feature)| ReferenceHistogram::of(feature, column(i))).collect()
}

fn card(algorithm: &str) -> ModelCard {
    ModelCard {
        algorithm: algorithm.to_owned(),
        label: "cancelled within 60 days, after a gap of 14".to_owned(),
        point_in_time: true,
        n_observations: 12_345,
        n_churned: 678,
        seed: u64::MAX,
        hyperparameters: [("n_trees".to_owned(), 3.into()), ("penalty".to_owned(), 0.1.into())].into(),
        metrics: [("test.log_loss".to_owned(), 0.1 + 0.2), ("test.roc_auc".to_owned(), 0.87)].into(),
        caveats: vec!["made by hand, fitted on nothing".to_owned()],
    }
}

fn leaf(value: f32, cover: f32) -> Node {
    Node::Leaf { value, cover }
}

fn below(feature: u16, split_value: f32, missing_left: bool, left: u32, cover: f32) -> Node {
    Node::Split { feature, rule: SplitRule::Below(split_value), missing_left, left, cover }
}

fn levels(codes: &[u8], missing_left: bool, left: u32, cover: f32) -> Node {
    let rule = SplitRule::Levels(codes.iter().copied().collect());
    Node::Split { feature: 2, rule, missing_left, left, cover }
}

fn trees(scale: f32) -> Vec<Tree> {
    let value = |share: f32| share * scale;
    let by_days = vec![
        below(0, 7.0, false, 1, 100.0),
        levels(&[0, 2], true, 3, 40.0),
        below(1, 0.5, true, 5, 60.0),
        leaf(value(0.0), 15.5),
        leaf(value(0.1), 24.5),
        leaf(value(1.0 / 3.0), 20.0),
        leaf(value(0.9), 40.0),
    ];
    let by_industry = vec![
        levels(&[1], false, 1, 100.0),
        leaf(value(0.7), 30.0),
        below(0, f32::INFINITY, false, 3, 70.0),
        levels(&[2], false, 5, 69.0),
        leaf(value(1.0), 1.0),
        leaf(value(0.3), 9.0),
        leaf(value(0.05), 60.0),
    ];
    vec![Tree { nodes: by_days }, Tree { nodes: by_industry }, Tree { nodes: vec![leaf(value(0.2), 100.0)] }]
}

fn forest() -> Result<Model, Box<dyn Error>> {
    let schema = schema()?;
    let kind = ModelKind::Forest(ForestModel::new(&schema, Combine::MeanShare, &trees(1.0))?);
    let calibrator = Calibrator::Isotonic {
        raw_scores: vec![0.1, 0.25, 0.2 + 0.1, 0.6],
        probabilities: vec![0.0, 0.04, 0.35, 0.95],
    };
    let campaign = Campaign::default();
    let threshold = Threshold { score: campaign.break_even(), rule: ThresholdRule::Profit { campaign } };
    let references = references(&schema);
    Ok(Model::new(schema, kind, calibrator, threshold, references, card("random-forest"))?)
}

fn ensemble() -> Result<Model, Box<dyn Error>> {
    let schema = schema()?;
    let combine = Combine::SumLogOdds { base: -1.1 };
    let kind = ModelKind::Forest(ForestModel::new(&schema, combine, &trees(-2.7))?);
    let threshold = Threshold { score: 0.2, rule: ThresholdRule::Capacity { share: 0.05 } };
    let references = references(&schema);
    Ok(Model::new(schema, kind, Calibrator::Identity, threshold, references, card("imported: made by hand"))?)
}

/// With a logarithm the last bit of a raw score is the platform's, so one model goes without.
fn linear(algorithm: &str, signed_log: Option<Standardised>) -> Result<Model, Box<dyn Error>> {
    let schema = schema()?;
    let value = Standardised { mean: 11.3, scale: 7.1, weight: 0.1 + 0.2 };
    let is_trial = Standardised { mean: 0.25, scale: 0.433, weight: -0.6 };
    let terms = vec![
        Term::Numeric { value, signed_log, missing_weight: 0.7 },
        Term::Numeric { value: is_trial, signed_log: None, missing_weight: 0.0 },
        Term::Category { level_weights: vec![0.3, -0.2, 1.0 / 3.0], missing_weight: -0.01 },
    ];
    let kind = ModelKind::Linear(LinearModel::new(&schema, -2.2, terms)?);
    let calibrator = Calibrator::Logistic { slope: 0.9, intercept: -0.15 };
    let rule = if signed_log.is_some() { ThresholdRule::Fixed } else { ThresholdRule::Precision { at_least: 0.8 } };
    let references = references(&schema);
    Ok(Model::new(schema, kind, calibrator, Threshold { score: 0.5, rule }, references, card(algorithm))?)
}
