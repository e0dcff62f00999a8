//! What to observe: a log of events or a simulated world.

use std::path::{Path, PathBuf};

use churn_events::ObservationDate;
use churn_simulator::WorldOptions;
use clap::Args;

use crate::Error;
use crate::file_kind::FileKind;

/// Options about events, shared by the programs that assemble a training set.
#[derive(Debug, Clone, Args)]
pub struct EventOptions {
    /// Log of events: JSON Lines of CloudEvents or the original system's tables and JSON, plain, gzip or zstd; several
    /// files are merged by the time received, and a folder stands for the *.jsonl, *.jsonl.gz and *.jsonl.zst in it
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "tenants", help_heading = "Events")]
    pub events: Vec<PathBuf>,
    /// How many tenants the simulated world has that is observed where there is no log (their attributes, such as the
    /// original system's company table, are one of the files of --events)
    #[arg(long, value_name = "N", default_value_t = WorldOptions::default().tenants, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Events")]
    pub tenants: u32,
    /// Days of the simulated world
    #[arg(long, value_name = "DAYS", default_value_t = WorldOptions::default().days, conflicts_with = "events", help_heading = "Events")]
    pub days: u32,
    /// Day that the log ends on, as 2026-01-01: everything before it has been received [default: the last day in it]
    #[arg(long, value_name = "DATE", requires = "events", help_heading = "Events")]
    pub log_end: Option<ObservationDate>,
    /// When records without a time of their own were received, as 2026-01-01: the original system's company records
    #[arg(long, value_name = "DATE", requires = "events", help_heading = "Events")]
    pub received_at: Option<ObservationDate>,
    /// File for events that cannot be read, with the reason; without it they are only counted
    #[arg(long, value_name = "FILE", requires = "events", help_heading = "Events")]
    pub dead_letters: Option<PathBuf>,
}

/// How the names of a folder's logs end.
const LOG_ENDINGS: [&str; 3] = [".jsonl", ".jsonl.gz", ".jsonl.zst"];

impl EventOptions {
    /// The files of the log, folders replaced by the logs in them, sorted by name.
    ///
    /// # Errors
    /// When a folder holds no log, or a file is one that cannot be read as a log.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let mut files = Vec::new();
        for path in &self.events {
            if path.is_dir() {
                files.extend(logs_in(path)?);
            } else {
                files.push(path.clone());
            }
        }
        for path in &files {
            match FileKind::of(path) {
                FileKind::Parquet => return Err(Error::ParquetLog { path: path.clone() }),
                FileKind::Observations => return Err(Error::ObservationsAsLog { path: path.clone() }),
                // Files that cannot be opened are the reader's to name.
                FileKind::ModelFile | FileKind::Other | FileKind::Unknown => {}
            }
        }
        Ok(files)
    }

    /// Refuses an output, or dead letters, that would replace one of the files of the log or cannot be written, before
    /// any work is done.
    ///
    /// # Errors
    /// See [`Error::OutIsInput`], [`Error::FileIsFolder`] and [`Error::NoFolder`].
    pub(crate) fn check_outputs(&self, out: Option<&Path>) -> Result<(), Error> {
        let inputs: Vec<PathBuf> = self.files()?.iter().filter_map(|path| path.canonicalize().ok()).collect();
        for path in self.dead_letters.as_deref().into_iter().chain(out) {
            if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
                return Err(Error::OutIsInput { path: path.to_owned() });
            }
            crate::whole_files::check_place(path)?;
        }
        Ok(())
    }

    /// The world that is simulated where there is no log.
    pub fn world(&self, seed: u64) -> WorldOptions {
        WorldOptions { tenants: self.tenants, days: self.days, seed, ..WorldOptions::default() }
    }
}

fn logs_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let fail = |source| Error::ReadFile { path: folder.to_owned(), source };
    let mut logs = Vec::new();
    let mut n_others = 0;
    for entry in folder.read_dir().map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What begins with a dot is not meant for others, or not complete.
        if !name.starts_with('.') && LOG_ENDINGS.iter().any(|ending| name.ends_with(ending)) && path.is_file() {
            logs.push(path);
        } else {
            n_others += 1;
        }
    }
    if logs.is_empty() {
        return Err(Error::NoLogInFolder { path: folder.to_owned(), n_others });
    }
    logs.sort();
    Ok(logs)
}
