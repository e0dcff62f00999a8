//! `bootstrap`: the AWS Lambda function behind API Gateway that answers company JSON.
//!
//! It scores in process. With `ENDPOINT_NAME` it asks that SageMaker endpoint instead, with rows in the order that the
//! model file has its features in; this needs the cargo feature `sagemaker-endpoint`.
//!
//! | Variable | Meaning |
//! | --- | --- |
//! | `CHURN_MODEL` | the model file; otherwise `/opt/ml/model/model.safetensors` or, if there is none, `model.safetensors` beside this program |
//! | `ENDPOINT_NAME` | a SageMaker endpoint that scores |

#[cfg(feature = "sagemaker-endpoint")]
mod endpoint;
mod error;
mod facade;
mod init_error;
mod proxy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use error::StartError;
use facade::Facade;

fn main() -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!("bootstrap: is started by AWS Lambda, which sets AWS_LAMBDA_RUNTIME_API; see examples/sagemaker");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bootstrap: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run())
}

async fn run() -> ExitCode {
    let endpoint = std::env::var("ENDPOINT_NAME").ok().filter(|name| !name.is_empty());
    let facade = async { Facade::new(&model_path()?, endpoint).await };
    let facade = match facade.await {
        Ok(facade) => facade,
        Err(error) => {
            init_error::report(&error).await;
            return ExitCode::FAILURE;
        }
    };
    eprintln!("bootstrap: {facade}");
    let facade = &facade;
    let answer =
        |event: LambdaEvent<Value>| async move { Ok::<_, lambda_runtime::Error>(facade.answer(&event.payload).await) };
    match lambda_runtime::run(service_fn(answer)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bootstrap: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The model that is named, or the first of where it may be.
fn model_path() -> Result<PathBuf, StartError> {
    let tried = match std::env::var_os("CHURN_MODEL").filter(|path| !path.is_empty()) {
        Some(path) => vec![path.into()],
        None => {
            let usual = PathBuf::from("/opt/ml/model/model.safetensors"); // where layers and containers put it
            let beside = std::env::var_os("LAMBDA_TASK_ROOT").map(|root| Path::new(&root).join("model.safetensors"));
            [Some(usual), beside].into_iter().flatten().collect()
        }
    };
    match tried.iter().find(|path| path.exists()) {
        Some(path) => Ok(path.clone()),
        None => Err(StartError::NoModel { tried }),
    }
}
