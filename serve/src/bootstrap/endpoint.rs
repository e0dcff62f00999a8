//! A SageMaker endpoint that scores: rows go there as CSV in the order of the model's features, scores come back.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::error::SdkError;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use churn_features::{Feature, FeatureSchema};
use churn_model::{Model, Threshold};
use churn_serve::{CompanyAnswer, CompanyRow};
use serde::Deserialize;

use crate::error::Refusal;

/// API Gateway waits for 29 s; the caller should learn why nobody answered.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// One more than the first: a connection may have been closed meanwhile.
const ATTEMPTS: u32 = 2;

/// An endpoint; the model file says what it reads.
#[derive(Debug)]
pub(crate) struct Endpoint {
    client: Client,
    name: String,
}

/// Why an endpoint gave no scores.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    #[error("cannot be asked")]
    Call { source: Box<SdkError<InvokeEndpointError>> },
    #[error("answers {status}: {message}")]
    Refused { status: i32, message: String },
    #[error("answers no JSON of predictions")]
    NoPredictions { source: serde_json::Error },
    #[error("answers {found} predictions for {expected} rows")]
    WrongCount { found: usize, expected: usize },
}

/// The answer of the linear learner, of our own container, and of XGBoost, which gives no label.
#[derive(Debug, Deserialize)]
struct Predictions {
    predictions: Vec<Prediction>,
}

#[derive(Debug, Deserialize)]
struct Prediction {
    score: f64,
    predicted_label: Option<f64>,
}

impl Endpoint {
    /// Takes region and credentials from the environment, as in every function.
    pub(crate) async fn new(name: String) -> Self {
        let http =
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(TimeoutConfig::builder().operation_timeout(LONGEST_WAIT).build())
            .load()
            .await;
        Self { client: Client::new(&config), name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// One answer per row.
    pub(crate) async fn answers(&self, model: &Model, rows: Vec<CompanyRow>) -> Result<Vec<CompanyAnswer>, Refusal> {
        let predictions = self
            .ask(model.schema(), &rows)
            .await
            .map_err(|source| Refusal::Endpoint { name: self.name.clone(), source })?;
        Ok(rows
            .into_iter()
            .zip(predictions)
            .map(|(row, prediction)| self.answer(model.threshold(), row, &prediction))
            .collect())
    }

    async fn ask(&self, schema: &FeatureSchema, rows: &[CompanyRow]) -> Result<Vec<Prediction>, EndpointError> {
        let call = self.client.invoke_endpoint().endpoint_name(&self.name).content_type("text/csv");
        let body = Blob::new(csv(schema, rows));
        let output = call.accept("application/json").body(body).send().await.map_err(EndpointError::of)?;
        let body = output.body.unwrap_or_else(|| Blob::new([]));
        let Predictions { predictions } =
            serde_json::from_slice(body.as_ref()).map_err(|source| EndpointError::NoPredictions { source })?;
        match predictions.len() {
            found if found == rows.len() => Ok(predictions),
            found => Err(EndpointError::WrongCount { found, expected: rows.len() }),
        }
    }

    fn answer(&self, threshold: &Threshold, row: CompanyRow, prediction: &Prediction) -> CompanyAnswer {
        let decided = prediction.predicted_label.map(|label| label == 1.0);
        CompanyAnswer {
            churn: decided.unwrap_or_else(|| threshold.decide(prediction.score)),
            probability: prediction.score,
            threshold: decided.is_none().then_some(threshold.score), // a label follows the endpoint's own
            model: self.name.clone(),
            reasons: Vec::new(),
            missing: row.missing,
            unfilled: row.unfilled,
            unknown: row.unknown,
        }
    }
}

impl EndpointError {
    fn of(error: SdkError<InvokeEndpointError>) -> Self {
        match error.as_service_error() {
            Some(InvokeEndpointError::ModelError(refused)) => Self::Refused {
                status: refused.original_status_code().unwrap_or_default(),
                message: refused.original_message().unwrap_or_default().to_owned(),
            },
            _ => Self::Call { source: Box::new(error) },
        }
    }
}

/// The rows as clients send them: no header, blanks for what is missing, no line end behind the last.
fn csv(schema: &FeatureSchema, rows: &[CompanyRow]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let cells = schema.features().iter().zip(&row.values).map(|(feature, value)| cell(feature, *value));
        writer
            .write_record(cells)
            .expect("this cannot fail because all rows have one width and memory takes all bytes");
    }
    let mut body = writer.into_inner().expect("this cannot fail because memory takes all bytes");
    body.pop_if(|end| *end == b'\n');
    body
}

fn cell(feature: &Feature, value: f32) -> String {
    if value.is_nan() {
        return String::new();
    }
    match feature.levels().get(value as usize) {
        Some(level) => level.clone(),
        None => value.to_string(),
    }
}
