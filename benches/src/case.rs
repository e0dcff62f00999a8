//! One learner, fitted on the table in a process of its own, and what that took.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use churn_model::evaluate::{log_loss, roc_auc};
use serde::Serialize;

use crate::table::{Part, Table};
use crate::{Error, cpu_seconds, peak_mib, read_table, resident_mib, write_table};

/// Observations that a model is judged by.
const N_TEST: usize = 50_000;

/// Scores are kept this far from 0 and 1 before the log loss is taken: libraries differ in how sure they let a leaf be.
const SURE: f64 = 1e-6;

/// What all cases can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct CaseArgs {
    /// Observations to fit on
    #[arg(long, default_value_t = 100_000)]
    pub rows: usize,
    /// Threads to fit with
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Seed of the table and of the learner
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Fits, of which the median time counts
    #[arg(long, default_value_t = 1)]
    pub repeat: usize,
    /// Folder with the table in files; without it the table is made on the spot
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
}

/// What a case prints, on one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaseReport {
    /// The library.
    pub engine: &'static str,
    /// Median seconds of one fit, by the clock on the wall.
    pub wall_s: f64,
    /// Median processor seconds of one fit, all threads together.
    pub cpu_s: f64,
    /// Resident memory when the table was there and nothing fitted, in MiB.
    pub before_mib: Option<f64>,
    /// Most resident memory until the last fit was done, in MiB: the whole process with its table.
    pub peak_mib: Option<f64>,
    /// ROC-AUC on observations that were not fitted on.
    pub roc_auc: f64,
    /// Log loss on them, of the scores as they come, not calibrated.
    pub log_loss: f64,
    /// Nodes of all trees, where the library tells.
    pub n_nodes: Option<usize>,
}

impl CaseReport {
    /// Writes the report to standard output as one line of JSON.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, self)?;
        writeln!(out)
    }
}

impl CaseArgs {
    /// Writes both parts of the table into the data folder.
    ///
    /// # Errors
    /// When a file cannot be written. Without a data folder there is nothing to do.
    pub fn prepare(&self) -> Result<(), Error> {
        let Some(folder) = &self.data_dir else { return Ok(()) };
        for (part, n_observations) in [(Part::Fit, self.rows), (Part::Test, N_TEST)] {
            write_table(folder, part, &Table::generate(part, n_observations, self.seed))?;
        }
        Ok(())
    }

    fn table(&self, part: Part, n_observations: usize) -> Result<Table, Error> {
        match &self.data_dir {
            Some(folder) => read_table(folder, part, n_observations),
            None => Ok(Table::generate(part, n_observations, self.seed)),
        }
    }

    /// Fits with `fit`, and judges what it returns by the scores of `score`.
    ///
    /// The observations to judge by are only read when memory has been looked at.
    ///
    /// # Errors
    /// When the table cannot be read, or something cannot be fitted or scored.
    pub fn run<M>(
        &self,
        engine: &'static str,
        fit: impl Fn(&Table) -> Result<M, Error>,
        score: impl FnOnce(&M, &Table) -> Result<Vec<f64>, Error>,
        n_nodes: impl FnOnce(&M) -> Option<usize>,
    ) -> Result<CaseReport, Error> {
        let table = self.table(Part::Fit, self.rows)?;
        let before_mib = resident_mib();
        let (mut wall_s, mut cpu_s, mut model) = (Vec::new(), Vec::new(), None);
        for _ in 0..self.repeat {
            drop(model.take()); // two models at once would count as memory of fitting
            let (cpu_before, start) = (cpu_seconds(), Instant::now());
            model = Some(fit(&table)?);
            wall_s.push(start.elapsed().as_secs_f64());
            cpu_s.push(cpu_seconds() - cpu_before);
        }
        let peak_mib = peak_mib();
        let model = model.ok_or(Error::NoRepeats)?;

        let test = self.table(Part::Test, N_TEST)?;
        let scores = score(&model, &test)?;
        let kept: Vec<f64> = scores.iter().map(|score| score.clamp(SURE, 1.0 - SURE)).collect();
        Ok(CaseReport {
            engine,
            wall_s: median(wall_s),
            cpu_s: median(cpu_s),
            before_mib,
            peak_mib,
            roc_auc: roc_auc(&scores, &test.labels).map_err(|source| Error::Quality { source })?,
            log_loss: log_loss(&kept, &test.labels).map_err(|source| Error::Quality { source })?,
            n_nodes: n_nodes(&model),
        })
    }
}

/// The middle value, or the mean of the middle two; `values` is not empty.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
    (values[low] + values[high]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn a_case_is_judged_by_observations_it_was_not_fitted_on() {
        let args = CaseArgs { rows: 300, threads: 1, seed: 1, repeat: 2, data_dir: None };
        let n_fits = std::cell::Cell::new(0);
        let fit = |table: &Table| {
            assert_eq!(table.labels.len(), 300);
            n_fits.set(n_fits.get() + 1);
            Ok(())
        };
        let all_knowing = |(): &(), table: &Table| {
            assert_eq!(table.labels.len(), N_TEST);
            Ok(table.labels.iter().map(|&churned| f64::from(u8::from(churned))).collect())
        };
        let report = args.run("none", fit, all_knowing, |()| Some(7)).unwrap();
        assert_eq!((n_fits.get(), report.roc_auc, report.n_nodes), (2, 1.0, Some(7)));
        assert!((report.log_loss + (1.0 - SURE).ln()).abs() < 1e-12, "{}", report.log_loss);
    }

    #[test]
    fn a_case_that_is_never_fitted_is_refused() {
        let args = CaseArgs { rows: 300, threads: 1, seed: 1, repeat: 0, data_dir: None };
        let error = args.run("none", |_| Ok(()), |(), _| Ok(Vec::new()), |()| None).unwrap_err();
        assert!(matches!(error, Error::NoRepeats), "{error}");
    }
}
