use std::path::Path;

use churn_features::FeatureSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::digest_of;
use crate::{Assembled, AssemblyError, AssemblyReport, Cohort, Error, EventStudy, ObservationPlan};

/// Key under which a Parquet file holds the description of its rows.
pub(super) const DESCRIPTION_KEY: &str = "churn.training_set";

/// Format version that is written and read.
const FORMAT_VERSION: u32 = 1;

/// What the rows of a file cannot say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    format_version: u32,
    /// For people; the plan says the same, which is checked.
    label: String,
    pub(super) plan: ObservationPlan,
    pub(super) n_labelled: usize,
    pub(super) n_censored: usize,
    pub(super) is_weighted: bool,
    /// Of the rows and of all else that stands here.
    pub(super) digest: String,
    pub(super) schema: FeatureSchema,
    pub(super) cohorts: Vec<Cohort>,
    pub(super) event_study: Option<EventStudy>,
    pub(super) report: AssemblyReport,
    /// All of it but the digest, in the form that the digest is of.
    #[serde(skip)]
    pub(super) canonical: String,
}

impl Description {
    pub(super) fn of(assembled: &Assembled) -> Self {
        let mut description = Self {
            format_version: FORMAT_VERSION,
            label: assembled.plan.label_description(),
            plan: assembled.plan.clone(),
            n_labelled: assembled.labelled.n_observations(),
            n_censored: assembled.censored.len(),
            is_weighted: assembled.labelled.weights().is_some(),
            digest: String::new(),
            schema: assembled.labelled.schema().clone(),
            cohorts: assembled.cohorts.clone(),
            event_study: assembled.event_study.clone(),
            report: assembled.report.clone(),
            canonical: String::new(),
        };
        // From the text, so that whoever reads it has the same.
        let value = serde_json::from_str(&description.to_json());
        description.canonical = canonical(value.expect("this cannot fail because it was just written as JSON"));
        description.digest = digest_of(assembled, &description.canonical);
        description
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
        let mut description: Self = serde_json::from_slice(text).map_err(broken)?;
        description.plan.check()?;
        let expected = description.plan.label_description();
        if description.label != expected {
            let (path, found) = (path.to_owned(), description.label);
            return Err(AssemblyError::LabelOfPlan { path, found, expected }.into());
        }
        description.canonical = canonical(serde_json::from_slice(text).map_err(broken)?);
        Ok(description)
    }
}

/// A description without its digest, as JSON with sorted keys and no blanks: the same however it is laid out, and another
/// for every key and value that is not the one written.
fn canonical(mut value: Value) -> String {
    if let Some(object) = value.as_object_mut() {
        object.remove("digest");
    }
    value.sort_all_objects();
    value.to_string()
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}
