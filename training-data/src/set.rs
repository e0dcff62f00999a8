use std::collections::BTreeSet;

use churn_features::{Feature, FeatureSchema};
use ndarray::{Array2, ArrayView2, Axis};

use crate::column::{CodedCells, Entry};
use crate::files::Files;
use crate::infer::{ColumnFate, Inferred, Values, infer};
use crate::table::{Held, TableColumn};
use crate::{ColumnSummary, Error, Keys, LabelValues, Table};
use churn_features::Cell;

/// Rows that are written to the matrix at a time: few enough for all their columns to stay in cache.
const BLOCK_ROWS: usize = 1024;

/// Columns beside the features of a set assembled from a log.
pub(crate) const TENANT_COLUMN: &str = "tenant";
pub(crate) const DATE_COLUMN: &str = "observation_date";
pub(crate) const LABEL_COLUMN: &str = "churned";
pub(crate) const WEIGHT_COLUMN: &str = "weight";

/// What a column of the source is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It says who churned.
    Label,
    /// It names the rows.
    Id,
    /// Its equal values keep rows together.
    Group,
    /// It says how often a row counts.
    Weight,
    /// The model reads it.
    Feature,
    /// It is left out.
    Dropped {
        /// Why.
        reason: String,
    },
}

/// The observations that a learner is fitted on: features, labels, keys and, where known, groups and weights.
///
/// # Shape
/// `features` is row-major `(n_observations, n_features)` in schema order; everything else is `(n_observations,)`.
/// # Missing
/// NaN in `features`. A category value is the position of its level.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    schema: FeatureSchema,
    features: Array2<f32>,
    labels: Vec<bool>,
    keys: Keys,
    groups: Option<Vec<u64>>,
    weights: Option<Vec<f32>>,
    label_values: LabelValues,
    columns: Vec<SourceColumn>,
}

/// What a training set assembled from a log is made of.
pub(crate) struct LabelledRows {
    pub(crate) schema: FeatureSchema,
    pub(crate) features: Array2<f32>,
    pub(crate) labels: Vec<bool>,
    pub(crate) keys: Keys,
    pub(crate) weights: Option<Vec<f32>>,
    /// What churn is.
    pub(crate) meaning: String,
}

/// A column of the source and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) notes: Vec<String>,
    /// Missing cells and distinct texts of a column that was read and left out; others are counted from the rows.
    pub(crate) left_out: Option<(usize, usize)>,
}

impl TrainingSet {
    /// Interprets the cells of a table: kinds of features, levels of categories, meaning of labels.
    ///
    /// - A column is a **number** when all its values are; a few words among many numbers are an error.
    /// - It is a **boolean** when all its values are yes, no, y, n, or all are true, false, t, f, in any case. Zeros
    ///   and ones stay numbers.
    /// - Else it is a **category** with levels sorted by name. Of more than [`MAX_LEVELS`](churn_features::MAX_LEVELS)
    ///   levels the most frequent are kept and the others count as missing; when more than half of the rows differ, the
    ///   column identifies the rows and is left out.
    ///
    /// Rows whose ids repeat are observations of the same tenant, so the ids serve as groups where none are given.
    ///
    /// # Errors
    /// When a column is neither of these, the label is not one of two values in every row, or no feature is left.
    /// # Cost
    /// Besides the table, which is consumed, four bytes for each cell of a feature.
    pub fn from_table(table: Table) -> Result<Self, Error> {
        let Table { files, n_rows, positive, columns, keys, groups, weights } = table;
        let n_rows_usize = n_rows as usize;
        let mut assembly = Assembly::default();
        for column in columns {
            assembly.add(&files, column, positive.as_deref())?;
        }
        let Assembly { features, values, mut columns, label, all_missing } = assembly;
        let path = files.path().to_owned();
        if !all_missing.is_empty() {
            return Err(Error::AllMissing { path, columns: all_missing });
        }
        let (label_values, labels) = label.expect("this cannot fail because a table is read with a label column");
        if features.is_empty() {
            return Err(Error::NoFeature { path });
        }
        let schema = FeatureSchema::new(features).map_err(|source| Error::Schema { path, source })?;
        let keys = keys.unwrap_or_else(|| Keys::of_rows(n_rows));
        let groups = groups.or_else(|| groups_of_repeated(&keys, &mut columns));
        let features = matrix(n_rows_usize, &values);
        Ok(Self { schema, features, labels, keys, groups, weights, label_values, columns })
    }

    /// Observations assembled from a log: their keys are tenants and observation dates, and their groups are tenants.
    pub(crate) fn of_observations(rows: LabelledRows) -> Self {
        let LabelledRows { schema, features, labels, keys, weights, meaning } = rows;
        let label_values = LabelValues::new(LABEL_COLUMN, "1", "0").with_meaning(meaning);
        let column = |name: &str, role| SourceColumn { name: name.into(), role, notes: Vec::new(), left_out: None };
        let mut columns = vec![column(TENANT_COLUMN, Role::Id), column(LABEL_COLUMN, Role::Label)];
        if let Some(dates) = keys.dates() {
            let days: BTreeSet<_> = dates.iter().collect();
            if let (Some(first), Some(last)) = (days.first(), days.last()) {
                columns[0].notes.push(format!(
                    "{} rows, each a tenant on one of {} observation dates from {first} to {last}; rows of one tenant \
                     stay together in random folds",
                    keys.len(),
                    days.len()
                ));
            }
        }
        if weights.is_some() {
            columns.push(column(WEIGHT_COLUMN, Role::Weight));
        }
        columns.extend(schema.features().iter().map(|feature| column(feature.name(), Role::Feature)));
        let groups = Some(keys.groups());
        Self { schema, features, labels, keys, groups, weights, label_values, columns }
    }

    /// The features, in order.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The feature matrix.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// Whether each observation churned.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// What each observation is called.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The group of each observation, where there are groups; a number that depends on the group's text only.
    pub fn groups(&self) -> Option<&[u64]> {
        self.groups.as_deref()
    }

    /// How often each observation counts, where given.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// How the labels were read.
    pub fn label_values(&self) -> &LabelValues {
        &self.label_values
    }

    /// Number of observations.
    pub fn n_observations(&self) -> usize {
        self.labels.len()
    }

    /// Number of observations labelled churn.
    pub fn n_churned(&self) -> usize {
        self.labels.iter().filter(|&&label| label).count()
    }

    /// The training set of some of the rows, in the order given; a row may be given more than once.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            schema: self.schema.clone(),
            features: self.features.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            keys: self.keys.select(rows),
            groups: self.groups.as_ref().map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            weights: self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect()),
            label_values: self.label_values.clone(),
            columns: self.columns.clone(),
        }
    }

    /// What each column of the source is and holds, in the order of the source.
    ///
    /// Counts are of the observations in this set; notes and left-out columns are about the whole source.
    /// # Cost
    /// Sorts every column once.
    pub fn describe(&self) -> Vec<ColumnSummary> {
        self.columns.iter().map(|column| ColumnSummary::of(column, self)).collect()
    }
}

/// Columns as they are interpreted one after the other.
#[derive(Default)]
struct Assembly {
    features: Vec<Feature>,
    values: Vec<Values>,
    columns: Vec<SourceColumn>,
    label: Option<(LabelValues, Vec<bool>)>,
    all_missing: Vec<String>,
}

impl Assembly {
    fn add(&mut self, files: &Files, column: TableColumn, positive: Option<&str>) -> Result<(), Error> {
        let name = column.name;
        let (role, notes, left_out) = match column.held {
            Held::Elsewhere(role) => (role, Vec::new(), None),
            Held::Label(cells) => {
                self.label = Some(read_labels(files, &name, cells, positive)?);
                (Role::Label, Vec::new(), None)
            }
            Held::Feature { cells, is_forced_category } => {
                let Inferred { fate, notes } = infer(files, &name, cells, is_forced_category)?;
                match fate {
                    ColumnFate::Feature(feature, values) => {
                        self.features.push(feature);
                        self.values.push(values);
                        (Role::Feature, notes, None)
                    }
                    ColumnFate::Dropped { reason, n_missing, n_distinct } => {
                        (Role::Dropped { reason }, notes, Some((n_missing, n_distinct)))
                    }
                    ColumnFate::AllMissing => {
                        self.all_missing.push(name);
                        return Ok(());
                    }
                }
            }
        };
        self.columns.push(SourceColumn { name, role, notes, left_out });
        Ok(())
    }
}

fn read_labels(
    files: &Files,
    name: &str,
    cells: CodedCells,
    positive: Option<&str>,
) -> Result<(LabelValues, Vec<bool>), Error> {
    let (codes, entries) = cells.into_parts();
    let blank: Vec<&Entry> = entries.iter().filter(|entry| entry.cell == Cell::Missing).collect();
    if let Some(first) = blank.first() {
        return Err(Error::BlankLabel {
            place: files.place(first.first_line, name),
            n_blank: blank.iter().map(|entry| entry.count).sum(),
        });
    }
    let values = LabelValues::infer(files.path(), name, &entries, positive)?;
    let is_churn: Vec<bool> = entries.iter().map(|entry| values.read(&entry.text) == Some(true)).collect();
    let labels = codes.into_iter().map(|code| is_churn[code as usize]).collect();
    Ok((values, labels))
}

fn groups_of_repeated(keys: &Keys, columns: &mut [SourceColumn]) -> Option<Vec<u64>> {
    let n_distinct = if keys.are_ids() { keys.n_distinct() } else { keys.len() };
    if n_distinct == keys.len() {
        return None;
    }
    let note = format!("{} rows share {n_distinct} ids; rows of one id stay together in splits", keys.len());
    columns.iter_mut().filter(|column| column.role == Role::Id).for_each(|column| column.notes.push(note.clone()));
    Some(keys.groups())
}

fn matrix(n_rows: usize, columns: &[Values]) -> Array2<f32> {
    let mut features = Array2::zeros((n_rows, columns.len()));
    for (block, mut rows) in features.axis_chunks_iter_mut(Axis(0), BLOCK_ROWS).enumerate() {
        for (values, mut column) in columns.iter().zip(rows.columns_mut()) {
            for (row, value) in (block * BLOCK_ROWS..).zip(&mut column) {
                *value = values.get(row);
            }
        }
    }
    features
}
