//! Tells Lambda why the function cannot start, so that the reason stands in its console and logs.

use std::error::Error;

use churn_serve::chain;
use lambda_runtime::Diagnostic;
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{BoxError, Client, build_request};

/// Reports the error, on standard error at least.
pub(crate) async fn report(error: &dyn Error) {
    let message = chain(error);
    eprintln!("bootstrap: {message}");
    if let Err(error) = send(message).await {
        eprintln!("bootstrap: cannot report this: {error}");
    }
}

async fn send(error_message: String) -> Result<(), BoxError> {
    let diagnostic = Diagnostic { error_type: "Runtime.InitError".to_owned(), error_message };
    let request = build_request()
        .method("POST")
        .uri("/2018-06-01/runtime/init/error")
        .header("lambda-runtime-function-error-type", &diagnostic.error_type)
        .body(Body::from(serde_json::to_vec(&diagnostic)?))?;
    Client::builder().build()?.call(request).await?;
    Ok(())
}
