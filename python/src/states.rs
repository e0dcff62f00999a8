//! Tenants' states as tables: what leaves one store for another.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use churn_features::{FeatureStore, TenantState};
use pyo3::prelude::*;

use crate::error::{ColumnError, EventError, event_error};
use crate::plain::plain;
use crate::table::{Table, arrow_error};

/// Bytes of states in one batch of a table.
const BATCH_BYTES: usize = 64 << 20;

/// The tenants' states: `tenant` and `state`, by ascending tenant.
///
/// # Errors
/// When the columns make no table.
pub(crate) fn states_table(store: &FeatureStore) -> PyResult<Table> {
    let fields = vec![Field::new("tenant", DataType::Utf8, false), Field::new("state", DataType::Binary, false)];
    let schema = Arc::new(Schema::new(fields));
    let mut batches = Vec::new();
    let mut states = store.states().peekable();
    let mut bytes = Vec::new();
    while states.peek().is_some() {
        let (mut tenants, mut columns, mut n_bytes) = (StringBuilder::new(), BinaryBuilder::new(), 0);
        while n_bytes < BATCH_BYTES
            && let Some((tenant, state)) = states.next()
        {
            bytes.clear();
            state.write_to(&mut bytes);
            n_bytes += tenant.len() + bytes.len();
            tenants.append_value(tenant);
            columns.append_value(&bytes);
        }
        let columns = vec![Arc::new(tenants.finish()) as _, Arc::new(columns.finish()) as _];
        batches.push(RecordBatch::try_new(Arc::clone(&schema), columns).map_err(arrow_error)?);
    }
    Ok(Table::new(schema, batches))
}

/// Merges the states of such a table into those of a store, one after the other.
///
/// # Errors
/// When a column is missing or another one, a state is damaged, or there is no room for a tenant.
pub(crate) fn merge_states(store: &mut FeatureStore, batch: &RecordBatch) -> PyResult<()> {
    let column = |name: &str, kind: &DataType| {
        let column = batch.column_by_name(name);
        let column =
            column.ok_or_else(|| ColumnError::new_err(format!("a table of states needs a column {name:?}")))?;
        let column = plain(column).map_err(arrow_error)?;
        if column.data_type() != kind {
            let found = column.data_type();
            return Err(ColumnError::new_err(format!("column {name:?} of the states is {found}; expected {kind}")));
        }
        if column.null_count() > 0 {
            return Err(ColumnError::new_err(format!("column {name:?} of the states has nulls")));
        }
        Ok(column)
    };
    let (tenants, states) = (column("tenant", &DataType::Utf8View)?, column("state", &DataType::BinaryView)?);
    let (tenants, states) = (tenants.as_string_view(), states.as_binary_view());
    for (tenant, state) in tenants.iter().zip(states).filter_map(|(tenant, state)| Some((tenant?, state?))) {
        let wrong =
            |error: churn_features::Error| EventError::new_err(format!("the state of tenant {tenant:?}: {error}"));
        let state = TenantState::read_from(state).map_err(wrong)?;
        store.merge_state(tenant, state).map_err(|error| event_error(&error))?;
    }
    Ok(())
}
