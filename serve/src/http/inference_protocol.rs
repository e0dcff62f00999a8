//! The Open Inference Protocol, version 2: tensors in, tensors out.
//!
//! Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::rows_of_columns;
use crate::problem::Problem;
use crate::row::{BadRows, RowCollector, RowSchema, Rows};
use crate::served_model::ServedModel;

#[derive(Debug, Deserialize)]
struct InferRequest {
    id: Option<String>,
    inputs: Vec<Tensor>,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Vec<Value>,
}

/// Bytes of a request, whose tensors are held as JSON values.
const MOST_HELD: usize = 4 << 20;

/// Datatypes whose values JSON can hold.
const DATATYPES: [&str; 12] =
    ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES"];

/// Scores the rows of an inference request: one tensor of all features, or one tensor per feature by its name.
///
/// # Errors
/// When the request is not one, or its tensors are not the model's features.
pub(crate) fn infer(name: &str, model: &ServedModel, body: &[u8]) -> Result<(Vec<u8>, Vec<f64>), Problem> {
    if body.len() > MOST_HELD {
        return Err(Problem::TooLarge { most_bytes: MOST_HELD });
    }
    let request: InferRequest = serde_json::from_slice(body).map_err(|source| Problem::Json { source })?;
    let rows = rows(&request.inputs, model.rows())?;
    let scores = model.scorer().score_batch(&rows.values);
    let labels: Vec<u8> = scores.iter().map(|&score| u8::from(model.model().decide(score))).collect();
    model.observe(&rows.values);
    let mut answer = json!({
        "model_name": name,
        "model_version": model.id(),
        "outputs": [
            { "name": "score", "datatype": "FP64", "shape": [scores.len()], "data": scores },
            { "name": "predicted_label", "datatype": "INT64", "shape": [scores.len()], "data": labels },
        ],
    });
    if let Some(id) = request.id {
        answer["id"] = id.into();
    }
    Ok((answer.to_string().into_bytes(), scores))
}

/// What a model takes and gives, as the protocol describes it.
pub(crate) fn metadata(name: &str, model: &ServedModel) -> Value {
    json!({
        "name": name,
        "versions": [model.id()],
        "platform": "churn-model",
        "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, model.rows().width()] }],
        "outputs": [
            { "name": "score", "datatype": "FP64", "shape": [-1] },
            { "name": "predicted_label", "datatype": "INT64", "shape": [-1] },
        ],
    })
}

fn rows(inputs: &[Tensor], schema: &RowSchema) -> Result<Rows, Problem> {
    for tensor in inputs {
        let form = |expected| Problem::Form { path: format!("input {:?}", tensor.name), expected };
        if !DATATYPES.contains(&tensor.datatype.as_str()) {
            return Err(form("datatype BOOL, UINT8 to UINT64, INT8 to INT64, FP32, FP64 or BYTES"));
        }
        let n_values = tensor.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        if n_values != Some(tensor.data.len()) {
            return Err(form("as many data as the shape says, in one flat list"));
        }
    }
    let mut rows = RowCollector::new(schema.width(), BadRows::Refuse);
    match inputs {
        [tensor] if schema.position(&tensor.name).is_none() || schema.width() > 1 => {
            let found = tensor.shape.last().copied().unwrap_or(0);
            if tensor.shape.len() > 2 || found != schema.width() {
                return Err(Problem::Row { row: 1, problem: schema.wrong_width(found) });
            }
            for row in tensor.data.chunks_exact(schema.width()) {
                rows.push(|values| {
                    for (position, value) in row.iter().enumerate() {
                        values.push(schema.json_value(position, value, position + 1)?);
                    }
                    Ok(())
                })?;
            }
        }
        _ => {
            let lists: Vec<(&str, &[Value])> =
                inputs.iter().map(|tensor| (tensor.name.as_str(), tensor.data.as_slice())).collect();
            rows_of_columns("list of inputs", &lists, schema, &mut rows)?;
        }
    }
    rows.finish()
}
