//! A model file, loaded.

use std::path::PathBuf;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};

use crate::error::{ModelFileError, file_error, message};

/// Everything that a model file holds, ready to score.
#[pyclass(subclass, frozen, module = "churn_model._native")]
pub(crate) struct Model {
    pub(crate) model: churn_model::Model,
    pub(crate) scorer: churn_model::Scorer,
    /// Made when the first row is explained.
    explainer: OnceLock<churn_model::Explainer>,
}

impl Model {
    /// The model made ready to be explained.
    pub(crate) fn explainer(&self) -> &churn_model::Explainer {
        self.explainer.get_or_init(|| self.model.explainer())
    }
}

#[pymethods]
impl Model {
    #[new]
    fn new(data: &[u8]) -> PyResult<Self> {
        let model = churn_model::Model::from_bytes(data).map_err(|error| file_error(&error))?;
        let scorer = churn_model::Scorer::new(&model);
        Ok(Self { model, scorer, explainer: OnceLock::new() })
    }

    #[classmethod]
    fn from_bytes<'py>(class: &Bound<'py, PyType>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        class.call1((data,))
    }

    #[classmethod]
    fn load<'py>(class: &Bound<'py, PyType>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let bytes = std::fs::read(&path)?;
        class.call1((PyBytes::new(class.py(), &bytes),))
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.model.to_bytes().map_err(|error| ModelFileError::new_err(message(&error)))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
