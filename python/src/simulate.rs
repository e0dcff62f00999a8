//! Simulated worlds, as files or as tables.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow_schema::ArrowError;
use churn_events::{Event, FlatEvent, ObservationDate, decode};
use churn_simulator::{
    Format, Scenario, TruthPlan, World, WorldOptions, replay, write_log_until, write_table, write_truth,
};
use pyo3::prelude::*;

use crate::error::{ChurnError, event_error, message};
use crate::running::run;
use crate::table::{Table, arrow_error, table_of};

/// Events in one batch of a table.
const BATCH_EVENTS: usize = 1 << 18;

/// The events of a simulated world: a table, or the files of a folder with the truth beside them.
#[pyfunction]
#[pyo3(signature = (folder, tenants, days, seed, start, scenario, format, n_jobs))]
#[expect(clippy::too_many_arguments, reason = "options are keywords in Python")]
pub(crate) fn simulate(
    py: Python<'_>,
    folder: Option<PathBuf>,
    tenants: u32,
    days: u32,
    seed: u64,
    start: i32,
    scenario: &str,
    format: &str,
    n_jobs: Option<i32>,
) -> PyResult<(Option<Table>, Vec<PathBuf>)> {
    let fail = |error: churn_simulator::Error| event_error(&error);
    let scenario: Scenario = scenario.parse().map_err(fail)?;
    let format: Format = format.parse().map_err(fail)?;
    let start = ObservationDate::from_days(start);
    let world = World::new(&WorldOptions { tenants, days, seed, start, scenario }).map_err(fail)?;
    run(py, n_jobs, |is_stopped| match folder {
        None => Ok((Some(events_table(&world, is_stopped)?), Vec::new())),
        Some(folder) => {
            let written = write_log_until(&world, &folder, format, is_stopped).map_err(fail)?;
            write_truth(&world, &folder.join("truth.csv"), &TruthPlan::default()).map_err(fail)?;
            Ok((None, written.files))
        }
    })?
}

/// The original system's company table, simulated.
#[pyfunction]
#[pyo3(signature = (path, rows, seed, date, n_jobs))]
pub(crate) fn simulate_companies(
    py: Python<'_>,
    path: Option<PathBuf>,
    rows: u32,
    seed: u64,
    date: i32,
    n_jobs: Option<i32>,
) -> PyResult<Table> {
    let date = ObservationDate::from_days(date);
    run(py, n_jobs, |_| {
        let folder = tempfile::tempdir()?;
        let path = path.unwrap_or_else(|| folder.path().join("companies.csv"));
        write_table(&path, rows, seed, date).map_err(|error| event_error(&error))?;
        let mut reader = csv::Reader::from_path(&path).map_err(|error| event_error(&error))?;
        let names = reader.headers().map_err(|error| event_error(&error))?.clone();
        let records = reader.records().collect::<Result<Vec<_>, _>>().map_err(|error| event_error(&error))?;
        let column = |position: usize, name: &str| -> PyResult<ArrayRef> {
            let cells = records.iter().map(|record| record.get(position).unwrap_or_default());
            let wrong = |cell: &str| ChurnError::new_err(format!("{cell:?} is no number of column {name:?}"));
            let float = |cell: &str| cell.parse::<f64>().map_err(|_| wrong(cell));
            let whole = |cell: &str| cell.parse::<i64>().map_err(|_| wrong(cell));
            Ok(match name {
                "Company" => Arc::new(arrow_array::StringArray::from_iter_values(cells)),
                "Industry" => Arc::new(cells.collect::<arrow_array::DictionaryArray<Int32Type>>()),
                "Revenue" | "MonthlyCharge" | "TotalCharge" => {
                    Arc::new(cells.map(float).collect::<PyResult<arrow_array::Float64Array>>()?)
                }
                _ => Arc::new(cells.map(whole).collect::<PyResult<arrow_array::Int64Array>>()?),
            })
        };
        let columns = names.iter().enumerate().map(|(position, name)| Ok((name, column(position, name)?)));
        table_of(columns.collect::<PyResult<Vec<_>>>()?, [])
    })?
}

fn events_table(world: &World, is_stopped: &AtomicBool) -> PyResult<Table> {
    let mut lines = Lines { columns: Columns::default(), batches: Vec::new(), rest: Vec::new(), is_stopped };
    replay(world, &mut lines, None).map_err(|error| ChurnError::new_err(message(&error)))?;
    lines.end_batch().map_err(arrow_error)?;
    let schema = lines.batches[0].schema();
    Ok(Table::new(schema, lines.batches))
}

/// Takes in a log's lines, and makes columns of their events: those of the simulator's Parquet files.
struct Lines<'a> {
    columns: Columns,
    batches: Vec<RecordBatch>,
    /// The beginning of a line.
    rest: Vec<u8>,
    is_stopped: &'a AtomicBool,
}

impl Lines<'_> {
    fn end_batch(&mut self) -> Result<(), ArrowError> {
        let columns = std::mem::take(&mut self.columns);
        if columns.len() > 0 || self.batches.is_empty() {
            self.batches.push(columns.finish()?);
        }
        Ok(())
    }

    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        self.columns.push(&decode(line).map_err(io::Error::other)?);
        if self.columns.len() >= BATCH_EVENTS {
            self.end_batch().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, words: &[u8]) -> io::Result<usize> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        for line in words.split_inclusive(|byte| *byte == b'\n') {
            match (line.strip_suffix(b"\n"), self.rest.is_empty()) {
                (None, _) => self.rest.extend_from_slice(line),
                (Some(line), true) => self.add(line)?,
                (Some(end), false) => {
                    let mut line = std::mem::take(&mut self.rest);
                    line.extend_from_slice(end);
                    self.add(&line)?;
                }
            }
        }
        Ok(words.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A column of few different texts, each held once.
type Words = StringDictionaryBuilder<Int32Type>;

#[derive(Default)]
struct Columns {
    received_at: Vec<i64>,
    occurred_at: Vec<i64>,
    id: StringBuilder,
    source: Words,
    event_type: Words,
    tenant: Words,
    user_id: Words,
    session_id: StringBuilder,
    job_id: StringBuilder,
    status: Words,
    servers: Int64Builder,
    data_size: Int64Builder,
    amount: Float64Builder,
    reason: Words,
    company: Words,
    industry: Words,
    revenue: Float64Builder,
    employees: Int64Builder,
    sentiment: Float64Builder,
    monthly_charge: Float64Builder,
}

impl Columns {
    fn len(&self) -> usize {
        self.received_at.len()
    }

    fn push(&mut self, event: &Event<'_>) {
        self.received_at.push(event.received_at.millis());
        self.occurred_at.push(event.occurred_at.millis());
        self.id.append_value(&event.id);
        self.source.append_value(&event.source);
        self.tenant.append_value(&event.tenant);
        let flat = FlatEvent::of(&event.kind);
        self.event_type.append_value(flat.event_type);
        self.user_id.append_option(flat.user);
        self.session_id.append_option(flat.session);
        self.job_id.append_option(flat.job);
        self.status.append_option(flat.status);
        self.servers.append_option(flat.servers);
        self.data_size.append_option(flat.data_size);
        self.amount.append_option(flat.amount);
        self.reason.append_option(flat.reason);
        let attributes = flat.attributes;
        self.company.append_option(attributes.and_then(|of| of.company.as_deref()));
        self.industry.append_option(attributes.and_then(|of| of.industry.as_deref()));
        self.revenue.append_option(attributes.and_then(|of| of.revenue));
        self.employees.append_option(attributes.and_then(|of| of.employees.map(i64::from)));
        self.sentiment.append_option(attributes.and_then(|of| of.sentiment));
        self.monthly_charge.append_option(attributes.and_then(|of| of.monthly_charge.map(|charge| charge.dollars())));
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let time = |millis| Arc::new(TimestampMillisecondArray::from(millis).with_timezone("UTC")) as ArrayRef;
        RecordBatch::try_from_iter([
            ("received_at", time(self.received_at)),
            ("occurred_at", time(self.occurred_at)),
            ("id", Arc::new(self.id.finish())),
            ("source", Arc::new(self.source.finish())),
            ("type", Arc::new(self.event_type.finish())),
            ("tenant", Arc::new(self.tenant.finish())),
            ("user_id", Arc::new(self.user_id.finish())),
            ("session_id", Arc::new(self.session_id.finish())),
            ("job_id", Arc::new(self.job_id.finish())),
            ("status", Arc::new(self.status.finish())),
            ("servers", Arc::new(self.servers.finish())),
            ("data_size", Arc::new(self.data_size.finish())),
            ("amount", Arc::new(self.amount.finish())),
            ("reason", Arc::new(self.reason.finish())),
            ("company", Arc::new(self.company.finish())),
            ("industry", Arc::new(self.industry.finish())),
            ("revenue", Arc::new(self.revenue.finish())),
            ("employees", Arc::new(self.employees.finish())),
            ("sentiment", Arc::new(self.sentiment.finish())),
            ("monthly_charge", Arc::new(self.monthly_charge.finish())),
        ])
    }
}
