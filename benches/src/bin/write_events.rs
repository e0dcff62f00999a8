//! Writes an event log for timing, and prints as JSON the date by which all of it has been received.
//!
//! ```text
//! cargo run --release -p churn-benches --bin write_events -- --events 1000000 --out events.jsonl
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use churn_benches::ActivityPlan;
use churn_events::{ObservationDate, encode};
use clap::Parser;

const N_DAYS: u32 = 180;
/// Events of a tenant per day, as `ActivityPlan` makes them of 10 sessions and 5 jobs.
const EVENTS_PER_TENANT_DAY: f64 = 28.75;

/// Writes an event log of 180 days as JSON Lines
#[derive(Debug, Parser)]
struct Args {
    /// About how many events
    #[arg(long)]
    events: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long)]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let n_tenants = f64::from(args.events) / f64::from(N_DAYS) / EVENTS_PER_TENANT_DAY;
    let plan = ActivityPlan {
        start: ObservationDate::from_days(20_000),
        n_days: N_DAYS,
        first_tenant: 0,
        n_tenants: n_tenants.ceil() as u32,
        n_users: 20,
        sessions_per_day: 10.0,
        jobs_per_day: 5.0,
        seed: args.seed,
    };
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&args.out)?);
    let mut n_events = 0;
    let mut line = Vec::new();
    for day in 0..plan.n_days {
        for event in plan.day(day) {
            line.clear();
            encode(&event, &mut line);
            line.push(b'\n');
            out.write_all(&line)?;
            n_events += 1;
        }
    }
    out.flush()?;
    let report = serde_json::json!({ "events": n_events, "date": plan.end().to_string() });
    Ok(writeln!(std::io::stdout(), "{report}")?)
}
