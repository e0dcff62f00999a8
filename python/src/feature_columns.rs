//! Features of tenants as columns.

use std::collections::BTreeSet;
use std::iter::repeat_n;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Int32Array, StringArray};
use churn_events::ObservationDate;
use churn_features::{FeatureReader, FeatureStore, TenantState};
use churn_training_data::Assembled;
use pyo3::prelude::*;

use crate::error::event_error;
use crate::table::{Table, arrow_error, table_of};

/// Keys under which a table of observations says how it was made.
const PLAN_KEY: &str = "churn.plan";
const REPORT_KEY: &str = "churn.report";

/// One row per tenant of a store: its id, and its features at a date.
///
/// # Errors
/// When some tenant's state cannot answer for that date any more.
pub(crate) fn features_table(
    store: &FeatureStore,
    date: ObservationDate,
    reader: &FeatureReader,
    at_risk: bool,
) -> PyResult<Table> {
    let matrix = store.features_at(date, reader).map_err(|error| event_error(&error))?;
    let is_kept =
        |(row, (_, state)): (usize, (&str, &TenantState))| (!at_risk || !state.has_cancelled_at(date)).then_some(row);
    let rows: Vec<usize> = store.states().enumerate().filter_map(is_kept).collect();
    let tenants = StringArray::from_iter_values(rows.iter().map(|&row| &matrix.tenants[row]));
    let mut columns: Vec<(&str, ArrayRef)> = vec![("tenant", Arc::new(tenants))];
    for (position, feature) in reader.schema().features().iter().enumerate() {
        let column: ArrayRef = if feature.is_category() {
            industries(store, date, &rows)?
        } else {
            let value = |&row: &usize| present(matrix.features[row * matrix.n_features + position]);
            Arc::new(rows.iter().map(value).collect::<Float32Array>())
        };
        columns.push((feature.name(), column));
    }
    table_of(columns, [])
}

/// The industries of some tenants, by their places among all by ascending id, whatever the number of industries.
fn industries(store: &FeatureStore, date: ObservationDate, rows: &[usize]) -> PyResult<ArrayRef> {
    let all: Vec<Option<&str>> = store.states().map(|(_, state)| state.industry_at(date)).collect();
    let names: Vec<Option<&str>> = rows.iter().map(|&row| all[row]).collect();
    let levels: Vec<&str> = names.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let code = |name: &Option<&str>| name.and_then(|name| levels.binary_search(&name).ok()).map(|code| code as i32);
    category(names.iter().map(code).collect(), &levels)
}

/// One row per labelled observation, and where asked for per censored one behind them: the columns of the files that
/// `assemble` writes, in their order.
///
/// # Errors
/// When the columns make no table.
pub(crate) fn observations_table(assembled: &Assembled, with_censored: bool) -> PyResult<Table> {
    let labelled = &assembled.labelled;
    let n_censored = if with_censored { assembled.censored.len() } else { 0 };
    let keys = || {
        let labelled = (0..labelled.n_observations()).filter_map(|row| labelled.keys().observation(row));
        labelled.chain((0..n_censored).filter_map(|row| assembled.censored.keys().observation(row)))
    };
    let tenants: StringArray = keys().map(|(tenant, _)| Some(tenant)).collect();
    let dates: Date32Array = keys().map(|(_, date)| Some(date.days())).collect();
    let churned: BooleanArray =
        labelled.labels().iter().map(|&label| Some(label)).chain(repeat_n(None, n_censored)).collect();
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("tenant", Arc::new(tenants)), ("observation_date", Arc::new(dates)), ("churned", Arc::new(churned))];
    if let Some(weights) = labelled.weights() {
        let weights: Float32Array =
            weights.iter().map(|&weight| Some(weight)).chain(repeat_n(None, n_censored)).collect();
        columns.push(("weight", Arc::new(weights)));
    }
    let (features, censored) = (labelled.features(), assembled.censored.features());
    for (position, feature) in labelled.schema().features().iter().enumerate() {
        let censored = censored.column(position).into_iter().take(n_censored);
        let values = features.column(position).into_iter().chain(censored).map(|value| present(*value));
        let column: ArrayRef = if feature.is_category() {
            category(values.map(|code| code.map(|code| code as i32)).collect(), feature.levels())?
        } else {
            Arc::new(values.collect::<Float32Array>())
        };
        columns.push((feature.name(), column));
    }
    let json = |text: serde_json::Result<String>| text.map_err(|error| event_error(&error));
    let plan = json(serde_json::to_string(&assembled.plan))?;
    let report = json(serde_json::to_string(&assembled.report))?;
    table_of(columns, [(PLAN_KEY.to_owned(), plan), (REPORT_KEY.to_owned(), report)])
}

/// A value that is not missing.
fn present(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}

fn category(codes: Int32Array, levels: &[impl AsRef<str>]) -> PyResult<ArrayRef> {
    let levels = StringArray::from_iter_values(levels);
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(codes, Arc::new(levels)).map_err(arrow_error)?))
}
