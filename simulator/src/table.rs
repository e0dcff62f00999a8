use std::io::{BufWriter, Write};
use std::path::Path;

use churn_events::{DAY_MS, Money, ObservationDate, WholeFile};
use rayon::prelude::*;

use crate::Error;
use crate::record::{Change, Record, What};
use crate::run::Run;
use crate::scenario::{Parameters, Scenario};
use crate::world::Setting;

/// Days of log before the date of the table, a few more than its longest window.
const DAYS_BEFORE: u32 = 98;
/// Days after it in which a cancellation counts.
const HORIZON_DAYS: u32 = 365;
/// Tenants tried at once.
const AT_ONCE: u32 = 4096;
const MAX_ROWS: u32 = 10_000_000;

/// Writes a plain company table with the original system's columns, as CSV.
///
/// A row is a tenant of a steady world on one date; `Churn` is 1 when it cancels in the year that follows. So the label has
/// a hidden cause, and no column spells it out.
///
/// # Errors
/// [`Error::OutOfRange`] for a table without rows; [`Error::Write`] when the file cannot be written.
pub fn write_table(path: &Path, rows: u32, seed: u64, date: ObservationDate) -> Result<(), Error> {
    if !(1..=MAX_ROWS).contains(&rows) {
        let found = rows.into();
        return Err(Error::OutOfRange { option: "the number of rows", found, least: 1, most: MAX_ROWS.into() });
    }
    let setting = Setting {
        // Not a tenant of the world of this seed.
        seed: seed ^ 0x5461_626c_6521_0000,
        start_day: date.days() - DAYS_BEFORE as i32,
        days: DAYS_BEFORE + HORIZON_DAYS,
        parameters: Parameters { there_at_start: 1.0, ..Parameters::of(Scenario::Steady) },
    };
    let wrap = |source| Error::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(WholeFile::create(path).map_err(wrap)?);
    file.write_all(b"Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn\n")
        .map_err(wrap)?;
    let mut n_written = 0;
    let mut from = 0;
    while n_written < rows {
        // Tenants that cancelled before the date are not in the table; others take their place.
        let found: Vec<Option<String>> =
            (from..from + AT_ONCE).into_par_iter().map(|tenant| row(&setting, tenant, date)).collect();
        from += AT_ONCE;
        for row in found.into_iter().flatten().take((rows - n_written) as usize) {
            writeln!(file, "comp_{n_written},{row}").map_err(wrap)?;
            n_written += 1;
        }
    }
    file.into_inner().map_err(|error| wrap(error.into_error()))?.finish().map_err(wrap)
}

/// A tenant's row without its name; `None` when it is no longer there on the date.
fn row(setting: &Setting, tenant: u32, date: ObservationDate) -> Option<String> {
    let day = date.days();
    let mut run = Run::new(setting, tenant);
    let mut records: Vec<Record> = Vec::new();
    run.advance_to(setting, day.div_euclid(7) * 7 + 7, &mut records);
    let now = date.start().millis();
    let horizon = now..now + i64::from(HORIZON_DAYS) * DAY_MS;
    let is_cancellation = |record: &Record| record.what == What::Cancelled && horizon.contains(&record.received);
    let cancels_soon = records.iter().any(is_cancellation);
    records.retain(|record| record.received < now && !record.is_duplicate);
    let is_gone = records.iter().any(|record| record.what == What::Cancelled);
    if is_gone || records.is_empty() {
        return None;
    }
    records.sort_unstable_by_key(Record::order);
    let jobs = |days: i64| {
        let window = now - days * DAY_MS..now;
        records.iter().filter(|record| record.what == What::Submitted && window.contains(&record.occurred)).count()
    };
    let changes = records.iter().filter(|record| matches!(record.what, What::Created | What::Updated));
    let charge = changes.rev().find_map(|record| match run.changes.get(record.of as usize) {
        Some(Change::Attributes { charge, .. }) => *charge,
        _ => None,
    });
    let billed: u64 = records.iter().filter(|record| record.what == What::Billed).map(|record| record.amount).sum();
    let profile = run.profile();
    let mut row = format!(
        "{},{},{},{},{},{},{}",
        profile.industry,
        profile.revenue,
        profile.employees,
        jobs(30),
        jobs(90),
        charge.unwrap_or_default().dollars(),
        Money::from_cents(billed as i64).dollars(),
    );
    row += if cancels_soon || run.cancels_in(setting, horizon) { ",1" } else { ",0" };
    Some(row)
}
