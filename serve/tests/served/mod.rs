//! A fitted model to serve.

use churn_features::{Feature, FeatureSchema};
use churn_model::fit::{Observations, Progress, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use ndarray::Array2;

/// Five numbers, a yes-or-no and a category; who has few jobs churns, energy companies more than others.
pub(crate) fn model() -> Model {
    let names = ["Revenue", "Employees", "#job30", "#job90", "MonthlyCharge", "trial", "Industry"];
    model_of(names, ["IT", "energy", "retail"])
}

/// The same of columns without names, of which the training dropped the second, and levels that are numbers.
pub(crate) fn nameless_model() -> Model {
    model_of(["1", "3", "4", "5", "6", "7", "8"].map(|number| format!("column_{number}")), ["0", "7", "12"])
}

fn model_of(names: [impl Into<String>; 7], levels: [&str; 3]) -> Model {
    let [revenue, employees, job30, job90, charge, trial, industry] = names.map(Into::<String>::into);
    let levels = levels.map(str::to_owned).to_vec();
    let schema = FeatureSchema::new(vec![
        Feature::numeric(revenue),
        Feature::numeric(employees),
        Feature::numeric(job30),
        Feature::numeric(job90),
        Feature::numeric(charge),
        Feature::boolean(trial),
        Feature::category(industry, levels),
    ])
    .expect("is sound");
    let n_rows = 600;
    let features = Array2::from_shape_fn((n_rows, schema.len()), |(row, column)| {
        let spread = (row * (7 + 2 * column) + column) % 101;
        match column {
            5 => f32::from(spread.is_multiple_of(3)),
            6 => (spread % 3) as f32,
            _ if spread == 100 => f32::NAN,
            _ => spread as f32,
        }
    });
    let labels: Vec<bool> = features.rows().into_iter().map(|row| row[2] + 20.0 * row[6] < 45.0).collect();
    let observations = Observations::new(&schema, features.view(), &labels).expect("fits the schema");
    let learner = RandomForestLearner { n_trees: 20, ..RandomForestLearner::default() };
    let fitted = learner.fit_out_of_bag(&observations, &Progress::silent()).expect("can be fitted");
    let columns = features.columns().into_iter().zip(schema.features());
    let references = columns.map(|(values, feature)| ReferenceHistogram::of(feature, values.to_vec())).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    let kind = ModelKind::Forest(fitted.model);
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).expect("fits together")
}
