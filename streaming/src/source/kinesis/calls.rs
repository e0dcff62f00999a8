//! The calls of a stream's reader.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{HashKeyRange, ShardIteratorType};

use super::shard_graph::ListedShard;
use super::start::From;
use crate::aws::CallError;

/// Records asked for at once; the stream gives 10 MiB at most.
const RECORDS: i32 = 10_000;

/// A stream, by its name or its ARN.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    client: Client,
    /// Its name.
    pub(super) name: String,
    arn: Option<String>,
}

impl Stream {
    pub(super) fn new(client: Client, name_or_arn: &str) -> Self {
        let arn = name_or_arn.starts_with("arn:").then(|| name_or_arn.to_owned());
        let name = name_or_arn.rsplit('/').next().unwrap_or(name_or_arn).to_owned();
        Self { client, name, arn }
    }

    fn name(&self) -> Option<String> {
        self.arn.is_none().then(|| self.name.clone())
    }

    /// All shards that the stream still has records of, or takes records for.
    pub(super) async fn list(&self) -> Result<Vec<ListedShard>, CallError> {
        let mut listed = Vec::new();
        let mut page = self.first_page().await?;
        loop {
            listed.extend(page.shards.unwrap_or_default().into_iter().map(|shard| ListedShard {
                closed: shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_some()),
                hash_keys: shard.hash_key_range().and_then(hash_keys),
                parents: shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect(),
                id: shard.shard_id,
            }));
            let Some(token) = page.next_token else { return Ok(listed) };
            let next = self.client.list_shards().next_token(token).send();
            page = next.await.map_err(|error| CallError::new("ListShards", error))?;
        }
    }

    async fn first_page(&self) -> Result<ListShardsOutput, CallError> {
        let call = self.client.list_shards().set_stream_name(self.name()).set_stream_arn(self.arn.clone());
        call.send().await.map_err(|error| CallError::new("ListShards", error))
    }

    /// What points at the next record to read.
    pub(super) async fn iterator(&self, shard_id: &str, from: From) -> Result<String, CallError> {
        let call = self.client.get_shard_iterator().set_stream_name(self.name()).set_stream_arn(self.arn.clone());
        let call = call.shard_id(shard_id);
        let call = match from {
            From::Record(number) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(number.to_string()),
            From::After(number) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number.to_string()),
            From::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            From::Time(time) => {
                call.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(time.millis()))
            }
        };
        let answer = call.send().await.map_err(|error| CallError::new("GetShardIterator", error))?;
        Ok(answer.shard_iterator.unwrap_or_default())
    }

    /// The records from there on; fewer than there are, or none, is no sign of the end.
    pub(super) async fn records(&self, iterator: &str) -> Result<GetRecordsOutput, CallError> {
        let call = self.client.get_records().shard_iterator(iterator).limit(RECORDS);
        // The ARN lets the request find its way in another account; the iterator says the rest.
        let call = call.set_stream_arn(self.arn.clone());
        call.send().await.map_err(|error| CallError::new("GetRecords", error))
    }
}

/// The children that the last records of a shard name.
pub(super) fn children(answer: &GetRecordsOutput) -> Vec<ListedShard> {
    let child = |child: &aws_sdk_kinesis::types::ChildShard| ListedShard {
        id: child.shard_id.clone(),
        parents: child.parent_shards.clone(),
        hash_keys: child.hash_key_range.as_ref().and_then(hash_keys),
        closed: false,
    };
    answer.child_shards().iter().map(child).collect()
}

fn hash_keys(range: &HashKeyRange) -> Option<std::ops::RangeInclusive<u128>> {
    Some(range.starting_hash_key().parse().ok()?..=range.ending_hash_key().parse().ok()?)
}
