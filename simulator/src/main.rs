//! `simulate`: a platform's event log, with tenants that do not exist.

mod arguments;

use std::error::Error as _;
use std::io::{BufWriter, ErrorKind, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::{Arguments, Speed};
use churn_events::Timestamp;
use churn_simulator::{Error, Scenario, Validation, World, replay, validate, write_log, write_table, write_truth};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        // Who reads has had enough, which is no fault.
        Err(Error::Replay { source }) if source.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("simulate: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text += &format!(": {error}");
                cause = error.source();
            }
            report(&text);
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads);
    if threads.build_global().is_err() {
        report("simulate: the threads could not be started; going on with as many as there are");
    }
    if let Some(path) = &arguments.table {
        write_table(path, arguments.rows, arguments.seed, arguments.start)?;
        report(&format!("{} rows in {}", arguments.rows, path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let world = World::new(&arguments.world_options())?;
    if arguments.validate {
        let validation = validate(&world);
        let table = table(&validation);
        let _ = std::io::stdout().write_all(table.as_bytes());
        if arguments.scenario != Scenario::Steady {
            report("simulate: the bands are those of the steady scenario");
        }
        return Ok(if validation.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if arguments.stdout {
        play(&world, arguments.speed)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = &arguments.out {
        let begin = Instant::now();
        let log = write_log(&world, folder, arguments.format)?;
        let seconds = begin.elapsed().as_secs_f64();
        report(&format!("{} events in {} files in {seconds:.1} s", log.events, log.files.len()));
        if !arguments.no_truth {
            let path = folder.join("truth.csv");
            let n_rows = write_truth(&world, &path, &arguments.truth_plan())?;
            report(&format!("{n_rows} rows of hidden truth, for grading only, in {}", path.display()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays to standard output, so many times faster than it happened.
fn play(world: &World, speed: Speed) -> Result<(), Error> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let (begin, first) = (Instant::now(), world.start().start().millis());
    let mut wait = |time: Timestamp| {
        if let Speed::Times(times) = speed {
            let due = Duration::from_secs_f64((time.millis() - first).max(0) as f64 / 1000.0 / times);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
        }
    };
    let paced: Option<&mut dyn FnMut(Timestamp)> = if speed == Speed::Max { None } else { Some(&mut wait) };
    replay(world, &mut out, paced).map(|_| ())
}

fn table(validation: &Validation) -> String {
    let mut text = format!("{:<42} {:>12}  {:<18}\n", "check", "measured", "band");
    for check in &validation.checks {
        let band = match check.most.is_finite() {
            true => format!("{} to {}", check.least, check.most),
            false => format!("at least {}", check.least),
        };
        let verdict = if check.passes() { "ok" } else { "OUTSIDE" };
        let digits = if check.measured.abs() >= 1000.0 { 0 } else { 4 };
        text += &format!("{:<42} {:>12.digits$}  {band:<18} {verdict}\n", check.name, check.measured);
    }
    let n_outside = validation.checks.iter().filter(|check| !check.passes()).count();
    text += &match n_outside {
        0 => format!("all {} checks are inside their bands\n", validation.checks.len()),
        n => format!("{n} of {} checks are outside their bands\n", validation.checks.len()),
    };
    text
}

/// To standard error, as standard output may be the log.
fn report(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
