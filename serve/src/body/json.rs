//! JSON bodies: the forms that SageMaker's algorithms, MLflow and the original system send.

use churn_events::CompanyField;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows};

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// Rows of a JSON value: an object with `instances`, `dataframe_split`, `dataframe_records` or `inputs`; a single record
/// with `features` or `data`; or a bare list of rows. `None` when it is an object of another form.
///
/// # Errors
/// When one of them is there and cannot be read.
pub(super) fn read(body: &Value, schema: &RowSchema, rows: RowCollector) -> Option<Result<Rows, Problem>> {
    let object = match body {
        Value::Array(items) if items.first().is_some_and(is_company) => return None,
        Value::Array(items) if items.first().is_some_and(|first| !is_scalar(first)) => {
            return Some(instances("the list", items, schema, rows));
        }
        Value::Array(_) => return Some(instances("the list", std::slice::from_ref(body), schema, rows)),
        Value::Object(object) => object,
        _ => return Some(Err(Problem::NoRows { company: None })),
    };
    let list = |name: &'static str, value: &Value, rows| match value {
        Value::Array(items) => instances(name, items, schema, rows),
        _ => Err(Problem::Form { path: name.to_owned(), expected: "a list of rows" }),
    };
    const FORMS: [&str; 4] = ["instances", "dataframe_split", "dataframe_records", "inputs"];
    let mut forms = FORMS.iter().filter_map(|name| Some((*name, object.get(*name)?)));
    let form = forms.next();
    if let (Some((first, _)), Some((second, _))) = (form, forms.next()) {
        return Some(Err(Problem::Form { path: format!("{first} and {second}"), expected: "one of the two" }));
    }
    Some(match form {
        Some(("dataframe_split", value)) => data_frame(value, schema, rows),
        Some(("inputs", Value::Object(columns))) => by_column(columns, schema, rows),
        Some((name, value)) => list(name, value, rows),
        None if is_record(object) => instances("the record", std::slice::from_ref(body), schema, rows),
        None => return None,
    })
}

/// Rows of JSON Lines; blank lines are passed over.
///
/// # Errors
/// When a line is not JSON, or not a row.
pub(super) fn read_lines(body: &[u8], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    for line in body.split(|&byte| byte == b'\n') {
        if line.trim_ascii().is_empty() {
            continue;
        }
        rows.push(|values| {
            let value =
                serde_json::from_slice(line).map_err(|error| RowProblem::Other(format!("is not JSON: {error}")))?;
            row(&value, schema, values)
        })?;
    }
    rows.finish()
}

/// Whether an object says which company it is about; rows that only name features do not.
fn is_company(value: &Value) -> bool {
    let names_company = |name: &String| CompanyField::spelt(name) == Some(CompanyField::Id);
    value.as_object().is_some_and(|object| object.keys().any(names_company))
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn is_record(object: &Object) -> bool {
    matches!(object.get("features"), Some(Value::Array(_) | Value::Object(_)))
        || matches!(object.get("data"), Some(Value::Object(_)))
}

fn instances(name: &'static str, items: &[Value], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    if items.is_empty() {
        return Err(Problem::Form { path: name.to_owned(), expected: "at least one row" });
    }
    items.iter().try_for_each(|item| rows.push(|values| row(item, schema, values)))?;
    rows.finish()
}

/// One row: values by position, values by name, or a record of the linear learner with either of them.
fn row(value: &Value, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
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
        return Err(RowProblem::Width { found: items.len(), expected: schema.width() });
    }
    for (position, item) in items.iter().enumerate() {
        values.push(schema.json_value(position, item, position + 1)?);
    }
    Ok(())
}

/// Values by name; what the model does not know is passed over.
fn by_name(object: &Object, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    let start = values.len();
    values.resize(start + schema.width(), f32::NAN);
    let mut is_there = vec![false; schema.width()];
    for (name, value) in object {
        if let Some(position) = schema.position(name) {
            values[start + position] = schema.json_value(position, value, position + 1)?;
            is_there[position] = true;
        }
    }
    let missing: Vec<usize> = (0..schema.width()).filter(|&position| !is_there[position]).collect();
    if missing.is_empty() { Ok(()) } else { Err(RowProblem::Lacks { names: schema.names(missing) }) }
}

/// `{"values": [...]}`, and with `keys` those positions only: what a sparse record does not name is 0.
fn tensor(tensor: &Object, schema: &RowSchema, values: &mut Vec<f32>) -> Result<(), RowProblem> {
    let Some(Value::Array(given)) = tensor.get("values") else {
        return Err(RowProblem::Form { expected: "a list of values" });
    };
    let keys = match tensor.get("keys") {
        None | Some(Value::Null) => return by_position(given, schema, values),
        Some(Value::Array(keys)) if keys.len() == given.len() => keys,
        Some(_) => return Err(RowProblem::Form { expected: "keys, one per value" }),
    };
    if let Some(shape) = tensor.get("shape").and_then(Value::as_array).and_then(|shape| shape.last()?.as_u64())
        && shape != schema.width() as u64
    {
        return Err(RowProblem::Width {
            found: usize::try_from(shape).unwrap_or(usize::MAX),
            expected: schema.width(),
        });
    }
    let start = values.len();
    values.resize(start + schema.width(), 0.0);
    for (key, value) in keys.iter().zip(given) {
        let position = key.as_u64().and_then(|key| usize::try_from(key).ok()).filter(|&key| key < schema.width());
        let Some(position) = position else {
            return Err(RowProblem::Form { expected: "keys from 0 to the number of features, less one" });
        };
        values[start + position] = schema.json_value(position, value, position + 1)?;
    }
    Ok(())
}

/// `{"columns": [...], "data": [[...], ...]}`, as pandas splits a frame.
fn data_frame(value: &Value, schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    let form = |path: &str, expected| Problem::Form { path: format!("dataframe_split.{path}"), expected };
    let data = value.get("data").and_then(Value::as_array).ok_or_else(|| form("data", "a list of rows"))?;
    let Some(columns) = value.get("columns").filter(|columns| !columns.is_null()) else {
        return instances("dataframe_split.data", data, schema, rows);
    };
    let columns = columns.as_array().ok_or_else(|| form("columns", "a list of names"))?;
    let mut positions = vec![None; schema.width()];
    for (column, name) in columns.iter().enumerate() {
        if let Some(position) = name.as_str().and_then(|name| schema.position(name)) {
            positions[position] = Some(column);
        }
    }
    let missing: Vec<usize> = (0..schema.width()).filter(|&position| positions[position].is_none()).collect();
    if !missing.is_empty() {
        return Err(Problem::MissingColumns { what: "data frame", columns: schema.names(missing) });
    }
    let positions: Vec<usize> = positions.into_iter().flatten().collect();
    for item in data {
        rows.push(|values| {
            let items = item.as_array().filter(|items| items.len() == columns.len());
            let items = items.ok_or(RowProblem::Form { expected: "a list of one value per column" })?;
            for (position, &column) in positions.iter().enumerate() {
                values.push(schema.json_value(position, &items[column], column + 1)?);
            }
            Ok(())
        })?;
    }
    rows.finish()
}

/// `{"name": [...], ...}`: a list per feature.
fn by_column(columns: &Object, schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    let mut lists = vec![None; schema.width()];
    for (name, values) in columns {
        if let Some(position) = schema.position(name) {
            let expected = "a list of values";
            let list = values.as_array().ok_or_else(|| Problem::Form { path: format!("inputs.{name}"), expected })?;
            lists[position] = Some(list);
        }
    }
    let missing: Vec<usize> = (0..schema.width()).filter(|&position| lists[position].is_none()).collect();
    if !missing.is_empty() {
        return Err(Problem::MissingColumns { what: "object of inputs", columns: schema.names(missing) });
    }
    let lists: Vec<&Vec<Value>> = lists.into_iter().flatten().collect();
    if lists.iter().any(|list| list.len() != lists[0].len()) {
        return Err(Problem::Form { path: "inputs".to_owned(), expected: "lists of one length" });
    }
    for row in 0..lists[0].len() {
        rows.push(|values| {
            for (position, list) in lists.iter().enumerate() {
                values.push(schema.json_value(position, &list[row], position + 1)?);
            }
            Ok(())
        })?;
    }
    rows.finish()
}
