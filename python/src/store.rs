//! What is remembered of tenants' events, and the features and observations that come of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use churn_events::{LogOptions, LogReport, ObservationDate, Timestamp};
use churn_features::{Feature, FeatureReader, FeatureSchema, StateOptions, StoreOptions, catalogue_schema};
use churn_training_data::{Assembled, Assembler, ObservationPlan};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple, PyType};
use pyo3_arrow::input::AnyRecordBatch;

use crate::error::{ColumnError, EventError, event_error, message};
use crate::event_log::{Chunks, Part, Progress, Source, read, read_again};
use crate::event_rows::EventRows;
use crate::feature_columns::{features_table, observations_table};
use crate::running::{Raised, is_nested, run, run_apart, take_raised};
use crate::states::{merge_states, states_table};
use crate::table::{Table, arrow_error};

/// The states of many tenants, and the log that they come from.
#[pyclass(subclass, frozen, module = "churn_model._native")]
pub(crate) struct FeatureStore {
    held: Mutex<Held>,
}

struct Held {
    store: churn_features::FeatureStore,
    log: Result<Vec<Part>, NoLog>,
}

/// Why there is no log to make observations of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoLog {
    NotKept,
    Loaded,
    BrokenOff,
    Merged,
}

impl NoLog {
    fn why(self) -> &'static str {
        match self {
            Self::NotKept => "was made with keep_log=False",
            Self::Loaded => "was loaded from a snapshot, which holds no log",
            Self::BrokenOff => "took in events by a call that broke off",
            Self::Merged => "holds states of which the log is elsewhere",
        }
    }
}

impl FeatureStore {
    /// What is held, once no other thread uses it.
    ///
    /// # Errors
    /// When it is asked by Python code that a call on this store waits for.
    fn lock<'a>(&'a self, py: Python<'_>) -> PyResult<MutexGuard<'a, Held>> {
        if !is_nested() {
            return Ok(self.held.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner));
        }
        match self.held.try_lock() {
            Ok(held) => Ok(held),
            Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
            Err(TryLockError::WouldBlock) => Err(EventError::new_err(
                "the store is at work; an iterator that it reads, or a progress callback, cannot use it meanwhile",
            )),
        }
    }

    fn take_in<'py>(
        &self,
        py: Python<'py>,
        source: Source,
        received_at: Option<i64>,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
        raised: &Raised,
    ) -> PyResult<Bound<'py, PyDict>> {
        let mut held = self.lock(py)?;
        let Held { store, log } = &mut *held;
        let before = store.counts();
        let options = LogOptions { received_at: received_at.map(Timestamp::from_millis), ..LogOptions::default() };
        let keep = log.is_ok();
        let comes_from_python = matches!(source, Source::Lines(..));
        let job = |is_stopped: &AtomicBool| {
            let mut progress = Progress::new(progress, is_stopped, raised);
            let read = read(source, &options, keep, is_stopped, |events| {
                store.apply_all(events);
                progress.add(events.len());
            });
            progress.tell();
            read
        };
        let outcome = if comes_from_python { run_apart(py, n_jobs, job) } else { run(py, n_jobs, job) };
        let (report, part) = match take_raised(raised).and(outcome.flatten()) {
            Ok(outcome) => outcome,
            Err(error) => {
                // Nothing has been taken in where a file could not be opened.
                if store.counts() != before && log.is_ok() {
                    *log = Err(NoLog::BrokenOff);
                }
                return Err(error);
            }
        };
        if let (Ok(log), Some(part)) = (log, part) {
            log.push(part);
        }
        let after = store.counts();
        drop(held);
        let fields = report_of(py, &report)?;
        for (name, before, after) in [
            ("counted", before.counted, after.counted),
            ("late", before.late, after.late),
            ("duplicate", before.duplicate, after.duplicate),
            ("held_back", before.held_back, after.held_back),
            ("dropped", before.dropped, after.dropped),
            ("refused", before.refused, after.refused),
        ] {
            fields.set_item(name, after - before)?;
        }
        Ok(fields)
    }
}

#[pymethods]
impl FeatureStore {
    #[new]
    #[pyo3(signature = (*, allowed_lateness_ms=None, max_skew_ms=None, settle_ms=None, max_users=None,
        max_jobs_in_flight=None, max_held_back=None, max_tenants=None, keep_log=true))]
    #[expect(clippy::too_many_arguments, reason = "options are keywords in Python")]
    fn new(
        allowed_lateness_ms: Option<i64>,
        max_skew_ms: Option<i64>,
        settle_ms: Option<i64>,
        max_users: Option<i64>,
        max_jobs_in_flight: Option<i64>,
        max_held_back: Option<i64>,
        max_tenants: Option<i64>,
        keep_log: bool,
    ) -> PyResult<Self> {
        let usual = StoreOptions::default();
        let count = |option: &str, given: Option<i64>, usual: usize| match given {
            None => Ok(usual),
            Some(given) => usize::try_from(given).map_err(|_| {
                EventError::new_err(format!("{option} is {given}; expected a whole number of at least 0"))
            }),
        };
        let state = StateOptions {
            allowed_lateness_ms: allowed_lateness_ms.unwrap_or(usual.state.allowed_lateness_ms),
            max_skew_ms: max_skew_ms.unwrap_or(usual.state.max_skew_ms),
            settle_ms: settle_ms.unwrap_or(usual.state.settle_ms),
            max_users: count("max_users", max_users, usual.state.max_users)?,
            max_jobs_in_flight: count("max_jobs_in_flight", max_jobs_in_flight, usual.state.max_jobs_in_flight)?,
            max_held_back: count("max_held_back", max_held_back, usual.state.max_held_back)?,
            kept: usual.state.kept,
        };
        for (option, found) in [
            ("allowed_lateness_ms", state.allowed_lateness_ms),
            ("max_skew_ms", state.max_skew_ms),
            ("settle_ms", state.settle_ms),
        ] {
            if found < 0 {
                return Err(EventError::new_err(format!("{option} is {found}; expected 0 or more milliseconds")));
            }
        }
        let options =
            StoreOptions { state, max_tenants: count("max_tenants", max_tenants, usual.max_tenants)?, ..usual };
        let log = if keep_log { Ok(Vec::new()) } else { Err(NoLog::NotKept) };
        Ok(Self { held: Mutex::new(Held { store: churn_features::FeatureStore::new(options), log }) })
    }

    /// How late, early and repeated events are treated, by the names of the parameters.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let held = self.lock(py)?;
        let StoreOptions { state, max_tenants, .. } = *held.store.options();
        let options = PyDict::new(py);
        options.set_item("allowed_lateness_ms", state.allowed_lateness_ms)?;
        options.set_item("max_skew_ms", state.max_skew_ms)?;
        options.set_item("settle_ms", state.settle_ms)?;
        options.set_item("max_users", state.max_users)?;
        options.set_item("max_jobs_in_flight", state.max_jobs_in_flight)?;
        options.set_item("max_held_back", state.max_held_back)?;
        options.set_item("max_tenants", max_tenants)?;
        Ok(options)
    }

    #[pyo3(signature = (paths, received_at, n_jobs, progress))]
    fn _ingest_files<'py>(
        &self,
        py: Python<'py>,
        paths: Vec<PathBuf>,
        received_at: Option<i64>,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.take_in(py, Source::Files(paths), received_at, n_jobs, progress, &Raised::default())
    }

    #[pyo3(signature = (data, received_at, n_jobs, progress))]
    fn _ingest_bytes<'py>(
        &self,
        py: Python<'py>,
        data: PyBackedBytes,
        received_at: Option<i64>,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.take_in(py, Source::Bytes("bytes", data), received_at, n_jobs, progress, &Raised::default())
    }

    #[pyo3(signature = (chunks, received_at, n_jobs, progress))]
    fn _ingest_lines<'py>(
        &self,
        py: Python<'py>,
        chunks: Py<PyAny>,
        received_at: Option<i64>,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let raised = Raised::default();
        let source = Source::Lines("events", Box::new(Chunks::new(chunks, &raised)));
        self.take_in(py, source, received_at, n_jobs, progress, &raised)
    }

    #[pyo3(signature = (table, n_jobs, progress))]
    fn _ingest_table<'py>(
        &self,
        py: Python<'py>,
        table: AnyRecordBatch,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let raised = Raised::default();
        let source = Source::Lines("table", Box::new(EventRows::new(table.into_reader()?, &raised)?));
        self.take_in(py, source, None, n_jobs, progress, &raised)
    }

    #[pyo3(signature = (day, features, at_risk, n_jobs))]
    fn _features_at(
        &self,
        py: Python<'_>,
        day: i32,
        features: Option<Vec<String>>,
        at_risk: bool,
        n_jobs: Option<i32>,
    ) -> PyResult<Table> {
        let date = ObservationDate::from_days(day);
        let reader = reader_of(features.as_deref())?;
        let held = self.lock(py)?;
        let store = &held.store;
        run(py, n_jobs, |_| features_table(store, date, &reader, at_risk))?
    }

    #[pyo3(signature = (plan, end, censored, n_jobs, progress))]
    fn _observations(
        &self,
        py: Python<'_>,
        plan: &str,
        end: Option<i32>,
        censored: bool,
        n_jobs: Option<i32>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Table> {
        let plan = plan_of(plan)?;
        let (parts, state) = {
            let held = self.lock(py)?;
            let why = |no_log: &NoLog| {
                EventError::new_err(format!("this store has no log to make observations of: it {}", no_log.why()))
            };
            (held.log.as_ref().map_err(why)?.clone(), held.store.options().state)
        };
        if plan.state != state {
            return Err(EventError::new_err(
                "the plan treats late, early or repeated events otherwise than this store; give both the same \
                 allowed_lateness_ms, max_skew_ms, settle_ms, max_users, max_jobs_in_flight and max_held_back",
            ));
        }
        let end = end.map(ObservationDate::from_days);
        let raised = Raised::default();
        let table = run(py, n_jobs, |is_stopped| {
            let progress = Progress::new(progress, is_stopped, &raised);
            let assembled = assemble(&parts, plan, end, is_stopped, progress)?;
            observations_table(&assembled, censored)
        });
        take_raised(&raised)?;
        table?
    }

    /// The tenants that are remembered, ascending.
    #[getter]
    fn tenants(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.lock(py)?.store.states().map(|(tenant, _)| tenant.to_owned()).collect())
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.lock(py)?.store.len())
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<bool> {
        // One after the other, so that two comparisons the other way round do not wait for each other.
        let other = other.get().lock(py)?.store.clone();
        Ok(self.lock(py)?.store == other)
    }

    /// Takes in the events of another store, which stays as it is, and its log; tenants in both are merged.
    ///
    /// Parameters
    /// ----------
    /// other : FeatureStore
    ///     A store of other events: those in both would count twice.
    ///
    /// Raises
    /// ------
    /// EventError
    ///     When the two treat events differently, have more tenants than there is room for, or are the same store; nothing
    ///     has changed then.
    fn merge(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<()> {
        if std::ptr::eq(self, other.get()) {
            return Err(EventError::new_err("a store cannot be merged with itself: its events would count twice"));
        }
        let (store, log) = {
            let other = other.get().lock(py)?;
            (other.store.clone(), other.log.clone())
        };
        let mut held = self.lock(py)?;
        let Held { store: own, log: own_log } = &mut *held;
        run(py, None, |_| own.merge(store))?.map_err(|error| event_error(&error))?;
        match (own_log, log) {
            (Ok(own_log), Ok(log)) => own_log.extend(log),
            (own_log @ Ok(_), Err(why)) => *own_log = Err(why),
            (Err(_), _) => {}
        }
        Ok(())
    }

    fn _states(&self, py: Python<'_>) -> PyResult<Table> {
        let held = self.lock(py)?;
        let store = &held.store;
        run(py, Some(1), |_| states_table(store))?
    }

    /// Takes in states of tenants' other events, such as other processes have made. The store keeps no log from then on.
    ///
    /// Parameters
    /// ----------
    /// table : object with an Arrow C stream
    ///     Columns `tenant` and `state`, as `states` gives them.
    ///
    /// Raises
    /// ------
    /// EventError
    ///     When a state is damaged or treats events differently, or there is no room for a tenant; nothing has changed
    ///     then.
    fn merge_states(&self, py: Python<'_>, table: AnyRecordBatch) -> PyResult<()> {
        let reader = table.into_reader()?;
        let mut held = self.lock(py)?;
        let Held { store, log } = &mut *held;
        // All of them or none: whoever tries again shall not count some twice.
        let mut merged = store.clone();
        let merged = run(py, Some(1), |_| -> PyResult<_> {
            for batch in reader {
                merge_states(&mut merged, &batch.map_err(arrow_error)?)?;
            }
            Ok(merged)
        })??;
        *store = merged;
        if log.is_ok() {
            *log = Err(NoLog::Merged);
        }
        Ok(())
    }

    /// Writes a snapshot of the states, whole or not at all; the log is not in it.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///
    /// Raises
    /// ------
    /// OSError
    ///     When it cannot be written.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let held = self.lock(py)?;
        let store = &held.store;
        run(py, None, |_| store.write_snapshot(&path))?.map_err(|error| event_error(&error))
    }

    /// Reads a snapshot; the store keeps no log, so `observations` is not possible.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     What `save` wrote.
    ///
    /// Raises
    /// ------
    /// EventError
    ///     When it is damaged or of a version that this release does not read; `OSError` when it cannot be opened.
    #[classmethod]
    fn load<'py>(class: &Bound<'py, PyType>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let store = run(py, Some(1), |_| churn_features::FeatureStore::read_snapshot(&path))?;
        let store = store.map_err(|error| event_error(&error))?;
        let object = class.call0()?;
        *object.cast::<Self>()?.get().lock(py)? = Held { store, log: Err(NoLog::Loaded) };
        Ok(object)
    }

    /// Which of these files have been taken in before.
    fn _read_before(&self, py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<Vec<PathBuf>> {
        let held = self.lock(py)?;
        let known: Vec<&PathBuf> = held.log.iter().flatten().flat_map(Part::files).collect();
        Ok(paths.into_iter().filter(|path| known.contains(&path)).collect())
    }

    /// The log, so that a pickled store can go on: file names, or a name and compressed lines.
    #[getter]
    fn _log<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let held = self.lock(py)?;
        let Ok(log) = &held.log else { return Ok(None) };
        let parts = log.iter().map(|part| match part {
            Part::Files(paths) => Ok(PyList::new(py, paths)?.into_any()),
            Part::Lines(name, bytes) => Ok((name, PyBytes::new(py, bytes)).into_pyobject(py)?.into_any()),
        });
        Ok(Some(PyList::new(py, parts.collect::<PyResult<Vec<_>>>()?)?))
    }

    #[setter(_log)]
    fn set_log(&self, py: Python<'_>, parts: Option<Vec<Bound<'_, PyAny>>>) -> PyResult<()> {
        let Some(parts) = parts else { return Ok(()) };
        let part = |part: Bound<'_, PyAny>| match part.cast::<PyTuple>() {
            Ok(pair) => {
                let (name, bytes): (String, PyBackedBytes) = pair.extract()?;
                Ok(Part::Lines(name, bytes[..].into()))
            }
            Err(_) => Ok(Part::Files(part.extract()?)),
        };
        let log = parts.into_iter().map(part).collect::<PyResult<_>>()?;
        self.lock(py)?.log = Ok(log);
        Ok(())
    }

    /// Bytes of memory that the states take, approximately.
    #[getter]
    fn n_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.lock(py)?.store.approximate_bytes())
    }
}

/// The plan that a JSON text says, once it can be observed by.
///
/// # Errors
/// When it is none.
pub(crate) fn plan_of(json: &str) -> PyResult<ObservationPlan> {
    let plan: ObservationPlan = serde_json::from_str(json).map_err(|error| event_error(&error))?;
    plan.check().map_err(|error| event_error(&error))?;
    Ok(plan)
}

/// The JSON text of the usual plan.
#[pyfunction]
pub(crate) fn usual_plan() -> PyResult<String> {
    serde_json::to_string(&ObservationPlan::default()).map_err(|error| event_error(&error))
}

/// Refuses a JSON text that is no plan; returns how far apart the dates of two parts of a split lie, and what the label
/// says.
#[pyfunction]
pub(crate) fn check_plan(json: &str) -> PyResult<(u32, String)> {
    let plan = plan_of(json)?;
    Ok((plan.embargo_days(), plan.label_description()))
}

/// The day, from 1970-01-01, that a text such as 2026-01-31 names.
#[pyfunction]
pub(crate) fn day_of(text: &str) -> PyResult<i32> {
    let date: Result<ObservationDate, _> = text.parse();
    date.map(ObservationDate::days).map_err(|error| EventError::new_err(format!("the date {}", message(&error))))
}

/// A reader of the catalogue, or of some features of it.
fn reader_of(names: Option<&[String]>) -> PyResult<FeatureReader> {
    let fail = |error: churn_features::Error| event_error(&error);
    let catalogue = catalogue_schema(&[]).map_err(fail)?;
    let Some(names) = names else { return FeatureReader::new(&catalogue).map_err(fail) };
    let feature = |name: &String| -> PyResult<Feature> {
        let position = catalogue.position(name);
        let position =
            position.ok_or_else(|| ColumnError::new_err(format!("feature {name:?} is not in the catalogue")));
        Ok(catalogue.features()[position?].clone())
    };
    let features = names.iter().map(feature).collect::<PyResult<Vec<_>>>()?;
    FeatureReader::new(&FeatureSchema::new(features).map_err(fail)?).map_err(fail)
}

fn assemble(
    parts: &[Part],
    plan: ObservationPlan,
    end: Option<ObservationDate>,
    is_stopped: &AtomicBool,
    mut progress: Progress<'_>,
) -> PyResult<Assembled> {
    let mut assembler = Assembler::new(plan, end).map_err(|error| event_error(&error))?;
    let report = read_again(parts, is_stopped, |events| {
        assembler.apply_all(events);
        progress.add(events.len());
    })?;
    progress.tell();
    // The end of one file among several hides that others go on.
    if let (Some(broken), None, true) = (report.broken.first(), end, has_several_files(parts)) {
        return Err(EventError::new_err(format!("{broken}; without that file, say where the log ends by end=...")));
    }
    assembler.finish().map_err(|error| event_error(&error))
}

fn has_several_files(parts: &[Part]) -> bool {
    let n_files = |part: &Part| if let Part::Files(paths) = part { paths.len() } else { 1 };
    parts.iter().map(n_files).sum::<usize>() > 1
}

/// What was found in a log, as the fields of a Python report.
fn report_of<'py>(py: Python<'py>, report: &LogReport) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("lines", report.lines)?;
    fields.set_item("events", report.events)?;
    fields.set_item("unknown_types", &report.unknown_types)?;
    let legacy: BTreeMap<String, u64> = report.legacy.iter().map(|(format, n)| (format.to_string(), *n)).collect();
    fields.set_item("legacy", legacy)?;
    fields.set_item("malformed", report.malformed)?;
    let first = report.first_malformed.iter().map(|line| {
        let (field, reason) = (line.malformed.field.as_ref(), line.malformed.reason.to_string());
        (line.file.to_string_lossy().into_owned(), line.line, field.to_owned(), reason)
    });
    fields.set_item("first_malformed", first.collect::<Vec<_>>())?;
    let broken: Vec<String> = report.broken.iter().map(ToString::to_string).collect();
    fields.set_item("broken", broken)?;
    Ok(fields)
}
