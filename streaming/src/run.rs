//! The loop of the program.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use churn_events::Timestamp;
use churn_features::StoreOptions;
use churn_model::Model;
use churn_streaming::{CheckpointFolder, Consumer, Next, ProcessorOptions, ScoreWhen, Scoring, Source, now};

use crate::clash::check_names;
use crate::options::Options;
use crate::report::Restored;
use crate::say::say;
use crate::state_name::FromName;
use crate::status::Status;
use crate::transports::{SinkName, SourceName, Transports};
use crate::watermark::Calendar;

/// How long the loop waits for records before it looks at everything else.
const WAIT: Duration = Duration::from_millis(200);

/// How long another process may take to leave the state folder.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far the clock of a producer may be ahead of ours. Up to there it is believed, so that an event that is taken in again
/// after a crash is received at the same time, and its score record has the same id.
const PRODUCERS_AHEAD_MS: i64 = 60_000;

pub(crate) fn run(mut options: Options) -> Result<(), Box<dyn Error>> {
    if options.kcl {
        return crate::child::run(options);
    }
    check_names(&options)?;
    if options.model.is_none() && options.score != ScoreWhen::Never {
        say("consume", "no --model was named: states are kept, and nothing is scored");
    }
    let mut transports = Transports::new(&options);
    let begun = Instant::now();
    let place = options.state.as_ref().map(|name| transports.state(name, options.state_lease)).transpose()?;
    let mut folder = place.map(|place| place.open(PATIENCE)).transpose()?;
    if let (Some(folder), Some(FromName::Latest)) = (&mut folder, options.from)
        && let Some(begun_at) = folder.begun_at(now())
    {
        // What came to a quiet shard while nobody read has to be read, too.
        options.from = Some(FromName::Time(begun_at));
    }
    let mut consumer = consumer(&options, &options.sink, &options.dead_letters, folder, &mut transports)?;
    let restored = Restored::of(&consumer, begun.elapsed());
    let mut source = transports.source(&options, &consumer)?;
    // After the states have been read, however long that took: whoever answers is alive and at work.
    #[cfg(feature = "metrics")]
    let metrics = options.metrics.as_deref();
    #[cfg(feature = "metrics")]
    let metrics = metrics.map(|address| crate::metrics::Metrics::serve(address, transports.retries())).transpose()?;
    // Not before: what a sink holds is not to be lost because a source was misspelt, or an address taken.
    consumer.begin()?;
    let stop = stop_flag()?;

    let mut status = Status::begin(&consumer, transports.retries());
    #[cfg(feature = "metrics")]
    if let Some((metrics, bound)) = metrics {
        say("consume", &format!("metrics at http://{bound}/metrics"));
        status.publish_to(metrics);
    }
    if let Some(restored) = &restored {
        say("consume", &restored.to_string());
    }
    status.note_restored(restored);
    let mut calendar = Calendar::begin(&consumer);
    // A log has no clock: what was received before a date is known at its end, however long reading it takes.
    let is_files = reads_files(&options);
    let ahead_ms = most_ahead_ms(&options);
    let (mut checkpointed, mut told) = (Instant::now(), Instant::now());
    let (mut has_ended, mut has_due) = (false, false);
    let ended = loop {
        if stop.load(Ordering::Relaxed) {
            break Ok(());
        }
        status.note_turn(&consumer);
        // What was received on a date must not come before anybody's score at it.
        match if has_due { Ok(Next::Idle) } else { source.next(WAIT) } {
            Ok(Next::Batch(batch)) => {
                if let Some(ahead_ms) = ahead_ms {
                    // Not once at the start: a pipe may have come to life a moment ago.
                    let latest = Timestamp::from_millis(now().millis().saturating_add(ahead_ms));
                    consumer.processor_mut().set_latest_receipt(latest);
                }
                let received_at = consumer.apply(&batch)?;
                status.note(&batch, received_at);
                calendar.note(&batch, received_at);
            }
            Ok(Next::Idle) => {}
            Ok(Next::End) => {
                calendar.note_end();
                has_ended = true;
            }
            // What came before it is kept.
            Err(error) => break Err(error),
        }
        if !is_files || has_ended {
            calendar.note_reading(|| source.reading());
            has_due = calendar.advance(&mut consumer)?;
        }
        if has_ended && !has_due {
            break Ok(());
        }
        if checkpointed.elapsed() >= options.checkpoint_every {
            checkpoint(&mut consumer, &mut *source, &mut status)?;
            checkpointed = Instant::now();
        }
        if told.elapsed() >= options.status_every {
            say("consume", &status.line(&mut consumer, now()));
            told = Instant::now();
        }
    };
    let kept = checkpoint(&mut consumer, &mut *source, &mut status);
    if let (Err(error), Err(_)) = (&ended, &kept) {
        // The other one is told by whoever started this.
        say("consume", &churn_streaming::in_full(error));
    }
    kept?;
    say("consume", &status.line(&mut consumer, now()));
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

/// What goes on from a checkpoint, or begins.
pub(crate) fn consumer(
    options: &Options,
    sinks: &[SinkName],
    dead_letters: &[SinkName],
    folder: Option<CheckpointFolder>,
    transports: &mut Transports,
) -> Result<Consumer, Box<dyn Error>> {
    let scoring = match &options.model {
        Some(path) => Some(Scoring::new(&Model::read(&model_file(path))?, options.reasons)?),
        None => None,
    };
    let when = if scoring.is_some() { options.score } else { ScoreWhen::Never };
    let store = StoreOptions { max_tenants: options.max_tenants.get(), ..StoreOptions::default() };
    let (sinks, dead_letters) = (transports.sinks(sinks)?, transports.sinks(dead_letters)?);
    let options = ProcessorOptions { store, when, ..ProcessorOptions::default() };
    Ok(Consumer::new(options, scoring, sinks, dead_letters, folder)?)
}

fn reads_files(options: &Options) -> bool {
    options.source.iter().any(|source| matches!(source, SourceName::File(_)))
}

/// How far ahead of our clock an event may have been received; `None` where the stream itself says when records arrived.
fn most_ahead_ms(options: &Options) -> Option<i64> {
    let most_ahead_ms = |source: &SourceName| match source {
        SourceName::File(_) => Some(0),
        // Its producers say so.
        SourceName::Kafka(_) => Some(PRODUCERS_AHEAD_MS),
        SourceName::Kinesis(_) => None,
    };
    options.source.iter().filter_map(most_ahead_ms).min()
}

pub(crate) fn model_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() }
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
