//! Calls of DynamoDB, tried again and counted.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};

use crate::aws::{self, CallError, Fault, insist};
use crate::retries::Backoff;
use crate::{Aws, Retry};

/// The partition key.
pub(crate) const KEY: &str = "key";

/// Items that are read at once, which is as many as DynamoDB gives.
const READ_ITEMS: usize = 100;

/// Items that are written at once, which is as many as DynamoDB takes.
const WRITE_ITEMS: usize = 25;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A table, and how often a call is made before it is given up.
#[derive(Debug)]
pub(crate) struct Table {
    aws: Arc<Aws>,
    client: Client,
    name: String,
    attempts: u32,
}

/// What has to be true of the item that is there.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    pub(crate) expression: &'static str,
    /// Names and values that the expression names, without their `#` and `:`.
    pub(crate) names: Vec<&'static str>,
    pub(crate) values: Vec<(&'static str, AttributeValue)>,
}

/// DynamoDB did a part of what it was asked for, again and again.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB passed over {n} items of a batch after {attempts} attempts")]
struct PassedOver {
    n: usize,
    attempts: u32,
}

impl Table {
    pub(crate) fn new(aws: &Arc<Aws>, name: &str, attempts: u32) -> Self {
        Self { client: Client::new(&aws.config), aws: Arc::clone(aws), name: name.to_owned(), attempts }
    }

    /// The items of these keys, those that there are, in no order; what was written is read, by whomever.
    pub(crate) fn get(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Item>, CallError> {
        const OPERATION: &str = "BatchGetItem";
        let mut items = Vec::with_capacity(keys.len());
        for some in keys.chunks(READ_ITEMS) {
            let some = some.iter().map(|key| key_of(key.as_ref())).collect();
            let wanted = KeysAndAttributes::builder().set_keys(Some(some)).consistent_read(true).build();
            let mut wanted = wanted.expect("this cannot fail because there are keys");
            let mut backoff = aws::backoff();
            loop {
                let answer = self.insist(|| {
                    let request = self.client.batch_get_item().request_items(&self.name, wanted.clone());
                    async { request.send().await.map_err(|error| CallError::new(OPERATION, error)) }
                })?;
                items.extend(answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default());
                let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.name);
                let Some(left) = left.filter(|left| !left.keys().is_empty()) else { break };
                self.wait_for_more(OPERATION, wanted.keys().len(), left.keys().len(), &mut backoff)?;
                wanted = left;
            }
        }
        Ok(items)
    }

    /// Writes items, in no order; when this fails, any of them may be there.
    pub(crate) fn put_all(&self, items: impl IntoIterator<Item = Item>) -> Result<(), CallError> {
        let put =
            |item| PutRequest::builder().set_item(Some(item)).build().expect("this cannot fail: there is an item");
        self.write(items.into_iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect())
    }

    /// Deletes items, those that there are, in no order.
    pub(crate) fn delete_all(&self, keys: &[String]) -> Result<(), CallError> {
        let delete = |key: &String| {
            let delete = DeleteRequest::builder().set_key(Some(key_of(key))).build();
            let delete = delete.expect("this cannot fail because there is a key");
            WriteRequest::builder().delete_request(delete).build()
        };
        keys.chunks(WRITE_ITEMS).try_for_each(|some| self.write(some.iter().map(delete).collect()))
    }

    fn write(&self, requests: Vec<WriteRequest>) -> Result<(), CallError> {
        const OPERATION: &str = "BatchWriteItem";
        let mut requests = requests;
        while !requests.is_empty() {
            let later = requests.split_off(requests.len().min(WRITE_ITEMS));
            let mut backoff = aws::backoff();
            loop {
                let answer = self.insist(|| {
                    let request = self.client.batch_write_item().request_items(&self.name, requests.clone());
                    async { request.send().await.map_err(|error| CallError::new(OPERATION, error)) }
                })?;
                let left = answer.unprocessed_items.unwrap_or_default().remove(&self.name);
                let Some(left) = left.filter(|left| !left.is_empty()) else { break };
                self.wait_for_more(OPERATION, requests.len(), left.len(), &mut backoff)?;
                requests = left;
            }
            requests = later;
        }
        Ok(())
    }

    /// Writes an item if that is true of the one that is there, and tells whether it was.
    ///
    /// An answer that was lost may make it false when the call is made again: a condition that the item itself fulfils is
    /// true then, too, and after any other one the caller looks.
    pub(crate) fn put_if(&self, item: &Item, condition: &Condition) -> Result<bool, CallError> {
        self.insist(|| {
            let mut request = self.client.put_item().table_name(&self.name).set_item(Some(item.clone()));
            request = request.condition_expression(condition.expression);
            for &name in &condition.names {
                request = request.expression_attribute_names(format!("#{name}"), name);
            }
            for (name, value) in &condition.values {
                request = request.expression_attribute_values(format!(":{name}"), value.clone());
            }
            async {
                match request.send().await {
                    Ok(_) => Ok(true),
                    Err(error)
                        if error.as_service_error().is_some_and(|why| why.is_conditional_check_failed_exception()) =>
                    {
                        Ok(false)
                    }
                    Err(error) => Err(CallError::new("PutItem", error)),
                }
            }
        })
    }

    /// Adds a string to a set of them, which is made where it is not there.
    pub(crate) fn add_to_set(&self, key: &str, attribute: &str, value: &str) -> Result<(), CallError> {
        self.insist(|| {
            let request = self.client.update_item().table_name(&self.name).set_key(Some(key_of(key)));
            let request = request.update_expression("ADD #set :value").expression_attribute_names("#set", attribute);
            let request = request.expression_attribute_values(":value", AttributeValue::Ss(vec![value.to_owned()]));
            async { request.send().await.map(drop).map_err(|error| CallError::new("UpdateItem", error)) }
        })
    }

    fn insist<T, F: Future<Output = Result<T, CallError>>>(&self, call: impl Fn() -> F) -> Result<T, CallError> {
        self.aws.runtime.block_on(insist(self.aws.retries(), self.attempts, call))
    }

    /// Waits before what is left of a batch is asked for, or gives up.
    fn wait_for_more(
        &self,
        operation: &'static str,
        asked: usize,
        left: usize,
        backoff: &mut Backoff,
    ) -> Result<(), CallError> {
        if left < asked {
            backoff.reset();
        }
        if backoff.failures() + 1 >= self.attempts {
            let source = PassedOver { n: left, attempts: self.attempts };
            return Err(CallError { operation, fault: Fault::Throttled, source: source.into() });
        }
        self.aws.retries().count(operation, Retry::RefusedEntry, left as u64);
        let pause = backoff.after_failure();
        self.aws.runtime.block_on(async { tokio::time::sleep(pause).await });
        Ok(())
    }
}

fn key_of(key: &str) -> Item {
    Item::from([(KEY.to_owned(), AttributeValue::S(key.to_owned()))])
}
