//! Counts logins, jobs, data and users per tenant in an event log, and prints what that took as one line of JSON.
//!
//! ```text
//! cargo run --release -p churn-benches --bin features_case -- --log events.jsonl --date 2025-06-25 --out counts.csv
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use churn_benches::{Error, cpu_seconds, peak_mib};
use churn_events::{LogOptions, ObservationDate, read_log};
use churn_features::{FeatureStore, Kept, StateOptions, StoreOptions, WindowCounts};
use clap::Parser;
use rayon::ThreadPoolBuilder;

const WINDOWS: [u32; 4] = [7, 28, 30, 90];
const LONGEST: i32 = 90;

type Column = (&'static str, fn(&WindowCounts) -> u64);

const COLUMNS: [Column; 4] = [
    ("logins", |counts| counts.logins),
    ("jobs", |counts| counts.jobs),
    ("data_bytes", |counts| counts.data_bytes),
    ("active_users", |counts| counts.active_users),
];

/// Counts what tenants did in windows before a date, as a CSV file.
#[derive(Debug, Parser)]
struct Args {
    #[arg(long)]
    log: PathBuf,
    #[arg(long)]
    date: ObservationDate,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args { log, date, threads, out } = Args::parse();
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|source| Error::Threads { n_threads: threads, source })?;
    let start = Instant::now();
    // Nobody else computes anything but these counts either.
    let state = StateOptions { kept: Kept::WINDOW_COUNTS, ..StateOptions::default() };
    // What is received before the longest window occurred before it; what is received later is not known yet.
    let period = date.plus_days(-LONGEST).start()..date.start();
    let mut store = FeatureStore::new(StoreOptions { state, ..StoreOptions::default() });
    let report = pool.install(|| {
        read_log(&[log], &LogOptions { period, ..LogOptions::default() }, |events| store.apply_all(events))
    })?;
    let mut rows = Vec::with_capacity(store.len());
    for (tenant, state) in store.states() {
        let mut windows = [WindowCounts::default(); WINDOWS.len()];
        for (counts, days) in windows.iter_mut().zip(WINDOWS) {
            *counts = state.counts_at(date, days)?;
        }
        rows.push((tenant, windows));
    }
    let wall_s = start.elapsed().as_secs_f64();

    let mut out = BufWriter::new(File::create(out)?);
    let names = COLUMNS.iter().flat_map(|(name, _)| WINDOWS.map(|days| format!("{name}_{days}")));
    writeln!(out, "tenant,{}", names.collect::<Vec<_>>().join(","))?;
    for (tenant, windows) in &rows {
        let values = COLUMNS.iter().flat_map(|(_, read)| windows.iter().map(|counts| read(counts).to_string()));
        writeln!(out, "{tenant},{}", values.collect::<Vec<_>>().join(","))?;
    }
    out.flush()?;
    let report = serde_json::json!({
        "wall_s": wall_s,
        "cpu_s": cpu_seconds(),
        "peak_mib": peak_mib(),
        "events": report.events,
        "state_mib": store.approximate_bytes() as f64 / f64::from(1 << 20),
    });
    Ok(writeln!(std::io::stdout(), "{report}")?)
}
