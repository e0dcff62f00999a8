//! Which way data come in: NumPy by its buffer, pandas column by column, what has an Arrow stream by that, and dicts and
//! lists value by value.

use ndarray::Array2;
use numpy::{PyArray2, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::arrow_columns;
use crate::column::{self, Column, NamedColumn, Value};
use crate::error::ColumnError;

/// Data as they came.
pub(crate) enum Input<'py> {
    /// A matrix without names, read where it lies.
    Borrowed(PyReadonlyArray2<'py, f32>),
    /// A matrix without names.
    Matrix(Array2<f32>),
    /// Named columns.
    Columns(Vec<NamedColumn>),
}

impl<'py> Input<'py> {
    /// Looks at what was passed.
    ///
    /// # Errors
    /// When it is neither a matrix nor a table, or holds what no model can read.
    pub(crate) fn of(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = data.py();
        if let Ok(array) = data.cast::<PyUntypedArray>() {
            return of_array(array);
        }
        if let Ok(record) = data.cast_exact::<PyDict>() {
            return of_dict(record).map(Self::Columns);
        }
        if data.is_instance_of::<PyList>() || data.is_instance_of::<PyTuple>() {
            return of_list(data);
        }
        let module = data.get_type().module()?;
        match module.to_str()?.split('.').next() {
            Some("pandas") => return of_pandas(data).map(Self::Columns),
            // One of its formats is a dict.
            Some("scipy") => {
                return Err(ColumnError::new_err(
                    "sparse input is not supported: a missing value and a zero would look the same; pass X.toarray()",
                ));
            }
            _ => {}
        }
        if let Ok(record) = data.cast::<PyDict>() {
            return of_dict(record).map(Self::Columns);
        }
        if data.hasattr("__arrow_c_stream__")? || data.hasattr("__arrow_c_array__")? {
            return arrow_columns::columns(data).map(Self::Columns);
        }
        if data.hasattr("__array__")? || data.hasattr("__array_interface__")? {
            return of_array(numpy(py)?.call_method1("asarray", (data,))?.cast::<PyUntypedArray>()?);
        }
        if data.hasattr("collect_schema")? {
            return Err(ColumnError::new_err("a lazy frame has no rows yet; pass frame.collect()"));
        }
        if data.hasattr("__len__")? && data.hasattr("__getitem__")? {
            return of_array(numpy(py)?.call_method1("asarray", (data,))?.cast::<PyUntypedArray>()?);
        }
        let name = data.get_type().fully_qualified_name()?;
        Err(ColumnError::new_err(format!(
            "expected a NumPy array, a data frame, an Arrow table, a dict of columns or a list of rows, not {name}"
        )))
    }
}

/// The module `numpy`.
pub(crate) fn numpy(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    NUMPY.get_or_try_init(py, || py.import("numpy").map(Bound::unbind)).map(|module| module.bind(py))
}

fn of_array<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Input<'py>> {
    refuse_mask(array)?;
    if array.ndim() != 2 {
        let found = match array.ndim() {
            0 => "a single value".to_owned(),
            1 => "1D array".to_owned(),
            n => format!("{n} dimensions"),
        };
        return Err(ColumnError::new_err(format!(
            "Expected 2D array, got {found} instead. Reshape your data: array.reshape(1, -1) is one row, \
             array.reshape(-1, 1) one feature"
        )));
    }
    let (n_rows, n_columns) = (array.shape()[0], array.shape()[1]);
    if n_rows == 0 || n_columns == 0 {
        return Ok(Input::Matrix(Array2::zeros((n_rows, n_columns))));
    }
    let copy;
    let array = if is_regular(array) {
        array
    } else {
        copy = array.call_method0("copy")?;
        copy.cast::<PyUntypedArray>()?
    };
    if let Ok(array) = array.cast::<PyArray2<f32>>() {
        return Ok(Input::Borrowed(array.readonly()));
    }
    if let Ok(array) = array.cast::<PyArray2<f64>>() {
        return Ok(Input::Matrix(array.readonly().as_array().mapv(|value| value as f32)));
    }
    let kind: char = array.getattr("dtype")?.getattr("kind")?.extract()?;
    match kind {
        'b' | 'i' | 'u' | 'f' => {
            let array = array.call_method1("astype", ("float32",))?;
            Ok(Input::Borrowed(array.cast::<PyArray2<f32>>()?.readonly()))
        }
        'c' => Err(ColumnError::new_err("Complex data not supported: the array holds complex numbers")),
        'M' | 'm' => Err(column::dates("of the array")),
        'O' | 'U' | 'S' | 'T' => of_object_array(array),
        _ => Err(ColumnError::new_err(format!("an array of dtype kind {kind:?} holds no numbers"))),
    }
}

/// Refuses an array that says elsewhere which of its values are none.
fn refuse_mask(array: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
    if array.hasattr(intern!(array.py(), "mask"))? {
        return Err(ColumnError::new_err(
            "a masked array is not supported; pass array.astype(float).filled(numpy.nan)",
        ));
    }
    Ok(())
}

/// Whether an array's values lie where a Rust view of it looks: aligned, and a whole number of values apart. Fields of
/// packed records do not.
pub(crate) fn is_regular(array: &Bound<'_, PyUntypedArray>) -> bool {
    let item = array.dtype().itemsize().max(1) as isize;
    let is_aligned = array
        .getattr(intern!(array.py(), "flags"))
        .and_then(|flags| flags.getattr(intern!(array.py(), "aligned"))?.extract::<bool>());
    array.strides().iter().all(|stride| stride % item == 0) && is_aligned.unwrap_or(false)
}

/// An array of objects: numbers where all are, else columns that are named by their positions.
fn of_object_array<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<Input<'py>> {
    let (n_rows, n_columns) = (array.shape()[0], array.shape()[1]);
    let mut columns = Vec::with_capacity(n_columns);
    let transposed = array.getattr("T")?;
    for position in 0..n_columns {
        let objects = transposed.get_item(position)?.call_method0("tolist")?.cast_into::<PyList>()?;
        let name = position_name(position);
        columns.push(NamedColumn { column: column::of_objects(&name, objects.iter())?, name });
    }
    let is_number = |column: &NamedColumn| match &column.column {
        Column::Coded { values, .. } => {
            values.iter().all(|value| matches!(value, Value::Number(_) | Value::Boolean(_)))
        }
        Column::Numbers(_) | Column::Wide(_) | Column::Booleans(_) => true,
    };
    if !columns.iter().all(is_number) {
        return Ok(Input::Columns(columns));
    }
    let mut matrix = Array2::zeros((n_rows, n_columns));
    for (mut values, column) in matrix.columns_mut().into_iter().zip(&columns) {
        for (value, found) in values.iter_mut().zip(column.column.as_numbers()) {
            *value = found;
        }
    }
    Ok(Input::Matrix(matrix))
}

/// The name of a column that has none: that of its position, as scikit-learn counts.
pub(crate) fn position_name(position: usize) -> String {
    format!("x{position}")
}

/// A dict of columns, or of one row's values.
fn of_dict(record: &Bound<'_, PyDict>) -> PyResult<Vec<NamedColumn>> {
    let mut columns = Vec::with_capacity(record.len());
    for (key, value) in record.iter() {
        let name = column_name(&key)?;
        let column = match value.cast::<PyUntypedArray>() {
            Ok(array) if array.ndim() == 0 => column::of_objects(&name, [value].into_iter())?,
            Ok(array) => of_vector(&name, array)?,
            // What has an order and can be gone through again is a column; bytes are one value, which no column holds.
            Err(_) if is_sequence(&value)? => {
                column::of_objects(&name, value.try_iter()?.collect::<PyResult<Vec<_>>>()?.into_iter())?
            }
            Err(_) => column::of_objects(&name, [value].into_iter())?,
        };
        if let Some(NamedColumn { name: first, column: other }) = columns.first()
            && other.len() != column.len()
        {
            let (found, expected) = (column.len(), other.len());
            return Err(ColumnError::new_err(format!(
                "column {name:?} has {found} values where column {first:?} has {expected}"
            )));
        }
        columns.push(NamedColumn { name, column });
    }
    Ok(columns)
}

fn is_sequence(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_value = value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>()
        || value.is_instance_of::<PyDict>();
    Ok(!is_value
        && value.hasattr(intern!(value.py(), "__getitem__"))?
        && value.hasattr(intern!(value.py(), "__len__"))?)
}

fn column_name(key: &Bound<'_, PyAny>) -> PyResult<String> {
    match key.cast::<PyString>() {
        Ok(name) => Ok(name.to_str()?.to_owned()),
        Err(_) => Ok(key.str()?.to_str()?.to_owned()),
    }
}

/// A list of rows: of dicts by name, of sequences by position.
fn of_list<'py>(rows: &Bound<'py, PyAny>) -> PyResult<Input<'py>> {
    let py = rows.py();
    let first = rows.try_iter()?.next().transpose()?;
    if first.is_some_and(|first| first.is_instance_of::<PyDict>()) {
        return of_records(rows).map(Input::Columns);
    }
    // NumPy would make texts of the numbers in a row that also has a text.
    let array = match numpy(py)?.call_method1("asarray", (rows,)) {
        Ok(array) if array.getattr("dtype")?.getattr("kind")?.extract::<char>()? != 'U' => array,
        _ => numpy(py)?.call_method1("array", (rows, "object"))?,
    };
    of_array(array.cast::<PyUntypedArray>()?)
}

fn of_records(rows: &Bound<'_, PyAny>) -> PyResult<Vec<NamedColumn>> {
    let mut keys: Vec<(String, Bound<'_, PyAny>)> = Vec::new();
    let rows = rows.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    for (position, row) in rows.iter().enumerate() {
        let row = row
            .cast::<PyDict>()
            .map_err(|_| ColumnError::new_err(format!("row {position} is no dict, where the first row is one")))?;
        for key in row.keys() {
            let name = column_name(&key)?;
            if !keys.iter().any(|(known, _)| *known == name) {
                keys.push((name, key));
            }
        }
    }
    let none = rows.first().map(|row| row.py().None().into_bound(row.py()));
    let mut columns = Vec::with_capacity(keys.len());
    for (name, key) in keys {
        let mut values = Vec::with_capacity(rows.len());
        for row in &rows {
            let value = row.cast::<PyDict>()?.get_item(&key)?;
            values.extend(value.or_else(|| none.clone()));
        }
        columns.push(NamedColumn { column: column::of_objects(&name, values.into_iter())?, name });
    }
    Ok(columns)
}

/// A vector of NumPy's as a column.
fn of_vector(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<Column> {
    refuse_mask(array)?;
    if array.ndim() != 1 {
        let n = array.ndim();
        return Err(ColumnError::new_err(format!("column {name:?} has {n} dimensions where a column has one")));
    }
    let kind: char = array.getattr("dtype")?.getattr("kind")?.extract()?;
    let narrow = || -> PyResult<Vec<f32>> {
        let array = array.call_method1("astype", ("float32",))?;
        Ok(array.cast::<numpy::PyArray1<f32>>()?.readonly().as_array().to_vec()) // `astype` copies
    };
    match kind {
        'b' => Ok(Column::Booleans(narrow()?)),
        'i' | 'u' if array.dtype().itemsize() < 4 => Ok(Column::Numbers(narrow()?)),
        'f' if array.dtype().itemsize() <= 4 => Ok(Column::Numbers(narrow()?)),
        'i' | 'u' | 'f' => {
            let array = array.call_method1("astype", ("float64",))?;
            Ok(Column::of_numbers(array.cast::<numpy::PyArray1<f64>>()?.readonly().as_array().to_vec()))
        }
        'M' | 'm' => Err(column::dates(name)),
        'O' | 'U' | 'S' | 'T' => {
            let objects = array.call_method0("tolist")?.cast_into::<PyList>()?;
            column::of_objects(name, objects.iter())
        }
        'c' => Err(ColumnError::new_err(format!("Complex data not supported: column {name:?} holds complex numbers"))),
        _ => Err(ColumnError::new_err(format!("column {name:?} has dtype kind {kind:?}, which holds no numbers"))),
    }
}

/// Name, values, and where these are codes the levels with whether the frame calls the column a category.
type PandasPart<'py> = (String, Bound<'py, PyAny>, Option<(Vec<Bound<'py, PyAny>>, bool)>);

/// The columns of a pandas frame or series, by `churn_model._pandas`, because what they are is told by pandas itself.
fn of_pandas(frame: &Bound<'_, PyAny>) -> PyResult<Vec<NamedColumn>> {
    static COLUMNS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = frame.py();
    let read = || py.import("churn_model._pandas")?.getattr("columns").map(Bound::unbind);
    let parts = COLUMNS.get_or_try_init(py, read)?.bind(py).call1((frame,))?;
    let mut columns = Vec::new();
    for part in parts.cast_into::<PyList>()?.iter() {
        let (name, values, levels): PandasPart<'_> = part.extract()?;
        let column = match levels {
            None => match values.cast::<PyUntypedArray>() {
                Ok(array) => of_vector(&name, array)?,
                Err(_) => column::of_objects(&name, values.try_iter()?.collect::<PyResult<Vec<_>>>()?.into_iter())?,
            },
            Some((levels, is_category)) => {
                let codes: Vec<i32> = values.cast::<numpy::PyArray1<i32>>()?.readonly().as_array().to_vec();
                let value =
                    |level: &Bound<'_, PyAny>| Value::of(level).ok_or_else(|| column::not_a_value(&name, None, level));
                let values = levels.iter().map(value).collect::<PyResult<Vec<_>>>()?;
                Column::Coded { codes, values, is_category }
            }
        };
        columns.push(NamedColumn { name, column });
    }
    Ok(columns)
}
