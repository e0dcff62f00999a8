//! `bootstrap-stream`: the AWS Lambda function behind a Kinesis event source. `docs/streaming-aws.md` tells how it is set up.
//!
//! | Variable | Meaning |
//! | --- | --- |
//! | `CHURN_STATE_TABLE` | the DynamoDB table with the states of tenants |
//! | `CHURN_MODEL` | the model file; without it only states are kept |
//! | `CHURN_SINK` | where score records go: `stdout` (the function's log, the default) or `kinesis:STREAM` |
//! | `CHURN_DEAD_LETTERS` | where records go that are no events, likewise |
//! | `CHURN_SCORE` | when a tenant is scored, as `consume --score` has it, but not `daily`: nothing runs when a date comes |
//! | `CHURN_REASONS` | how many reasons a score record has at most; 3 |

mod say;

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

use churn_model::Model;
use churn_streaming::lambda::{BatchResponse, DynamoStore, Handler};
use churn_streaming::{Aws, KinesisSink, LineSink, NamedSink, ProcessorOptions, ScoreWhen, Scoring, Sink, in_full};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::sync::oneshot;

/// An event, and who waits for what comes of it.
type Asked = (Value, oneshot::Sender<Result<BatchResponse, String>>);

fn main() -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        say::say("bootstrap-stream", "is started by AWS Lambda, which sets AWS_LAMBDA_RUNTIME_API");
        return ExitCode::FAILURE;
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::say("bootstrap-stream", &in_full(&*error));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let (ask, asked) = mpsc::channel::<Asked>();
    let (ready, is_ready) = mpsc::channel();
    // The clients of AWS have a runtime of their own and wait for it, which no task of another runtime may.
    std::thread::spawn(move || {
        let mut handler = match handler() {
            Ok(handler) => handler,
            Err(error) => return drop(ready.send(Err(in_full(&*error)))),
        };
        drop(ready.send(Ok(())));
        let mut log = |text: &str| say::say("bootstrap-stream", text);
        while let Ok((event, answer)) = asked.recv() {
            let response = handler.handle(&event, &mut log).map_err(|error| in_full(&error));
            // Whoever does not wait any more has been told something else.
            drop(answer.send(response));
        }
    });
    is_ready.recv()??;
    let ask = &ask;
    let answer = |event: LambdaEvent<Value>| async move {
        let (sender, receiver) = oneshot::channel();
        ask.send((event.payload, sender)).map_err(|_| "the function has ended".to_owned())?;
        receiver.await.map_err(|_| "the function has ended".to_owned())?.map_err(lambda_runtime::Error::from)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lambda_runtime::run(service_fn(answer))).map_err(|error| error as Box<dyn Error>)
}

fn handler() -> Result<Handler<DynamoStore>, Box<dyn Error>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let table =
        set("CHURN_STATE_TABLE").ok_or("CHURN_STATE_TABLE is not set: name the table with the states of tenants")?;
    let number = |name: &str, default: usize| -> Result<usize, String> {
        let parse = |text: String| text.parse().map_err(|_| format!("{name} is {text:?} where a number is expected"));
        set(name).map_or(Ok(default), parse)
    };
    let n_reasons = number("CHURN_REASONS", 3)?;
    let scoring = match set("CHURN_MODEL") {
        Some(path) => Some(Scoring::new(&Model::read(path.as_ref())?, n_reasons)?),
        None => None,
    };
    let when = match set("CHURN_SCORE") {
        _ if scoring.is_none() => ScoreWhen::Never,
        Some(text) => text.parse::<ScoreWhen>().map_err(|error| format!("CHURN_SCORE {error}"))?,
        None => ScoreWhen::default(),
    };
    if when == ScoreWhen::Daily {
        return Err(
            "CHURN_SCORE is daily, but nothing runs here when a date comes; name another, or run consume".into()
        );
    }
    let aws = Aws::connect(Arc::default())?;
    let sink = |name: &str| -> Result<Vec<NamedSink>, Box<dyn Error>> {
        let value = set(name).unwrap_or_else(|| "stdout".to_owned());
        let sink: Box<dyn Sink> = match value.split_once(':') {
            None if value == "stdout" => Box::new(LineSink::stdout()),
            Some(("kinesis", stream)) if !stream.is_empty() => Box::new(KinesisSink::new(&aws, stream)),
            _ => return Err(format!("{name} is {value:?} where stdout or kinesis:STREAM is expected").into()),
        };
        Ok(vec![NamedSink { name: value, sink }])
    };
    let (sinks, dead_letters) = (sink("CHURN_SINK")?, sink("CHURN_DEAD_LETTERS")?);
    Ok(Handler::new(
        ProcessorOptions { when, ..ProcessorOptions::default() },
        scoring,
        DynamoStore::new(&aws, &table),
        sinks,
        dead_letters,
    ))
}
