//! Rows to score: a table matched by name against the schema of a model.

use std::collections::HashMap;
use std::path::Path;

use churn_features::{Cell, Feature, FeatureSchema, TextError, TextValue, ValueReader};
use ndarray::{Array2, ArrayView2};

use crate::records::Records;
use crate::table::{column_position, key_cell};
use crate::{Error, Keys, LabelValues};

const MOST_EXAMPLES: usize = 3;

/// How to read a table of rows to score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringOptions {
    /// The column that names each row. Without it rows go by number.
    pub id: Option<String>,
    /// Whether the first line names the columns. Without names, columns are taken in schema order, after the label
    /// where there is one column more.
    pub header: bool,
    /// The label column and its values, to read labels where the table has them.
    pub label: Option<LabelValues>,
}

impl Default for ScoringOptions {
    fn default() -> Self {
        Self { id: None, header: true, label: None }
    }
}

/// Rows to score, in schema order.
///
/// # Shape
/// `features` is row-major `(n_rows, n_features)`.
/// # Missing
/// NaN; so are blanks and levels that the model does not know.
#[derive(Debug, Clone)]
pub struct ScoringTable {
    features: Array2<f32>,
    keys: Keys,
    labels: Option<Vec<Option<bool>>>,
    columns: Vec<ScoringColumn>,
    ignored: Vec<String>,
}

/// What was found in the column of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoringColumn {
    /// Name of the feature.
    pub name: String,
    /// Rows without a value.
    pub n_missing: usize,
    /// Rows with a level that the model does not know, which count as missing too.
    pub n_unknown: usize,
    /// Up to three such levels, in the order of their appearance.
    pub unknown_examples: Vec<String>,
}

impl ScoringTable {
    /// The feature matrix.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// What each row is called.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether each row churned, where that was asked for and the table has the label column; `None` for a blank.
    pub fn labels(&self) -> Option<&[Option<bool>]> {
        self.labels.as_deref()
    }

    /// What was found, by feature in schema order.
    pub fn columns(&self) -> &[ScoringColumn] {
        &self.columns
    }

    /// Columns of the table that the model does not read.
    pub fn ignored_columns(&self) -> &[String] {
        &self.ignored
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.features.nrows()
    }
}

/// Reads the features of a schema from a CSV file, gzip or not, whose columns may stand in any order.
///
/// # Errors
/// When the file is not a table, lacks columns of the schema, or a cell is not what its feature is.
/// # Cost
/// One pass and four bytes for each cell of a feature.
pub fn read_features(path: &Path, schema: &FeatureSchema, options: &ScoringOptions) -> Result<ScoringTable, Error> {
    let mut records = Records::open(path)?;
    let plan = if options.header {
        Plan::by_name(&mut records, schema, options)?
    } else {
        Plan::by_position(&mut records, schema, options)?
    };
    let mut readers: Vec<ColumnReader> = schema.features().iter().map(ColumnReader::new).collect();
    let mut values = Vec::new();
    let mut keys = Keys::no_ids();
    let mut labels = plan.label.is_some().then(Vec::new);
    let mut n_rows: u32 = 0;
    while records.next()?.is_some() {
        n_rows = n_rows.checked_add(1).ok_or_else(|| Error::TooManyRows { path: path.to_owned(), most: u32::MAX })?;
        for (reader, &position) in readers.iter_mut().zip(&plan.features) {
            let text = records.record().get(position).unwrap_or_default().trim();
            let value = reader.read(text).map_err(|error| wrong_cell(&records, position, error.expected))?;
            values.push(value);
        }
        if let Some(position) = plan.id {
            keys.push(key_cell(&records.record()[position], || records.place(position), "id")?);
        }
        if let (Some(labels), Some((position, values))) = (&mut labels, plan.label) {
            labels.push(label_cell(&records, position, values)?);
        }
    }
    if n_rows == 0 {
        return Err(Error::HeaderOnly { path: path.to_owned() });
    }
    let features = Array2::from_shape_vec((n_rows as usize, schema.len()), values)
        .expect("this cannot fail because every row adds one value per feature");
    let keys = if plan.id.is_some() { keys } else { Keys::of_rows(n_rows) };
    let columns = readers.into_iter().map(|reader| reader.found).collect();
    Ok(ScoringTable { features, keys, labels, columns, ignored: plan.ignored })
}

/// Where things stand in the table.
struct Plan<'a> {
    /// By feature, in schema order.
    features: Vec<usize>,
    id: Option<usize>,
    label: Option<(usize, &'a LabelValues)>,
    ignored: Vec<String>,
}

impl<'a> Plan<'a> {
    fn by_name(records: &mut Records, schema: &FeatureSchema, options: &'a ScoringOptions) -> Result<Self, Error> {
        let path = records.path().to_owned();
        let names = records.read_header()?;
        let position_of: HashMap<&str, usize> = names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let wanted = || schema.features().iter().map(Feature::name);
        let missing: Vec<String> = wanted().filter(|&n| !position_of.contains_key(n)).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(Error::MissingColumns { path, columns: missing });
        }
        let features: Vec<usize> = wanted().map(|name| position_of[name]).collect();
        let id = options.id.as_ref().map(|id| column_position(&path, names, "--id", id)).transpose()?;
        let label = options.label.as_ref().and_then(|label| Some((*position_of.get(label.column())?, label)));
        let is_used = |i: usize| features.contains(&i) || id == Some(i) || label.is_some_and(|(at, _)| at == i);
        let ignored = (0..).zip(names).filter(|&(i, _)| !is_used(i)).map(|(_, name)| name.clone()).collect();
        Ok(Self { features, id, label, ignored })
    }

    fn by_position(records: &mut Records, schema: &FeatureSchema, options: &'a ScoringOptions) -> Result<Self, Error> {
        if let Some(id) = options.id.clone() {
            return Err(Error::IdWithoutHeader { path: records.path().to_owned(), id });
        }
        let expected = schema.len();
        let found = records.name_by_position(|i| i.to_string())?.len();
        let name = |i: usize| schema.features().get(i).map_or_else(String::new, |feature| feature.name().to_owned());
        if found == expected {
            records.rename(name);
            return Ok(Self { features: (0..expected).collect(), id: None, label: None, ignored: Vec::new() });
        }
        if found != expected + 1 {
            return Err(Error::PositionalWidth { path: records.path().to_owned(), found, expected });
        }
        let label_name = options.label.as_ref().map_or("label", LabelValues::column).to_owned();
        records.rename(|i| if i == 0 { label_name.clone() } else { name(i - 1) });
        let label = options.label.as_ref().map(|label| (0, label));
        let ignored = if label.is_some() { Vec::new() } else { vec![label_name] };
        Ok(Self { features: (1..=expected).collect(), id: None, label, ignored })
    }
}

/// Reads the cells of one feature, and counts what was found.
struct ColumnReader {
    values: ValueReader,
    found: ScoringColumn,
}

impl ColumnReader {
    fn new(feature: &Feature) -> Self {
        let name = feature.name().to_owned();
        let found = ScoringColumn { name, n_missing: 0, n_unknown: 0, unknown_examples: Vec::new() };
        Self { values: ValueReader::new(feature), found }
    }

    /// The value of trimmed text, or what the text should have been.
    fn read(&mut self, text: &str) -> Result<f32, TextError> {
        let value = self.values.read(text)?;
        match value {
            TextValue::Known(_) => {}
            TextValue::Missing => self.found.n_missing += 1,
            TextValue::UnknownLevel => {
                self.found.n_unknown += 1;
                let examples = &mut self.found.unknown_examples;
                if examples.len() < MOST_EXAMPLES && !examples.iter().any(|example| example == text) {
                    examples.push(text.to_owned());
                }
            }
        }
        Ok(value.or_nan())
    }
}

fn label_cell(records: &Records, position: usize, values: &LabelValues) -> Result<Option<bool>, Error> {
    let text = records.record().get(position).unwrap_or_default().trim();
    match (values.read(text), Cell::read(text)) {
        (Some(label), _) => Ok(Some(label)),
        (None, Cell::Missing) => Ok(None),
        (None, _) => {
            let expected = format!("{:?}, {:?} or a blank", values.churned(), values.stayed());
            Err(wrong_cell(records, position, &expected))
        }
    }
}

fn wrong_cell(records: &Records, position: usize, expected: &str) -> Error {
    let found = records.record().get(position).unwrap_or_default().trim().to_owned();
    Error::WrongCell { place: records.place(position), found, expected: expected.to_owned() }
}
