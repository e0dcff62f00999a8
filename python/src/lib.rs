//! The native half of the Python package `churn_model`: one file per class or subject, and no logic of its own.
//!
//! Nothing here panics on input: whatever Python hands over is checked and refused as an exception that names the column
//! or the argument. Long calls release the interpreter lock; those that fit, score, explain, read events or simulate them
//! look for an interrupt all the time, the others raise it when they have ended.

mod arrow_columns;
mod campaign;
mod column;
mod error;
mod evaluate;
mod event_log;
mod event_rows;
mod explain;
mod feature_columns;
mod features;
mod fit;
mod input;
mod interop;
mod model;
mod plain;
mod record;
mod running;
mod simulate;
mod splits;
mod states;
mod store;
mod table;

use pyo3::prelude::*;

/// What is compiled; the package `churn_model` names and documents it for users.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::campaign::Campaign;
    #[pymodule_export]
    use crate::error::{ChurnError, ColumnError, EventError, FitError, ModelFileError};
    #[pymodule_export]
    use crate::evaluate::{
        choose_threshold, confusion, curves, expected_maximum_profit, lift_at_count, lift_at_share, metrics,
        permutation_importance, roc_auc,
    };
    #[pymodule_export]
    use crate::explain::{Reason, Trend, contributions, reasons};
    #[pymodule_export]
    use crate::features::Features;
    #[pymodule_export]
    use crate::fit::{fit, group_numbers};
    #[pymodule_export]
    use crate::interop::{from_lightgbm, from_parts, from_xgboost, parts, revised};
    #[pymodule_export]
    use crate::model::{Model, UnseenLevelWarning, is_record};
    #[pymodule_export]
    use crate::simulate::{simulate, simulate_companies};
    #[pymodule_export]
    use crate::splits::{folds, time_splits};
    #[pymodule_export]
    use crate::store::{FeatureStore, check_plan, day_of, usual_plan};
    #[pymodule_export]
    use crate::table::Table;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
