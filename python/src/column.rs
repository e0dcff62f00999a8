//! Columns as they come from Python, before a schema says what they mean.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use crate::error::ColumnError;

/// The code of a missing value.
pub(crate) const MISSING: i32 = -1;

/// A column with its name.
#[derive(Debug)]
pub(crate) struct NamedColumn {
    pub(crate) name: String,
    pub(crate) column: Column,
}

/// The values of a column, by row.
#[derive(Debug)]
pub(crate) enum Column {
    /// Numbers; NaN is missing.
    Numbers(Vec<f32>),
    /// Numbers that single precision does not tell apart from others: as levels of a category they have to stay as they
    /// are. NaN is missing.
    Wide(Vec<f64>),
    /// 1, 0 or NaN.
    Booleans(Vec<f32>),
    /// Positions in a list of distinct values; [`MISSING`] where there is none.
    Coded {
        codes: Vec<i32>,
        values: Vec<Value>,
        /// Whether the frame itself calls this a category.
        is_category: bool,
    },
}

/// A value that is not held as a number in its column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Boolean(bool),
}

impl Value {
    /// The text that a level of this value has.
    pub(crate) fn level(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(), // 3.0 is "3", as the integer 3 is
            Self::Boolean(true) => "true".to_owned(),
            Self::Boolean(false) => "false".to_owned(),
        }
    }

    /// The value of a Python object; `None` when it is nothing that a column may hold.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> Option<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return text.to_str().ok().map(|text| Self::Text(text.to_owned()));
        }
        if let Ok(boolean) = object.cast::<PyBool>() {
            return Some(Self::Boolean(boolean.is_true()));
        }
        if object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>() {
            return object.extract().ok().map(Self::Number);
        }
        if let Some(boolean) = numpy_boolean(object) {
            return Some(Self::Boolean(boolean));
        }
        let type_name = object.get_type().name().ok()?;
        let is_number = object.hasattr("__float__").unwrap_or(false) || object.hasattr("__index__").unwrap_or(false);
        let is_known = matches!(type_name.to_str().ok()?, "Decimal" | "Fraction");
        let is_numpy =
            object.get_type().module().is_ok_and(|module| module == "numpy") && object.hasattr("dtype").ok()?;
        let kind = || object.getattr("dtype")?.getattr("kind")?.extract::<char>();
        let is_numpy_number = is_numpy && matches!(kind(), Ok('i' | 'u' | 'f'));
        (is_number && (is_known || is_numpy_number)).then(|| object.extract().ok().map(Self::Number)).flatten()
    }
}

fn numpy_boolean(object: &Bound<'_, PyAny>) -> Option<bool> {
    let class = object.get_type();
    let name = class.name().ok()?;
    let is_numpy_boolean = matches!(name.to_str().ok()?, "bool" | "bool_") && class.module().ok()? == "numpy";
    if is_numpy_boolean { object.is_truthy().ok() } else { None }
}

/// Whether a Python object stands for a missing value: `None`, a NaN, `pandas.NA` or `pandas.NaT`.
pub(crate) fn is_missing(object: &Bound<'_, PyAny>) -> bool {
    if object.is_none() {
        return true;
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        return number.extract::<f64>().is_ok_and(f64::is_nan);
    }
    if object.is_instance_of::<PyString>() || object.is_instance_of::<PyInt>() {
        return false;
    }
    let name = object.get_type().name();
    if name.as_ref().is_ok_and(|name| name == "NAType" || name == "NaTType") {
        return true;
    }
    // A NaN of any other kind is the only value that does not equal itself.
    object.ne(object).unwrap_or(false)
}

/// A column of Python objects.
///
/// # Errors
/// When one of them is nothing that a column may hold.
pub(crate) fn of_objects<'py>(name: &str, objects: impl Iterator<Item = Bound<'py, PyAny>>) -> PyResult<Column> {
    let mut values = Distinct::default();
    let mut codes = Vec::new();
    for (row, object) in objects.enumerate() {
        codes.push(if is_missing(&object) {
            MISSING
        } else {
            let value = Value::of(&object).ok_or_else(|| not_a_value(name, Some(row), &object))?;
            values.code(value)
        });
    }
    Ok(Column::Coded { codes, values: values.values, is_category: false })
}

/// The error for an object that no column may hold.
pub(crate) fn not_a_value(name: &str, row: Option<usize>, object: &Bound<'_, PyAny>) -> PyErr {
    let class = object.get_type();
    let class = class.name().map_or_else(|_| "?".to_owned(), |name| name.to_string());
    if matches!(class.as_str(), "datetime" | "date" | "time" | "timedelta" | "Timestamp" | "Timedelta" | "Period") {
        return dates(name);
    }
    let place = row.map_or_else(String::new, |row| format!(", row {row}"));
    ColumnError::new_err(format!(
        "column {name:?}{place}: argument must be a string or a number (or a boolean, or missing), not {class}"
    ))
}

/// The error for a column of dates or times.
pub(crate) fn dates(name: &str) -> PyErr {
    ColumnError::new_err(format!(
        "column {name:?} holds dates or times; a model reads numbers, so derive one (such as the days since) and drop it"
    ))
}

/// Values in the order of their first appearance, each once.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    pub(crate) values: Vec<Value>,
    texts: HashMap<String, i32>,
    numbers: HashMap<u64, i32>,
    booleans: [Option<i32>; 2],
}

impl Distinct {
    /// The code of a value, which is new where it has not been seen.
    pub(crate) fn code(&mut self, value: Value) -> i32 {
        let next = self.values.len() as i32;
        let code = match &value {
            Value::Text(text) => match self.texts.get(text) {
                Some(&code) => code,
                None => *self.texts.entry(text.clone()).or_insert(next),
            },
            Value::Number(number) => *self.numbers.entry(number.to_bits()).or_insert(next),
            Value::Boolean(boolean) => *self.booleans[usize::from(*boolean)].get_or_insert(next),
        };
        if code == next {
            self.values.push(value);
        }
        code
    }

    /// The code of a text.
    pub(crate) fn text_code(&mut self, text: &str) -> i32 {
        match self.texts.get(text) {
            Some(&code) => code,
            None => self.code(Value::Text(text.to_owned())),
        }
    }
}

impl Column {
    /// A column of numbers.
    pub(crate) fn of_numbers(values: Vec<f64>) -> Self {
        if values.iter().all(|&value| value.is_nan() || f64::from(value as f32) == value) {
            Self::Numbers(narrow(&values))
        } else {
            Self::Wide(values)
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers(values) | Self::Booleans(values) => values.len(),
            Self::Wide(values) => values.len(),
            Self::Coded { codes, .. } => codes.len(),
        }
    }

    /// The values as numbers, where texts are missing.
    pub(crate) fn as_numbers(&self) -> Vec<f32> {
        match self {
            Self::Numbers(values) | Self::Booleans(values) => values.clone(),
            Self::Wide(values) => narrow(values),
            Self::Coded { codes, values, .. } => {
                let numbers: Vec<f32> = values
                    .iter()
                    .map(|value| match value {
                        Value::Number(number) => *number as f32,
                        Value::Boolean(boolean) => f32::from(u8::from(*boolean)),
                        Value::Text(_) => f32::NAN,
                    })
                    .collect();
                take(codes, &numbers)
            }
        }
    }
}

/// Numbers as models read them.
pub(crate) fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// The value of each code; NaN for [`MISSING`].
pub(crate) fn take(codes: &[i32], values: &[f32]) -> Vec<f32> {
    codes.iter().map(|&code| usize::try_from(code).map_or(f32::NAN, |code| values[code])).collect()
}
