use std::path::Path;

use churn_features::FeatureSchema;
use serde::{Deserialize, Serialize};

use super::rows::digest_of;
use crate::{Assembled, AssemblyError, AssemblyReport, Cohort, Error, EventStudy, ObservationPlan};

/// Key under which a Parquet file holds the description of its rows.
pub(super) const DESCRIPTION_KEY: &str = "churn.training_set";

/// Format version that is written and read.
const FORMAT_VERSION: u32 = 1;

/// What the rows of a file cannot say.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    format_version: u32,
    /// For people; the plan says the same.
    label: String,
    pub(super) plan: ObservationPlan,
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

impl Description {
    pub(super) fn of(assembled: &Assembled) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            label: assembled.plan.label_description(),
            plan: assembled.plan.clone(),
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
        let description: Self = serde_json::from_slice(text).map_err(broken)?;
        description.plan.check()?;
        Ok(description)
    }
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}
