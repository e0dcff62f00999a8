//! Tries the reader and the sinks by themselves; the tests of `tests/` run it against emulators.
//!
//! ```text
//! aws_pipes read --stream S... [--initial latest|oldest] [--checkpoint FILE] [--seconds N] [--idle N]
//! aws_pipes write SINK --tenants N --records N [--letters N] [--keep-every N] [--state FILE] [--die-after N]
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_events::ObservationDate;
use churn_streaming::{
    Aws, CompanyNumbers, DeadLetter, InitialPosition, KinesisSink, KinesisSource, KinesisStart, Next, ObjectFormat,
    ObjectSink, Position, Retries, ScoreRecord, Sink, SinkPosition, Source, in_full,
};
use clap::Parser;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
enum Arguments {
    Read {
        #[arg(long, required = true)]
        stream: Vec<String>,
        #[arg(long, default_value = "oldest")]
        initial: String,
        #[arg(long)]
        checkpoint: Option<PathBuf>,
        #[arg(long, default_value_t = 600.0)]
        seconds: f64,
        /// Ends when nothing came for so long.
        #[arg(long, default_value_t = 5.0)]
        idle: f64,
    },
    Write {
        /// kinesis:STREAM, folder:PATH or s3://BUCKET/PREFIX
        sink: String,
        #[arg(long)]
        parquet: bool,
        #[arg(long, default_value_t = 10)]
        tenants: usize,
        #[arg(long, default_value_t = 1000)]
        records: usize,
        #[arg(long, default_value_t = 0)]
        letters: usize,
        #[arg(long, default_value_t = 100)]
        keep_every: usize,
        /// Where the checkpoint is kept; the next run goes on from it.
        #[arg(long)]
        state: Option<PathBuf>,
        /// Dies between keeping this many records and the checkpoint.
        #[arg(long)]
        die_after: Option<usize>,
    },
}

#[derive(Default, Serialize, Deserialize)]
struct Checkpoint {
    positions: BTreeMap<String, Position>,
    ended: BTreeSet<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let retries = Arc::new(Retries::default());
    let aws = Aws::connect(Arc::clone(&retries))?;
    let done = match Arguments::parse() {
        Arguments::Read { stream, initial, checkpoint, seconds, idle } => {
            read(&aws, &stream, &initial, checkpoint, seconds, idle)
        }
        Arguments::Write { sink, parquet, tenants, records, letters, keep_every, state, die_after } => {
            let format = if parquet { ObjectFormat::Parquet } else { ObjectFormat::JsonLines };
            let mut sink: Box<dyn Sink> = match sink.split_once(':') {
                Some(("kinesis", stream)) => Box::new(KinesisSink::new(&aws, stream)),
                Some(("folder", path)) => Box::new(ObjectSink::folder(path.as_ref(), format, Arc::clone(&retries))),
                _ => Box::new(ObjectSink::s3(&aws, &sink, format)?),
            };
            write(&mut *sink, tenants, records, letters, keep_every, state, die_after)
        }
    };
    for ((operation, why), times) in retries.counts() {
        eprintln!("retries {operation} {} {times}", why.name());
    }
    eprintln!("trimmed {}", retries.trimmed());
    if let Err(error) = done {
        eprintln!("{}", in_full(&*error));
        std::process::exit(1);
    }
    Ok(())
}

fn record(number: usize, tenants: usize) -> ScoreRecord {
    let date = ObservationDate::from_days(20_000 + (number * 3 / 1000) as i32);
    ScoreRecord {
        id: number as u128,
        tenant: format!("tenant/{}", number % tenants).into(),
        company: CompanyNumbers { job30: number as u32, ..CompanyNumbers::default() },
        at_risk: number.is_multiple_of(2),
        score: number as f64 / 1e6,
        threshold: 0.5,
        observation_date: date,
        reasons: (0..number % 3).map(|reason| format!("reason {reason}")).collect(),
        model_id: "m".into(),
        event: None,
        received_at: date.start(),
    }
}

fn write(
    sink: &mut dyn Sink,
    tenants: usize,
    records: usize,
    letters: usize,
    keep_every: usize,
    state: Option<PathBuf>,
    die_after: Option<usize>,
) -> Result<(), Box<dyn Error>> {
    let (mut next, position) = match state.as_ref().filter(|path| path.exists()) {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => (0, SinkPosition::default()),
    };
    sink.restore(position)?;
    for number in 0..letters {
        sink.bury(&[DeadLetter::new("shard-1", number, "line", "is not JSON", b"{")])?;
    }
    while next < records {
        let end = (next + keep_every).min(records);
        sink.score(&(next..end).map(|number| record(number, tenants)).collect::<Vec<_>>())?;
        next = end;
        let position = sink.keep()?;
        if die_after.is_some_and(|after| next >= after) {
            std::process::abort();
        }
        if let Some(path) = &state {
            std::fs::write(path, serde_json::to_vec(&(next, position))?)?;
        }
    }
    Ok(())
}

fn read(
    aws: &Arc<Aws>,
    stream: &[String],
    initial: &str,
    checkpoint: Option<PathBuf>,
    seconds: f64,
    idle: f64,
) -> Result<(), Box<dyn Error>> {
    let known: Checkpoint = match checkpoint.as_ref().filter(|path| path.exists()) {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Checkpoint::default(),
    };
    let initial = match initial {
        "latest" => InitialPosition::Latest,
        "oldest" => InitialPosition::TrimHorizon,
        time => InitialPosition::At(churn_events::Timestamp::parse(time)?),
    };
    let start = KinesisStart { initial, positions: known.positions.clone(), ended: known.ended.clone() };
    let Checkpoint { mut positions, mut ended } = known;
    let notice = Arc::new(|text: &str| eprintln!("{text}"));
    let mut source = KinesisSource::open(aws, stream, start, notice)?;
    let (began, mut last) = (Instant::now(), Instant::now());
    let mut out = std::io::stdout().lock();
    while began.elapsed().as_secs_f64() < seconds && last.elapsed().as_secs_f64() < idle {
        let Next::Batch(batch) = source.next(Duration::from_millis(100))? else { continue };
        let keys = batch.shard.hash_keys.as_ref().map(|keys| (keys.start().to_string(), keys.end().to_string()));
        let of_batch = serde_json::json!({"shard": batch.shard.name, "records": batch.records.len(),
            "behind": batch.behind_ms, "last": batch.is_last, "hashKeys": keys});
        writeln!(out, "{of_batch}")?;
        for record in batch.records {
            last = Instant::now();
            let repeated = positions.get(&batch.shard.name).is_some_and(|position| *position >= record.position);
            let text = String::from_utf8_lossy(&record.data);
            let line = serde_json::json!({"shard": batch.shard.name, "position": record.position.to_string(),
                "arrived": record.arrived_at.map(|time| time.to_string()), "repeated": repeated, "text": text});
            writeln!(out, "{line}")?;
            positions.insert(batch.shard.name.clone(), record.position);
        }
        if batch.is_last {
            ended.insert(batch.shard.name.clone());
        }
        if let Some(path) = &checkpoint {
            out.flush()?;
            std::fs::write(
                path,
                serde_json::to_vec(&Checkpoint { positions: positions.clone(), ended: ended.clone() })?,
            )?;
        }
    }
    Ok(())
}
