//! SageMaker's protobuf message `aialgs.data.Record`, written by hand from its published `record.proto`.
//!
//! Source: <https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html>. What is not read (`uid`, `metadata`,
//! `configuration`) is skipped.

use prost::{Message, Oneof};

use super::{RecordError, RecordPlace, RecordValues};

/// The key under which both maps hold their one tensor.
const VALUES: &str = "values";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(message, repeated, tag = "1")]
    pub(super) features: Vec<Entry>,
    #[prost(message, repeated, tag = "2")]
    pub(super) label: Vec<Entry>,
}

/// An entry of a map, as it is encoded. A map would keep the last one where a key stands twice.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(oneof = "Tensor", tags = "2, 3, 7, 9")]
    tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Tensor {
    #[prost(message, tag = "2")]
    Float32(Float32Tensor),
    #[prost(message, tag = "3")]
    Float64(Float64Tensor),
    #[prost(message, tag = "7")]
    Int32(Int32Tensor),
    #[prost(message, tag = "9")]
    Bytes(Bytes),
}

#[derive(Clone, PartialEq, Message)]
struct Float32Tensor {
    #[prost(float, repeated, tag = "1")]
    values: Vec<f32>,
    #[prost(uint64, repeated, tag = "2")]
    keys: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    shape: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Float64Tensor {
    #[prost(double, repeated, tag = "1")]
    values: Vec<f64>,
    #[prost(uint64, repeated, tag = "2")]
    keys: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    shape: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Int32Tensor {
    #[prost(int32, repeated, tag = "1")]
    values: Vec<i32>,
    #[prost(uint64, repeated, tag = "2")]
    keys: Vec<u64>,
    #[prost(uint64, repeated, tag = "3")]
    shape: Vec<u64>,
}

/// Known so that it can be refused by name; such as an image.
#[derive(Clone, PartialEq, Message)]
struct Bytes {}

impl Entry {
    /// A dense float32 vector.
    pub(super) fn dense(key: &str, values: &[f32]) -> Self {
        let tensor = Float32Tensor { values: values.to_vec(), ..Float32Tensor::default() };
        Self { key: key.to_owned(), value: Some(Value { tensor: Some(Tensor::Float32(tensor)) }) }
    }
}

impl Record {
    /// A row as built-in algorithms are given it.
    pub(super) fn row(label: Option<f32>, features: &[f32]) -> Self {
        Self {
            features: vec![Entry::dense(VALUES, features)],
            label: label.map(|label| Entry::dense(VALUES, &[label])).into_iter().collect(),
        }
    }

    /// The features; a row without any has none.
    pub(super) fn take_features(&mut self, place: RecordPlace) -> Result<RecordValues, RecordError> {
        take(std::mem::take(&mut self.features), "the features", place)
    }

    /// The label, where there is one.
    pub(super) fn take_label(&mut self, place: RecordPlace) -> Result<Option<f32>, RecordError> {
        if self.label.is_empty() {
            return Ok(None);
        }
        let what = "the label";
        match take(std::mem::take(&mut self.label), what, place)? {
            RecordValues::Dense(values) if values.len() == 1 => Ok(values.first().copied()),
            _ => Err(RecordError::Tensor { place, what, problem: "is not one number; send one number per row" }),
        }
    }
}

/// The one tensor of a map: the one called `values` or, under any name, the only one.
fn take(tensors: Vec<Entry>, what: &'static str, place: RecordPlace) -> Result<RecordValues, RecordError> {
    let wrong = |problem| RecordError::Tensor { place, what, problem };
    let n_tensors = tensors.len();
    let mut called_so = tensors.into_iter().filter(|entry| n_tensors == 1 || entry.key == VALUES);
    let entry = match (called_so.next(), called_so.next()) {
        (Some(_), Some(_)) => return Err(wrong("hold two tensors called \"values\"")),
        (None, _) if n_tensors > 0 => return Err(wrong("hold several tensors, none of them called \"values\"")),
        (entry, _) => entry,
    };
    let (values, keys, shape) = match entry.and_then(|entry| entry.value?.tensor) {
        None => return Ok(RecordValues::Dense(Vec::new())),
        Some(Tensor::Float32(tensor)) => (tensor.values, tensor.keys, tensor.shape),
        Some(Tensor::Float64(tensor)) => {
            (tensor.values.into_iter().map(|value| value as f32).collect(), tensor.keys, tensor.shape)
        }
        Some(Tensor::Int32(tensor)) => {
            (tensor.values.into_iter().map(|value| value as f32).collect(), tensor.keys, tensor.shape)
        }
        Some(Tensor::Bytes(_)) => return Err(wrong("are bytes; send a tensor of float32, float64 or int32")),
    };
    let shape = shape.into_iter().try_fold(None, |n: Option<u64>, side| {
        n.unwrap_or(1).checked_mul(side).map(Some).ok_or_else(|| wrong("have a shape beyond any memory"))
    })?;
    // No keys and no values is an empty dense row, or a sparse one in which everything is 0: the shape tells.
    if keys.is_empty() && (!values.is_empty() || shape.is_none()) {
        return match shape {
            Some(shape) if shape != values.len() as u64 => Err(wrong("have another number of values than their shape")),
            _ => Ok(RecordValues::Dense(values)),
        };
    }
    if keys.len() != values.len() {
        return Err(wrong("have another number of keys than of values"));
    }
    Ok(RecordValues::Sparse { keys, values, shape })
}
