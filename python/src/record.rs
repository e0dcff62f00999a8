//! One row by name, read without making columns of it: a request's dict or the only row of a data frame.

use std::collections::HashMap;

use churn_features::{FeatureKind, FeatureSchema};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

/// What is needed to read a record of a schema.
pub(crate) struct RecordReader {
    fields: Vec<Field>,
}

struct Field {
    name: Py<PyString>,
    kind: Kind,
}

enum Kind {
    Number,
    Boolean,
    Category(HashMap<String, f32>),
}

impl RecordReader {
    /// A reader of the records of a schema.
    pub(crate) fn new(py: Python<'_>, schema: &FeatureSchema) -> Self {
        let fields = schema.features().iter().map(|feature| {
            let kind = match feature.kind() {
                FeatureKind::Numeric => Kind::Number,
                FeatureKind::Boolean => Kind::Boolean,
                FeatureKind::Category { levels } => {
                    Kind::Category(levels.iter().cloned().zip((0_u16..).map(f32::from)).collect())
                }
            };
            Field { name: PyString::intern(py, feature.name()).unbind(), kind }
        });
        Self { fields: fields.collect() }
    }

    /// Number of values in a row.
    pub(crate) fn width(&self) -> usize {
        self.fields.len()
    }

    /// Writes the values of a record into `row`; `false` when there is anything in it that the long way, by columns, has
    /// to judge: a missing or unknown name, an unknown level, a value of another kind.
    pub(crate) fn read(&self, record: &Bound<'_, PyDict>, row: &mut [f32]) -> PyResult<bool> {
        if record.len() != self.fields.len() {
            return Ok(false);
        }
        for (field, value) in self.fields.iter().zip(row) {
            let Some(found) = record.get_item(field.name.bind(record.py()))? else { return Ok(false) };
            match field.kind.value(&found) {
                Some(number) => *value = number,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

impl Kind {
    fn value(&self, found: &Bound<'_, PyAny>) -> Option<f32> {
        match self {
            Self::Number => number(found).map(|number| number as f32),
            Self::Boolean => match found.cast_exact::<PyBool>() {
                Ok(boolean) => Some(f32::from(u8::from(boolean.is_true()))),
                Err(_) => number(found).map(|number| number as f32).filter(|n| n.is_nan() || *n == 0.0 || *n == 1.0),
            },
            Self::Category(code_of) => match found.cast::<PyString>() {
                Ok(level) => code_of.get(level.to_str().ok()?).copied(),
                Err(_) => number(found).filter(|number| number.is_nan()).map(|_| f32::NAN),
            },
        }
    }
}

/// A number, or NaN for `None`; `None` for anything else.
pub(crate) fn number(item: &Bound<'_, PyAny>) -> Option<f64> {
    if let Ok(number) = item.cast_exact::<PyFloat>() {
        return Some(number.value());
    }
    if item.is_none() {
        return Some(f64::NAN);
    }
    if item.is_instance_of::<PyInt>() || item.is_instance_of::<PyFloat>() {
        return item.extract().ok();
    }
    // An array of one number would become that number: it is a column of one row.
    if has_length(item) { None } else { item.extract().ok() }
}

/// Whether something has a number of values, and is not one value. An array without dimensions is one.
pub(crate) fn has_length(item: &Bound<'_, PyAny>) -> bool {
    item.hasattr(intern!(item.py(), "__len__")).unwrap_or(true) && item.len().is_ok()
}
