//! A feature matrix with its schema: what data become before anything is fitted or scored.

use std::collections::{BTreeMap, HashMap};

use churn_features::{Feature, FeatureKind, FeatureSchema, MAX_LEVELS, catalogue};
use ndarray::{Array2, ArrayView2};
use numpy::{PyArray2, PyArrayMethods, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::column::{self, Column, MISSING, NamedColumn, Value};
use crate::error::{ColumnError, message};
use crate::input::{Input, position_name};

/// Levels that a schema does not have, by feature, and how often each was found.
pub(crate) type Unseen = BTreeMap<String, BTreeMap<String, u64>>;

/// Feature vectors and the schema that says what they mean.
#[pyclass(frozen, module = "churn_model._native")]
pub(crate) struct Features {
    pub(crate) schema: FeatureSchema,
    matrix: Py<PyArray2<f32>>,
    has_names: bool,
}

impl Features {
    /// The matrix as the array that it is.
    pub(crate) fn array<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f32>> {
        self.matrix.bind(py).clone()
    }
}

#[pymethods]
impl Features {
    /// Feature vectors and the schema that the data suggest: strings and categories are categories, booleans are
    /// booleans and everything else is a number.
    #[staticmethod]
    #[pyo3(signature = (data, *, categories=None))]
    fn infer(data: &Bound<'_, PyAny>, categories: Option<Vec<String>>) -> PyResult<Self> {
        let py = data.py();
        let categories = categories.unwrap_or_default();
        let input = Input::of(data)?;
        let (schema, matrix, has_names) = match &input {
            Input::Columns(columns) => {
                let features =
                    columns.iter().map(|column| infer(column, &categories)).collect::<PyResult<Vec<Feature>>>()?;
                let schema = schema(features)?;
                let matrix = fill(&schema, columns, &mut Unseen::new())?;
                (schema, PyArray2::from_owned_array(py, matrix), true)
            }
            Input::Borrowed(array) => {
                (numbered(array.as_array().nrows(), array.as_array().ncols())?, (**array).clone(), false)
            }
            Input::Matrix(array) => (numbered(array.nrows(), array.ncols())?, array.to_pyarray(py), false),
        };
        if let Some(name) = categories.iter().find(|name| schema.position(name).is_none()) {
            return Err(ColumnError::new_err(format!("there is no column {name:?} that could be a category")));
        }
        Ok(Self { schema, matrix: matrix.unbind(), has_names })
    }

    /// Float32 array `(n_rows, n_features)`, in schema order.
    #[getter]
    fn matrix(&self, py: Python<'_>) -> Py<PyArray2<f32>> {
        self.matrix.clone_ref(py)
    }

    /// Names of the features, in order.
    #[getter]
    fn feature_names(&self) -> Vec<&str> {
        self.schema.features().iter().map(Feature::name).collect()
    }

    /// Whether the data had names of their own.
    #[getter]
    fn has_names(&self) -> bool {
        self.has_names
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.matrix.bind(py).readonly().as_array().nrows()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Features({} rows, {} features)", self.__len__(py), self.schema.len())
    }
}

/// A schema as Python sees it: one dict per feature.
pub(crate) fn schema_list<'py>(py: Python<'py>, schema: &FeatureSchema) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for feature in schema.features() {
        let entry = PyDict::new(py);
        entry.set_item("name", feature.name())?;
        // The word of the model file, which differs from the one in messages.
        let kind = if *feature.kind() == FeatureKind::Numeric { "numeric" } else { feature.kind().word() };
        entry.set_item("kind", kind)?;
        if feature.is_category() {
            entry.set_item("levels", feature.levels())?;
        }
        if let Some(unit) = feature.unit() {
            entry.set_item("unit", unit)?;
        }
        if let Some(days) = feature.lookback_days() {
            entry.set_item("lookback_days", days)?;
        }
        if let Some(rule) = feature.missing_when() {
            entry.set_item("missing_when", rule)?;
        }
        list.append(entry)?;
    }
    Ok(list)
}

/// What data become for a schema.
pub(crate) enum Matched<'py> {
    /// They are the matrix.
    Borrowed(numpy::PyReadonlyArray2<'py, f32>),
    /// They had to be converted.
    Owned(Array2<f32>, Unseen),
}

impl Matched<'_> {
    /// The matrix, in schema order.
    pub(crate) fn view(&self) -> ArrayView2<'_, f32> {
        match self {
            Self::Borrowed(array) => array.as_array(),
            Self::Owned(array, _) => array.view(),
        }
    }

    /// Levels that the schema does not have.
    pub(crate) fn unseen(&self) -> Option<&Unseen> {
        match self {
            Self::Owned(_, unseen) if !unseen.is_empty() => Some(unseen),
            _ => None,
        }
    }
}

/// Brings data into schema order: columns by their names, a matrix as it is.
///
/// # Errors
/// When a column is missing, unknown or of another kind than its feature, or a matrix has another width.
pub(crate) fn match_to<'py>(schema: &FeatureSchema, data: &Bound<'py, PyAny>) -> PyResult<Matched<'py>> {
    let matched = match Input::of(data)? {
        Input::Borrowed(array) => Matched::Borrowed(array),
        Input::Matrix(array) => Matched::Owned(array, Unseen::new()),
        Input::Columns(columns) => {
            let mut unseen = Unseen::new();
            let matrix = fill(schema, &columns, &mut unseen)?;
            Matched::Owned(matrix, unseen)
        }
    };
    let found = matched.view().ncols();
    if found != schema.len() {
        let expected = schema.len();
        return Err(ColumnError::new_err(format!("the matrix has {found} columns where the model has {expected}")));
    }
    refuse_infinite(schema, matched.view())?;
    Ok(matched)
}

/// Refuses what is no number: one that is infinite, or became so in single precision.
///
/// # Errors
/// Names the feature and the row.
pub(crate) fn refuse_infinite(schema: &FeatureSchema, matrix: ArrayView2<'_, f32>) -> PyResult<()> {
    let is_infinite = match matrix.as_slice() {
        // Without a way out inside a chunk this vectorises.
        Some(values) => values.chunks(4096).any(|values| values.iter().fold(false, |any, v| any | v.is_infinite())),
        None => matrix.iter().any(|value| value.is_infinite()),
    };
    if !is_infinite {
        return Ok(());
    }
    let found = matrix.indexed_iter().find(|(_, value)| value.is_infinite());
    let (row, column) = found.map_or((0, 0), |(place, _)| place);
    let name = schema.features().get(column).map_or("?", Feature::name);
    Err(ColumnError::new_err(format!(
        "column {name:?}, row {row}: the value is infinity or too large for float32; a missing value is NaN"
    )))
}

fn schema(features: Vec<Feature>) -> PyResult<FeatureSchema> {
    FeatureSchema::new(features).map_err(|error| ColumnError::new_err(message(&error)))
}

fn numbered(n_rows: usize, n_features: usize) -> PyResult<FeatureSchema> {
    if n_features == 0 {
        return Err(ColumnError::new_err(format!(
            "Found array with 0 feature(s) (shape=({n_rows}, 0)) while a minimum of 1 is required."
        )));
    }
    schema((0..n_features).map(|position| Feature::numeric(position_name(position))).collect())
}

fn infer(column: &NamedColumn, categories: &[String]) -> PyResult<Feature> {
    let name = column.name.clone();
    let is_asked_for = categories.contains(&name);
    match &column.column {
        Column::Numbers(values) if is_asked_for => category(name, levels(values.iter().copied().map(f64::from))),
        Column::Wide(values) if is_asked_for => category(name, levels(values.iter().copied())),
        Column::Numbers(_) | Column::Wide(_) => Ok(numeric(name)),
        Column::Booleans(_) => Ok(Feature::boolean(name)),
        Column::Coded { codes, values, is_category } => {
            let mut is_used = vec![false; values.len()];
            codes.iter().filter_map(|&code| usize::try_from(code).ok()).for_each(|code| is_used[code] = true);
            let used = || values.iter().zip(&is_used).filter(|(_, is_used)| **is_used).map(|(value, _)| value);
            let is_blank = |value: &&Value| matches!(value, Value::Text(text) if text.trim().is_empty());
            let known: Vec<&Value> = used().filter(|value| !is_blank(value)).collect();
            let n_texts = known.iter().filter(|value| matches!(value, Value::Text(_))).count();
            let n_booleans = known.iter().filter(|value| matches!(value, Value::Boolean(_))).count();
            if *is_category || is_asked_for || (n_texts > 0 && n_texts == known.len()) {
                let mut levels: Vec<String> = known.into_iter().map(Value::level).collect();
                levels.sort_unstable();
                levels.dedup();
                return if levels.is_empty() { Ok(Feature::numeric(name)) } else { category(name, levels) };
            }
            match known.len() {
                0 => Ok(Feature::numeric(name)),
                n if n_texts > 0 => Err(mixed(&name, n - n_texts, n_texts, &known)),
                n if n == n_booleans => Ok(Feature::boolean(name)),
                _ => Ok(numeric(name)),
            }
        }
    }
}

/// A column of numbers. One that is named as a feature of the catalogue with a lookback is that feature, so that reasons
/// know its unit and lookback; names such as `revenue` are everybody's, and say nothing about the unit.
fn numeric(name: String) -> Feature {
    let same = catalogue().iter().map(|entry| &entry.feature).find(|feature| feature.name() == name);
    match same.filter(|feature| feature.lookback_days().is_some() && *feature.kind() == FeatureKind::Numeric) {
        Some(feature) => feature.clone(),
        None => Feature::numeric(name),
    }
}

/// The levels that distinct numbers are, in their order.
fn levels(values: impl Iterator<Item = f64>) -> Vec<String> {
    let mut numbers: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.dedup();
    numbers.into_iter().map(|number| Value::Number(number).level()).collect()
}

fn mixed(name: &str, n_others: usize, n_texts: usize, known: &[&Value]) -> PyErr {
    let text = known.iter().find(|value| matches!(value, Value::Text(_))).map_or_else(String::new, |v| v.level());
    ColumnError::new_err(format!(
        "column {name:?} mixes numbers ({n_others} distinct) and texts ({n_texts} distinct, such as {text:?}); \
         argument must be a string or a number throughout: convert it, or name it in `categories`"
    ))
}

fn category(name: String, levels: Vec<String>) -> PyResult<Feature> {
    if levels.len() > MAX_LEVELS {
        let found = levels.len();
        let n_numbers = levels.iter().filter(|level| level.trim().parse::<f64>().is_ok()).count();
        let advice = if n_numbers * 2 > found {
            "most of them are numbers: convert the column"
        } else {
            "drop the column (is it an id?) or join rare levels"
        };
        return Err(ColumnError::new_err(format!(
            "column {name:?} has {found} levels where a category has at most {MAX_LEVELS}; {advice}"
        )));
    }
    Ok(Feature::category(name, levels))
}

/// The matrix of columns in schema order.
fn fill(schema: &FeatureSchema, columns: &[NamedColumn], unseen: &mut Unseen) -> PyResult<Array2<f32>> {
    let mut position_of: HashMap<&str, usize> = HashMap::with_capacity(columns.len());
    for (position, column) in columns.iter().enumerate() {
        if position_of.insert(&column.name, position).is_some() {
            return Err(ColumnError::new_err(format!("there are two columns called {:?}", column.name)));
        }
    }
    let missing: Vec<&str> =
        schema.features().iter().map(Feature::name).filter(|name| !position_of.contains_key(name)).collect();
    if !missing.is_empty() {
        let hint = if missing.len() == schema.len() { "; none of the columns belongs to the model" } else { "" };
        return Err(ColumnError::new_err(format!("missing columns: {}{hint}", quoted(&missing))));
    }
    if columns.len() > schema.len() {
        let unknown: Vec<&str> =
            columns.iter().map(|column| column.name.as_str()).filter(|name| schema.position(name).is_none()).collect();
        return Err(ColumnError::new_err(format!(
            "unknown columns: {}; the model does not read them, so select its feature_names",
            quoted(&unknown)
        )));
    }
    let n_rows = columns.first().map_or(0, |column| column.column.len());
    let width = schema.len();
    let mut matrix = vec![0.0; n_rows * width];
    for (position, feature) in schema.features().iter().enumerate() {
        let values = values_of(feature, &columns[position_of[feature.name()]].column, unseen)?;
        for (row, value) in values.iter().enumerate() {
            matrix[row * width + position] = *value;
        }
    }
    Array2::from_shape_vec((n_rows, width), matrix).map_err(|error| ColumnError::new_err(error.to_string()))
}

fn quoted(names: &[&str]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("{name:?}")).collect();
    let more = if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
    shown.join(", ") + &more
}

/// The values of one feature; borrowed where they are what the column holds.
fn values_of<'a>(feature: &Feature, column: &'a Column, unseen: &mut Unseen) -> PyResult<std::borrow::Cow<'a, [f32]>> {
    match (feature.kind(), column) {
        (FeatureKind::Numeric, Column::Numbers(values) | Column::Booleans(values)) => Ok(values.into()),
        (FeatureKind::Numeric, Column::Wide(values)) => Ok(column::narrow(values).into()),
        (FeatureKind::Numeric, Column::Coded { codes, values, .. }) => {
            let number = |value: &Value| match value {
                Value::Number(number) => Some(*number as f32),
                Value::Boolean(boolean) => Some(f32::from(u8::from(*boolean))),
                Value::Text(_) => None,
            };
            coded(feature, "numbers", codes, values, number)
        }
        (FeatureKind::Boolean, Column::Booleans(values)) => Ok(values.into()),
        (FeatureKind::Boolean, Column::Numbers(values)) => {
            match values.iter().find(|&&value| !(value.is_nan() || value == 0.0 || value == 1.0)) {
                None => Ok(values.into()),
                Some(value) => Err(wrong_values(feature, "booleans (or 0 and 1)", &value.to_string())),
            }
        }
        (FeatureKind::Boolean, Column::Wide(values)) => {
            let is_other = |value: &&f64| !(value.is_nan() || **value == 0.0 || **value == 1.0);
            let found = values.iter().find(is_other).copied().unwrap_or_default();
            Err(wrong_values(feature, "booleans (or 0 and 1)", &found.to_string()))
        }
        (FeatureKind::Boolean, Column::Coded { codes, values, .. }) => {
            let boolean = |value: &Value| match value {
                Value::Boolean(boolean) => Some(f32::from(u8::from(*boolean))),
                Value::Number(number) if *number == 0.0 || *number == 1.0 => Some(*number as f32),
                Value::Number(_) => None,
                Value::Text(text) => churn_features::yes_or_no(text.trim()).map(|boolean| f32::from(u8::from(boolean))),
            };
            coded(feature, "booleans (or yes and no, or 1 and 0)", codes, values, boolean)
        }
        (FeatureKind::Category { levels }, Column::Numbers(values)) => {
            Ok(number_codes(feature, levels, values.iter().copied().map(f64::from), unseen).into())
        }
        (FeatureKind::Category { levels }, Column::Wide(values)) => {
            Ok(number_codes(feature, levels, values.iter().copied(), unseen).into())
        }
        (FeatureKind::Category { levels }, Column::Booleans(values)) => {
            let codes: Vec<i32> = values.iter().map(|&v| if v.is_nan() { MISSING } else { v as i32 }).collect();
            let booleans = [Value::Boolean(false), Value::Boolean(true)];
            Ok(level_codes(feature, levels, &codes, &booleans, unseen).into())
        }
        (FeatureKind::Category { levels }, Column::Coded { codes, values, .. }) => {
            Ok(level_codes(feature, levels, codes, values, unseen).into())
        }
    }
}

fn coded(
    feature: &Feature,
    expected: &str,
    codes: &[i32],
    values: &[Value],
    number: impl Fn(&Value) -> Option<f32>,
) -> PyResult<std::borrow::Cow<'static, [f32]>> {
    let mut numbers = Vec::with_capacity(values.len());
    for (code, value) in (0..).zip(values) {
        let is_blank = matches!(value, Value::Text(text) if text.trim().is_empty());
        match number(value) {
            Some(number) => numbers.push(number),
            None if is_blank || !codes.contains(&code) => numbers.push(f32::NAN),
            None => return Err(wrong_values(feature, expected, &value.level())),
        }
    }
    Ok(column::take(codes, &numbers).into())
}

fn wrong_values(feature: &Feature, expected: &str, found: &str) -> PyErr {
    let name = feature.name();
    ColumnError::new_err(format!("column {name:?} holds {found:?} where the model reads {expected}"))
}

/// The code of the level that each number is.
fn number_codes(
    feature: &Feature,
    levels: &[String],
    numbers: impl Iterator<Item = f64>,
    unseen: &mut Unseen,
) -> Vec<f32> {
    let mut distinct = column::Distinct::default();
    let code = |number: f64| if number.is_nan() { MISSING } else { distinct.code(Value::Number(number)) };
    let codes: Vec<i32> = numbers.map(code).collect();
    level_codes(feature, levels, &codes, &distinct.values, unseen)
}

/// The code of each level; NaN for one that the schema does not have, which is counted.
fn level_codes(feature: &Feature, levels: &[String], codes: &[i32], values: &[Value], unseen: &mut Unseen) -> Vec<f32> {
    let code_of = |level: &str| levels.iter().position(|known| known == level).map(|code| code as f32);
    let level_of: Vec<(String, Option<f32>)> = values
        .iter()
        .map(|value| {
            let level = value.level();
            let code = code_of(&level);
            (level, code)
        })
        .collect();
    let mut counts = vec![0_u64; values.len()];
    let numbers = codes
        .iter()
        .map(|&code| match usize::try_from(code) {
            Err(_) => f32::NAN,
            Ok(code) => level_of[code].1.unwrap_or_else(|| {
                counts[code] += 1;
                f32::NAN
            }),
        })
        .collect();
    for ((level, _), count) in level_of.into_iter().zip(counts) {
        if count > 0 && !level.trim().is_empty() {
            *unseen.entry(feature.name().to_owned()).or_default().entry(level).or_default() += count;
        }
    }
    numbers
}
