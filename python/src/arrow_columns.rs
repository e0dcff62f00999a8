//! Columns of anything that speaks the Arrow C stream interface: polars, pyarrow, DuckDB and others.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, downcast_dictionary_array};
use arrow_schema::DataType;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::column::{Column, Distinct, MISSING, NamedColumn, Value, dates};
use crate::error::ColumnError;

/// The columns of a table, in its order.
///
/// # Errors
/// When it is no table, or a column is of a kind that no model can read.
pub(crate) fn columns(table: &Bound<'_, PyAny>) -> PyResult<Vec<NamedColumn>> {
    let named = |error: PyErr| match error.is_instance_of::<PyValueError>(table.py()) {
        true => ColumnError::new_err(format!("the table cannot be read: {error}")),
        false => error,
    };
    let (batches, schema) = table.extract::<PyTable>().map_err(named)?.into_inner();
    let column = |position: usize| {
        let field = schema.field(position);
        let chunks: Vec<ArrayRef> = batches.iter().map(|batch| Arc::clone(batch.column(position))).collect();
        let column = of_chunks(field.name(), field.data_type(), &chunks)?;
        Ok(NamedColumn { name: field.name().clone(), column })
    };
    (0..schema.fields().len()).map(column).collect()
}

fn of_chunks(name: &str, data_type: &DataType, chunks: &[ArrayRef]) -> PyResult<Column> {
    Ok(match data_type {
        DataType::Null => Column::Numbers(vec![f32::NAN; chunks.iter().map(Array::len).sum()]),
        DataType::Boolean => Column::Booleans(booleans(chunks)),
        DataType::Int8 => numbers::<Int8Type>(chunks, f32::from),
        DataType::Int16 => numbers::<Int16Type>(chunks, f32::from),
        DataType::Int32 => wide::<Int32Type>(chunks, f64::from),
        DataType::Int64 => wide::<Int64Type>(chunks, |value| value as f64),
        DataType::UInt8 => numbers::<UInt8Type>(chunks, f32::from),
        DataType::UInt16 => numbers::<UInt16Type>(chunks, f32::from),
        DataType::UInt32 => wide::<UInt32Type>(chunks, f64::from),
        DataType::UInt64 => wide::<UInt64Type>(chunks, |value| value as f64),
        DataType::Float16 => numbers::<Float16Type>(chunks, f32::from),
        DataType::Float32 => numbers::<Float32Type>(chunks, |value| value),
        DataType::Float64 => wide::<Float64Type>(chunks, |value| value),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(chunks, *scale, f64::from),
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(chunks, *scale, |value| value as f64),
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(chunks, *scale, |value| value as f64),
        DataType::Decimal256(_, scale) => {
            // Beyond 38 digits there is no primitive to go through; its text is exact.
            decimals::<Decimal256Type>(chunks, *scale, |value| value.to_string().parse().unwrap_or(f64::NAN))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let mut distinct = Distinct::default();
            let codes = chunks.iter().flat_map(|chunk| text_codes(chunk, &mut distinct)).collect();
            Column::Coded { codes, values: distinct.values, is_category: false }
        }
        DataType::Dictionary(_, values) => dictionary(name, values, chunks)?,
        DataType::Date32
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Interval(_) => return Err(dates(name)),
        other => {
            return Err(ColumnError::new_err(format!(
                "column {name:?} is of type {other}; a model reads numbers, booleans and categories (strings)"
            )));
        }
    })
}

fn numbers<T: ArrowPrimitiveType>(chunks: &[ArrayRef], number: impl Fn(T::Native) -> f32) -> Column {
    Column::Numbers(values::<T, f32>(chunks, f32::NAN, number))
}

/// Numbers of more digits than single precision has.
fn wide<T: ArrowPrimitiveType>(chunks: &[ArrayRef], number: impl Fn(T::Native) -> f64) -> Column {
    Column::of_numbers(values::<T, f64>(chunks, f64::NAN, number))
}

fn values<T: ArrowPrimitiveType, N: Copy>(chunks: &[ArrayRef], missing: N, number: impl Fn(T::Native) -> N) -> Vec<N> {
    let mut values = Vec::with_capacity(chunks.iter().map(Array::len).sum());
    for chunk in chunks {
        let chunk = chunk.as_primitive::<T>();
        if chunk.null_count() == 0 {
            values.extend(chunk.values().iter().map(|&value| number(value)));
        } else {
            values.extend(chunk.iter().map(|value| value.map_or(missing, &number)));
        }
    }
    values
}

fn decimals<T: ArrowPrimitiveType>(chunks: &[ArrayRef], scale: i8, number: impl Fn(T::Native) -> f64) -> Column {
    let divisor = 10_f64.powi(i32::from(scale));
    wide::<T>(chunks, |value| number(value) / divisor)
}

fn booleans(chunks: &[ArrayRef]) -> Vec<f32> {
    let values = chunks.iter().flat_map(|chunk| chunk.as_boolean().iter());
    values.map(|value| value.map_or(f32::NAN, |value| f32::from(u8::from(value)))).collect()
}

fn text_codes(chunk: &ArrayRef, distinct: &mut Distinct) -> Vec<i32> {
    let mut code = |text: Option<&str>| text.map_or(MISSING, |text| distinct.text_code(text));
    match chunk.data_type() {
        DataType::LargeUtf8 => chunk.as_string::<i64>().iter().map(&mut code).collect(),
        DataType::Utf8View => chunk.as_string_view().iter().map(&mut code).collect(),
        _ => chunk.as_string::<i32>().iter().map(&mut code).collect(),
    }
}

/// A dictionary-encoded column: a category, unless its values are numbers that stand for themselves.
fn dictionary(name: &str, values: &DataType, chunks: &[ArrayRef]) -> PyResult<Column> {
    let mut distinct = Distinct::default();
    let mut codes = Vec::with_capacity(chunks.iter().map(Array::len).sum());
    for chunk in chunks {
        let (keys, dictionary) = downcast_dictionary_array!(
            chunk => (chunk.keys_iter().collect::<Vec<_>>(), Arc::clone(chunk.values())),
            _ => return Err(ColumnError::new_err(format!("column {name:?} is no dictionary after all")))
        );
        let code_of_key = dictionary_codes(name, values, &dictionary, &mut distinct)?;
        codes.extend(keys.into_iter().map(|key| key.map_or(MISSING, |key| code_of_key[key])));
    }
    Ok(Column::Coded { codes, values: distinct.values, is_category: true })
}

fn dictionary_codes(
    name: &str,
    data_type: &DataType,
    dictionary: &ArrayRef,
    distinct: &mut Distinct,
) -> PyResult<Vec<i32>> {
    if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Ok(text_codes(dictionary, distinct));
    }
    match of_chunks(name, data_type, std::slice::from_ref(dictionary))? {
        Column::Numbers(numbers) => {
            let number = |number: f32| Value::Number(f64::from(number));
            Ok(numbers.into_iter().map(|n| if n.is_nan() { MISSING } else { distinct.code(number(n)) }).collect())
        }
        Column::Wide(numbers) => {
            let mut code = |number: f64| if number.is_nan() { MISSING } else { distinct.code(Value::Number(number)) };
            Ok(numbers.into_iter().map(&mut code).collect())
        }
        Column::Booleans(values) => {
            let boolean = |value: f32| Value::Boolean(value == 1.0);
            Ok(values.into_iter().map(|v| if v.is_nan() { MISSING } else { distinct.code(boolean(v)) }).collect())
        }
        Column::Coded { .. } => Err(ColumnError::new_err(format!("column {name:?} is a dictionary of dictionaries"))),
    }
}
