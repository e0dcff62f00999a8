//! What `consume` is given, and how long single events take.
//!
//! ```text
//! stream_case latency                                          # percentiles, one event at a time
//! stream_case model --out model.safetensors                    # 100 trees on all features
//! stream_case log --out log --tenants 1000000 --days 2         # a folder of files that are merged as they are read
//! ```

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use churn_benches::{ActivityPlan, stream_model, warm_processor};
use churn_events::{ObservationDate, encode};
use churn_streaming::{Output, ScoreWhen};
use clap::Parser;

/// Tenants whose events are in one file, so that a day of them fits into memory.
const FILE_TENANTS: u32 = 125_000;

/// Writes what `consume` is timed on, and times single events
#[derive(Debug, Parser)]
enum Case {
    /// Percentiles of the time from a record to its score record, with reasons or not
    Latency {
        #[arg(long, default_value_t = 300_000)]
        events: usize,
        #[arg(long, default_value_t = 0)]
        reasons: usize,
    },
    /// Writes the model that scores
    Model {
        #[arg(long)]
        out: PathBuf,
    },
    /// Writes a folder of logs
    Log {
        #[arg(long)]
        out: PathBuf,
        #[arg(long)]
        tenants: u32,
        #[arg(long, default_value_t = 1)]
        days: u32,
        #[arg(long, default_value_t = 1)]
        users: u32,
        /// Sessions of a tenant per day
        #[arg(long, default_value_t = 2.0)]
        sessions: f64,
        /// Jobs of a tenant per day
        #[arg(long, default_value_t = 0.5)]
        jobs: f64,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let report = match Case::parse() {
        Case::Latency { events, reasons } => latency(events, reasons)?,
        Case::Model { out } => {
            let model = stream_model()?;
            model.write(&out)?;
            serde_json::json!({ "features": model.schema().len() })
        }
        Case::Log { out, tenants, days, users, sessions, jobs } => {
            let start = ObservationDate::from_days(20_000);
            let (sessions_per_day, jobs_per_day) = (sessions, jobs);
            let plan = ActivityPlan {
                start,
                n_days: days,
                first_tenant: 0,
                n_tenants: tenants,
                n_users: users,
                sessions_per_day,
                jobs_per_day,
                seed: 1,
            };
            write_log(&plan, &out)?
        }
    };
    Ok(writeln!(std::io::stdout(), "{report}")?)
}

/// One record at a time, its score record as JSON included.
fn latency(n_events: usize, reasons: usize) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let model = stream_model()?;
    let (mut processor, mut stream) = warm_processor(&model, ScoreWhen::Events, reasons, 1)?;
    let (mut output, mut json) = (Output::default(), Vec::new());
    let mut times_ns = Vec::with_capacity(n_events);
    for _ in 0..n_events {
        let batch = stream.next_batch();
        let begun = Instant::now();
        processor.apply(&batch, &mut output);
        json.clear();
        for record in &output.scores {
            serde_json::to_writer(&mut json, record)?;
        }
        times_ns.push(u64::try_from(begun.elapsed().as_nanos())?);
        output.clear();
    }
    times_ns.sort_unstable();
    let us = |share: f64| times_ns[((n_events - 1) as f64 * share) as usize] as f64 / 1e3;
    Ok(serde_json::json!({
        "reasons": reasons, "p50_us": us(0.5), "p90_us": us(0.9), "p99_us": us(0.99), "p999_us": us(0.999), "most_us": us(1.0),
    }))
}

fn write_log(plan: &ActivityPlan, out: &Path) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    fs::create_dir_all(out)?;
    let (mut n_events, mut line) = (0_u64, Vec::new());
    for (number, first_tenant) in (0..plan.n_tenants).step_by(FILE_TENANTS as usize).enumerate() {
        let n_tenants = FILE_TENANTS.min(plan.n_tenants - first_tenant);
        let part = ActivityPlan { first_tenant, n_tenants, ..*plan };
        let mut file = BufWriter::with_capacity(1 << 20, File::create(out.join(format!("{number:03}.jsonl")))?);
        for event in (0..plan.n_days).flat_map(|day| part.day(day)) {
            line.clear();
            encode(&event, &mut line);
            line.push(b'\n');
            file.write_all(&line)?;
            n_events += 1;
        }
        file.flush()?;
    }
    Ok(serde_json::json!({ "events": n_events, "date": plan.end().to_string() }))
}
