//! The Open Inference Protocol, version 2: tensors in, tensors out.
//!
//! Source: kserve/open-inference-protocol, `specification/protocol/inference_rest.md`.

use churn_events::beginning;
use churn_features::{Feature, FeatureKind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::{push, rows_of_columns};
use crate::http::refusal::Refusal;
use crate::json_value::MOST_HELD;
use crate::problem::Problem;
use crate::row::{BadRows, RowCollector, RowSchema, Rows};
use crate::served_model::ServedModel;

#[derive(Debug, Deserialize)]
struct InferRequest {
    id: Option<String>,
    inputs: Vec<Tensor>,
    /// The outputs that are asked for; all where there are none.
    outputs: Option<Vec<RequestedOutput>>,
}

#[derive(Debug, Deserialize)]
struct RequestedOutput {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    data: Vec<Value>,
}

/// What is answered, and its datatype.
const OUTPUTS: [(&str, &str); 2] = [("score", "FP64"), ("predicted_label", "INT64")];

/// Whether a value is of a datatype, and what is expected.
type Fits = (fn(&Value) -> bool, &'static str);

/// The values of a datatype, where JSON can hold them; any may be null, which is missing.
fn fits(datatype: &str) -> Option<Fits> {
    Some(match datatype {
        "BOOL" => (Value::is_boolean, "true, false or null, because the datatype is BOOL"),
        "BYTES" => (Value::is_string, "a text or null, because the datatype is BYTES"),
        "FP32" | "FP64" => (Value::is_number, "a number or null, because the datatype is FP32 or FP64"),
        "INT8" | "INT16" | "INT32" | "INT64" => {
            (|value| value.is_i64(), "a whole number or null, because the datatype is INT8 to INT64")
        }
        "UINT8" | "UINT16" | "UINT32" | "UINT64" => {
            (|value| value.is_u64(), "a whole number of at least 0, or null, because the datatype is UINT8 to UINT64")
        }
        _ => return None,
    })
}

/// Scores the rows of an inference request: one tensor of all features, or one tensor per feature by its name.
///
/// # Errors
/// When the request is not one, or its tensors are not the model's features.
pub(crate) fn infer(name: &str, model: &ServedModel, body: &[u8]) -> Result<(Vec<u8>, Vec<f64>), Refusal> {
    if body.len() > MOST_HELD {
        return Err(Refusal::TensorsTooLarge { most_bytes: MOST_HELD });
    }
    let mut request: InferRequest = serde_json::from_slice(body).map_err(|source| Problem::Json { source })?;
    let asked = request.outputs.unwrap_or_default();
    if let Some(unknown) = asked.iter().find(|it| !OUTPUTS.iter().any(|(name, _)| *name == it.name)) {
        let path = format!("output {:?}", beginning(&unknown.name));
        return Err(Problem::Form { path, expected: "score or predicted_label" }.into());
    }
    request.inputs.iter_mut().try_for_each(Tensor::make_flat)?;
    let rows = rows(&request.inputs, model.rows())?;
    let scores = model.scorer().score_batch(&rows.values);
    let labels: Vec<u8> = scores.iter().map(|&score| u8::from(model.model().decide(score))).collect();
    model.observe(&rows.values);
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|it| it.name == name);
    let outputs = OUTPUTS.iter().zip([json!(scores), json!(labels)]).filter(|((name, _), _)| is_asked(name));
    let outputs: Vec<Value> = outputs
        .map(|((name, datatype), data)| json!({ "name": name, "datatype": datatype, "shape": [scores.len()], "data": data }))
        .collect();
    let mut answer = json!({ "model_name": name, "model_version": model.id(), "outputs": outputs });
    if let Some(id) = request.id {
        answer["id"] = id.into();
    }
    Ok((answer.to_string().into_bytes(), scores))
}

/// What a model takes and gives, as the protocol describes it: one tensor per feature, because texts and numbers do not go
/// into one.
pub(crate) fn metadata(name: &str, model: &ServedModel) -> Value {
    let input = |feature: &Feature| {
        let datatype = match feature.kind() {
            FeatureKind::Numeric => "FP32",
            FeatureKind::Boolean => "BOOL",
            FeatureKind::Category { .. } => "BYTES",
        };
        json!({ "name": feature.name(), "datatype": datatype, "shape": [-1] })
    };
    let inputs: Vec<Value> = model.model().schema().features().iter().map(input).collect();
    json!({
        "name": name,
        "versions": [model.id()],
        "platform": "churn-model",
        "inputs": inputs,
        "outputs": OUTPUTS.map(|(name, datatype)| json!({ "name": name, "datatype": datatype, "shape": [-1] })),
    })
}

impl Tensor {
    /// What a message calls it.
    fn path(&self) -> String {
        format!("input {:?}", beginning(&self.name))
    }

    /// Makes one flat list of the data, row after row, whose values are of the datatype.
    ///
    /// # Errors
    /// When they are not, or the data have another shape than they say.
    fn make_flat(&mut self) -> Result<(), Problem> {
        let input = self.path();
        let Some((is_fit, expected)) = fits(&self.datatype) else {
            let expected = "datatype BOOL, UINT8 to UINT64, INT8 to INT64, FP32, FP64 or BYTES";
            return Err(Problem::Form { path: input, expected });
        };
        let n_values = self.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        let mut has_shape = true;
        if self.data.iter().any(Value::is_array) {
            let mut flat = Vec::new();
            has_shape = flatten(std::mem::take(&mut self.data), &self.shape, &mut flat);
            self.data = flat;
        }
        if !has_shape || n_values != Some(self.data.len()) {
            let expected = "as many data as the shape says, in one flat list or in lists nested as it says";
            return Err(Problem::Form { path: input, expected });
        }
        match self.data.iter().position(|value| !value.is_null() && !is_fit(value)) {
            Some(at) => Err(Problem::Form { path: format!("{input}, value {}", at + 1), expected }),
            None => Ok(()),
        }
    }
}

/// Adds the values of lists that are nested as the shape says; whether they are.
fn flatten(data: Vec<Value>, shape: &[usize], flat: &mut Vec<Value>) -> bool {
    match shape {
        [size, rest @ ..] if data.len() == *size => {
            if rest.is_empty() {
                flat.extend(data);
                return true;
            }
            data.into_iter().all(|item| match item {
                Value::Array(items) => flatten(items, rest, flat),
                _ => false,
            })
        }
        _ => false,
    }
}

fn rows(inputs: &[Tensor], schema: &RowSchema) -> Result<Rows, Problem> {
    let mut rows = RowCollector::new(schema.width(), BadRows::Refuse, MOST_HELD);
    match inputs {
        [tensor] if schema.position(&tensor.name).is_none() || schema.width() > 1 => {
            if !(1..=2).contains(&tensor.shape.len()) {
                return Err(Problem::Form { path: tensor.path(), expected: "a shape of rows and features" });
            }
            let found = tensor.shape.last().copied().unwrap_or(0);
            if found != schema.width() {
                return Err(Problem::Row { row: 1, problem: schema.wrong_width(found) });
            }
            for row in tensor.data.chunks_exact(schema.width()) {
                rows.push(|values| push(row.iter(), schema, values))?;
            }
        }
        _ => {
            let lists: Vec<(&str, &[Value])> =
                inputs.iter().map(|tensor| (tensor.name.as_str(), tensor.data.as_slice())).collect();
            rows_of_columns("list of inputs", &lists, schema, &mut rows)?;
        }
    }
    rows.finish().map_err(|_| Problem::Form { path: "inputs".to_owned(), expected: "at least one row" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_models;

    fn flat(tensor: Value) -> Result<Vec<Value>, String> {
        let mut tensor: Tensor = serde_json::from_value(tensor).unwrap();
        tensor.make_flat().map(|()| tensor.data).map_err(|problem| problem.to_string())
    }

    fn tensor(datatype: &str, shape: &[usize], data: Value) -> Value {
        json!({ "name": "x", "datatype": datatype, "shape": shape, "data": data })
    }

    #[test]
    fn the_outputs_that_are_asked_for_are_answered() {
        let model = ServedModel::new(test_models::nameless_model());
        let row = [1, 2, 3, 4, 5, 0, 7];
        let ask = |more: Value| {
            let mut request = json!({ "inputs": [tensor("INT64", &[2, 7], json!([row, row]))] });
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let answer = infer("churn", &model, request.to_string().as_bytes());
            answer.map(|(body, _)| serde_json::from_slice::<Value>(&body).unwrap()["outputs"].clone())
        };
        let score = model.model().score(&[1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 1.0]);
        let scores = json!({ "name": "score", "datatype": "FP64", "shape": [2], "data": [score, score] });
        let label = u8::from(score >= 0.5);
        let labels = json!({ "name": "predicted_label", "datatype": "INT64", "shape": [2], "data": [label, label] });
        for all in [json!({}), json!({ "outputs": null }), json!({ "outputs": [] })] {
            assert_eq!(ask(all).unwrap(), json!([scores, labels]));
        }
        assert_eq!(ask(json!({ "outputs": [{ "name": "predicted_label" }] })).unwrap(), json!([labels]));
        let refusal = ask(json!({ "outputs": [{ "name": "score" }, { "name": "reasons" }] })).unwrap_err();
        assert_eq!(refusal.to_string(), "output \"reasons\": expected score or predicted_label");
        assert_eq!(refusal.status(), 400);
    }

    #[test]
    fn what_the_metadata_describe_is_understood() {
        let model = ServedModel::new(test_models::model());
        let inputs = metadata("churn", &model)["inputs"].as_array().unwrap().clone();
        let values = |datatype: &Value| match datatype.as_str() {
            Some("FP32") => json!([7.5, null]),
            Some("BOOL") => json!([true, null]),
            _ => json!(["energy", null]),
        };
        let tensors: Vec<Value> = inputs
            .iter()
            .map(|input| {
                assert_eq!(input["shape"], json!([-1]));
                json!({ "name": input["name"], "datatype": input["datatype"], "shape": [2], "data": values(&input["datatype"]) })
            })
            .collect();
        let (_, scores) = infer("churn", &model, json!({ "inputs": tensors }).to_string().as_bytes()).unwrap();
        let expected = [[7.5, 7.5, 7.5, 7.5, 7.5, 1.0, 1.0], [f32::NAN; 7]].map(|row| model.model().score(&row));
        assert_eq!(scores, expected);
    }

    #[test]
    fn a_request_that_is_refused_says_what_is_wrong_with_it() {
        let model = ServedModel::new(test_models::nameless_model());
        let refused = |body: &str| infer("churn", &model, body.as_bytes()).unwrap_err();
        let message = |request: Value| refused(&request.to_string()).message();
        let row = json!([1, 2, 3, 4, 5, 0, 7]);
        let of_shape =
            |shape: &[usize], data: &Value| message(json!({ "inputs": [tensor("INT64", shape, data.clone())] }));
        assert_eq!(of_shape(&[1, 1, 7], &row), "input \"x\": expected a shape of rows and features");
        assert!(of_shape(&[1, 6], &json!([1, 2, 3, 4, 5, 6])).starts_with("row 1: 6 columns where the model takes 7"));
        assert_eq!(of_shape(&[0, 7], &json!([])), "inputs: expected at least one row");
        assert!(
            message(json!({ "id": "a" })).starts_with("the body is JSON of another form than is read: missing field")
        );
        let large = refused(&" ".repeat(MOST_HELD + 1));
        assert!(large.status() == 413 && !large.message().contains("SAGEMAKER"), "{large}");
    }

    #[test]
    fn nested_data_mean_the_same_as_flat_ones() {
        let expected = vec![json!(1), json!(2.5), json!(null), json!(4)];
        for data in [json!([1, 2.5, null, 4]), json!([[1, 2.5], [null, 4]])] {
            assert_eq!(flat(tensor("FP32", &[2, 2], data)), Ok(expected.clone()));
        }
        assert_eq!(flat(tensor("FP32", &[2, 2, 1], json!([[[1], [2.5]], [[null], [4]]]))), Ok(expected));
        assert_eq!(flat(tensor("FP32", &[2, 0], json!([[], []]))), Ok(vec![]));
    }

    #[test]
    fn data_of_another_shape_are_refused() {
        let cases: [(&[usize], Value); 8] = [
            (&[2, 2], json!([1, 2, 3])),
            (&[2, 2], json!([[1, 2], [3]])),
            (&[2, 2], json!([[1, 2], 3, 4])),
            (&[2, 2], json!([[1, 2, 3, 4]])),
            (&[4], json!([[1, 2], [3, 4]])),
            (&[2, 2, 2], json!([[1, 2], [3, 4]])),
            (&[], json!([[1]])),
            (&[usize::MAX, 2], json!([1])),
        ];
        for (shape, data) in cases {
            let error = flat(tensor("FP32", shape, data.clone())).unwrap_err();
            assert!(error.contains("input \"x\": expected as many data as the shape says"), "{data}: {error}");
        }
        // A list where a value belongs.
        assert!(flat(tensor("FP32", &[2], json!([1, [2]]))).unwrap_err().contains("value 2: expected a number"));
    }

    #[test]
    fn values_are_of_the_datatype_or_null() {
        let values = [json!(true), json!("a"), json!(1), json!(-1), json!(1.5)];
        let fitting =
            |datatype: &str| values.each_ref().map(|value| flat(tensor(datatype, &[2], json!([null, value]))).is_ok());
        assert_eq!(fitting("BOOL"), [true, false, false, false, false]);
        assert_eq!(fitting("BYTES"), [false, true, false, false, false]);
        assert_eq!(fitting("UINT8"), [false, false, true, false, false]);
        assert_eq!(fitting("INT64"), [false, false, true, true, false]);
        assert_eq!(fitting("FP64"), [false, false, true, true, true]);
        let error = flat(tensor("FP32", &[2], json!([1, "2"]))).unwrap_err();
        assert_eq!(error, "input \"x\", value 2: expected a number or null, because the datatype is FP32 or FP64");
        assert!(flat(tensor("FP99", &[1], json!([1]))).unwrap_err().contains("expected datatype BOOL"));
    }
}
