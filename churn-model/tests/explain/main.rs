//! Explanations are exact: they are Shapley values, and they add up.

mod forests;
mod linear;
mod properties;
mod reasons;
mod shap;
