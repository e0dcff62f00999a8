use churn_events::ObservationDate;
use churn_features::FeatureSchema;
use ndarray::{Array2, ArrayView2};

use crate::{AssemblyReport, Cohort, EventStudy, Keys, ObservationPlan, TrainingSet};

/// Everything assembled from an activity log.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The plan it was assembled by.
    pub plan: ObservationPlan,
    /// Observations with a label, by date and then by tenant.
    pub labelled: TrainingSet,
    /// Observations whose label horizon passes the end of the log, by date and then by tenant: to be scored, never to
    /// be fitted on.
    pub censored: Unlabelled,
    /// One for each observation date, in order.
    pub cohorts: Vec<Cohort>,
    /// How the usage of those who churned differs from that of others before they do; `None` when nobody churned who
    /// was seen for long enough before.
    pub event_study: Option<EventStudy>,
    /// What was found in the log.
    pub report: AssemblyReport,
}

/// Observations without labels.
///
/// # Shape
/// `features` is row-major `(n_observations, n_features)` in schema order.
/// # Missing
/// NaN in `features`. A category value is the position of its level; a level that no labelled row has is missing.
#[derive(Debug, Clone)]
pub struct Unlabelled {
    schema: FeatureSchema,
    keys: Keys,
    features: Array2<f32>,
}

/// A tenant on an observation date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The date.
    pub date: ObservationDate,
    /// The feature vector, in schema order.
    pub features: &'a [f32],
}

impl Unlabelled {
    pub(crate) fn new(schema: FeatureSchema, keys: Keys, features: Array2<f32>) -> Self {
        Self { schema, keys, features }
    }

    /// The features, in order; the same as those of the labelled rows.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// Tenant and date of each row.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The feature matrix.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// Number of observations.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The observations, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Observation<'_>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// The observations of the latest date only: every tenant that can be scored now.
    pub fn latest(&self) -> impl Iterator<Item = Observation<'_>> {
        let latest = self.keys.dates().and_then(|dates| dates.iter().max().copied());
        self.iter().filter(move |observation| Some(observation.date) == latest)
    }

    fn get(&self, row: usize) -> Observation<'_> {
        let (tenant, date) =
            self.keys.observation(row).expect("this cannot fail because the keys of observations have dates");
        let features = self.features.row(row).to_slice();
        Observation { tenant, date, features: features.expect("this cannot fail because the matrix is row-major") }
    }
}
