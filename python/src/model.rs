//! A model file, loaded.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use churn_model::{ModelKind, ThresholdRule};
use ndarray::ArrayView2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple, PyType};
use pyo3::{create_exception, intern};

use crate::error::{ChurnError, ColumnError, ModelFileError, file_error, message};
use crate::features::{Matched, Unseen, match_to, refuse_infinite, schema_list};
use crate::record::{RecordReader, has_length, number};
use crate::running::{check_jobs, run};

create_exception!(
    churn_model,
    UnseenLevelWarning,
    PyUserWarning,
    "Levels of a category that the model was not fitted on; they were scored as missing."
);

/// Rows from which a batch is worth a thread pool.
const POOL_ROWS: usize = 512;

/// Rows that are scored between two looks for an interrupt.
const BLOCK_ROWS: usize = 1 << 15;

/// Widest feature vector that is read without allocating.
const STACK_FEATURES: usize = 128;

/// Everything that a model file holds, ready to score.
#[pyclass(subclass, frozen, module = "churn_model._native")]
pub(crate) struct Model {
    pub(crate) model: churn_model::Model,
    scorer: OnceLock<churn_model::Scorer>,
    pub(crate) explainer: OnceLock<churn_model::Explainer>,
    records: OnceLock<RecordReader>,
}

impl Model {
    pub(crate) fn of(model: churn_model::Model) -> Self {
        Self { model, scorer: OnceLock::new(), explainer: OnceLock::new(), records: OnceLock::new() }
    }

    /// Made when it is first needed: a model that is only passed on, or pickled, does without.
    pub(crate) fn scorer(&self) -> &churn_model::Scorer {
        self.scorer.get_or_init(|| churn_model::Scorer::new(&self.model))
    }

    fn bytes(&self) -> PyResult<Vec<u8>> {
        self.model.to_bytes().map_err(|error| ModelFileError::new_err(message(&error)))
    }

    /// What a single feature vector was passed as is: its score.
    fn score_row(&self, row: &[f32]) -> PyResult<f64> {
        let expected = self.model.schema().len();
        if row.len() != expected {
            let found = row.len();
            return Err(ColumnError::new_err(format!("the row has {found} values where the model has {expected}")));
        }
        if row.iter().fold(false, |any, value| any | value.is_infinite()) {
            let row = ArrayView2::from_shape((1, expected), row);
            row.map_or(Ok(()), |row| refuse_infinite(self.model.schema(), row))?;
        }
        Ok(self.scorer().score(row))
    }

    /// The score of a prepared row: a list or tuple of numbers, or a vector of NumPy's. `None` when it is none.
    fn score_prepared(&self, data: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        if let Ok(list) = data.cast_exact::<PyList>() {
            let width = list.len();
            let mut row = [0.0_f32; STACK_FEATURES];
            if width == 0 || width > STACK_FEATURES {
                return Ok(None);
            }
            for (value, item) in row.iter_mut().zip(list.iter()) {
                match number(&item) {
                    Some(number) => *value = number as f32,
                    None => return Ok(None),
                }
            }
            return self.score_row(&row[..width]).map(Some);
        }
        let is_derived = || data.cast_exact::<PyUntypedArray>().is_err() && data.is_instance_of::<PyUntypedArray>();
        if is_derived() && data.hasattr(intern!(data.py(), "mask"))? {
            return Ok(None);
        }
        if let Ok(array) = data.cast::<PyArray1<f32>>() {
            // Only of a contiguous array is it certain that its values lie where a view looks.
            if let Ok(row) = array.readonly().as_slice() {
                return self.score_row(row).map(Some);
            }
        }
        if let Ok(array) = data.cast::<PyArray1<f64>>()
            && let Ok(row) = array.readonly().as_slice()
        {
            let row: Vec<f32> = row.iter().map(|&value| value as f32).collect();
            return self.score_row(&row).map(Some);
        }
        if let Ok(array) = data.cast::<PyUntypedArray>()
            && array.ndim() == 1
            && matches!(array.getattr("dtype")?.getattr("kind")?.extract::<char>()?, 'b' | 'i' | 'u' | 'f')
        {
            let array = array.call_method1("astype", ("float32",))?;
            return self.score_prepared(&array);
        }
        if let Ok(row) = data.cast_exact::<PyTuple>() {
            return self.score_prepared(&row.to_list());
        }
        Ok(None)
    }

    /// The score of a record whose values are what the model reads; `None` when they have to be looked at more closely.
    fn score_record(&self, record: &Bound<'_, PyDict>) -> PyResult<Option<f64>> {
        let records = self.records.get_or_init(|| RecordReader::new(record.py(), self.model.schema()));
        let mut row = vec![f32::NAN; records.width()];
        if records.read(record, &mut row)? { self.score_row(&row).map(Some) } else { Ok(None) }
    }

    fn matched<'py>(&self, data: &Bound<'py, PyAny>, unseen: OnUnseen) -> PyResult<Matched<'py>> {
        let matched = match_to(self.model.schema(), data)?;
        if let Some(found) = matched.unseen() {
            report_unseen(data.py(), found, unseen)?;
        }
        Ok(matched)
    }
}

/// What becomes of levels that a model was not fitted on; they are missing in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnUnseen {
    Warn,
    Ignore,
    Refuse,
}

impl OnUnseen {
    fn of(mode: &str) -> PyResult<Self> {
        match mode {
            "warn" => Ok(Self::Warn),
            "ignore" => Ok(Self::Ignore),
            "error" => Ok(Self::Refuse),
            _ => Err(ColumnError::new_err(format!("unseen is {mode:?}; expected \"warn\", \"ignore\" or \"error\""))),
        }
    }
}

fn report_unseen(py: Python<'_>, unseen: &Unseen, mode: OnUnseen) -> PyResult<()> {
    if mode == OnUnseen::Ignore {
        return Ok(());
    }
    let part = |(name, levels): (&String, &std::collections::BTreeMap<String, u64>)| {
        let shown: Vec<String> = levels.iter().take(3).map(|(level, n)| format!("{level:?} ({n} rows)")).collect();
        let more = if levels.len() > 3 { format!(" and {} more", levels.len() - 3) } else { String::new() };
        format!("column {name:?}: {}{more}", shown.join(", "))
    };
    let parts: Vec<String> = unseen.iter().map(part).collect();
    let text = format!("levels that the model was not fitted on: {}", parts.join("; "));
    if mode == OnUnseen::Refuse {
        return Err(ColumnError::new_err(text));
    }
    match std::ffi::CString::new(format!("{text}; scored as missing").replace('\0', "?")) {
        Ok(text) => PyErr::warn(py, &py.get_type::<UnseenLevelWarning>(), &text, 1),
        Err(_) => Ok(()),
    }
}

#[pymethods]
impl Model {
    #[new]
    fn new(data: &[u8]) -> PyResult<Self> {
        churn_model::Model::from_bytes(data).map(Self::of).map_err(|error| file_error(&error))
    }

    /// A model from the bytes of its file, which are checked and never run.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     As `to_bytes` gives them.
    ///
    /// Raises
    /// ------
    /// ModelFileError
    ///     When they are no model file, damaged, or of a format version that this release does not read.
    #[classmethod]
    fn from_bytes<'py>(class: &Bound<'py, PyType>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        class.call1((data,))
    }

    /// Reads a model file, which is checked and never run.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     A file that `save`, the program `train` or the Rust crate has written.
    ///
    /// Raises
    /// ------
    /// ModelFileError
    ///     When it is no model file, damaged, or of a format version that this release does not read; `OSError` when it
    ///     cannot be opened.
    ///
    /// Examples
    /// --------
    /// >>> import churn_model as cm, os, tempfile
    /// >>> tree = cm.DecisionTreeClassifier().fit({"logins": [0.0, 9.0] * 50}, [True, False] * 50)
    /// >>> with tempfile.TemporaryDirectory() as folder:
    /// ...     path = os.path.join(folder, "model.safetensors")
    /// ...     tree.model_.save(path)
    /// ...     cm.Model.load(path) == tree.model_
    /// True
    #[classmethod]
    fn load<'py>(class: &Bound<'py, PyType>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let read = std::fs::read(&path).map(|bytes| class.call1((PyBytes::new(class.py(), &bytes),)));
        match read {
            Ok(Ok(model)) => Ok(model),
            // The same error again, and the name of the file with it.
            Ok(Err(error)) => Err(churn_model::Model::read(&path).map_or_else(|named| file_error(&named), |_| error)),
            Err(_) => Err(churn_model::Model::read(&path).map_or_else(
                |error| file_error(&error),
                |_| ModelFileError::new_err(format!("model file {path:?} changed while it was read")),
            )),
        }
    }

    /// Writes the model file, whole or not at all. The same model gives the same bytes.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     `model.safetensors` by habit: the file is a safetensors container.
    ///
    /// Raises
    /// ------
    /// ModelFileError
    ///     When it cannot be written.
    fn save(&self, path: PathBuf) -> PyResult<()> {
        self.model.write(&path).map_err(|error| file_error(&error))
    }

    /// The bytes of the model file, as `save` writes them; pickle and joblib carry these.
    ///
    /// Returns
    /// -------
    /// bytes
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.bytes()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let from_bytes = slf.get_type().getattr(intern!(slf.py(), "from_bytes"))?;
        Ok((from_bytes, (slf.get().to_bytes(slf.py())?,)))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().model == self.model)
    }

    fn __hash__(&self) -> PyResult<u64> {
        let id = self.id()?;
        Ok(id.bytes().fold(0, |hash: u64, byte| hash.rotate_left(8) ^ u64::from(byte)))
    }

    /// Identifies the model: a digest of its file, which score records carry.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(churn_model::ModelId::of_bytes(&self.bytes()?).to_string())
    }

    /// `"forest"` (trees of any kind) or `"linear"`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.model.kind() {
            ModelKind::Forest(_) => "forest",
            ModelKind::Linear(_) => "linear",
        }
    }

    /// Number of trees; 0 for a linear model.
    #[getter]
    fn n_trees(&self) -> usize {
        match self.model.kind() {
            ModelKind::Forest(forest) => forest.n_trees(),
            ModelKind::Linear(_) => 0,
        }
    }

    /// Names of the features, in schema order: the columns of `matrix`, and of a data frame in any order.
    #[getter]
    fn feature_names(&self) -> Vec<&str> {
        self.model.schema().features().iter().map(churn_features::Feature::name).collect()
    }

    /// What the model reads, in order: a dict per feature with `name`, `kind` (`"numeric"`, `"boolean"`, `"category"`)
    /// and, where they are known, `levels`, `unit`, `lookback_days` and `missing_when`.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        schema_list(py, self.model.schema())
    }

    /// Digest of the schema; two models read the same features when theirs are equal.
    #[getter]
    fn fingerprint(&self) -> String {
        self.model.schema().fingerprint().to_string()
    }

    /// The score, in [0, 1], at or above which `decide` says that somebody acts.
    #[getter]
    fn threshold(&self) -> f64 {
        self.model.threshold().score
    }

    /// What the threshold follows from: `"profit"`, `"capacity"`, `"precision"`, `"recall"`, `"accuracy"`, `"f_score"`, or
    /// `"fixed"` when given by hand.
    #[getter]
    fn threshold_rule(&self) -> &'static str {
        match self.model.threshold().rule {
            ThresholdRule::Profit { .. } => "profit",
            ThresholdRule::Capacity { .. } => "capacity",
            ThresholdRule::Precision { .. } => "precision",
            ThresholdRule::Recall { .. } => "recall",
            ThresholdRule::Accuracy => "accuracy",
            ThresholdRule::FScore { .. } => "f_score",
            ThresholdRule::Fixed => "fixed",
        }
    }

    /// How raw scores become probabilities: `"none"`, `"logistic"` or `"isotonic"`.
    #[getter]
    fn calibrator(&self) -> &'static str {
        self.model.calibrator().word()
    }

    /// The model card: what the model was fitted on, how, how well it does, and its caveats, as plain values.
    #[getter]
    fn card<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = serde_json::to_string(self.model.card());
        let json = json.map_err(|error| ModelFileError::new_err(error.to_string()))?;
        py.import("json")?.call_method1("loads", (json,))
    }

    /// The rules of a model of one tree, one line per node; None for every other model.
    #[getter]
    fn rules(&self) -> Option<String> {
        match self.model.kind() {
            ModelKind::Forest(forest) if forest.n_trees() == 1 => {
                Some(forest.tree(0).rules(self.model.schema()).to_string())
            }
            _ => None,
        }
    }

    /// Feature vectors in schema order: what `score` reads of data of any kind.
    ///
    /// Parameters
    /// ----------
    /// x, unseen
    ///     As for `score`.
    ///
    /// Returns
    /// -------
    /// float32 array of shape (n, n_features)
    ///     A category is the position of its level in the schema; NaN is missing, and so is a level that is not there.
    ///
    /// Raises
    /// ------
    /// ColumnError
    ///     When a column is missing, unknown or not what the model reads, or a value is infinite; it names the column.
    ///
    /// Examples
    /// --------
    /// >>> import churn_model as cm
    /// >>> logins, plan = [0.0, 9.0] * 50, ["basic", "pro"] * 50
    /// >>> tree = cm.DecisionTreeClassifier(calibration="none")
    /// >>> model = tree.fit({"logins": logins, "plan": plan}, [True, False] * 50).model_
    /// >>> model.matrix({"plan": ["pro", None], "logins": [3, 4]})
    /// array([[ 3.,  1.],
    ///        [ 4., nan]], dtype=float32)
    #[pyo3(signature = (x, *, unseen="warn"))]
    fn matrix<'py>(&self, x: &Bound<'py, PyAny>, unseen: &str) -> PyResult<Bound<'py, PyArray2<f32>>> {
        match self.matched(x, OnUnseen::of(unseen)?)? {
            Matched::Borrowed(array) => Ok(array.as_array().to_owned()),
            Matched::Owned(array, _) => Ok(array),
        }
        .map(|array| PyArray2::from_owned_array(x.py(), array))
    }

    /// Probability of churn inside the label horizon.
    ///
    /// Parameters
    /// ----------
    /// x : list or tuple of numbers, array, mapping, data frame, or anything with an Arrow C stream
    ///     One row: a list, tuple or vector of `n_features` numbers in schema order (None is missing), or a dict of
    ///     single values by feature name. Many: a matrix of shape `(n, n_features)` in schema order, or named columns,
    ///     which are matched by name, in any order. Categories are given by value in columns, and by position in a
    ///     matrix; NaN, None and null are missing.
    /// unseen : {"warn", "ignore", "error"}, default "warn"
    ///     What a level does that the model was not fitted on. It is scored as missing.
    /// n_jobs : int, optional
    ///     Threads for many rows; all cores when None or -1. One row never starts any.
    ///
    /// Returns
    /// -------
    /// float or float64 array of shape (n,)
    ///     In [0, 1]; a float for one row, an array for many.
    ///
    /// Raises
    /// ------
    /// ColumnError
    ///     When a column is missing, unknown or not what the model reads, or a value is infinite; it names the column.
    ///
    /// Examples
    /// --------
    /// >>> import churn_model as cm
    /// >>> logins, plan = [0.0, 9.0] * 50, ["basic", "pro"] * 50
    /// >>> tree = cm.DecisionTreeClassifier(calibration="none")
    /// >>> model = tree.fit({"logins": logins, "plan": plan}, [True, False] * 50).model_
    /// >>> model.score({"logins": 0, "plan": "basic"})
    /// 1.0
    /// >>> model.score({"plan": ["pro", "basic"], "logins": [9, 0]})
    /// array([0., 1.])
    #[pyo3(signature = (x, *, unseen="warn", n_jobs=None))]
    fn score<'py>(&self, x: &Bound<'py, PyAny>, unseen: &str, n_jobs: Option<i32>) -> PyResult<Bound<'py, PyAny>> {
        let py = x.py();
        let unseen = OnUnseen::of(unseen)?;
        if let Some(score) = self.score_prepared(x)? {
            return Ok(PyFloat::new(py, score).into_any());
        }
        if let Ok(record) = x.cast_exact::<PyDict>() {
            if let Some(score) = self.score_record(record)? {
                return Ok(PyFloat::new(py, score).into_any());
            }
        } else if let Some(record) = only_row(x)?
            && let Some(score) = self.score_record(&record)?
        {
            if is_record(x) {
                return Ok(PyFloat::new(py, score).into_any());
            }
            return Ok(PyArray1::from_slice(py, &[score]).into_any());
        }
        let matched = self.matched(x, unseen)?;
        let view = matched.view();
        let standard = view.as_standard_layout();
        let rows = standard.as_slice().unwrap_or_default();
        if view.nrows() == 1 && is_record(x) {
            return Ok(PyFloat::new(py, self.scorer().score(rows)).into_any());
        }
        check_jobs(n_jobs)?;
        let mut scores = vec![0.0; view.nrows()];
        let width = self.model.schema().len();
        if scores.len() < POOL_ROWS {
            py.detach(|| self.scorer().score_into(rows, &mut scores));
        } else {
            run(py, n_jobs, |is_stopped| {
                for (rows, scores) in rows.chunks(BLOCK_ROWS * width).zip(scores.chunks_mut(BLOCK_ROWS)) {
                    if is_stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    self.scorer().score_into(rows, scores);
                }
            })?;
        }
        Ok(scores.into_pyarray(py).into_any())
    }

    /// Whether somebody acts: the score is at or above a threshold.
    ///
    /// Parameters
    /// ----------
    /// x, unseen, n_jobs
    ///     As for `score`.
    /// threshold : float, optional
    ///     A score in [0, 1]; the model's own `threshold` when None.
    ///
    /// Returns
    /// -------
    /// bool or bool array of shape (n,)
    ///     A bool for one row, an array for many.
    ///
    /// Raises
    /// ------
    /// ColumnError
    ///     When a column is missing, unknown or not what the model reads, or a value is infinite; it names the column.
    ///
    /// Examples
    /// --------
    /// >>> import churn_model as cm
    /// >>> logins, plan = [0.0, 9.0] * 50, ["basic", "pro"] * 50
    /// >>> tree = cm.DecisionTreeClassifier(calibration="none")
    /// >>> model = tree.fit({"logins": logins, "plan": plan}, [True, False] * 50).model_
    /// >>> model.decide({"plan": ["pro", "basic"], "logins": [9, 0]}, threshold=0.5)
    /// array([False,  True])
    #[pyo3(signature = (x, *, threshold=None, unseen="warn", n_jobs=None))]
    fn decide<'py>(
        &self,
        x: &Bound<'py, PyAny>,
        threshold: Option<f64>,
        unseen: &str,
        n_jobs: Option<i32>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let threshold = threshold.map_or(Ok(self.model.threshold().score), threshold_of)?;
        let scores = self.score(x, unseen, n_jobs)?;
        scores.rich_compare(threshold, pyo3::basic::CompareOp::Ge)
    }

    fn __repr__(&self) -> PyResult<String> {
        let n_features = self.model.schema().len();
        let id = self.id()?;
        Ok(match self.model.kind() {
            ModelKind::Forest(forest) => {
                format!("Model({id}: {} trees, {n_features} features)", forest.n_trees())
            }
            ModelKind::Linear(_) => format!("Model({id}: linear, {n_features} features)"),
        })
    }
}

/// A score from which on somebody acts.
///
/// # Errors
/// When it is outside [0, 1].
pub(crate) fn threshold_of(score: f64) -> PyResult<f64> {
    if (0.0..=1.0).contains(&score) {
        return Ok(score);
    }
    Err(ChurnError::new_err(format!("the threshold is {score}; expected a score from 0 to 1")))
}

/// The only row of a data frame of pandas or polars by name; `None` for anything else.
fn only_row<'py>(data: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    static RECORD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = data.py();
    let module = data.get_type().module()?;
    let row = match module.to_str()?.split('.').next() {
        Some("pandas") => {
            let record = || py.import("churn_model._pandas")?.getattr("record").map(Bound::unbind);
            RECORD.get_or_try_init(py, record)?.bind(py).call1((data,))?
        }
        Some("polars") if data.hasattr(intern!(py, "row"))? && data.len()? == 1 => {
            let named = PyDict::new(py);
            named.set_item(intern!(py, "named"), true)?;
            data.call_method(intern!(py, "row"), (0,), Some(&named))?
        }
        _ => return Ok(None),
    };
    Ok(row.cast_into().ok())
}

/// Whether something is a dict of single values, which is one row and not a table of one.
#[pyfunction]
pub(crate) fn is_record(data: &Bound<'_, PyAny>) -> bool {
    let is_single = |value: Bound<'_, PyAny>| value.is_instance_of::<PyString>() || !has_length(&value);
    let has = |name| data.hasattr(name).unwrap_or(false);
    match data.cast::<PyDict>() {
        Ok(record) => record.values().iter().all(is_single),
        // A series of pandas is a row that was taken out of a frame.
        Err(_) => has(intern!(data.py(), "items")) && !has(intern!(data.py(), "columns")),
    }
}
