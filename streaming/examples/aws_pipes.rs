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

use churn_streaming::{Aws, InitialPosition, KinesisSource, KinesisStart, Next, Position, Retries, Source};
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
}

#[derive(Default, Serialize, Deserialize)]
struct Checkpoint {
    positions: BTreeMap<String, Position>,
    ended: BTreeSet<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments::Read { stream, initial, checkpoint, seconds, idle } = Arguments::parse();
    let retries = Arc::new(Retries::default());
    let aws = Aws::connect(Arc::clone(&retries))?;
    let known: Checkpoint = match checkpoint.as_ref().filter(|path| path.exists()) {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?)?,
        None => Checkpoint::default(),
    };
    let initial = match initial.as_str() {
        "latest" => InitialPosition::Latest,
        "oldest" => InitialPosition::TrimHorizon,
        time => InitialPosition::At(churn_events::Timestamp::parse(time)?),
    };
    let start = KinesisStart { initial, positions: known.positions.clone(), ended: known.ended.clone() };
    let Checkpoint { mut positions, mut ended } = known;
    let notice = Arc::new(|text: &str| eprintln!("{text}"));
    let mut source = KinesisSource::open(&aws, &stream, start, notice).inspect_err(|error| {
        let mut cause: Option<&dyn Error> = Some(error);
        while let Some(error) = cause {
            eprintln!("{error}");
            cause = error.source();
        }
    })?;
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
    for ((operation, why), times) in retries.counts() {
        eprintln!("retries {operation} {} {times}", why.name());
    }
    Ok(())
}
