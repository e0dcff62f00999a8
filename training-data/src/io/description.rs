use std::path::Path;

use churn_events::ObservationDate;
use churn_features::{FeatureSchema, Kept, StateOptions};
use serde::{Deserialize, Serialize};

use super::rows::digest_of;
use crate::{Assembled, AssemblyError, AssemblyReport, Cohort, Error, EventStudy, LabelRule, ObservationPlan};

/// Key under which a Parquet file holds the description of its rows.
pub const DESCRIPTION_KEY: &str = "churn.training_set";

/// Format version that is written and read.
const FORMAT_VERSION: u32 = 1;

/// What the rows of a file cannot say.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    format_version: u32,
    /// For people; the plan says the same.
    label: String,
    plan: Plan,
    pub(super) n_labelled: usize,
    pub(super) n_censored: usize,
    pub(super) is_weighted: bool,
    /// Of the rows.
    pub(super) digest: String,
    pub(super) schema: FeatureSchema,
    pub(super) cohorts: Vec<Cohort>,
    pub(super) event_study: Option<EventStudy>,
    pub(super) report: AssemblyReport,
}

/// An observation plan with its dates as text.
#[derive(Serialize, Deserialize)]
struct Plan {
    rule: String,
    every_days: u32,
    lookback_days: u32,
    gap_days: u32,
    horizon_days: u32,
    min_tenure_days: u32,
    first: Option<String>,
    last: Option<String>,
    age_half_life_days: Option<u32>,
    allowed_lateness_ms: i64,
    max_skew_ms: i64,
    settle_ms: i64,
    max_users: usize,
    max_jobs_in_flight: usize,
    max_held_back: usize,
}

impl Description {
    pub(super) fn of(assembled: &Assembled) -> Self {
        let ObservationPlan {
            every_days,
            lookback_days,
            gap_days,
            horizon_days,
            min_tenure_days,
            rule,
            first,
            last,
            age_half_life_days,
            state,
        } = &assembled.plan;
        let StateOptions {
            allowed_lateness_ms,
            max_skew_ms,
            settle_ms,
            max_users,
            max_jobs_in_flight,
            max_held_back,
            // Whatever a state keeps beside it, the features of the schema are the same.
            kept: _,
        } = *state;
        let text = |date: &Option<ObservationDate>| date.map(|date| date.to_string());
        let plan = Plan {
            rule: rule.word().to_owned(),
            every_days: *every_days,
            lookback_days: *lookback_days,
            gap_days: *gap_days,
            horizon_days: *horizon_days,
            min_tenure_days: *min_tenure_days,
            first: text(first),
            last: text(last),
            age_half_life_days: *age_half_life_days,
            allowed_lateness_ms,
            max_skew_ms,
            settle_ms,
            max_users,
            max_jobs_in_flight,
            max_held_back,
        };
        Self {
            format_version: FORMAT_VERSION,
            label: assembled.plan.label_description(),
            plan,
            n_labelled: assembled.labelled.n_observations(),
            n_censored: assembled.censored.len(),
            is_weighted: assembled.labelled.weights().is_some(),
            digest: digest_of(assembled),
            schema: assembled.labelled.schema().clone(),
            cohorts: assembled.cohorts.clone(),
            event_study: assembled.event_study.clone(),
            report: assembled.report.clone(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("this cannot fail because names are texts and no number is infinite")
    }

    pub(super) fn from_json(path: &Path, text: &[u8]) -> Result<Self, Error> {
        let broken = |source| AssemblyError::Description { path: path.to_owned(), source };
        // The version is read first: another one may have other fields.
        let version: Version = serde_json::from_slice(text).map_err(broken)?;
        if version.format_version != FORMAT_VERSION {
            let (path, found) = (path.to_owned(), version.format_version);
            return Err(AssemblyError::FormatVersion { path, found, newest: FORMAT_VERSION }.into());
        }
        Ok(serde_json::from_slice(text).map_err(broken)?)
    }

    /// The plan, checked.
    pub(super) fn plan(&self, path: &Path) -> Result<ObservationPlan, Error> {
        let field = |field: &'static str, found: &str| AssemblyError::DescriptionField {
            path: path.to_owned(),
            field,
            found: found.to_owned(),
        };
        let date = |name, text: &Option<String>| {
            text.as_deref().map(|text| text.parse().map_err(|_| field(name, text))).transpose()
        };
        let plan = &self.plan;
        let plan = ObservationPlan {
            every_days: plan.every_days,
            lookback_days: plan.lookback_days,
            gap_days: plan.gap_days,
            horizon_days: plan.horizon_days,
            min_tenure_days: plan.min_tenure_days,
            rule: LabelRule::of_word(&plan.rule).ok_or_else(|| field("plan.rule", &plan.rule))?,
            first: date("plan.first", &plan.first)?,
            last: date("plan.last", &plan.last)?,
            age_half_life_days: plan.age_half_life_days,
            state: StateOptions {
                allowed_lateness_ms: plan.allowed_lateness_ms,
                max_skew_ms: plan.max_skew_ms,
                settle_ms: plan.settle_ms,
                max_users: plan.max_users,
                max_jobs_in_flight: plan.max_jobs_in_flight,
                max_held_back: plan.max_held_back,
                kept: Kept::ALL,
            },
        };
        plan.check()?;
        Ok(plan)
    }
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}
