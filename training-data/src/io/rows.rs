use std::path::Path;

use churn_events::ObservationDate;
use churn_features::FeatureSchema;
use ndarray::Array2;
use sha2::{Digest as _, Sha256};

use super::description::Description;
use crate::assembled::Unlabelled;
use crate::set::{DATE_COLUMN, LABEL_COLUMN, LabelledRows, TENANT_COLUMN, WEIGHT_COLUMN};
use crate::{Assembled, AssemblyError, Error, Keys, TrainingSet};

/// The rows of a file while they are written: labelled ones, then censored ones.
pub(super) struct Rows<'a>(pub(super) &'a Assembled);

impl<'a> Rows<'a> {
    pub(super) fn len(&self) -> usize {
        self.0.labelled.n_observations() + self.0.censored.len()
    }

    /// The labelled row of that number, or else the censored one.
    fn place(&self, row: usize) -> Result<usize, usize> {
        let n = self.0.labelled.n_observations();
        if row < n { Ok(row) } else { Err(row - n) }
    }

    pub(super) fn key(&self, row: usize) -> (&'a str, ObservationDate) {
        let key = match self.place(row) {
            Ok(row) => self.0.labelled.keys().observation(row),
            Err(row) => self.0.censored.keys().observation(row),
        };
        key.expect("this cannot fail because the keys of observations have dates")
    }

    pub(super) fn label(&self, row: usize) -> Option<bool> {
        self.place(row).ok().map(|row| self.0.labelled.labels()[row])
    }

    pub(super) fn weight(&self, row: usize) -> Option<f32> {
        self.place(row).ok().and_then(|row| self.0.labelled.weights().map(|weights| weights[row]))
    }

    /// A feature's value; `None` when it is missing.
    pub(super) fn feature(&self, row: usize, position: usize) -> Option<f32> {
        let value = match self.place(row) {
            Ok(row) => self.0.labelled.features()[[row, position]],
            Err(row) => self.0.censored.features()[[row, position]],
        };
        (!value.is_nan()).then_some(value)
    }

    pub(super) fn level(&self, row: usize, position: usize) -> Option<&'a str> {
        let levels = self.0.labelled.schema().features()[position].levels();
        self.feature(row, position).and_then(|code| levels.get(code as usize)).map(String::as_str)
    }
}

/// The digest of all rows and of what is said about them, by which a value that was changed after they were written is
/// found. It is of what the rows say, whatever the file's form: SHA-256 of each tenant with its length, date, label,
/// weight and features in turn, and then of the description.
pub(super) fn digest_of(assembled: &Assembled, description: &str) -> String {
    let (rows, n_features) = (Rows(assembled), assembled.labelled.schema().len());
    let mut digest = Digest::default();
    for row in 0..rows.len() {
        digest.add(rows.key(row), rows.label(row), rows.weight(row));
        (0..n_features).for_each(|position| digest.add_value(rows.feature(row, position)));
    }
    digest.finish(description)
}

#[derive(Default)]
struct Digest(Sha256);

impl Digest {
    fn add(&mut self, (tenant, date): (&str, ObservationDate), label: Option<bool>, weight: Option<f32>) {
        self.0.update((tenant.len() as u64).to_le_bytes());
        self.0.update(tenant);
        self.0.update(date.days().to_le_bytes());
        self.0.update([label.map_or(2, u8::from)]);
        self.add_value(weight);
    }

    fn add_value(&mut self, value: Option<f32>) {
        self.0.update(value.filter(|value| !value.is_nan()).unwrap_or(f32::NAN).to_bits().to_le_bytes());
    }

    fn finish(mut self, description: &str) -> String {
        self.0.update(description);
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Names of the columns of a file, in order.
pub(super) fn columns(schema: &FeatureSchema, is_weighted: bool) -> Vec<&str> {
    let mut columns = vec![TENANT_COLUMN, DATE_COLUMN, LABEL_COLUMN];
    if is_weighted {
        columns.push(WEIGHT_COLUMN);
    }
    columns.extend(schema.features().iter().map(|feature| feature.name()));
    columns
}

/// The rows of a file while they are read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) tenants: Vec<String>,
    pub(super) dates: Vec<ObservationDate>,
    pub(super) labels: Vec<Option<bool>>,
    pub(super) weights: Vec<Option<f32>>,
    /// Row-major.
    pub(super) features: Vec<f32>,
}

impl Read {
    /// The digest of the rows as they were read, and of their description.
    fn digest(&self, n_features: usize, description: &str) -> String {
        let mut digest = Digest::default();
        for (row, tenant) in self.tenants.iter().enumerate() {
            let weight = self.weights.get(row).copied().flatten();
            digest.add((tenant, self.dates[row]), self.labels[row], weight);
            self.features[row * n_features..][..n_features].iter().for_each(|value| digest.add_value(Some(*value)));
        }
        digest.finish(description)
    }

    /// Puts the rows together with what is said about them.
    pub(super) fn assemble(self, path: &Path, description: Description) -> Result<Assembled, Error> {
        let n_labelled = self.labels.iter().take_while(|label| label.is_some()).count();
        let n_censored = self.labels[n_labelled..].iter().filter(|label| label.is_none()).count();
        let (expected_labelled, expected_censored) = (description.n_labelled, description.n_censored);
        if (n_labelled, n_censored) != (expected_labelled, expected_censored)
            || n_labelled + n_censored != self.labels.len()
        {
            return Err(AssemblyError::RowCounts {
                path: path.to_owned(),
                n_labelled,
                n_other: self.labels.len() - n_labelled,
                expected_labelled,
                expected_censored,
            }
            .into());
        }
        let found = self.digest(description.schema.len(), &description.canonical);
        if found != description.digest {
            return Err(AssemblyError::Digest { path: path.to_owned(), found, expected: description.digest }.into());
        }
        let Description { plan, schema, cohorts, event_study, report, is_weighted, .. } = description;
        let width = schema.len();
        let mut labelled_features = self.features;
        let censored_features = labelled_features.split_off(n_labelled * width);
        let matrix = |n, features| {
            Array2::from_shape_vec((n, width), features)
                .expect("this cannot fail because every row has one value for each feature")
        };
        let keys = |range: std::ops::Range<usize>| {
            let tenants = self.tenants[range.clone()].iter().map(String::as_str);
            Keys::of_observations(tenants.zip(self.dates[range].iter().copied()))
        };
        let weight = |(row, weight): (usize, &Option<f32>)| {
            weight.ok_or_else(|| AssemblyError::NoWeight { path: path.to_owned(), row })
        };
        let weights = is_weighted.then(|| self.weights[..n_labelled].iter().enumerate().map(weight).collect());
        let labelled = LabelledRows {
            features: matrix(n_labelled, labelled_features),
            labels: self.labels[..n_labelled].iter().map(|label| *label == Some(true)).collect(),
            keys: keys(0..n_labelled),
            weights: weights.transpose()?,
            meaning: plan.label_description(),
            schema: schema.clone(),
        };
        let censored_keys = keys(n_labelled..n_labelled + n_censored);
        let censored = Unlabelled::new(schema, censored_keys, matrix(n_censored, censored_features));
        let labelled = TrainingSet::of_observations(labelled);
        Ok(Assembled { plan, labelled, censored, cohorts, event_study, report })
    }
}
