use std::io::{BufWriter, Write};
use std::path::Path;

use churn_events::{ObservationDate, WholeFile};
use rayon::prelude::*;

use crate::{Error, World};

/// Tenants whose lines are held at once.
const TENANTS_AT_ONCE: u32 = 4096;

/// On which dates, and for which question, the truth is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TruthPlan {
    /// Days between two dates; dates are the days since 1970 that are whole multiples of it.
    pub every_days: u32,
    /// Days between a date and the horizon.
    pub gap_days: u32,
    /// Days of the horizon.
    pub horizon_days: u32,
}

impl Default for TruthPlan {
    fn default() -> Self {
        Self { every_days: 28, gap_days: 14, horizon_days: 60 }
    }
}

/// Writes the hidden truth of every tenant as CSV: `tenant,date,churn_probability,health`. For grading only.
///
/// # Errors
/// [`Error::Write`] when the file cannot be written; [`Error::OutOfRange`] for a plan without days.
pub fn write_truth(world: &World, path: &Path, plan: &TruthPlan) -> Result<u64, Error> {
    let wrap = |source| Error::Write { path: path.to_owned(), source };
    for (option, found) in [
        ("the number of days between truths", plan.every_days),
        ("the number of days of the horizon", plan.horizon_days),
    ] {
        if !(1..=3660).contains(&found) {
            return Err(Error::OutOfRange { option, found: found.into(), least: 1, most: 3660 });
        }
    }
    let mut file = BufWriter::new(WholeFile::create(path).map_err(wrap)?);
    file.write_all(b"tenant,date,churn_probability,health\n").map_err(wrap)?;
    let (start, end, every) = (world.start().days(), world.end().days(), plan.every_days as i32);
    let first = (start + every - 1).div_euclid(every) * every;
    let mut n_rows = 0;
    for from in (0..world.n_tenants()).step_by(TENANTS_AT_ONCE as usize) {
        let to = from.saturating_add(TENANTS_AT_ONCE).min(world.n_tenants());
        let lines: Vec<(u64, String)> = (from..to)
            .into_par_iter()
            .map(|tenant| {
                let truth = world.truth(tenant);
                let (mut n_rows, mut lines) = (0, String::new());
                for day in (first..end).step_by(every as usize) {
                    let date = ObservationDate::from_days(day);
                    let probability = truth.churn_probability(date, plan.gap_days, plan.horizon_days);
                    if let (Some(probability), Some(health)) = (probability, truth.health_at(date)) {
                        lines += &format!("{},{date},{probability:.6},{health:.4}\n", truth.id());
                        n_rows += 1;
                    }
                }
                (n_rows, lines)
            })
            .collect();
        for (n, lines) in lines {
            n_rows += n;
            file.write_all(lines.as_bytes()).map_err(wrap)?;
        }
    }
    file.into_inner().map_err(|error| wrap(error.into_error()))?.finish().map_err(wrap)?;
    Ok(n_rows)
}
