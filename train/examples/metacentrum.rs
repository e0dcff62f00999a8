//! Turns the batch jobs of a computing centre (MetaCentrum, shipped with the Alea simulator) into an event log.
//!
//! ```text
//! cargo run --release -p churn-train --example metacentrum -- metacentrum_wagap_jobs.csv events.jsonl
//! ```
//!
//! A user becomes a tenant, and its only user. A job is submitted, and has succeeded after the time that it waited and
//! ran; where the log has a run time below zero, its end is not known and left out. Processors stand for servers, and
//! the memory asked for stands for the data size.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

use churn_events::{Event, EventKind, JobStatus, Timestamp, encode};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Job {
    /// Seconds since 1970.
    submit_unix: i64,
    user: String,
    cpus: u32,
    wait_s: i64,
    run_s: i64,
    requested_bytes: u64,
}

/// Reads jobs from CSV, and writes their events as JSON Lines, in the order in which they were received.
pub(crate) fn convert(jobs: impl Read, mut events: impl Write) -> Result<(), Box<dyn Error>> {
    let jobs: Vec<Job> = csv::Reader::from_reader(jobs).deserialize().collect::<Result<_, _>>()?;
    let mut converted: Vec<Event<'_>> = jobs
        .iter()
        .enumerate()
        .flat_map(|(number, job)| [submitted(number, job), ended(number, job)])
        .flatten()
        .collect();
    converted.sort_by_key(|event| event.received_at);
    let mut line = Vec::new();
    for event in &converted {
        line.clear();
        encode(event, &mut line);
        line.push(b'\n');
        events.write_all(&line)?;
    }
    Ok(events.flush()?)
}

fn submitted(number: usize, job: &Job) -> Option<Event<'_>> {
    let kind = EventKind::JobSubmitted {
        job: number.to_string().into(),
        user: job.user.as_str().into(),
        servers: job.cpus,
        data_size: job.requested_bytes,
    };
    Some(event(format!("{number}-submitted"), job, job.submit_unix, kind))
}

fn ended(number: usize, job: &Job) -> Option<Event<'_>> {
    let kind = EventKind::JobTerminated { job: number.to_string().into(), status: JobStatus::Succeeded };
    let end_unix = job.submit_unix + job.wait_s.max(0) + job.run_s;
    (job.run_s >= 0).then(|| event(format!("{number}-ended"), job, end_unix, kind))
}

fn event<'a>(id: String, job: &'a Job, unix_s: i64, kind: EventKind<'a>) -> Event<'a> {
    let time = Timestamp::from_millis(unix_s * 1000);
    Event {
        id: id.into(),
        source: "/metacentrum/wagap".into(),
        tenant: job.user.as_str().into(),
        occurred_at: time,
        received_at: time,
        kind,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    let [jobs, events] = &paths[..] else {
        return Err("expected two arguments: the CSV file of jobs, and the file of events to be written".into());
    };
    convert(BufReader::new(File::open(jobs)?), BufWriter::new(File::create(events)?))
}
