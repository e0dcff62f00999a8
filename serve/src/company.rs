//! A company JSON to a feature vector of any model, by names alone.
//!
//! The mapping is made from the model's schema: nobody writes down an order of columns. A feature is filled by the fact
//! whose spelling its own name is (`Revenue`, `#job30`, `monthly_charge`), or, where a model has one feature per industry
//! (`IT`, `Industry_retail`, `industry=retail`), by what the industry is. Any other feature can be given
//! by its own exact name.

mod body;

use std::borrow::Cow;

use churn_events::{CompanyField, INDUSTRIES};
use churn_features::{Feature, FeatureKind, FeatureSchema, TextValue, ValueReader};
use serde::Serialize;
use serde_json::{Map, Value};

pub use body::CompanyError;
use body::{Body, Field};

/// Features named in one message.
const SHOWN_FEATURES: usize = 4;

/// Fields named as unknown, at most: more say nothing that these do not.
const MOST_UNKNOWN: usize = 100;

/// How a company JSON fills the feature vector of a model.
///
/// # Missing
/// A fact that the body lacks, or gives as `null`, a blank or a missing word, is missing; so are the flags of all
/// industries without an industry. A level that the model does not know is missing, too. An industry without a flag leaves
/// all flags 0: it is none of them.
#[derive(Debug, Clone)]
pub struct CompanyMapping {
    slots: Vec<Slot>,
}

/// The feature vector of one company.
#[derive(Debug, Clone, PartialEq)]
pub struct CompanyRow {
    /// One value per feature, in schema order; NaN where it is not known.
    pub values: Vec<f32>,
    /// Facts that the model reads and the body does not tell.
    pub missing: Vec<&'static str>,
    /// Number of features that no fact fills and the body does not give by name.
    pub unfilled: usize,
    /// What the body tells and the model does not know, or the first hundred fields of it.
    pub unknown: Vec<Unknown>,
}

/// A field, or the level of a category, that a model does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// The field as the body spells it.
    pub field: String,
    /// The level, where it is that which is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
}

/// A model that no company JSON can fill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no feature of the model is a fact of a company (industry, revenue, employees, job30, job90, monthlyFee, totalFee); \
     it has {features}: train on columns with names, such as those of `simulate --table`"
)]
pub struct NoMapping {
    features: String,
}

impl CompanyMapping {
    /// Finds what fills each feature.
    ///
    /// # Errors
    /// When no feature is a fact of a company, as where a model was trained on columns without names.
    pub fn new(schema: &FeatureSchema) -> Result<Self, NoMapping> {
        let slots: Vec<Slot> = schema.features().iter().map(Slot::of).collect();
        if slots.iter().any(|slot| slot.fact().is_some()) {
            return Ok(Self { slots });
        }
        let names: Vec<&str> = slots.iter().take(SHOWN_FEATURES).map(|slot| slot.feature.name()).collect();
        let mut features = names.join(", ");
        if let more @ 1.. = slots.len().saturating_sub(SHOWN_FEATURES) {
            features.push_str(&format!(" and {more} more"));
        }
        Err(NoMapping { features })
    }

    /// Whether a JSON object is about a company; objects that name a model's inputs are not.
    pub fn is_company(body: &Map<String, Value>) -> bool {
        body.keys().any(|name| CompanyField::spelt(name).is_some_and(|field| field != CompanyField::RiskOfChurn))
    }

    /// Features that no fact fills; they are missing unless a body gives them by name.
    pub fn unfilled(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter(|slot| slot.fact().is_none()).map(|slot| slot.feature.name())
    }

    /// The feature vector of one company.
    ///
    /// # Errors
    /// [`CompanyError`] names the field as the body spells it.
    pub fn row(&self, body: &Map<String, Value>) -> Result<CompanyRow, CompanyError> {
        let body = Body::read(body)?;
        let mut row =
            CompanyRow { values: Vec::with_capacity(self.slots.len()), missing: vec![], unfilled: 0, unknown: vec![] };
        for slot in &self.slots {
            let value = slot.value(&body)?;
            match (value, slot.fact()) {
                (TextValue::Missing, Some(fact)) if !row.missing.contains(&fact.name()) => {
                    row.missing.push(fact.name())
                }
                (TextValue::Missing, None) => row.unfilled += 1,
                (TextValue::UnknownLevel, _) => {
                    row.unknown.extend(slot.field(&body).map(|field| field.unknown_level()))
                }
                _ => {}
            }
            row.values.push(value.or_nan());
        }
        if row.values.iter().all(|value| value.is_nan()) {
            return Err(CompanyError::NothingKnown { facts: row.missing.join(", ") });
        }
        row.unknown.extend(self.industry_without_flag(&body));
        let others = body.others.values().filter(|field| !self.slots.iter().any(|slot| slot.is_given_by(field.name)));
        row.unknown.extend(others.take(MOST_UNKNOWN).map(|field| field.unknown()));
        Ok(row)
    }

    fn industry_without_flag(&self, body: &Body<'_>) -> Option<Unknown> {
        let (field, industry) = body.industry()?;
        let mut flags = self.slots.iter().filter_map(|slot| slot.flag()).peekable();
        flags.peek()?;
        flags.all(|flag| flag != CompanyField::plain(industry)).then(|| field.unknown_level())
    }
}

/// One feature, and what fills it.
#[derive(Debug, Clone)]
struct Slot {
    feature: Feature,
    reader: ValueReader,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// A fact.
    Fact(CompanyField),
    /// Whether the industry is this one, as [`CompanyField::plain`] has it.
    IsIndustry(String),
    /// A field of the feature's own name.
    OwnName,
}

impl Source {
    fn of(feature: &Feature) -> Self {
        if let Some(fact) = CompanyField::spelt(feature.name()) {
            return match fact {
                CompanyField::Id | CompanyField::RiskOfChurn => Self::OwnName,
                _ => Self::Fact(fact),
            };
        }
        let plain = CompanyField::plain(feature.name());
        let after_prefix = plain.strip_prefix(CompanyField::Industry.name());
        let industry = after_prefix.unwrap_or(&plain);
        let is_known = INDUSTRIES.iter().any(|known| known.eq_ignore_ascii_case(industry));
        let is_flag = match feature.kind() {
            FeatureKind::Boolean => is_known || after_prefix.is_some(),
            FeatureKind::Numeric => is_known, // not every number about industries is a flag
            FeatureKind::Category { .. } => false,
        };
        if is_flag { Self::IsIndustry(industry.to_owned()) } else { Self::OwnName }
    }
}

impl Slot {
    fn of(feature: &Feature) -> Self {
        Self { feature: feature.clone(), reader: ValueReader::new(feature), source: Source::of(feature) }
    }

    /// The fact that fills this feature.
    fn fact(&self) -> Option<CompanyField> {
        match self.source {
            Source::Fact(fact) => Some(fact),
            Source::IsIndustry(_) => Some(CompanyField::Industry),
            Source::OwnName => None,
        }
    }

    fn flag(&self) -> Option<&str> {
        match &self.source {
            Source::IsIndustry(industry) => Some(industry),
            Source::Fact(_) | Source::OwnName => None,
        }
    }

    fn is_given_by(&self, name: &str) -> bool {
        matches!(self.source, Source::OwnName) && self.feature.name() == name
    }

    fn field<'a>(&self, body: &Body<'a>) -> Option<Field<'a>> {
        match self.fact() {
            Some(fact) => body.facts.get(&fact).copied(),
            None => body.others.get(self.feature.name()).copied(),
        }
    }

    fn value(&self, body: &Body<'_>) -> Result<TextValue, CompanyError> {
        if let Source::IsIndustry(flag) = &self.source {
            let is_flagged = |(_, industry)| f32::from(u8::from(CompanyField::plain(industry) == *flag));
            return Ok(body.industry().map(is_flagged).map_or(TextValue::Missing, TextValue::Known));
        }
        self.field(body).map_or(Ok(TextValue::Missing), |field| self.read(field))
    }

    fn read(&self, field: Field<'_>) -> Result<TextValue, CompanyError> {
        let text = match field.value {
            Value::Null => return Ok(TextValue::Missing),
            Value::Bool(yes) if *self.feature.kind() == FeatureKind::Boolean => {
                return Ok(TextValue::Known(f32::from(u8::from(*yes))));
            }
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::String(text) => Cow::Borrowed(text.trim()),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(field.wrong(if self.feature.is_category() { "a text" } else { "a number" }));
            }
        };
        match self.reader.read(&text) {
            Ok(TextValue::UnknownLevel) => Ok(self.level_in_any_case(&text)),
            Ok(value) => Ok(value),
            Err(error) => Err(field.wrong(error.expected)),
        }
    }

    fn level_in_any_case(&self, text: &str) -> TextValue {
        let mut levels = (0_u16..).zip(self.feature.levels());
        let found = levels.find(|(_, level)| level.eq_ignore_ascii_case(text));
        found.map_or(TextValue::UnknownLevel, |(code, _)| TextValue::Known(f32::from(code)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn original_schema() -> FeatureSchema {
        let industries = ["IT", "energy", "retail"].map(str::to_owned).to_vec();
        FeatureSchema::new(vec![
            Feature::category("Industry", industries),
            Feature::numeric("Revenue"),
            Feature::numeric("Employees"),
            Feature::numeric("#job30"),
            Feature::numeric("#job90"),
            Feature::numeric("MonthlyCharge"),
            Feature::numeric("TotalCharge"),
        ])
        .expect("valid")
    }

    /// As the original notebook encodes them, in an order of its own.
    fn flag_schema(prefix: &str) -> FeatureSchema {
        let flags = ["IT", "consulting", "retail"].map(|industry| Feature::numeric(format!("{prefix}{industry}")));
        FeatureSchema::new(flags.into_iter().chain([Feature::numeric("revenue")]).collect()).expect("valid")
    }

    fn row(schema: &FeatureSchema, body: Value) -> Result<CompanyRow, CompanyError> {
        CompanyMapping::new(schema).expect("has facts").row(body.as_object().expect("an object"))
    }

    fn names(unknown: &[Unknown]) -> Vec<(&str, Option<&str>)> {
        unknown.iter().map(|it| (it.field.as_str(), it.level.as_deref())).collect()
    }

    #[test]
    fn the_original_clients_are_understood_in_their_own_spellings() {
        let java = json!({"companyID": "comp_4", "industry": "retail", "revenu": 99420.0, "employees": 4635, "job30": 10,
            "job90": 100, "monthlyFee": 400.5, "totalFee": 1200, "riskOfChurn": false});
        let python = json!({"companyID": "comp_4", "revenu": "99420", "industry": "Retail", "employee": "4635",
            "job30": "10", "job90": 100, "monthlyFee": " 400.5 ", "totalFee": 1200, "riskOfChurn": true});
        let table = json!({"Company": "comp_4", "Industry": "retail", "Revenue": 99420, "Employees": 4635, "#job30": 10,
            "#job90": 100, "MonthlyCharge": 400.5, "total_charge": 1200, "Churn": 1});
        for body in [java, python, table] {
            let row = row(&original_schema(), body).expect("reads");
            assert_eq!(row.values, [2.0, 99420.0, 4635.0, 10.0, 100.0, 400.5, 1200.0]);
            assert_eq!((row.missing.len(), row.unknown.len()), (0, 0));
        }
    }

    #[test]
    fn a_missing_fee_is_missing_and_listed_and_an_unknown_level_is_told_apart() {
        let body = json!({"companyID": "c", "industry": "farming", "revenue": 5, "employees": null, "job30": "n/a",
            "totalFee": 7, "colour": "red"});
        let row = row(&original_schema(), body).expect("reads");
        assert!(row.values[0].is_nan() && row.values[2].is_nan() && row.values[5].is_nan());
        assert_eq!((row.values[1], row.values[6]), (5.0, 7.0));
        assert_eq!(row.missing, ["employees", "job30", "job90", "monthlyFee"]);
        assert_eq!(names(&row.unknown), [("industry", Some("farming")), ("colour", None)]);
    }

    #[test]
    fn one_flag_per_industry_is_filled_by_its_name_wherever_it_stands() {
        for prefix in ["", "Industry_", "industry=", "industry."] {
            let it = row(&flag_schema(prefix), json!({"industry": "IT", "revenue": 3})).expect("reads");
            assert_eq!(it.values, [1.0, 0.0, 0.0, 3.0], "{prefix}");
            let retail = row(&flag_schema(prefix), json!({"industry": "Retail", "revenue": 3})).expect("reads");
            assert_eq!(retail.values, [0.0, 0.0, 1.0, 3.0], "{prefix}");
        }
    }

    #[test]
    fn an_industry_without_flag_is_none_of_them_and_without_industry_no_flag_is_known() {
        let travel = row(&flag_schema(""), json!({"industry": "travel", "revenue": 3})).expect("reads");
        assert_eq!(travel.values, [0.0, 0.0, 0.0, 3.0]);
        assert_eq!(names(&travel.unknown), [("industry", Some("travel"))]);
        let none = row(&flag_schema(""), json!({"revenue": 3, "industry": ""})).expect("reads");
        assert!(none.values[..3].iter().all(|flag| flag.is_nan()));
        assert_eq!((none.missing, none.unknown.len()), (vec!["industry"], 0));
    }

    #[test]
    fn values_of_the_wrong_kind_name_the_field_and_what_was_found() {
        let message = |body| row(&original_schema(), body).expect_err("is refused").to_string();
        let is_refused = |body, field: &str| {
            let message = message(body);
            assert!(message.starts_with(field), "{message}");
        };
        is_refused(json!({"employees": "many"}), "employees: is \"many\" where a finite number or a blank is expected");
        is_refused(json!({"revenu": true}), "revenu: is true where a number is expected");
        is_refused(json!({"job30": [1]}), "job30: is [1] where");
        is_refused(json!({"industry": 7, "revenue": 1}), "industry: is 7 where a text is expected");
        is_refused(json!({"totalFee": 1e300}), "totalFee: is 1e+300 where");
        is_refused(json!({"employee": 1, "employees": 2}), "employees: says the same as employee");
        is_refused(json!({"companyID": "c", "industry": null}), "nothing that the model reads is known");
        let long = message(json!({"revenue": "é".repeat(10_000)}));
        assert!(long.len() < 250, "{long}");
    }

    #[test]
    fn features_that_are_no_facts_are_named_and_can_be_given_by_name() {
        let mut features = original_schema().features().to_vec();
        features.extend([Feature::numeric("tenure_days"), Feature::boolean("is_trial")]);
        let schema = FeatureSchema::new(features).expect("valid");
        let unfilled: Vec<String> =
            CompanyMapping::new(&schema).expect("has facts").unfilled().map(str::to_owned).collect();
        assert_eq!(unfilled, ["tenure_days", "is_trial"]);
        let row = row(&schema, json!({"revenue": 1, "tenure_days": 40, "is_trial": true})).expect("reads");
        assert_eq!((row.values[7], row.values[8], row.unknown.len()), (40.0, 1.0, 0));
    }

    #[test]
    fn a_model_of_nameless_columns_has_no_mapping_and_says_what_to_do() {
        let columns = (1..=14).map(|i| Feature::numeric(format!("column_{i}"))).collect();
        let error = CompanyMapping::new(&FeatureSchema::new(columns).expect("valid")).expect_err("has no facts");
        let message = error.to_string();
        assert!(message.contains("column_1, column_2, column_3, column_4 and 10 more"), "{message}");
        assert!(message.contains("simulate --table"), "{message}");
    }

    #[test]
    fn a_company_is_told_from_other_bodies() {
        let is_company = |body: Value| CompanyMapping::is_company(body.as_object().expect("an object"));
        assert!(is_company(json!({"companyID": "c"})) && is_company(json!({"revenu": 1})));
        assert!(!is_company(json!({"instances": []})) && !is_company(json!({"features": [1]})));
        assert!(!is_company(json!({"id": "7", "inputs": []})) && !is_company(json!({"churn": true})));
    }
}
