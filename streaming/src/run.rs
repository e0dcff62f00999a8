//! The loop of the program.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use churn_events::{ObservationDate, Timestamp};
use churn_features::StoreOptions;
use churn_model::Model;
use churn_streaming::{
    CheckpointFolder, Consumer, FileSource, LineSink, NamedSink, Next, ProcessorOptions, Retries, ScoreWhen, Scoring,
    Sink, SinkError, Source,
};

use crate::options::{Options, SinkName, SourceName};
use crate::status::Status;

/// How long the loop waits for records before it looks at everything else.
const WAIT: Duration = Duration::from_millis(200);

/// How long another process may take to leave the state folder.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let scoring = match &options.model {
        Some(path) => Some(Scoring::new(&Model::read(&model_file(path))?, options.reasons)?),
        None => None,
    };
    let when = if scoring.is_some() { options.score } else { ScoreWhen::Never };
    let store = StoreOptions { max_tenants: options.max_tenants, ..StoreOptions::default() };
    #[cfg(feature = "metrics")]
    let metrics = options.metrics.as_deref().map(crate::metrics::Metrics::serve).transpose()?;
    let folder = options.state.as_deref().map(|path| CheckpointFolder::open(path, PATIENCE)).transpose()?;
    let (sinks, dead_letters) = (named(&options.sink)?, named(&options.dead_letters)?);
    let mut consumer = Consumer::new(ProcessorOptions { store, when }, scoring, sinks, dead_letters, folder)?;
    let retries = Arc::new(Retries::default());
    let mut source = source(&options, &consumer)?;
    let stop = stop_flag()?;

    let mut status = Status::begin(&consumer, retries);
    #[cfg(feature = "metrics")]
    if let Some((metrics, bound)) = metrics {
        eprintln!("consume: metrics at http://{bound}/metrics");
        status.publish_to(metrics);
    }
    let mut last_date = None;
    let (mut checkpointed, mut told) = (Instant::now(), Instant::now());
    let ended = loop {
        if stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        status.note_turn(&consumer);
        match source.next(WAIT) {
            Ok(Next::Batch(batch)) => {
                let received_at = consumer.apply(&batch)?;
                status.note(&batch, received_at);
            }
            Ok(Next::Idle) => {}
            Ok(Next::End) => {
                status.note_end();
                advance(&mut consumer, &status, &mut last_date)?;
                break Ok(());
            }
            // What came before it is kept.
            Err(error) => break Err(error),
        }
        advance(&mut consumer, &status, &mut last_date)?;
        if checkpointed.elapsed() >= options.checkpoint_every {
            checkpoint(&mut consumer, &mut *source, &mut status)?;
            checkpointed = Instant::now();
        }
        if told.elapsed() >= options.status_every {
            eprintln!("consume: {}", status.line(&mut consumer, now()));
            told = Instant::now();
        }
    };
    checkpoint(&mut consumer, &mut *source, &mut status)?;
    eprintln!("consume: {}", status.line(&mut consumer, now()));
    Ok(ended?)
}

/// Makes everything so far last, and moves the source's positions.
fn checkpoint(consumer: &mut Consumer, source: &mut dyn Source, status: &mut Status) -> Result<(), Box<dyn Error>> {
    status.note_checkpoint_begins();
    let begun = Instant::now();
    source.note_checkpoint(consumer.checkpoint()?)?;
    status.note_checkpoint(begun.elapsed(), consumer, now());
    Ok(())
}

/// Scores whoever is due by date, once for each date.
fn advance(consumer: &mut Consumer, status: &Status, last: &mut Option<ObservationDate>) -> Result<(), Box<dyn Error>> {
    let Some(date) = status.watermark(now()).map(Timestamp::date).filter(|date| last.is_none_or(|last| *date > last))
    else {
        return Ok(());
    };
    *last = Some(date);
    Ok(consumer.advance_to(date)?)
}

fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
}

fn named(names: &[SinkName]) -> Result<Vec<NamedSink>, SinkError> {
    let open = |name: &SinkName| -> Result<NamedSink, SinkError> {
        let sink: Box<dyn Sink> = match name {
            SinkName::Stdout => Box::new(LineSink::stdout()),
            SinkName::File(path) => Box::new(LineSink::file(path)?),
        };
        Ok(NamedSink { name: name.to_string(), sink })
    };
    names.iter().map(open).collect()
}

fn source(options: &Options, consumer: &Consumer) -> Result<Box<dyn Source>, Box<dyn Error>> {
    let paths: Vec<PathBuf> = options.source.iter().map(|SourceName::File(path)| path.clone()).collect();
    let position_of = |name: &str| consumer.processor().positions().get(name).copied();
    Ok(Box::new(FileSource::open(&paths, options.speed, position_of)?))
}

/// Set when the process is asked to end; a second signal ends it at once.
fn stop_flag() -> Result<Arc<AtomicBool>, std::io::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
