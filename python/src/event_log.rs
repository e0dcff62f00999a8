//! Events as they come from Python, and what a store keeps of them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use churn_events::{Event, LogOptions, LogReport, encode, read_logs_from};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::event_error;
use crate::running::{Raised, note_raised};

/// How often a progress callback is called.
const TELLS: Duration = Duration::from_millis(100);

/// zstd's level for events that are kept: they take a twelfth of their size, at 500 MB/s.
const LEVEL: i32 = 1;

/// How files begin that are compressed already: gzip and zstd.
const MAGICS: [&[u8]; 2] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];

/// A part of a log that can be read again.
#[derive(Clone)]
pub(crate) enum Part {
    /// Files, wherever they are.
    Files(Vec<PathBuf>),
    /// Compressed lines, and what they are called.
    Lines(String, Arc<[u8]>),
}

impl Part {
    /// The files that it is.
    pub(crate) fn files(&self) -> &[PathBuf] {
        match self {
            Self::Files(paths) => paths,
            Self::Lines(..) => &[],
        }
    }
}

/// Where events come from.
pub(crate) enum Source {
    /// Files of JSON Lines.
    Files(Vec<PathBuf>),
    /// All of a file, with a name that stands for it.
    Bytes(&'static str, PyBackedBytes),
    /// Plain lines that come bit by bit, with a name that stands for them.
    Lines(&'static str, Box<dyn Read + Send>),
}

/// Logs with the names that stand for them.
type Logs<'r> = Vec<(PathBuf, Box<dyn Read + Send + 'r>)>;

/// Reads a source and hands its events on; returns with the report the part to keep, where one is asked for.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn read(
    source: Source,
    options: &LogOptions,
    keep: bool,
    is_stopped: &AtomicBool,
    mut on_batch: impl FnMut(&[Event<'_>]),
) -> PyResult<(LogReport, Option<Part>)> {
    // Records that only this call dates are kept as the events that they became.
    let keep_events = keep && options.received_at.is_some();
    let keep_words = keep && !keep_events;
    let name = match &source {
        Source::Files(_) => "dated records".to_owned(),
        Source::Bytes(name, _) | Source::Lines(name, _) => (*name).to_owned(),
    };
    let kept = Mutex::new(zstd::Encoder::new(Vec::new(), LEVEL)?);
    let mut part = None;
    let logs: Logs<'_> = match source {
        Source::Files(paths) => {
            part = keep_words.then(|| Part::Files(paths.clone()));
            open(&paths)?
        }
        Source::Bytes(_, bytes) => {
            if keep_words {
                part = Some(Part::Lines(name.clone(), compressed(&bytes)?));
            }
            vec![(name.clone().into(), Box::new(io::Cursor::new(bytes)))]
        }
        Source::Lines(_, reader) if keep_words => vec![(name.clone().into(), Box::new(Kept { reader, kept: &kept }))],
        Source::Lines(_, reader) => vec![(name.clone().into(), reader)],
    };
    let mut line = Vec::new();
    let report = read_until(logs, options, is_stopped, |events| {
        on_batch(events);
        if keep_events {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            for event in events {
                line.clear();
                encode(event, &mut line);
                line.push(b'\n');
                // A vector takes every byte.
                let _ = kept.write_all(&line);
            }
        }
    })?;
    if keep && part.is_none() {
        let bytes = kept.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
        part = Some(Part::Lines(name, bytes.into()));
    }
    Ok((report, part))
}

/// Reads parts again, merged by when events were received.
///
/// # Errors
/// When a file cannot be opened.
pub(crate) fn read_again(
    parts: &[Part],
    is_stopped: &AtomicBool,
    on_batch: impl FnMut(&[Event<'_>]),
) -> PyResult<LogReport> {
    let mut logs: Logs<'_> = Vec::new();
    for part in parts {
        match part {
            Part::Files(paths) => logs.extend(open(paths)?),
            Part::Lines(name, bytes) => logs.push((name.into(), Box::new(io::Cursor::new(bytes)))),
        }
    }
    read_until(logs, &LogOptions::default(), is_stopped, on_batch)
}

fn read_until(
    logs: Logs<'_>,
    options: &LogOptions,
    is_stopped: &AtomicBool,
    mut on_batch: impl FnMut(&[Event<'_>]),
) -> PyResult<LogReport> {
    let logs = logs.into_iter().map(|(name, reader)| (name, Until { reader, is_stopped })).collect();
    let report = read_logs_from(logs, options, |events| {
        if !is_stopped.load(Ordering::Relaxed) {
            on_batch(events);
        }
    });
    report.map_err(|error| event_error(&error))
}

fn open<'r>(paths: &[PathBuf]) -> PyResult<Logs<'r>> {
    let open = |path: &PathBuf| -> PyResult<(PathBuf, Box<dyn Read + Send + 'r>)> {
        let fail = |source| event_error(&churn_events::Error::Open { path: path.clone(), source });
        let file = File::open(path).map_err(fail)?;
        // A folder opens, and is only found to be none when it is read.
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(fail(io::ErrorKind::IsADirectory.into()));
        }
        Ok((path.clone(), Box::new(file)))
    };
    paths.iter().map(open).collect()
}

fn compressed(bytes: &[u8]) -> io::Result<Arc<[u8]>> {
    match MAGICS.iter().any(|magic| bytes.starts_with(magic)) {
        true => Ok(bytes.into()),
        false => Ok(zstd::encode_all(bytes, LEVEL)?.into()),
    }
}

/// A reader that breaks off when it is to stop.
struct Until<'a, R> {
    reader: R,
    is_stopped: &'a AtomicBool,
}

impl<R: Read> Read for Until<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("interrupted"));
        }
        self.reader.read(out)
    }
}

/// A reader of which is kept what is read.
struct Kept<'a, R> {
    reader: R,
    kept: &'a Mutex<zstd::Encoder<'static, Vec<u8>>>,
}

impl<R: Read> Read for Kept<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n_read = self.reader.read(out)?;
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).write_all(&out[..n_read])?;
        Ok(n_read)
    }
}

/// What a Python iterator of bytes yields.
pub(crate) struct Chunks {
    iterator: Py<PyAny>,
    chunk: Option<PyBackedBytes>,
    n_read: usize,
    raised: Raised,
}

impl Chunks {
    pub(crate) fn new(iterator: Py<PyAny>, raised: &Raised) -> Self {
        Self { iterator, chunk: None, n_read: 0, raised: Arc::clone(raised) }
    }

    fn next(&self) -> PyResult<Option<PyBackedBytes>> {
        Python::attach(|py| match self.iterator.bind(py).try_iter()?.next() {
            Some(chunk) => Ok(Some(chunk?.extract()?)),
            None => Ok(None),
        })
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(chunk) = &self.chunk
                && self.n_read < chunk.len()
            {
                let n_read = (&chunk[self.n_read..]).read(out)?;
                self.n_read += n_read;
                return Ok(n_read);
            }
            (self.chunk, self.n_read) = match self.next() {
                Ok(Some(chunk)) => (Some(chunk), 0),
                Ok(None) => return Ok(0),
                Err(error) => {
                    note_raised(&self.raised, error);
                    return Err(io::Error::other("the iterator has raised an exception"));
                }
            };
        }
    }
}

/// Tells Python now and then how many events have been read.
pub(crate) struct Progress<'a> {
    callback: Option<Py<PyAny>>,
    n_events: u64,
    told: Instant,
    is_stopped: &'a AtomicBool,
    raised: Raised,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(callback: Option<Py<PyAny>>, is_stopped: &'a AtomicBool, raised: &Raised) -> Self {
        Self { callback, n_events: 0, told: Instant::now(), is_stopped, raised: Arc::clone(raised) }
    }

    /// Notes that so many more have been read.
    pub(crate) fn add(&mut self, n_events: usize) {
        self.n_events += n_events as u64;
        if self.told.elapsed() >= TELLS {
            self.tell();
        }
    }

    /// Tells how many have been read; an exception ends the work.
    pub(crate) fn tell(&mut self) {
        let Some(callback) = &self.callback else { return };
        if let Err(error) = Python::attach(|py| callback.call1(py, (self.n_events,)).map(drop)) {
            note_raised(&self.raised, error);
            self.is_stopped.store(true, Ordering::Relaxed);
        }
        self.told = Instant::now();
    }
}
