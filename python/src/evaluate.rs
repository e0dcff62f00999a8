//! Metrics, curves, thresholds and importance over scores and labels.

use std::sync::atomic::Ordering;

use churn_model::evaluate::{self, Binning, ColumnGroup, Confusion, EvaluateError, MeanChange, Metrics};
use churn_model::{Threshold, ThresholdRule};
use numpy::{IntoPyArray, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::campaign::Campaign;
use crate::error::{ChurnError, message};
use crate::model::Model;
use crate::running;

/// Bins of the calibration curve.
const N_CALIBRATION_BINS: usize = 10;

/// The metrics of `metrics.json`, by the same names, as JSON.
#[pyfunction]
pub(crate) fn metrics(
    py: Python<'_>,
    scores: PyReadonlyArray1<'_, f64>,
    labels: PyReadonlyArray1<'_, bool>,
    campaign: &Campaign,
) -> PyResult<String> {
    let (scores, labels) = (slice(&scores)?, slice(&labels)?);
    let metrics = py.detach(|| Metrics::of(scores, labels, &campaign.0)).map_err(refused)?;
    serde_json::to_string(&metrics).map_err(|error| ChurnError::new_err(message(&error)))
}

/// The curves `roc`, `precision_recall`, `calibration`, `gains` and `profit`, each a dict of arrays; a threshold of
/// infinity calls nobody churn.
#[pyfunction]
pub(crate) fn curves<'py>(
    py: Python<'py>,
    scores: PyReadonlyArray1<'py, f64>,
    labels: PyReadonlyArray1<'py, bool>,
    campaign: &Campaign,
) -> PyResult<Bound<'py, PyDict>> {
    let (scores, labels) = (slice(&scores)?, slice(&labels)?);
    let curves = PyDict::new(py);

    let roc = py.detach(|| evaluate::roc_curve(scores, labels)).map_err(refused)?;
    let curve = PyDict::new(py);
    set(&curve, "threshold", &roc, |point| point.threshold.unwrap_or(f64::INFINITY))?;
    set(&curve, "false_positive_rate", &roc, |point| point.false_positive_rate)?;
    set(&curve, "true_positive_rate", &roc, |point| point.true_positive_rate)?;
    curves.set_item("roc", curve)?;

    let precision_recall = py.detach(|| evaluate::precision_recall_curve(scores, labels)).map_err(refused)?;
    let curve = PyDict::new(py);
    set(&curve, "threshold", &precision_recall, |point| point.threshold)?;
    set(&curve, "precision", &precision_recall, |point| point.precision)?;
    set(&curve, "recall", &precision_recall, |point| point.recall)?;
    curves.set_item("precision_recall", curve)?;

    let calibration = py
        .detach(|| evaluate::calibration_table(scores, labels, Binning::EqualMass, N_CALIBRATION_BINS))
        .map_err(refused)?;
    let curve = PyDict::new(py);
    set(&curve, "low", &calibration, |bin| bin.low)?;
    set(&curve, "high", &calibration, |bin| bin.high)?;
    set(&curve, "n", &calibration, |bin| bin.n as i64)?;
    set(&curve, "n_churned", &calibration, |bin| bin.n_churned as i64)?;
    set(&curve, "mean_score", &calibration, |bin| bin.mean_score)?;
    set(&curve, "churned_share", &calibration, |bin| bin.churned_share())?;
    curves.set_item("calibration", curve)?;

    let gains = py.detach(|| evaluate::gains_curve(scores, labels)).map_err(refused)?;
    let curve = PyDict::new(py);
    set(&curve, "contacted_share", &gains, |point| point.contacted_share)?;
    set(&curve, "found_share", &gains, |point| point.found_share)?;
    curves.set_item("gains", curve)?;

    let profit = py.detach(|| evaluate::profit_curve(scores, labels, &campaign.0)).map_err(refused)?;
    let curve = PyDict::new(py);
    set(&curve, "threshold", &profit, |point| point.threshold.unwrap_or(f64::INFINITY))?;
    set(&curve, "contacted_share", &profit, |point| point.contacted_share)?;
    set(&curve, "profit_per_tenant", &profit, |point| point.profit_per_tenant)?;
    curves.set_item("profit", curve)?;
    Ok(curves)
}

/// What decisions at a threshold get right and wrong; a rate that nobody counts for is `None`.
#[pyfunction]
pub(crate) fn confusion<'py>(
    py: Python<'py>,
    threshold: f64,
    scores: PyReadonlyArray1<'py, f64>,
    labels: PyReadonlyArray1<'py, bool>,
) -> PyResult<Bound<'py, PyDict>> {
    let counts = Confusion::at(threshold, slice(&scores)?, slice(&labels)?).map_err(refused)?;
    let confusion = PyDict::new(py);
    confusion.set_item("true_positives", counts.true_positives)?;
    confusion.set_item("false_positives", counts.false_positives)?;
    confusion.set_item("true_negatives", counts.true_negatives)?;
    confusion.set_item("false_negatives", counts.false_negatives)?;
    confusion.set_item("precision", counts.precision())?;
    confusion.set_item("recall", counts.recall())?;
    confusion.set_item("specificity", counts.specificity())?;
    confusion.set_item("f1", counts.f1())?;
    Ok(confusion)
}

/// The threshold that a rule leads to; exactly one of the rules is given.
#[pyfunction]
#[pyo3(signature = (scores, labels, *, campaign = None, capacity = None, precision = None))]
pub(crate) fn choose_threshold(
    scores: PyReadonlyArray1<'_, f64>,
    labels: PyReadonlyArray1<'_, bool>,
    campaign: Option<&Campaign>,
    capacity: Option<f64>,
    precision: Option<f64>,
) -> PyResult<f64> {
    let rule = match (campaign, capacity, precision) {
        (Some(campaign), None, None) => ThresholdRule::Profit { campaign: campaign.0 },
        (None, Some(share), None) => ThresholdRule::Capacity { share },
        (None, None, Some(at_least)) => ThresholdRule::Precision { at_least },
        _ => return Err(ChurnError::new_err("expected exactly one of campaign, capacity and precision")),
    };
    let Threshold { score, .. } =
        evaluate::choose_threshold(rule, slice(&scores)?, slice(&labels)?).map_err(refused)?;
    Ok(score)
}

/// Area under the ROC curve.
#[pyfunction]
pub(crate) fn roc_auc(scores: PyReadonlyArray1<'_, f64>, labels: PyReadonlyArray1<'_, bool>) -> PyResult<f64> {
    evaluate::roc_auc(slice(&scores)?, slice(&labels)?).map_err(refused)
}

/// EMPC, in the money of the campaign per tenant.
#[pyfunction]
pub(crate) fn expected_maximum_profit(
    scores: PyReadonlyArray1<'_, f64>,
    labels: PyReadonlyArray1<'_, bool>,
    campaign: &Campaign,
) -> PyResult<f64> {
    let best = evaluate::expected_maximum_profit(slice(&scores)?, slice(&labels)?, &campaign.0).map_err(refused)?;
    Ok(best.profit_per_tenant)
}

/// Lift at a share of the observations.
#[pyfunction]
pub(crate) fn lift_at_share(
    scores: PyReadonlyArray1<'_, f64>,
    labels: PyReadonlyArray1<'_, bool>,
    share: f64,
) -> PyResult<f64> {
    evaluate::lift_at_share(slice(&scores)?, slice(&labels)?, share).map_err(refused)
}

/// Lift at a number of observations.
#[pyfunction]
pub(crate) fn lift_at_count(
    scores: PyReadonlyArray1<'_, f64>,
    labels: PyReadonlyArray1<'_, bool>,
    count: usize,
) -> PyResult<f64> {
    evaluate::lift_at_count(slice(&scores)?, slice(&labels)?, count).map_err(refused)
}

/// How much worse scores get when the columns of a group are dealt out to other rows; one dict per group.
#[pyfunction]
#[pyo3(signature = (model, matrix, labels, groups, *, n_repeats, seed, n_jobs = None))]
#[expect(clippy::too_many_arguments, reason = "they have names in Python")]
pub(crate) fn permutation_importance<'py>(
    py: Python<'py>,
    model: &Model,
    matrix: PyReadonlyArray2<'py, f32>,
    labels: PyReadonlyArray1<'py, bool>,
    groups: Vec<(String, Vec<usize>)>,
    n_repeats: usize,
    seed: u64,
    n_jobs: Option<i32>,
) -> PyResult<Bound<'py, PyList>> {
    let groups: Vec<ColumnGroup> = groups.into_iter().map(|(name, columns)| ColumnGroup { name, columns }).collect();
    let (features, labels) = (matrix.as_array(), slice(&labels)?);
    let (found, expected) = (features.ncols(), model.model.schema().len());
    if found != expected {
        return Err(ChurnError::new_err(format!(
            "the matrix has {found} columns, the model reads {expected} features"
        )));
    }
    let found = running::run(py, n_jobs, |is_stopped| {
        let score = |batch: ndarray::ArrayView2<'_, f32>| match batch.as_slice() {
            // No score is a wrong number of scores: the measurement ends, and the interrupt is raised.
            _ if is_stopped.load(Ordering::Relaxed) => Vec::new(),
            Some(rows) => model.model.scores(rows),
            None => model.model.scores(&batch.iter().copied().collect::<Vec<f32>>()),
        };
        evaluate::permutation_importance(features, labels, &groups, n_repeats, seed, score)
    })?
    .map_err(refused)?;
    let importances = found.iter().map(|importance| {
        let entry = PyDict::new(py);
        entry.set_item("name", &importance.name)?;
        let put = |names: [&str; 2], change: MeanChange| {
            entry.set_item(names[0], change.mean)?;
            entry.set_item(names[1], change.sd)
        };
        put(["roc_auc_decrease", "roc_auc_decrease_sd"], importance.roc_auc_decrease)?;
        put(["log_loss_increase", "log_loss_increase_sd"], importance.log_loss_increase)?;
        Ok(entry)
    });
    PyList::new(py, importances.collect::<PyResult<Vec<_>>>()?)
}

fn slice<'a, T: numpy::Element>(array: &'a PyReadonlyArray1<'_, T>) -> PyResult<&'a [T]> {
    array
        .as_slice()
        .map_err(|_| ChurnError::new_err("the array is not contiguous; numpy.ascontiguousarray makes it so"))
}

fn set<P, T: numpy::Element>(
    curve: &Bound<'_, PyDict>,
    name: &str,
    points: &[P],
    value: impl Fn(&P) -> T,
) -> PyResult<()> {
    let values: Vec<T> = points.iter().map(value).collect();
    curve.set_item(name, values.into_pyarray(curve.py()))
}

fn refused(error: EvaluateError) -> PyErr {
    ChurnError::new_err(message(&error))
}
