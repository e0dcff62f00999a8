//! Reads files of events and says how fast: `cargo run --release -p churn-events --example read_speed -- FILE...`

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use churn_events::{LogOptions, read_log};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut bytes = 0;
    for path in &paths {
        bytes += std::fs::metadata(path)?.len();
    }
    let start = Instant::now();
    let report = read_log(&paths, &LogOptions::default(), |_| ())?;
    let seconds = start.elapsed().as_secs_f64();
    let (events, bytes) = (report.events as f64 / 1e6 / seconds, bytes as f64 / 1e6 / seconds);
    writeln!(std::io::stdout(), "{report}\n{events:.2} million events and {bytes:.0} MB of file a second")?;
    Ok(())
}
