//! A table of DynamoDB with the partition key `key`, a string, and no sort key.

mod checkpoints;
mod table;

pub use self::checkpoints::{TableError, TableName};
pub(crate) use self::table::{Condition, Item, KEY, Table};
