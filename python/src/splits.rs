//! Which rows are fitted on, and which tested with.

use churn_events::ObservationDate;
use churn_training_data::{DatedRows, TimeSplit, stratified_folds};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::{EventError, FitError, event_error};
use crate::store::plan_of;

type Rows<'py> = Bound<'py, PyArray1<i64>>;

/// Splits by time, one for each span of days that is tested with: the rows of its fit, calibration and test parts.
///
/// Without spans there is one split, and the latest dates that hold `test_share` of the rows are tested with.
#[pyfunction]
#[pyo3(signature = (days, labels, plan, test_share, calibration_share, tests))]
pub(crate) fn time_splits<'py>(
    py: Python<'py>,
    days: PyReadonlyArray1<'py, i32>,
    labels: Option<PyReadonlyArray1<'py, bool>>,
    plan: &str,
    test_share: f64,
    calibration_share: f64,
    tests: Option<Vec<(i32, i32)>>,
) -> PyResult<Vec<(Rows<'py>, Rows<'py>, Rows<'py>)>> {
    let plan = plan_of(plan)?;
    let dates: Vec<ObservationDate> = days.as_array().iter().map(|&day| ObservationDate::from_days(day)).collect();
    let labels: Option<Vec<bool>> = labels.map(|labels| labels.as_array().iter().copied().collect());
    if let Some(found) = labels.as_ref().map(Vec::len).filter(|&found| found != dates.len()) {
        return Err(EventError::new_err(format!(
            "found {found} labels for {} dates; expected one per row",
            dates.len()
        )));
    }
    let rows = DatedRows::new(&dates, labels.as_deref());
    let splits = match tests {
        None => rows.split(&plan, test_share, calibration_share).map(|split| vec![split]),
        Some(tests) => tests
            .into_iter()
            .map(|(first, end)| {
                let test = ObservationDate::from_days(first)..ObservationDate::from_days(end);
                rows.split_at(&plan, test, calibration_share)
            })
            .collect(),
    };
    let numbers = |rows: Vec<usize>| PyArray1::from_iter(py, rows.into_iter().map(|row| row as i64));
    let parts = |split: TimeSplit| (numbers(split.fit), numbers(split.calibration), numbers(split.test));
    Ok(splits.map_err(|error| event_error(&error))?.into_iter().map(parts).collect())
}

/// The fold of each row, from 0; rows of one group are in one fold.
#[pyfunction]
#[pyo3(signature = (labels, groups, n_splits, seed))]
pub(crate) fn folds<'py>(
    py: Python<'py>,
    labels: PyReadonlyArray1<'py, bool>,
    groups: Option<PyReadonlyArray1<'py, u64>>,
    n_splits: u32,
    seed: u64,
) -> PyResult<Bound<'py, PyArray1<u32>>> {
    let labels: Vec<bool> = labels.as_array().iter().copied().collect();
    let groups: Option<Vec<u64>> = groups.map(|groups| groups.as_array().to_vec());
    let folds = stratified_folds(&labels, groups.as_deref(), n_splits, seed);
    Ok(PyArray1::from_vec(py, folds.map_err(|error| FitError::new_err(error.to_string()))?))
}
