//! The real `bootstrap`, as AWS Lambda runs it.

mod emulator;

use std::path::{Path, PathBuf};

use churn_features::{Feature, FeatureSchema};
use churn_model::fit::{Observations, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use churn_serve::ServedModel;
use serde_json::{Value, json};
use tempfile::TempDir;

use emulator::{Lambda, Told};

/// A forest on columns of these names, the first an industry; a small number in the fourth means churn.
fn write_model(path: &Path, names: &[&str]) {
    let industries = ["IT", "energy", "retail"].map(str::to_owned).to_vec();
    let feature = |(i, name): (usize, &&str)| match i {
        0 => Feature::category((*name).to_owned(), industries.clone()),
        _ => Feature::numeric((*name).to_owned()),
    };
    let schema = FeatureSchema::new(names.iter().enumerate().map(feature).collect()).expect("valid");
    let value = |row: usize, column: usize| if column == 0 { row % 3 } else { (row * 7 + column * 31) % 100 } as f32;
    let features = ndarray::Array2::from_shape_fn((400, names.len()), |(row, column)| value(row, column));
    let labels: Vec<bool> = features.column(3).iter().map(|jobs| *jobs < 30.0).collect();
    let observations = Observations::new(&schema, features.view(), &labels).expect("fits");
    let forest = RandomForestLearner { n_trees: 10, ..RandomForestLearner::default() };
    let forest = forest.fit(&observations).expect("fits");
    let columns = schema.features().iter().zip(features.columns());
    let references = columns.map(|(feature, column)| ReferenceHistogram::of(feature, column.iter().copied())).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    let card = ModelCard { algorithm: "random forest".to_owned(), ..ModelCard::default() };
    let model = Model::new(schema, ModelKind::Forest(forest), Calibrator::Identity, threshold, references, card);
    model.expect("fits together").write(path).expect("is written");
}

const COLUMNS: [&str; 7] = ["Industry", "Revenue", "Employees", "#job30", "#job90", "MonthlyCharge", "TotalCharge"];

/// The model of the original columns, in a folder that lives as long as the test.
fn model() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("is made");
    let path = folder.path().join("model.safetensors");
    write_model(&path, &COLUMNS);
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("is text")
}

/// What the original Python client sends.
fn company() -> Value {
    json!({"companyID": "comp_4", "revenu": 42, "industry": "retail", "employee": 17, "job30": 10, "job90": 80,
        "monthlyFee": 40, "totalFee": 90, "riskOfChurn": false})
}

/// Its feature vector, written down by hand.
const ROW: [f32; 7] = [2.0, 42.0, 17.0, 10.0, 80.0, 40.0, 90.0];

#[test]
fn a_company_is_answered_alike_in_every_payload_of_api_gateway() {
    let (_folder, path) = model();
    let lambda = Lambda::start(&[("CHURN_MODEL", text(&path))]);
    let body = company().to_string();
    let base64 = "eyJqb2IzMCI6MTB9"; // {"job30":10}
    let rest = json!({"resource": "/churn", "path": "/churn", "httpMethod": "POST", "headers": {}, "body": body,
        "isBase64Encoded": false, "requestContext": {"stage": "prod"}});
    let http = json!({"version": "2.0", "routeKey": "POST /churn", "rawPath": "/churn", "headers": {}, "body": body,
        "requestContext": {"http": {"method": "POST"}}, "isBase64Encoded": false});
    let answer = lambda.ask(rest);
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["headers"]["Content-Type"], "application/json");
    let text = answer["body"].as_str().expect("is text");
    assert!(text.starts_with(r#"{"churn":true,"probability":"#), "{text}");
    let parsed: Value = serde_json::from_str(text).expect("is JSON");
    let served = ServedModel::read(&path).expect("reads");
    assert_eq!(parsed["probability"], served.scorer().score(&ROW));
    assert_eq!((&parsed["threshold"], &parsed["model"]), (&json!(0.5), &json!(served.id())));
    assert!(parsed["reasons"][0].as_str().expect("is a sentence").contains("job"), "{parsed}");
    assert_eq!(lambda.ask(http)["body"], text);
    let in_base64 = lambda.ask(json!({"body": base64, "isBase64Encoded": true}));
    assert_eq!(in_base64["statusCode"], 200, "{in_base64}");
    assert!(in_base64["body"].as_str().expect("is text").contains(r#""missing":["industry","revenue","#));
}

#[test]
fn bodies_that_are_no_company_are_refused_and_the_next_one_is_answered() {
    let (_folder, path) = model();
    let lambda = Lambda::start(&[("CHURN_MODEL", text(&path))]);
    let refused = |event: Value, says: &str| {
        let answer = lambda.ask(event);
        assert_eq!(answer["statusCode"], 400, "{answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().expect("is text")).expect("is JSON");
        assert!(body["error"].as_str().expect("is a sentence").contains(says), "{body}");
    };
    refused(json!({"body": r#"{"employees":"many"}"#}), "employees: is \"many\"");
    refused(json!({"body": r#"{"employees":}"#}), "the body is not JSON: expected value at line 1 column 14");
    refused(json!({"body": "24670,6168,7,41"}), "the body is not JSON");
    refused(json!({"body": "7"}), "the body is a single value");
    refused(json!({"body": "[[1]]"}), "company 1 of 1: the body is a list");
    refused(json!({"body": "%", "isBase64Encoded": true}), "base64");
    refused(json!({"body": null}), "no body");
    refused(json!({"body": {"employees": 1}}), "no body");
    refused(json!([1, 2]), "no body");
    refused(json!("x"), "no body");
    refused(json!({"body": "[]"}), "the list is empty");
    refused(json!({"body": r#"{"employees":1,"employees":2}"#}), "names \"employees\" twice");
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    refused(json!({"body": format!("{open}1")}), "the body is not JSON");
    refused(json!({"body": format!("{{\"employees\":{open}{close}}}")}), "recursion limit");
    refused(json!({"body": format!("{{\"employees\":{:?}}}", "9".repeat(1 << 20))}), "1 MB");
    assert_eq!(lambda.post(&company()).0, 200);
}

#[test]
fn a_list_of_companies_is_answered_in_its_order_or_not_at_all() {
    let (_folder, path) = model();
    let lambda = Lambda::start(&[("CHURN_MODEL", text(&path))]);
    let busy = json!({"companyID": "c", "job30": 90, "industry": "farming"});
    let (status, answers) = lambda.post(&json!([company(), busy]));
    assert_eq!((status, &answers[0]["churn"], &answers[1]["churn"]), (200, &json!(true), &json!(false)));
    assert_eq!(answers[1]["unknown"], json!([{"field": "industry", "level": "farming"}]));
    let (status, error) = lambda.post(&json!([company(), {"job30": "x"}]));
    assert_eq!(status, 400);
    assert!(error["error"].as_str().expect("is a sentence").starts_with("company 2 of 2: job30: is"), "{error}");
    let (status, answers) = lambda.post(&Value::Array(vec![company(); 1000]));
    assert_eq!((status, answers.as_array().expect("is a list").len()), (200, 1000));
    assert_eq!(lambda.post(&Value::Array(vec![company(); 1001])).0, 413);
}

#[test]
fn without_a_usable_model_the_function_says_why_it_cannot_start() {
    let (folder, damaged) = model();
    let mut bytes = std::fs::read(&damaged).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&damaged, bytes).expect("writes");
    let nameless = folder.path().join("nameless.safetensors");
    write_model(&nameless, &["column_1", "column_2", "column_3", "column_4"]);
    for (model, says) in [
        ("/nowhere/model.safetensors", "/nowhere/model.safetensors"),
        (text(&damaged), "checksum"),
        (text(&nameless), "column_1"),
    ] {
        let lambda = Lambda::start(&[("CHURN_MODEL", model)]);
        let Told::InitError(error) = lambda.told() else { panic!("{model} starts") };
        assert!(error["errorMessage"].as_str().expect("is a sentence").contains(says), "{error}");
        assert_eq!(error["errorType"], "Runtime.InitError");
        assert!(!lambda.ended().success());
    }
}

#[test]
fn a_model_beside_the_function_is_found() {
    let (folder, _) = model();
    let lambda = Lambda::start(&[("LAMBDA_TASK_ROOT", text(folder.path()))]);
    assert_eq!(lambda.post(&company()).0, 200);
}

#[test]
fn where_no_model_is_found_the_paths_that_were_tried_are_told() {
    let (folder, path) = model();
    std::fs::remove_file(path).expect("is there");
    let beside = folder.path().join("model.safetensors");
    for (variable, value) in [("LAMBDA_TASK_ROOT", text(folder.path())), ("CHURN_MODEL", text(&beside))] {
        let Told::InitError(error) = Lambda::start(&[(variable, value)]).told() else { panic!("it starts") };
        let message = error["errorMessage"].as_str().expect("is a sentence");
        assert!(message.contains(text(&beside)) && !message.contains("--model"), "{message}");
        assert_eq!(message.contains("/opt/ml/model/model.safetensors"), variable == "LAMBDA_TASK_ROOT", "{message}");
    }
}

#[test]
fn outside_of_lambda_the_program_says_where_it_belongs() {
    let program = env!("CARGO_BIN_EXE_bootstrap");
    let output = std::process::Command::new(program).env_remove("AWS_LAMBDA_RUNTIME_API").output().expect("runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is started by AWS Lambda"));
}

#[cfg(not(feature = "sagemaker-endpoint"))]
#[test]
fn an_endpoint_is_refused_by_a_build_that_cannot_ask_it() {
    let (_folder, path) = model();
    let lambda = Lambda::start(&[("CHURN_MODEL", text(&path)), ("ENDPOINT_NAME", "churn")]);
    let Told::InitError(error) = lambda.told() else { panic!("it starts") };
    assert!(error["errorMessage"].as_str().expect("is a sentence").contains("sagemaker-endpoint"), "{error}");
}

#[cfg(feature = "sagemaker-endpoint")]
mod endpoint {
    use super::emulator::endpoint::Endpoint;
    use super::*;

    fn start(path: &Path, url: &str) -> Lambda {
        Lambda::start(&[
            ("CHURN_MODEL", text(path)),
            ("ENDPOINT_NAME", "churn-prod"),
            ("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ])
    }

    #[test]
    fn an_endpoint_gets_rows_in_the_order_of_the_model_file_and_its_answer_is_passed_on() {
        let (_folder, path) = model();
        let answer = r#"{"predictions":[{"score":0.25,"predicted_label":1},{"score":0.75,"predicted_label":0.0}]}"#;
        let endpoint = Endpoint::answering(200, &[("content-type", "application/json")], answer);
        let lambda = start(&path, &endpoint.url);
        let (status, answers) = lambda.post(&json!([company(), {"industry": "it", "revenue": 1.5, "job30": 0}]));
        assert_eq!(status, 200, "{answers}");
        assert_eq!(answers[0], json!({"churn": true, "probability": 0.25, "model": "churn-prod"}));
        assert_eq!((&answers[1]["churn"], &answers[1]["probability"]), (&json!(false), &json!(0.75)));
        let invoked = endpoint.invoked();
        assert_eq!(invoked.path, "/endpoints/churn-prod/invocations");
        assert_eq!(invoked.body, "retail,42,17,10,80,40,90\nIT,1.5,,0,,,");
        assert_eq!(
            (invoked.headers["content-type"].as_str(), invoked.headers["accept"].as_str()),
            ("text/csv", "application/json")
        );
        let signature = &invoked.headers["authorization"];
        assert!(
            signature.starts_with("AWS4-HMAC-SHA256 Credential=key/") && signature.contains("/eu-west-1/sagemaker/")
        );
    }

    #[test]
    fn a_score_without_label_is_decided_by_the_threshold_of_the_model_file() {
        let (_folder, path) = model();
        let endpoint = Endpoint::answering(200, &[], r#"{"predictions":[{"score":0.5}]}"#);
        let (_, answer) = start(&path, &endpoint.url).post(&company());
        assert_eq!(answer, json!({"churn": true, "probability": 0.5, "threshold": 0.5, "model": "churn-prod"}));
    }

    #[test]
    fn what_an_endpoint_refuses_or_does_not_answer_is_a_bad_gateway() {
        let (_folder, path) = model();
        let message = |url: &str| {
            let (status, body) = start(&path, url).post(&company());
            assert_eq!(status, 502, "{body}");
            body["error"].as_str().expect("is a sentence").to_owned()
        };
        let refusal = r#"{"Message":"Received client error (415) from primary","OriginalStatusCode":415,"OriginalMessage":"no csv here"}"#;
        let refusing = Endpoint::answering(424, &[("x-amzn-errortype", "ModelError")], refusal);
        assert_eq!(message(&refusing.url), "endpoint churn-prod: answers 415: no csv here");
        let other = Endpoint::answering(200, &[], r#"{"predictions":[]}"#);
        assert_eq!(message(&other.url), "endpoint churn-prod: answers 0 predictions for 1 rows");
        let html = Endpoint::answering(200, &[], "<html>");
        assert!(message(&html.url).contains("no JSON of predictions"));
        assert!(message("http://127.0.0.1:9").contains("cannot be asked"), "nobody listens there");
    }
}
