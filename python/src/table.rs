//! Columns with names, as Arrow record batches.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchIterator, downcast_dictionary_array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef, TimeUnit};
use numpy::datetime::{Datetime, units};
use numpy::{Element, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyString};
use pyo3_arrow::ffi::to_schema_pycapsule;
use pyo3_arrow::input::AnyRecordBatch;

use crate::error::{ChurnError, ColumnError};
use crate::plain::plain;

/// How cells are put into words.
static OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// Rows that a notebook shows.
const ROWS_SHOWN: usize = 10;

/// Columns with names that any Arrow library reads without a copy.
#[pyclass(subclass, frozen, module = "churn_model._native")]
pub(crate) struct Table {
    batches: Vec<RecordBatch>,
    schema: SchemaRef,
}

impl Table {
    /// A table of batches that share this schema.
    pub(crate) fn new(schema: SchemaRef, batches: Vec<RecordBatch>) -> Self {
        Self { batches, schema }
    }

    fn find(&self, name: &str) -> PyResult<usize> {
        let found = self.schema.index_of(name);
        found.map_err(|_| ColumnError::new_err(format!("there is no column {name:?}; there are {}", self.names())))
    }

    fn names(&self) -> String {
        self.column_names().join(", ")
    }

    fn project(&self, columns: &[usize]) -> PyResult<Self> {
        let project = |batch: &RecordBatch| batch.project(columns);
        let batches = self.batches.iter().map(project).collect::<Result<_, _>>().map_err(arrow_error)?;
        let schema = self.schema.project(columns).map_err(arrow_error)?;
        Ok(Self { batches, schema: Arc::new(schema) })
    }

    fn chunks(&self, column: usize) -> impl Iterator<Item = &ArrayRef> {
        self.batches.iter().map(move |batch| batch.column(column))
    }

    fn has_nulls(&self, column: usize) -> bool {
        self.chunks(column).any(|chunk| chunk.null_count() > 0)
    }

    fn numbers<'py, T: ArrowPrimitiveType, N: Element>(
        &self,
        py: Python<'py>,
        column: usize,
        convert: impl Fn(Option<T::Native>) -> N,
    ) -> Bound<'py, PyAny> {
        let mut values = Vec::with_capacity(self.n_rows());
        for chunk in self.chunks(column) {
            values.extend(chunk.as_primitive::<T>().iter().map(&convert));
        }
        PyArray1::from_vec(py, values).into_any()
    }

    /// Whole numbers; with nulls they are floats, as pandas has them.
    fn whole_numbers<'py, T: ArrowPrimitiveType>(&self, py: Python<'py>, column: usize) -> Bound<'py, PyAny>
    where
        T::Native: Element + Into<i64>,
    {
        if self.has_nulls(column) {
            self.numbers::<T, f64>(py, column, |value| value.map_or(f64::NAN, |value| value.into() as f64))
        } else {
            self.numbers::<T, T::Native>(py, column, Option::unwrap_or_default)
        }
    }

    fn objects<'py>(
        &self,
        py: Python<'py>,
        column: usize,
        each: impl Fn(&ArrayRef, &mut Vec<Py<PyAny>>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut values = Vec::with_capacity(self.n_rows());
        self.chunks(column).try_for_each(|chunk| each(chunk, &mut values))?;
        Ok(PyArray1::from_vec(py, values).into_any())
    }

    fn texts<'py>(&self, py: Python<'py>, column: usize) -> PyResult<Bound<'py, PyAny>> {
        let text =
            |text: Option<&str>| text.map_or_else(|| py.None(), |text| PyString::new(py, text).into_any().unbind());
        self.objects(py, column, |chunk, values| {
            let (keys, texts) = downcast_dictionary_array!(
                chunk => (chunk.keys_iter().collect::<Vec<_>>(), plain(chunk.values()).map_err(arrow_error)?),
                _ => {
                    values.extend(plain(chunk).map_err(arrow_error)?.as_string_view().iter().map(text));
                    return Ok(());
                }
            );
            // Each text of the dictionary becomes one object, whatever the number of rows that share it.
            let texts: Vec<Py<PyAny>> = texts.as_string_view().iter().map(text).collect();
            values.extend(keys.into_iter().map(|key| key.map_or_else(|| py.None(), |key| texts[key].clone_ref(py))));
            Ok(())
        })
    }
}

#[pymethods]
impl Table {
    #[new]
    fn from_arrow(data: AnyRecordBatch) -> PyResult<Self> {
        let (batches, schema) = data.into_table()?.into_inner();
        Ok(Self { batches, schema })
    }

    /// Names of the columns, in order.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Number of rows.
    #[getter]
    fn n_rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// What the table says of itself as a whole: texts by key.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metadata = PyDict::new(py);
        self.schema.metadata().iter().try_for_each(|(key, value)| metadata.set_item(key, value))?;
        Ok(metadata)
    }

    fn __len__(&self) -> usize {
        self.n_rows()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        Ok(to_schema_pycapsule(py, self.schema.as_ref())?)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface lets whoever asks convert what comes. Doing it here would bring in every conversion of Arrow's.
        let _ = requested_schema;
        let batches = RecordBatchIterator::new(self.batches.clone().into_iter().map(Ok), Arc::clone(&self.schema));
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
    }

    /// Some of the columns, in the order given.
    fn select(&self, names: Vec<String>) -> PyResult<Self> {
        let columns = names.iter().map(|name| self.find(name)).collect::<PyResult<Vec<_>>>()?;
        self.project(&columns)
    }

    /// The values of one column as a NumPy array of shape `(n_rows,)`.
    ///
    /// Numbers keep their type where none is missing; with missing ones they are floats with NaN. Dates are `datetime64[D]`,
    /// times `datetime64[ms]`, both with NaT; booleans are `bool`, and texts, categories, bytes and booleans with missing
    /// values are Python objects, with None.
    ///
    /// Raises
    /// ------
    /// ColumnError
    ///     When there is no column of the name, or it is of a type that tables of this package do not have.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let column = self.find(name)?;
        match self.schema.field(column).data_type() {
            DataType::Float32 => Ok(self.numbers::<Float32Type, f32>(py, column, |x| x.unwrap_or(f32::NAN))),
            DataType::Float64 => Ok(self.numbers::<Float64Type, f64>(py, column, |x| x.unwrap_or(f64::NAN))),
            DataType::Int8 => Ok(self.whole_numbers::<Int8Type>(py, column)),
            DataType::Int16 => Ok(self.whole_numbers::<Int16Type>(py, column)),
            DataType::Int32 => Ok(self.whole_numbers::<Int32Type>(py, column)),
            DataType::UInt8 => Ok(self.whole_numbers::<UInt8Type>(py, column)),
            DataType::UInt16 => Ok(self.whole_numbers::<UInt16Type>(py, column)),
            DataType::UInt32 => Ok(self.whole_numbers::<UInt32Type>(py, column)),
            DataType::Int64 => Ok(self.whole_numbers::<Int64Type>(py, column)),
            // NumPy's NaT is the smallest number.
            DataType::Date32 => Ok(self.numbers::<Date32Type, Datetime<units::Days>>(py, column, |day| {
                day.map_or(i64::MIN, i64::from).into()
            })),
            DataType::Timestamp(TimeUnit::Millisecond, _) => Ok(self
                .numbers::<TimestampMillisecondType, Datetime<units::Milliseconds>>(py, column, |ms| {
                    ms.unwrap_or(i64::MIN).into()
                })),
            DataType::Boolean if !self.has_nulls(column) => {
                let chunks = self.chunks(column).flat_map(|chunk| chunk.as_boolean().iter());
                Ok(PyArray1::from_iter(py, chunks.map(|value| value == Some(true))).into_any())
            }
            DataType::Boolean => self.objects(py, column, |chunk, values| {
                for value in chunk.as_boolean() {
                    values.push(value.into_pyobject(py)?.unbind());
                }
                Ok(())
            }),
            DataType::Binary => self.objects(py, column, |chunk, values| {
                let bytes = |bytes: Option<&[u8]>| match bytes {
                    Some(bytes) => PyBytes::new(py, bytes).into_any().unbind(),
                    None => py.None(),
                };
                values.extend(chunk.as_binary::<i32>().iter().map(bytes));
                Ok(())
            }),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => self.texts(py, column),
            DataType::Dictionary(_, values)
                if matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) =>
            {
                self.texts(py, column)
            }
            other => Err(ColumnError::new_err(format!(
                "column {name:?} is of type {other}, of which there is no array; use to_pyarrow() or to_polars()"
            ))),
        }
    }

    fn _is_category(&self, name: &str) -> PyResult<bool> {
        Ok(matches!(self.schema.field(self.find(name)?).data_type(), DataType::Dictionary(..)))
    }

    fn __repr__(&self) -> String {
        format!("Table({} rows: {})", self.n_rows(), self.names())
    }

    fn _repr_html_(&self) -> PyResult<String> {
        let mut html = String::from("<table><thead><tr>");
        for name in self.column_names() {
            let _ = write!(html, "<th>{}</th>", escaped(&name));
        }
        html += "</tr></thead><tbody>";
        let mut left = ROWS_SHOWN;
        for batch in &self.batches {
            let shown = batch.slice(0, left.min(batch.num_rows()));
            let cells = shown.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &OPTIONS));
            let cells = cells.collect::<Result<Vec<_>, _>>().map_err(arrow_error)?;
            for row in 0..shown.num_rows() {
                html += "<tr>";
                for cell in &cells {
                    let _ = write!(html, "<td>{}</td>", escaped(&cell.value(row).to_string()));
                }
                html += "</tr>";
            }
            left -= shown.num_rows();
        }
        let _ = write!(html, "</tbody></table><p>{} rows, {} columns</p>", self.n_rows(), self.schema.fields().len());
        Ok(html)
    }
}

/// A table of one batch, with what is said about it.
///
/// # Errors
/// When the columns do not have the same length.
pub(crate) fn table_of(
    columns: Vec<(&str, ArrayRef)>,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> PyResult<Table> {
    let batch = RecordBatch::try_from_iter(columns).map_err(arrow_error)?;
    let schema = Schema::clone(&batch.schema()).with_metadata(metadata.into_iter().collect());
    let schema = Arc::new(schema);
    let batch = batch.with_schema(Arc::clone(&schema)).map_err(arrow_error)?;
    Ok(Table::new(schema, vec![batch]))
}

pub(crate) fn arrow_error(error: ArrowError) -> PyErr {
    ChurnError::new_err(error.to_string())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
