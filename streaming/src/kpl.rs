//! Aggregates of the Kinesis Producer Library: many records of a user in one record of the stream.
//!
//! # Layout
//! Four bytes that nothing else begins with, the protobuf message `AggregatedRecord` (proto2), and its MD5. The message:
//! `repeated string partition_key_table = 1; repeated string explicit_hash_key_table = 2; repeated Record records = 3`, where
//! a `Record` is `required uint64 partition_key_index = 1; optional uint64 explicit_hash_key_index = 2; required bytes data = 3`
//! and tags that are not read.
//!
//! # Source
//! `aggregation-format.md` of <https://github.com/awslabs/amazon-kinesis-producer>, and what the Kinesis Client Library does:
//! a digest that does not fit means that the record is an ordinary one.
//!
//! The message is read where it lies: a record is a slice of the aggregate, nothing is copied, and what is kept beside it
//! takes twenty times its size where all of its records are empty, and less than it does where they are events.

use std::ops::RangeInclusive;

use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// A record of a user inside an aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// Its number in the aggregate, from 0, those that were passed over included.
    pub sub_sequence: u64,
    /// What its producer chose its shard by.
    pub partition_key: &'a [u8],
    /// What its producer put there.
    pub data: &'a [u8],
}

/// Why an aggregate whose digest fits cannot be taken apart: whoever wrote it meant it so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamagedAggregate {
    /// It ends inside of something.
    #[error("ends inside of {what} at byte {at}")]
    Truncated {
        /// What should stand there.
        what: &'static str,
        /// Where it begins, counted from the message's beginning.
        at: usize,
    },
    /// A number that needs more than 64 bits.
    #[error("has a number of more than 64 bits at byte {at}")]
    LongNumber {
        /// Where it begins.
        at: usize,
    },
    /// A field that is written in another way than its type is.
    #[error("has {field} in wire type {found} at byte {at}")]
    WireType {
        /// The field.
        field: &'static str,
        /// How it is written.
        found: u64,
        /// Where it begins.
        at: usize,
    },
    /// A record without something that every record has.
    #[error("has no {field} in record {record}")]
    Missing {
        /// Number of the record in the aggregate.
        record: u64,
        /// What it lacks.
        field: &'static str,
    },
    /// A record that points behind the end of a table.
    #[error("has {field} {found} in record {record} where the table has {entries} entries")]
    Index {
        /// Number of the record in the aggregate.
        record: u64,
        /// The index.
        field: &'static str,
        /// Its value.
        found: u64,
        /// Entries that there are.
        entries: usize,
    },
    /// An explicit hash key that is no number of 128 bits.
    #[error("has {found:?} as explicit hash key of record {record} where a number below 2^128 is expected")]
    HashKey {
        /// Number of the record in the aggregate.
        record: u64,
        /// The key, or its beginning.
        found: String,
    },
}

impl DamagedAggregate {
    /// The field that a dead letter names.
    pub fn field(&self) -> &'static str {
        match self {
            Self::WireType { field, .. } | Self::Missing { field, .. } | Self::Index { field, .. } => field,
            Self::HashKey { .. } => EXPLICIT_HASH_KEY,
            Self::Truncated { what, .. } => what,
            Self::LongNumber { .. } => "aggregate",
        }
    }
}

const AGGREGATE: &str = "aggregate";
const PARTITION_KEY: &str = "partition_key";
const PARTITION_KEY_INDEX: &str = "partition_key_index";
const EXPLICIT_HASH_KEY: &str = "explicit_hash_key";
const EXPLICIT_HASH_KEY_INDEX: &str = "explicit_hash_key_index";
const RECORD: &str = "record";
const DATA: &str = "data";

/// The records in an aggregate that belong to a shard of these hash keys; none when the record is no aggregate.
///
/// # Errors
/// When the digest fits and the message is wrong.
/// # Cost
/// Four bytes are compared where the record is no aggregate; one MD5 of it, and one of each partition key if the shard
/// does not have all hash keys, where it is.
pub fn user_records<'a>(
    data: &'a [u8],
    hash_keys: Option<&RangeInclusive<u128>>,
) -> Option<Result<Vec<UserRecord<'a>>, DamagedAggregate>> {
    let message = aggregated_message(data)?;
    Some(Aggregate::read(message).and_then(|aggregate| aggregate.records_in(hash_keys)))
}

/// The hash key that Kinesis gives a record: the MD5 of its partition key.
pub fn hash_key(partition_key: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// What lies between the magic bytes and a digest that fits.
fn aggregated_message(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(&MAGIC)?;
    let (message, digest) = rest.split_at_checked(rest.len().checked_sub(DIGEST_BYTES)?)?;
    (!message.is_empty() && Md5::digest(message)[..] == *digest).then_some(message)
}

/// An `AggregatedRecord`.
#[derive(Default)]
struct Aggregate<'a> {
    partition_keys: Vec<&'a [u8]>,
    explicit_hash_keys: Vec<&'a [u8]>,
    records: Vec<Entry<'a>>,
}

/// A `Record`.
struct Entry<'a> {
    partition_key_index: u64,
    explicit_hash_key_index: Option<u64>,
    data: &'a [u8],
}

impl<'a> Aggregate<'a> {
    fn read(message: &'a [u8]) -> Result<Self, DamagedAggregate> {
        let mut aggregate = Self::default();
        let mut fields = Fields { message, at: 0, end: message.len() };
        while let Some(field) = fields.next(AGGREGATE)? {
            match field.number {
                1 => aggregate.partition_keys.push(field.bytes(message, PARTITION_KEY)?),
                2 => aggregate.explicit_hash_keys.push(field.bytes(message, EXPLICIT_HASH_KEY)?),
                3 => {
                    let range = field.range(RECORD)?;
                    let fields = Fields { message, at: range.0, end: range.1 };
                    let entry = Entry::read(fields, aggregate.records.len() as u64)?;
                    aggregate.records.push(entry);
                }
                _ => {}
            }
        }
        Ok(aggregate)
    }

    fn records_in(self, hash_keys: Option<&RangeInclusive<u128>>) -> Result<Vec<UserRecord<'a>>, DamagedAggregate> {
        let hash_keys = hash_keys.filter(|keys| **keys != (0..=u128::MAX));
        // Each partition key is digested once, however many records have it.
        let mut digested: Vec<Option<bool>> = vec![None; self.partition_keys.len() * usize::from(hash_keys.is_some())];
        let mut chosen = Vec::with_capacity(self.records.len());
        for (record, entry) in (0..).zip(&self.records) {
            let key = entry.partition_key_index;
            let partition_key = entry_at(&self.partition_keys, key, record, PARTITION_KEY_INDEX)?;
            let explicit = match entry.explicit_hash_key_index {
                Some(index) => Some(entry_at(&self.explicit_hash_keys, index, record, EXPLICIT_HASH_KEY_INDEX)?),
                None => None,
            };
            let belongs_here = match (hash_keys, explicit) {
                (None, _) => true,
                (Some(hash_keys), Some(text)) => {
                    let found = || String::from_utf8_lossy(text).chars().take(80).collect();
                    let fail = || DamagedAggregate::HashKey { record, found: found() };
                    hash_keys.contains(&number(text).ok_or_else(fail)?)
                }
                (Some(hash_keys), None) => {
                    *digested[key as usize].get_or_insert_with(|| hash_keys.contains(&hash_key(partition_key)))
                }
            };
            if belongs_here {
                chosen.push(UserRecord { sub_sequence: record, partition_key, data: entry.data });
            }
        }
        Ok(chosen)
    }
}

impl<'a> Entry<'a> {
    fn read(mut fields: Fields<'a>, record: u64) -> Result<Self, DamagedAggregate> {
        let (mut partition_key_index, mut explicit_hash_key_index, mut data) = (None, None, None);
        let message = fields.message;
        while let Some(field) = fields.next(RECORD)? {
            match field.number {
                1 => partition_key_index = Some(field.number_of(PARTITION_KEY_INDEX)?),
                2 => explicit_hash_key_index = Some(field.number_of(EXPLICIT_HASH_KEY_INDEX)?),
                3 => data = Some(field.bytes(message, DATA)?),
                _ => {}
            }
        }
        let missing = |field| DamagedAggregate::Missing { record, field };
        Ok(Self {
            partition_key_index: partition_key_index.ok_or_else(|| missing(PARTITION_KEY_INDEX))?,
            explicit_hash_key_index,
            data: data.ok_or_else(|| missing(DATA))?,
        })
    }
}

fn entry_at<'a>(
    table: &[&'a [u8]],
    index: u64,
    record: u64,
    field: &'static str,
) -> Result<&'a [u8], DamagedAggregate> {
    let fail = || DamagedAggregate::Index { record, field, found: index, entries: table.len() };
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().ok_or_else(fail)
}

/// A decimal number; a sign, which Rust would take, is none of its digits.
fn number(text: &[u8]) -> Option<u128> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The fields of a protobuf message, in the order in which they stand.
struct Fields<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

struct Field {
    number: u64,
    at: usize,
    value: Value,
}

enum Value {
    Number(u64),
    Bytes(usize, usize),
    Fixed(u64),
}

impl Fields<'_> {
    fn next(&mut self, within: &'static str) -> Result<Option<Field>, DamagedAggregate> {
        if self.at == self.end {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint(within)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint(within)?),
            2 => {
                let length = self.varint(within)?;
                let start = self.at;
                self.skip(length, within, at)?;
                Value::Bytes(start, self.at)
            }
            wire_type @ (1 | 5) => {
                self.skip(if wire_type == 1 { 8 } else { 4 }, within, at)?;
                Value::Fixed(wire_type)
            }
            // Groups, which this message has never had, and what protobuf does not have.
            found => return Err(DamagedAggregate::WireType { field: within, found, at }),
        };
        Ok(Some(Field { number: key >> 3, at, value }))
    }

    fn skip(&mut self, length: u64, what: &'static str, at: usize) -> Result<(), DamagedAggregate> {
        let left = self.end - self.at;
        match usize::try_from(length) {
            Ok(length) if length <= left => self.at += length,
            _ => return Err(DamagedAggregate::Truncated { what, at }),
        }
        Ok(())
    }

    fn varint(&mut self, what: &'static str) -> Result<u64, DamagedAggregate> {
        let at = self.at;
        let mut number = 0;
        for (index, byte) in self.message[at..self.end].iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.at += index + 1;
                return Ok(number);
            }
        }
        match self.end - at {
            0..10 => Err(DamagedAggregate::Truncated { what, at }),
            _ => Err(DamagedAggregate::LongNumber { at }),
        }
    }
}

impl Field {
    fn wire_type(&self) -> u64 {
        match self.value {
            Value::Number(_) => 0,
            Value::Bytes(..) => 2,
            Value::Fixed(wire_type) => wire_type,
        }
    }

    fn range(&self, field: &'static str) -> Result<(usize, usize), DamagedAggregate> {
        match self.value {
            Value::Bytes(start, end) => Ok((start, end)),
            _ => Err(DamagedAggregate::WireType { field, found: self.wire_type(), at: self.at }),
        }
    }

    fn bytes<'a>(&self, message: &'a [u8], field: &'static str) -> Result<&'a [u8], DamagedAggregate> {
        self.range(field).map(|(start, end)| &message[start..end])
    }

    fn number_of(&self, field: &'static str) -> Result<u64, DamagedAggregate> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(DamagedAggregate::WireType { field, found: self.wire_type(), at: self.at }),
        }
    }
}

/// An aggregate of records, each with its partition key and, where it has one, its explicit hash key.
pub fn pack<'a>(records: impl IntoIterator<Item = (&'a str, Option<u128>, &'a [u8])>) -> Vec<u8> {
    let (mut partition_keys, mut explicit_hash_keys) = (Table::default(), Table::default());
    let mut entries = Vec::new();
    for (partition_key, explicit_hash_key, data) in records {
        let mut entry = Vec::with_capacity(data.len() + 16);
        put_number(&mut entry, 1, partition_keys.index_of(partition_key.to_owned()));
        if let Some(key) = explicit_hash_key {
            put_number(&mut entry, 2, explicit_hash_keys.index_of(key.to_string()));
        }
        put_bytes(&mut entry, 3, data);
        put_bytes(&mut entries, 3, &entry);
    }
    let mut message = Vec::new();
    partition_keys.texts.iter().for_each(|key| put_bytes(&mut message, 1, key.as_bytes()));
    explicit_hash_keys.texts.iter().for_each(|key| put_bytes(&mut message, 2, key.as_bytes()));
    message.extend_from_slice(&entries);
    sealed(&message)
}

/// A message between the magic bytes and its digest.
fn sealed(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, &Md5::digest(message)[..]].concat()
}

/// Texts, each of them once.
#[derive(Default)]
struct Table {
    texts: Vec<String>,
    indices: std::collections::HashMap<String, u64>,
}

impl Table {
    fn index_of(&mut self, text: String) -> u64 {
        if let Some(index) = self.indices.get(&text) {
            return *index;
        }
        let index = self.texts.len() as u64;
        self.texts.push(text.clone());
        self.indices.insert(text, index);
        index
    }
}

fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn put_number(to: &mut Vec<u8>, field: u64, number: u64) {
    put_varint(to, field << 3);
    put_varint(to, number);
}

fn put_bytes(to: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(to, field << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
