//! One row of JSON, in any of the forms that rows have.

use churn_events::CompanyField;
use serde_json::{Map, Value};

use crate::company::CompanyMapping;
use crate::problem::Problem;
use crate::row::{MatchProblem, RowCollector, RowProblem, RowSchema};

/// A JSON object.
type Object = Map<String, Value>;

/// Whether an object says which company it is about; rows that only name features do not.
pub(super) fn names_company(value: &Value) -> bool {
    value.as_object().is_some_and(has_id)
}

fn has_id(object: &Object) -> bool {
    object.keys().any(|name| CompanyField::spelt(name) == Some(CompanyField::Id))
}

/// Whether an object names exactly the features of the model, though they may be spelt as facts of a company are.
fn has_all_names(object: &Object, schema: &RowSchema) -> bool {
    object.len() == schema.width() && object.keys().all(|name| schema.position(name).is_some()) && !has_id(object)
}

/// Whether an object is one row: a record of the linear learner, or values by the names of features. A company is none.
pub(super) fn is_row(object: &Object, schema: &RowSchema) -> bool {
    matches!(object.get("features"), Some(Value::Array(_) | Value::Object(_)))
        || matches!(object.get("data"), Some(Value::Object(_)))
        || (!CompanyMapping::is_company(object) && object.keys().any(|name| schema.position(name).is_some()))
        || has_all_names(object, schema)
}

/// One row: values by position, values by name, or a record of the linear learner with either of them.
pub(super) fn row(value: &Value, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    match value {
        Value::Array(items) => by_position(items, schema, values),
        Value::Object(object) => match (object.get("features"), object.get("data")) {
            (Some(Value::Array(items)), _) => by_position(items, schema, values),
            (Some(Value::Object(named)), _) if named.contains_key("values") => tensor(named, schema, values),
            (Some(Value::Object(named)), _) => by_name(named, schema, values),
            (_, Some(data @ Value::Object(_))) => match data.pointer("/features") {
                Some(Value::Object(features)) => tensor(features, schema, values),
                Some(Value::Array(items)) => by_position(items, schema, values),
                _ => Err(RowProblem::Form { expected: "data.features.values" }),
            },
            _ => by_name(object, schema, values),
        },
        _ => Err(RowProblem::Form { expected: "a list of values, or an object" }),
    }
}

fn by_position(items: &[Value], schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    if items.len() != schema.width() {
        return Err(schema.wrong_width(items.len()));
    }
    push(items.iter(), schema, values)
}

/// Values by name; what the model does not know is passed over.
fn by_name(object: &Object, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    let given: Vec<(&String, &Value)> = object.iter().collect();
    let mut columns = schema.columns("row", given.iter().map(|(name, _)| name.as_str()));
    if let Err(MatchProblem::Lacks { hint, .. }) = &mut columns
        && CompanyMapping::is_company(object)
    {
        *hint = "; companies in a list are known by their companyID";
    }
    let columns = columns?;
    push(columns.iter().map(|&column| given[column].1), schema, values)
}

/// Adds one value per feature.
pub(crate) fn push<'a>(
    given: impl Iterator<Item = &'a Value>,
    schema: &RowSchema,
    values: &mut Vec<f32>,
) -> Result<(), RowProblem> {
    for (position, value) in given.enumerate() {
        values.push(schema.json_value(position, value, position + 1)?);
    }
    Ok(())
}

/// `{"values": [...]}`, and with `keys` those positions only: what a sparse record does not name is 0.
fn tensor(tensor: &Object, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    let Some(Value::Array(given)) = tensor.get("values") else {
        return Err(RowProblem::Form { expected: "a list of values" });
    };
    let shape = shape(tensor)?;
    let keys: Option<Vec<u64>> = match tensor.get("keys") {
        None | Some(Value::Null) if shape.is_some_and(|shape| shape != given.len() as u64) => {
            return Err(RowProblem::Form { expected: "as many values as the shape says" });
        }
        None | Some(Value::Null) => return by_position(given, schema, values),
        Some(Value::Array(keys)) if keys.len() == given.len() => keys.iter().map(Value::as_u64).collect(),
        Some(_) => None,
    };
    let keys = keys.ok_or(RowProblem::Form { expected: "keys, one whole number per value" })?;
    let value = |position, value: &Value| schema.json_value(position, value, position + 1);
    schema.sparse_row(shape, keys.into_iter().zip(given), value, values)
}

/// The number of features that a record says it has: its sides multiplied, as RecordIO has them.
fn shape(tensor: &Object) -> Result<Option<u64>, RowProblem> {
    let sides: &[Value] = match tensor.get("shape") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(sides)) => sides.as_slice(),
        Some(side) => std::slice::from_ref(side),
    };
    let sides = sides.iter().map(Value::as_u64);
    sides
        .reduce(|product, side| product?.checked_mul(side?))
        .map(|shape| shape.ok_or(RowProblem::Form { expected: "a shape of whole numbers" }))
        .transpose()
}

/// Adds the rows of one named list of values per feature.
///
/// # Errors
/// When a feature is not there, or the lists are not of one length.
pub(crate) fn rows_of_columns(
    what: &'static str,
    lists: &[(&str, &[Value])],
    schema: &RowSchema,
    rows: &mut RowCollector,
) -> Result<(), Problem> {
    let columns = schema.columns(what, lists.iter().map(|(name, _)| *name))?;
    let n_rows = lists[columns[0]].1.len();
    if columns.iter().any(|&column| lists[column].1.len() != n_rows) {
        return Err(Problem::Form { path: what.to_owned(), expected: "lists of one length" });
    }
    for row in 0..n_rows {
        rows.push(|values| push(columns.iter().map(|&column| &lists[column].1[row]), schema, values))?;
    }
    Ok(())
}
