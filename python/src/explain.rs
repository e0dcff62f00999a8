//! Explanations of many rows, and reasons in words.

use std::sync::atomic::{AtomicBool, Ordering};

use churn_model::{ExplainScratch, Explainer, RawScale, ReasonValue};
use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::error::ChurnError;
use crate::model::Model;
use crate::running;

/// Rows that a thread explains before it looks whether it shall stop: what the explainer itself takes at a time.
const BLOCK_ROWS: usize = 16;

/// What each row's raw score is made of.
struct Contributions {
    /// `(n_rows, n_features)`, row-major.
    values: Vec<f64>,
    raw_scores: Vec<f64>,
}

/// The contributions to the raw scores of a matrix: `values` float64 `(n_rows, n_features)`, `base_value`, `raw_scores`
/// float64 `(n_rows,)`, and `raw_scale`, `"share"` or `"log_odds"`.
///
/// One row is explained where it stands; more share `n_jobs` threads.
#[pyfunction]
#[pyo3(signature = (model, matrix, *, exact = true, n_jobs = None))]
pub(crate) fn contributions<'py>(
    py: Python<'py>,
    model: &Model,
    matrix: PyReadonlyArray2<'py, f32>,
    exact: bool,
    n_jobs: Option<i32>,
) -> PyResult<Bound<'py, PyDict>> {
    let rows = rows_of(model, &matrix)?;
    let explainer = model.explainer.get_or_init(|| model.model.explainer());
    let found = if matrix.shape()[0] <= 1 {
        explain(model, explainer, rows, exact, &AtomicBool::new(false))
    } else {
        running::run(py, n_jobs, |is_stopped| explain(model, explainer, rows, exact, is_stopped))?
    };
    let scale = model.model.kind().raw_scale();
    let explanation = PyDict::new(py);
    explanation.set_item("values", found.values.into_pyarray(py).reshape([matrix.shape()[0], matrix.shape()[1]])?)?;
    explanation.set_item("base_value", explainer.base_value())?;
    explanation.set_item("raw_scores", found.raw_scores.into_pyarray(py))?;
    explanation.set_item(
        "raw_scale",
        match scale {
            RawScale::Share => "share",
            RawScale::LogOdds => "log_odds",
        },
    )?;
    Ok(explanation)
}

/// The `k` largest contributions to the raw score of each row, in words.
#[pyfunction]
#[pyo3(signature = (model, matrix, *, k, n_jobs = None))]
pub(crate) fn reasons(
    py: Python<'_>,
    model: &Model,
    matrix: PyReadonlyArray2<'_, f32>,
    k: usize,
    n_jobs: Option<i32>,
) -> PyResult<Vec<Vec<Reason>>> {
    let rows = rows_of(model, &matrix)?;
    let width = matrix.shape()[1];
    let explainer = model.explainer.get_or_init(|| model.model.explainer());
    let words = |(row, contributions): (&[f32], &[f64])| -> Vec<Reason> {
        explainer.reasons_of(row, contributions, k).into_iter().map(Reason).collect()
    };
    if matrix.shape()[0] <= 1 {
        let found = explain(model, explainer, rows, true, &AtomicBool::new(false));
        return Ok(rows.chunks_exact(width).zip(found.values.chunks_exact(width)).map(words).collect());
    }
    running::run(py, n_jobs, |is_stopped| {
        let found = explain(model, explainer, rows, true, is_stopped);
        rows.par_chunks_exact(width).zip(found.values.par_chunks_exact(width)).map(words).collect()
    })
}

/// The rows of a matrix as one slice, where it is one of this model.
fn rows_of<'a>(model: &Model, matrix: &'a PyReadonlyArray2<'_, f32>) -> PyResult<&'a [f32]> {
    let (found, expected) = (matrix.shape()[1], model.model.schema().len());
    if found != expected {
        return Err(ChurnError::new_err(format!(
            "the matrix has {found} columns, the model reads {expected} features"
        )));
    }
    matrix
        .as_slice()
        .map_err(|_| ChurnError::new_err("the matrix is not contiguous; numpy.ascontiguousarray makes it so"))
}

/// Explains rows on the threads of the pool that it is called in; stopped, it leaves the rest at zero.
fn explain(model: &Model, explainer: &Explainer, rows: &[f32], exact: bool, is_stopped: &AtomicBool) -> Contributions {
    let width = model.model.schema().len();
    let n_rows = rows.len() / width;
    let mut values = vec![0.0; rows.len()];
    let mut raw_scores = vec![0.0; n_rows];
    let explain_block = |scratch: &mut ExplainScratch, rows: &[f32], values: &mut [f64], raw_scores: &mut [f64]| {
        if is_stopped.load(Ordering::Relaxed) {
            return;
        }
        if exact && raw_scores.len() > 1 {
            values.copy_from_slice(&explainer.explain_batch(rows));
            raw_scores.copy_from_slice(&model.model.kind().raw_scores(rows));
            return;
        }
        for ((row, values), raw_score) in rows.chunks_exact(width).zip(values.chunks_exact_mut(width)).zip(raw_scores) {
            *raw_score = match exact {
                true => explainer.explain_into(row, values, scratch),
                false => explainer.approximate_into(row, values),
            };
        }
    };
    if n_rows <= 1 {
        explain_block(&mut ExplainScratch::default(), rows, &mut values, &mut raw_scores);
    } else {
        let blocks = rows
            .par_chunks(BLOCK_ROWS * width)
            .zip(values.par_chunks_mut(BLOCK_ROWS * width))
            .zip(raw_scores.par_chunks_mut(BLOCK_ROWS));
        blocks.for_each_init(ExplainScratch::default, |scratch, ((rows, values), raw_scores)| {
            explain_block(scratch, rows, values, raw_scores);
        });
    }
    Contributions { values, raw_scores }
}

/// Why a raw score is what it is, in words: one feature, what it says of the tenant, and what that adds.
#[pyclass(frozen, module = "churn_model")]
#[derive(Clone)]
pub(crate) struct Reason(churn_model::Reason);

#[pymethods]
impl Reason {
    /// Name of the feature.
    #[getter]
    fn feature(&self) -> &str {
        &self.0.feature
    }

    /// What the feature is, such as `"logins, last 7 days"`.
    #[getter]
    fn wording(&self) -> &str {
        &self.0.wording
    }

    /// What it says of this tenant: a number, yes or no, a level, or `None` where nothing is known.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.0.value {
            ReasonValue::Number(value) => Ok(shortest(*value).into_pyobject(py)?.into_any()),
            ReasonValue::YesOrNo(yes) => Ok(yes.into_pyobject(py)?.to_owned().into_any()),
            ReasonValue::Level(level) => Ok(level.into_pyobject(py)?.into_any()),
            ReasonValue::Missing => Ok(py.None().into_bound(py)),
        }
    }

    /// Unit of the value, where known.
    #[getter]
    fn unit(&self) -> Option<&str> {
        self.0.unit.as_deref()
    }

    /// What it adds to the raw score.
    #[getter]
    fn contribution(&self) -> f64 {
        self.0.contribution
    }

    /// Median of the same number over the fit split.
    #[getter]
    fn peers_median(&self) -> Option<f64> {
        self.0.peers_median.map(shortest)
    }

    /// Share of the fit split with the same level or answer.
    #[getter]
    fn peers_share(&self) -> Option<f64> {
        self.0.peers_share
    }

    /// How a count changes lately, where the model reads the same count over a second lookback.
    #[getter]
    fn trend(&self) -> Option<Trend> {
        self.0.trend.map(Trend)
    }

    /// The sentence.
    #[getter]
    fn text(&self) -> String {
        self.0.to_string()
    }

    /// Everything above by name, ready for `json.dumps`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = PyDict::new(py);
        parts.set_item("feature", self.feature())?;
        parts.set_item("wording", self.wording())?;
        parts.set_item("value", self.value(py)?)?;
        parts.set_item("unit", self.unit())?;
        parts.set_item("contribution", self.contribution())?;
        parts.set_item("peers_median", self.peers_median())?;
        parts.set_item("peers_share", self.peers_share())?;
        parts.set_item("trend", self.trend().map(|trend| trend.to_dict(py)).transpose()?)?;
        parts.set_item("text", self.text())?;
        Ok(parts)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("<Reason: {}>", self.0)
    }
}

/// How often something happens per day lately, compared with the days before.
#[pyclass(frozen, module = "churn_model")]
#[derive(Clone)]
pub(crate) struct Trend(churn_model::Trend);

#[pymethods]
impl Trend {
    /// The shorter lookback: lately.
    #[getter]
    fn recent_days(&self) -> u32 {
        self.0.recent_days
    }

    /// The longer lookback; what lies in it before the shorter one is compared with.
    #[getter]
    fn total_days(&self) -> u32 {
        self.0.total_days
    }

    /// Times as often per day lately as before; 1 is no change.
    #[getter]
    fn ratio(&self) -> f64 {
        shortest(self.0.ratio)
    }

    /// Everything above by name.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let parts = PyDict::new(py);
        parts.set_item("recent_days", self.recent_days())?;
        parts.set_item("total_days", self.total_days())?;
        parts.set_item("ratio", self.ratio())?;
        Ok(parts)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Trend: {}>", self.0)
    }
}

/// The number with the fewest digits that is this one in single precision, so that 0.1 shows as 0.1.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
