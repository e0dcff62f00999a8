//! What a model may know about a tenant on an observation date.
//!
//! Today this crate holds the **feature schema**: the ordered list of named, documented features that a model was fitted
//! on. It travels inside the model file, and every boundary (a CSV header, a data frame, a request body) is matched
//! against it by name, so that training and serving cannot silently disagree.

mod error;
mod schema;

pub use error::Error;
pub use schema::{Feature, FeatureKind, FeatureSchema, Fingerprint, MAX_LEVELS};
