//! A log that comes through a pipe, and may keep its reader waiting.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::SourceError;
use super::file::BATCH_LINES;
use super::line_reader::LineReader;
use crate::{Position, Record};

/// Batches that wait to be taken in, at most.
const MOST_BATCHES: usize = 4;

/// The lines of a pipe, which a thread of its own reads: opening one and reading it take as long as its writer likes.
///
/// Nothing can wake the thread while it waits for the writer. Once this is gone it ends with the next line, or with the
/// process.
pub(super) struct Pipe {
    batches: Receiver<Result<Vec<Record>, SourceError>>,
}

/// What a pipe has.
pub(super) enum Piped {
    Lines(Vec<Record>),
    /// Nothing while it was waited for.
    Nothing,
    End,
}

impl Pipe {
    /// Begins to read behind a position that was taken in before.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn open(path: PathBuf, after: Option<Position>) -> io::Result<Self> {
        let (sender, batches) = sync_channel(MOST_BATCHES);
        let read = move || {
            if let Err(error) = read(&path, after, &sender) {
                let _ = sender.send(Err(error));
            }
        };
        thread::Builder::new().name("pipe".to_owned()).spawn(read)?;
        Ok(Self { batches })
    }

    pub(super) fn next(&self, wait: Duration) -> Result<Piped, SourceError> {
        match self.batches.recv_timeout(wait) {
            Ok(lines) => lines.map(Piped::Lines),
            Err(RecvTimeoutError::Timeout) => Ok(Piped::Nothing),
            Err(RecvTimeoutError::Disconnected) => Ok(Piped::End),
        }
    }
}

/// Hands on lines as they come, several where they come together.
fn read(
    path: &Path,
    after: Option<Position>,
    sender: &SyncSender<Result<Vec<Record>, SourceError>>,
) -> Result<(), SourceError> {
    let mut reader = LineReader::open(path, after)?;
    let mut lines = Vec::new();
    loop {
        let line = reader.next_line();
        let is_end = !matches!(line, Ok(Some(_)));
        let line = line.map(|line| lines.extend(line));
        if !lines.is_empty() && (is_end || lines.len() >= BATCH_LINES || !reader.has_line()) {
            // What came before a failure counts; where nobody listens any more, nothing does.
            let Ok(()) = sender.send(Ok(std::mem::take(&mut lines))) else { return Ok(()) };
        }
        if is_end {
            return line;
        }
    }
}
