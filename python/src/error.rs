//! Errors as Python exceptions.

use std::error::Error;
use std::io;

use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

create_exception!(
    churn_model,
    ChurnError,
    PyValueError,
    "Whatever this package refuses; a `ValueError`, and the parent of its other errors."
);
create_exception!(churn_model, ModelFileError, ChurnError, "A model file that cannot be read or written.");
create_exception!(churn_model, ColumnError, ChurnError, "A column that is missing, unknown or not what it has to be.");
create_exception!(
    churn_model,
    FitError,
    ChurnError,
    "Observations or hyperparameters that nothing can be fitted with."
);
create_exception!(churn_model, EventError, ChurnError, "Events, an event log or a plan that cannot be used.");

/// The message of an error and of what caused it.
pub(crate) fn message(error: &(dyn Error + 'static)) -> String {
    let messages: Vec<String> = chain(error).map(ToString::to_string).collect();
    messages.join(": ")
}

/// An error about a model file; those of the file system stay `OSError`, as Python's own functions raise them.
pub(crate) fn file_error(error: &(dyn Error + 'static)) -> PyErr {
    os_error(error).unwrap_or_else(|| ModelFileError::new_err(message(error)))
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// An error about events; those of the file system stay `OSError`.
pub(crate) fn event_error(error: &(dyn Error + 'static)) -> PyErr {
    os_error(error).unwrap_or_else(|| EventError::new_err(message(error)))
}

/// The `OSError` that Python's own functions raise for the same; `None` where the file system is not to blame.
fn os_error(error: &(dyn Error + 'static)) -> Option<PyErr> {
    let io = chain(error).find_map(|cause| cause.downcast_ref::<io::Error>())?;
    let number = io.raw_os_error().or(match io.kind() {
        io::ErrorKind::NotFound => Some(2),
        io::ErrorKind::PermissionDenied => Some(13),
        _ => None,
    });
    number.map(|number| PyOSError::new_err((number, message(error))))
}
