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

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use super::store::{PutError, StateStore, StoreError, TenantItem};
use crate::{Aws, Backoff, aws};

/// Items that are read at once, which is as many as DynamoDB gives.
const READ_ITEMS: usize = 100;

/// How often something is asked for.
const ATTEMPTS: u32 = 5;

/// States in a table.
#[derive(Debug)]
pub struct DynamoStore {
    aws: Arc<Aws>,
    client: Client,
    table: String,
    backoff: Backoff,
}

type Item = HashMap<String, AttributeValue>;

/// What is wrong with an item that is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the item of tenant {tenant:?} has no {attribute} as this library writes it")]
struct DamagedItem {
    tenant: String,
    attribute: &'static str,
}

/// The partition key.
const KEY: &str = "key";

/// DynamoDB gave fewer items than it was asked for, again and again.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB left {n} items unread after {ATTEMPTS} attempts")]
struct Unread {
    n: usize,
}

/// What the SDK says, with all that is behind it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CallFailed(String);

impl DynamoStore {
    /// States in the table of that name.
    pub fn new(aws: &Arc<Aws>, table: &str) -> Self {
        let retry = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let config = Builder::from(&aws.config).retry_config(retry).build();
        Self {
            client: Client::from_conf(config),
            aws: Arc::clone(aws),
            table: table.to_owned(),
            backoff: aws::backoff(),
        }
    }

    fn read(&mut self, tenants: &[&str]) -> Result<Vec<Item>, Box<dyn std::error::Error + Send + Sync>> {
        let key = |tenant: &&str| Item::from([(KEY.to_owned(), AttributeValue::S((*tenant).to_owned()))]);
        let keys = KeysAndAttributes::builder().set_keys(Some(tenants.iter().map(key).collect())).consistent_read(true);
        let mut wanted = Some(HashMap::from([(self.table.clone(), keys.build()?)]));
        let mut items = Vec::with_capacity(tenants.len());
        for _ in 0..ATTEMPTS {
            let request = self.client.batch_get_item().set_request_items(wanted.take());
            let answer = self.aws.runtime.block_on(request.send());
            let answer = answer.map_err(|error| CallFailed(DisplayErrorContext(&error).to_string()))?;
            items.extend(answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
            wanted = answer.unprocessed_keys.filter(|keys| !keys.is_empty());
            if wanted.is_none() {
                self.backoff.reset();
                return Ok(items);
            }
            let pause = self.backoff.after_failure();
            self.aws.runtime.block_on(tokio::time::sleep(pause));
        }
        let n = wanted.iter().flat_map(HashMap::values).map(|keys| keys.keys().len()).sum();
        Err(Unread { n }.into())
    }
}

impl StateStore for DynamoStore {
    fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError> {
        let mut found = HashMap::with_capacity(tenants.len());
        for some in tenants.chunks(READ_ITEMS) {
            for item in self.read(some).map_err(|source| StoreError { source })? {
                let (tenant, item) = from_attributes(item).map_err(|error| StoreError { source: error.into() })?;
                found.insert(tenant, item);
            }
        }
        Ok(found)
    }

    fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError> {
        let before = item.version - 1;
        let attributes = to_attributes(tenant, item).map_err(|source| PutError::Store { source: source.into() })?;
        let request = self.client.put_item().table_name(&self.table).set_item(Some(attributes));
        let request = if before == 0 {
            request.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", KEY)
        } else {
            request
                .condition_expression("#version = :before")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":before", AttributeValue::N(before.to_string()))
        };
        match self.aws.runtime.block_on(request.send()) {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_conditional_check_failed_exception() => Err(PutError::Conflict),
                _ => Err(PutError::Store { source: CallFailed(DisplayErrorContext(&error).to_string()).into() }),
            },
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
