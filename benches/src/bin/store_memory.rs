//! Fills a store with tenants, and prints as one line of JSON how much memory they take and how fast they are read.
//!
//! ```text
//! cargo run --release -p churn-benches --bin store_memory -- --tenants 100000
//! ```

use std::io::Write;
use std::time::Instant;

use churn_benches::{ActivityPlan, Error, peak_mib, resident_mib};
use churn_events::ObservationDate;
use churn_features::{
    FeatureReader, FeatureSchema, FeatureStore, Kept, StateOptions, StoreOptions, catalogue, catalogue_schema,
};
use clap::Parser;
use rayon::ThreadPoolBuilder;

/// Tenants whose events of a day are drawn at once, so that they take little beside the states.
const BLOCK_TENANTS: u32 = 1_000;
const MIB: f64 = (1 << 20) as f64;

/// Fills a store with tenants and prints the memory that they take
#[derive(Debug, Parser)]
struct Args {
    #[arg(long, default_value_t = 100_000)]
    tenants: u32,
    #[arg(long, default_value_t = 20)]
    users: u32,
    #[arg(long, default_value_t = 90)]
    days: u32,
    /// Sessions of a tenant per day
    #[arg(long, default_value_t = 2.0)]
    sessions: f64,
    /// Jobs of a tenant per day
    #[arg(long, default_value_t = 1.0)]
    jobs: f64,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Keep no more than the counts of windows need
    #[arg(long)]
    counts_only: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let n_threads = args.threads;
    let pool = ThreadPoolBuilder::new().num_threads(n_threads).build();
    let report = pool.map_err(|source| Error::Threads { n_threads, source })?.install(|| fill(&args))?;
    Ok(writeln!(std::io::stdout(), "{report}")?)
}

fn fill(args: &Args) -> Result<serde_json::Value, Error> {
    let mut plan = ActivityPlan {
        start: ObservationDate::from_days(20_000),
        n_days: args.days,
        first_tenant: 0,
        n_tenants: BLOCK_TENANTS,
        n_users: args.users,
        sessions_per_day: args.sessions,
        jobs_per_day: args.jobs,
        seed: 1,
    };
    let kept = if args.counts_only { Kept::WINDOW_COUNTS } else { Kept::ALL };
    let state = StateOptions { kept, ..StateOptions::default() };
    let mut store = FeatureStore::new(StoreOptions { state, ..StoreOptions::default() });
    let mut apply_s = 0.0;
    for day in 0..args.days {
        for first_tenant in (0..args.tenants).step_by(BLOCK_TENANTS as usize) {
            plan.first_tenant = first_tenant;
            plan.n_tenants = BLOCK_TENANTS.min(args.tenants - first_tenant);
            // On a thread of its own, whose allocations do not come to lie between those of the states.
            let drawing = std::thread::spawn(move || plan.day(day));
            let events = drawing.join().map_err(|_| Error::Drawing)?;
            let start = Instant::now();
            store.apply_all(&events);
            apply_s += start.elapsed().as_secs_f64();
        }
    }
    let (filled_mib, peak_mib) = (resident_mib(), peak_mib());
    let schema = catalogue_schema(&["energy", "finance", "retail"].map(str::to_owned)).map_err(Error::features)?;
    let readable = catalogue().iter().zip(schema.features()).filter(|(entry, _)| kept.contains(entry.needs));
    let schema = FeatureSchema::new(readable.map(|(_, feature)| feature.clone()).collect()).map_err(Error::features)?;
    let reader = FeatureReader::new(&schema).map_err(Error::features)?;
    let start = Instant::now();
    let matrix = store.features_at(plan.end(), &reader).map_err(Error::features)?;
    let read_s = start.elapsed().as_secs_f64();
    let events = store.counts().total();
    Ok(serde_json::json!({
        "tenants": matrix.tenants.len(),
        "features": matrix.n_features,
        "events": events,
        "million_events_per_s": events as f64 / apply_s / 1e6,
        "resident_mib": filled_mib,
        "peak_mib": peak_mib,
        "store_mib": store.approximate_bytes() as f64 / MIB,
        "bytes_per_tenant": store.approximate_bytes() / store.len().max(1),
        "read_features_s": read_s,
    }))
}
