//! States in a table of DynamoDB, one item for each tenant.
//!
//! | attribute | type | |
//! | --- | --- | --- |
//! | `key` | string | the tenant; the table's partition key, and it has no sort key |
//! | `version` | number | how often the item was written; the condition of the next write |
//! | `state` | binary | `docs/state-format.md` |
//! | `mark` | string | what was said of the tenant last, as JSON |
//! | `positions` | string | how far the tenant has come in each shard, as JSON |

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::store::{PutError, StateStore, StoreError, TenantItem};
use crate::Aws;
use crate::dynamodb::{Condition, Item, KEY, Table};

/// How often something is asked for.
const ATTEMPTS: u32 = 5;

/// States in a table.
#[derive(Debug)]
pub struct DynamoStore {
    table: Table,
}

/// What is wrong with an item that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the item of tenant {tenant:?} has no {attribute} as this library writes it")]
struct DamagedItem {
    tenant: String,
    attribute: &'static str,
}

impl DynamoStore {
    /// States in the table of that name.
    pub fn new(aws: &Arc<Aws>, table: &str) -> Self {
        Self { table: Table::new(aws, table, ATTEMPTS) }
    }
}

impl StateStore for DynamoStore {
    fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError> {
        let items = self.table.get(tenants).map_err(|error| StoreError { source: error.into() })?;
        let read = |item| from_attributes(item).map_err(|error| StoreError { source: error.into() });
        items.into_iter().map(read).collect()
    }

    fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError> {
        let before = item.version - 1;
        let attributes = to_attributes(tenant, item).map_err(|source| PutError::Store { source: source.into() })?;
        let condition = if before == 0 {
            Condition { expression: "attribute_not_exists(#key)", names: vec![KEY], values: Vec::new() }
        } else {
            let values = vec![("before", AttributeValue::N(before.to_string()))];
            Condition { expression: "#version = :before", names: vec!["version"], values }
        };
        match self.table.put_if(&attributes, &condition) {
            Ok(true) => Ok(()),
            Ok(false) => Err(PutError::Conflict),
            Err(error) => Err(PutError::Store { source: error.into() }),
        }
    }
}

fn to_attributes(tenant: &str, item: TenantItem) -> Result<Item, serde_json::Error> {
    let TenantItem { version, state, mark, positions } = item;
    let mut attributes = Item::from([
        (KEY.to_owned(), AttributeValue::S(tenant.to_owned())),
        ("version".to_owned(), AttributeValue::N(version.to_string())),
        ("state".to_owned(), AttributeValue::B(Blob::new(state))),
        ("positions".to_owned(), AttributeValue::S(serde_json::to_string(&positions)?)),
    ]);
    if let Some(mark) = mark {
        attributes.insert("mark".to_owned(), AttributeValue::S(mark));
    }
    Ok(attributes)
}

fn from_attributes(mut item: Item) -> Result<(String, TenantItem), DamagedItem> {
    let Some(AttributeValue::S(tenant)) = item.remove(KEY) else {
        return Err(DamagedItem { tenant: String::new(), attribute: KEY });
    };
    let damaged = |attribute| DamagedItem { tenant: tenant.clone(), attribute };
    let number = |value: AttributeValue| value.as_n().ok()?.parse().ok();
    let version = item.remove("version").and_then(number).ok_or_else(|| damaged("version"))?;
    let Some(AttributeValue::B(state)) = item.remove("state") else { return Err(damaged("state")) };
    let mark = match item.remove("mark") {
        None => None,
        Some(AttributeValue::S(mark)) => Some(mark),
        Some(_) => return Err(damaged("mark")),
    };
    let positions = item.remove("positions");
    let positions = positions.as_ref().and_then(|value| serde_json::from_str(value.as_s().ok()?).ok());
    let positions = positions.ok_or_else(|| damaged("positions"))?;
    let item = TenantItem { version, state: state.into_inner(), mark, positions };
    Ok((tenant, item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    #[test]
    fn an_item_comes_back_as_it_was_and_a_damaged_one_is_named() {
        for mark in [None, Some("{}".to_owned())] {
            let positions = [("s/shardId-1".to_owned(), Position { sequence: 7.into(), sub_sequence: 2 })].into();
            let item = TenantItem { version: 3, state: vec![1, 2, 255], mark, positions };
            let attributes = to_attributes("t", item.clone()).expect("is written");
            assert_eq!(from_attributes(attributes.clone()).expect("is read"), ("t".to_owned(), item));
            for attribute in [KEY, "version", "state", "positions"] {
                let mut damaged = attributes.clone();
                damaged.insert(attribute.to_owned(), AttributeValue::Bool(true));
                assert_eq!(from_attributes(damaged).expect_err("is damaged").attribute, attribute);
            }
        }
    }
}
