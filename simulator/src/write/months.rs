use std::fmt;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use churn_events::{Timestamp, WholeFile, encode};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::columns::ColumnFile;
use crate::record::Record;
use crate::slices::Slices;
use crate::{Error, World};

/// What event files look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// CloudEvents as JSON, one a line.
    #[default]
    JsonLines,
    /// The same as gzip, in members that were compressed on all cores.
    JsonLinesGzip,
    /// Flat columns.
    Parquet,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::JsonLines, Self::JsonLinesGzip, Self::Parquet];

    /// How the names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::JsonLinesGzip => "jsonl.gz",
            Self::Parquet => "parquet",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|format| format.extension() == word);
        found.ok_or_else(|| Error::UnknownFormat { found: word.to_owned() })
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrittenLog {
    /// How many events.
    pub events: u64,
    /// The files, in order of time.
    pub files: Vec<PathBuf>,
}

/// Writes the log of a world into a folder, one file for each calendar month in which events were received.
///
/// The folder must hold no part of a world yet, because files of two worlds would pass for one log. A file is called
/// `events-2024-01.jsonl`, holds its events in received order and appears when it is complete.
///
/// # Errors
/// [`Error::HoldsLog`] before anything is written, and [`Error::Write`] or [`Error::WriteParquet`] with the file that could not be written.
/// # Cost
/// Memory for the tenants' states and for one week of events (48 bytes each, twice); not for the log.
pub fn write_log(world: &World, folder: &Path, format: Format) -> Result<WrittenLog, Error> {
    write_log_until(world, folder, format, &AtomicBool::new(false))
}

/// Writes the log of a world as [`write_log`] does, unless `is_stopped` is set meanwhile: then no file of it stays.
///
/// # Errors
/// [`Error::Stopped`], within a simulated week; and as [`write_log`].
pub fn write_log_until(
    world: &World,
    folder: &Path,
    format: Format,
    is_stopped: &AtomicBool,
) -> Result<WrittenLog, Error> {
    let fail = |source| Error::Write { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(fail)?;
    if let Some(found) = log_in(folder).map_err(fail)? {
        return Err(Error::HoldsLog { path: folder.to_owned(), found });
    }
    let mut report = WrittenLog::default();
    let mut slices = Slices::new(world);
    let mut month: Option<Month> = None;
    while let Some(mut week) = slices.next_week() {
        if is_stopped.load(Ordering::Relaxed) {
            report.files.iter().try_for_each(std::fs::remove_file).map_err(fail)?;
            return Err(Error::Stopped);
        }
        report.events += week.len() as u64;
        while !week.is_empty() {
            // A week falls into two months at most.
            let name = month_of(&week[0]);
            let n = week.partition_point(|record| month_of(record) == name);
            let rest = week.split_off(n);
            if month.as_ref().is_none_or(|month| month.name != name) {
                month.take().map(|month| month.finish(&mut report)).transpose()?;
                month = Some(Month::begin(name, folder, format)?);
            }
            if let Some(month) = &mut month {
                month.write(&slices, &week)?;
            }
            week = rest;
        }
    }
    month.map(|month| month.finish(&mut report)).transpose()?;
    Ok(report)
}

/// The name of the first file in a folder that is part of a world.
fn log_in(folder: &Path) -> std::io::Result<Option<String>> {
    let names = folder.read_dir()?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names = names.collect::<std::io::Result<Vec<String>>>()?;
    Ok(names.into_iter().filter(|name| name.starts_with("events-") || name == "truth.csv").min())
}

/// Year and month in which a record was received.
fn month_of(record: &Record) -> (i32, u32) {
    Timestamp::from_millis(record.received).date().year_month()
}

struct Month {
    name: (i32, u32),
    path: PathBuf,
    sink: Sink,
}

enum Sink {
    Lines { file: BufWriter<WholeFile>, is_gzip: bool },
    Columns(ColumnFile),
}

impl Month {
    fn begin(name: (i32, u32), folder: &Path, format: Format) -> Result<Self, Error> {
        let path = folder.join(format!("events-{:04}-{:02}.{format}", name.0, name.1));
        let file = WholeFile::create(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        let sink = match format {
            Format::Parquet => Sink::Columns(ColumnFile::begin(file, &path)?),
            _ => {
                // Words come in large pieces already.
                Sink::Lines { file: BufWriter::with_capacity(0, file), is_gzip: format == Format::JsonLinesGzip }
            }
        };
        Ok(Self { name, path, sink })
    }

    fn write(&mut self, slices: &Slices<'_>, records: &[Record]) -> Result<(), Error> {
        match &mut self.sink {
            Sink::Lines { file, is_gzip } => {
                let finish = |words: Vec<u8>| if *is_gzip { gzip(&words) } else { words };
                slices.in_words(records, encode, finish, |words| {
                    file.write_all(words).map_err(|source| Error::Write { path: self.path.clone(), source })
                })
            }
            Sink::Columns(file) => file.write(slices, records, &self.path),
        }
    }

    fn finish(self, report: &mut WrittenLog) -> Result<(), Error> {
        let wrap = |source| Error::Write { path: self.path.clone(), source };
        let file = match self.sink {
            Sink::Lines { file, .. } => file.into_inner().map_err(|error| wrap(error.into_error()))?,
            Sink::Columns(file) => file.finish(&self.path)?,
        };
        file.finish().map_err(wrap)?;
        report.files.push(self.path);
        Ok(())
    }
}

fn gzip(words: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(words.len() / 5), Compression::fast());
    encoder.write_all(words).expect("this cannot fail because a vector takes all");
    encoder.finish().expect("this cannot fail because a vector takes all")
}
