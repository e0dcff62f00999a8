use churn_features::{Feature, FeatureSchema};
use churn_model::{LinearModel, Model, ModelKind, ReasonValue, ReferenceHistogram, Standardised, Term};

use crate::forests::model_with;

const MISSING: f32 = f32::NAN;

/// Logins in 7 and 28 days, whether there is a contract, and the plan, each with a weight of its own.
fn linear() -> Model {
    let schema = FeatureSchema::new(vec![
        Feature::numeric("logins_7").with_unit("logins").with_lookback_days(7),
        Feature::numeric("logins_28").with_unit("logins").with_lookback_days(28),
        Feature::boolean("has_contract"),
        Feature::category("plan", vec!["free".into(), "paid".into()]),
    ])
    .expect("valid");
    let values = [[7.0, 14.0, 21.0, 28.0], [28.0, 56.0, 84.0, 112.0], [1.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, MISSING]];
    let references =
        schema.features().iter().zip(values).map(|(f, values)| ReferenceHistogram::of(f, values)).collect();
    let numeric = |mean, weight| Term::Numeric {
        value: Standardised { mean, scale: 1.0, weight },
        signed_log: None,
        missing_weight: 0.0,
    };
    let plan = Term::Category { level_weights: vec![2.0, -1.0], missing_weight: 0.0 };
    let terms = vec![numeric(17.5, -0.5), numeric(70.0, -0.001), numeric(0.75, -1.0), plan];
    let linear = LinearModel::new(&schema, -2.0, terms).expect("valid");
    model_with(schema, ModelKind::Linear(linear), references)
}

#[test]
fn reasons_say_what_is_unusual_and_what_it_adds_largest_first() {
    let explainer = linear().explainer();
    let said: Vec<String> = explainer.reasons(&[3.0, 45.0, 0.0, 0.0], 9).iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "logins, last 7 days: 3 logins, peers' median 21 logins, down 79 % per day in the last 7 days against the 21 \
             before; raises the raw score by 7.250",
            "plan: free, as 25 % of peers; raises the raw score by 2.000",
            "has contract: no, as 25 % of peers; raises the raw score by 0.750",
            "logins, last 28 days: 45 logins, peers' median 84 logins, down 79 % per day in the last 7 days against the 21 \
             before; raises the raw score by 0.025",
        ]
    );
}

#[test]
fn as_many_reasons_are_given_as_asked_for_and_none_without_a_contribution() {
    let explainer = linear().explainer();
    let row = [17.5, 70.0, 1.0, 1.0];
    let names = |k| explainer.reasons(&row, k).into_iter().map(|reason| reason.feature).collect::<Vec<_>>();
    assert_eq!(names(1), ["plan"]);
    assert_eq!(names(5), ["plan", "has_contract"]);
}

#[test]
fn what_is_not_known_is_said_so() {
    let explainer = linear().explainer();
    let row = [MISSING, 70.0, 1.0, 7.0];
    let reasons = explainer.reasons_of(&row, &[1.0, 0.25, 0.0, -0.5], 3);
    let (logins, plan, longer) = (&reasons[0], &reasons[1], &reasons[2]);
    assert_eq!((&logins.value, logins.peers_median, logins.trend), (&ReasonValue::Missing, Some(21.0), None));
    assert_eq!((&plan.value, plan.peers_share), (&ReasonValue::Missing, Some(0.25)));
    assert_eq!((&longer.value, longer.trend), (&ReasonValue::Number(70.0), None));
    assert_eq!(plan.to_string(), "plan: not known, as 25 % of peers; lowers the raw score by 0.500");
}

#[test]
fn a_trend_is_told_only_where_there_is_something_before() {
    let explainer = linear().explainer();
    let trend = |recent, total| explainer.reasons_of(&[recent, total, 0.0, 0.0], &[1.0, 0.0, 0.0, 0.0], 1)[0].trend;
    assert_eq!(trend(7.0, 7.0), None);
    assert_eq!(trend(0.0, 21.0).map(|trend| trend.ratio), Some(0.0));
    assert_eq!(
        trend(7.0, 28.0).map(|trend| trend.to_string()).as_deref(),
        Some("as often per day in the last 7 days against the 21 before")
    );
    assert_eq!(trend(700.0, 703.0).map(|trend| trend.ratio), Some(10.0));
}
