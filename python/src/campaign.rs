//! What keeping a tenant is worth and what trying costs.

use churn_model::ThresholdRule;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{ChurnError, message};
use crate::model::Model;

/// What keeping a tenant is worth and what trying costs, in any one currency.
///
/// Parameters
/// ----------
/// lifetime_value
///     What a kept tenant is worth.
/// offer
///     Cost of the offer, paid when a tenant takes it.
/// contact
///     Cost of contacting one tenant.
/// accept_alpha, accept_beta
///     Shape of the Beta-distributed probability that a would-be churner takes the offer and stays.
///
/// Raises
/// ------
/// ChurnError
///     When no campaign could pay, or nothing is defined.
#[pyclass(frozen, eq, module = "churn_model")]
#[derive(Clone, PartialEq)]
pub(crate) struct Campaign(pub(crate) churn_model::Campaign);

#[pymethods]
impl Campaign {
    #[new]
    #[pyo3(signature = (*, lifetime_value = 200.0, offer = 10.0, contact = 1.0, accept_alpha = 6.0, accept_beta = 14.0))]
    fn new(lifetime_value: f64, offer: f64, contact: f64, accept_alpha: f64, accept_beta: f64) -> PyResult<Self> {
        let campaign = churn_model::Campaign { lifetime_value, offer, contact, accept_alpha, accept_beta };
        campaign.check().map_err(|error| ChurnError::new_err(message(&error)))?;
        Ok(Self(campaign))
    }

    /// The campaign that a model's threshold follows from; `None` where it follows from something else.
    #[staticmethod]
    fn of(model: &Model) -> Option<Self> {
        match model.model.threshold().rule {
            ThresholdRule::Profit { campaign } => Some(Self(campaign)),
            _ => None,
        }
    }

    /// What a kept tenant is worth.
    #[getter]
    fn lifetime_value(&self) -> f64 {
        self.0.lifetime_value
    }

    /// Cost of the offer, paid when a tenant takes it.
    #[getter]
    fn offer(&self) -> f64 {
        self.0.offer
    }

    /// Cost of contacting one tenant.
    #[getter]
    fn contact(&self) -> f64 {
        self.0.contact
    }

    /// First shape of the Beta-distributed probability that a would-be churner takes the offer and stays.
    #[getter]
    fn accept_alpha(&self) -> f64 {
        self.0.accept_alpha
    }

    /// Second shape of the Beta-distributed probability that a would-be churner takes the offer and stays.
    #[getter]
    fn accept_beta(&self) -> f64 {
        self.0.accept_beta
    }

    /// Mean probability that a would-be churner takes the offer and stays.
    #[getter]
    fn mean_acceptance(&self) -> f64 {
        self.0.mean_acceptance()
    }

    /// The score from which contacting a tenant pays on average; above 1 where it never does.
    #[getter]
    fn break_even(&self) -> f64 {
        self.0.break_even()
    }

    /// The five numbers by name.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = PyDict::new(py);
        numbers.set_item("lifetime_value", self.0.lifetime_value)?;
        numbers.set_item("offer", self.0.offer)?;
        numbers.set_item("contact", self.0.contact)?;
        numbers.set_item("accept_alpha", self.0.accept_alpha)?;
        numbers.set_item("accept_beta", self.0.accept_beta)?;
        Ok(numbers)
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::empty(py), self.to_dict(py)?))
    }

    fn __repr__(&self) -> String {
        let churn_model::Campaign { lifetime_value, offer, contact, accept_alpha, accept_beta } = self.0;
        format!(
            "Campaign(lifetime_value={lifetime_value}, offer={offer}, contact={contact}, accept_alpha={accept_alpha}, \
             accept_beta={accept_beta})"
        )
    }
}
