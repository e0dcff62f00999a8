use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_events::{LegacyTable, MAX_LINE_BYTES, Timestamp, decompressed};

use serde::de::IgnoredAny;

use super::{Next, Source, SourceError};
use crate::{Batch, Position, Record, SequenceNumber, Shard};

/// Lines that are handed out at once.
const BATCH_LINES: usize = 512;

/// How the names of logs in a folder end.
const LOG_ENDINGS: [&str; 3] = [".jsonl", ".jsonl.gz", ".jsonl.zst"];

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Files of events, one per line, plain, gzip or zstd: a stored log that is replayed.
///
/// A line's sequence number is its place in the unpacked file, in bytes. Several files are merged by when their events
/// were received, as streams that were written side by side.
pub struct FileSource {
    files: Vec<LogFile>,
    pace: Option<Pace>,
}

/// Hands out events as fast as they were received, or so many times as fast.
struct Pace {
    speed: f64,
    /// When replaying began, and when the first event was received.
    begun: Option<(Instant, Timestamp)>,
}

struct LogFile {
    shard: Arc<Shard>,
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    /// Where the next line begins.
    offset: u64,
    /// The next line, where it had to be looked at.
    head: Option<Head>,
    /// Whether it was told that the file has nothing more.
    is_told: bool,
}

struct Head {
    record: Record,
    /// When it was received, where it is an event.
    received_at: Option<Timestamp>,
}

impl FileSource {
    /// Opens files, and those in folders; those that were read before go on behind their positions.
    ///
    /// `speed` is how many times as fast as it happened the log is replayed; without it, as fast as it can be.
    ///
    /// # Errors
    /// When a file cannot be opened, is a table, or a folder holds none.
    pub fn open(
        paths: &[PathBuf],
        speed: Option<f64>,
        position_of: impl Fn(&str) -> Option<Position>,
    ) -> Result<Self, SourceError> {
        let mut files = Vec::new();
        for path in paths {
            let fail = |source: io::Error| SourceError::new(path.display().to_string(), source);
            for path in files_in(path).map_err(fail)? {
                let fail = |source: io::Error| SourceError::new(path.display().to_string(), source);
                // The same file by whatever path; a pipe has no other than the one given.
                let name = fs::canonicalize(&path).unwrap_or_else(|_| path.clone()).display().to_string();
                if files.iter().any(|file: &LogFile| file.shard.name == name) {
                    return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "is named twice")));
                }
                let after = position_of(&name);
                files.push(LogFile::open(&path, name, after).map_err(fail)?);
            }
        }
        Ok(Self { files, pace: speed.map(|speed| Pace { speed, begun: None }) })
    }

    /// Lines of the only file: nobody has to look at them before they are processed.
    fn next_lines(&mut self) -> Result<Next, SourceError> {
        let [file] = &mut self.files[..] else { return Ok(Next::End) };
        let mut records = Vec::with_capacity(BATCH_LINES);
        while records.len() < BATCH_LINES {
            match file.next_line().map_err(|error| file.error(error))? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        if records.is_empty() {
            return Ok(Next::End);
        }
        Ok(Next::Batch(Batch::new(Arc::clone(&file.shard), records)))
    }

    /// Lines of the file whose next event was received first, up to where another file's comes.
    fn next_in_order(&mut self, wait: Duration) -> Result<Next, SourceError> {
        for file in &mut self.files {
            file.look().map_err(|error| file.error(error))?;
            if file.head.is_none() && !std::mem::replace(&mut file.is_told, true) {
                let shard = Arc::clone(&file.shard);
                return Ok(Next::Batch(Batch { is_last: true, ..Batch::new(shard, Vec::new()) }));
            }
        }
        let heads = self.files.iter().map(|file| file.head.as_ref().map(|head| head.received_at));
        let mut order: Vec<(Option<Timestamp>, usize)> =
            heads.zip(0..).filter_map(|(head, file)| Some((head?, file))).collect();
        order.sort_unstable();
        let Some((first, at)) = order.first().copied() else { return Ok(Next::End) };
        let due = match (&mut self.pace, first) {
            (Some(pace), Some(first)) => pace.due(first),
            _ => Ok(i64::MAX),
        };
        let due_ms = match due {
            Ok(due_ms) => due_ms,
            Err(left) => {
                std::thread::sleep(left.min(wait));
                return Ok(Next::Idle);
            }
        };
        let until = order.get(1).copied();
        let file = &mut self.files[at];
        let mut records = Vec::new();
        while let Some(head) = file.head.take() {
            let is_first = records.is_empty();
            let is_before = until.is_none_or(|until| (head.received_at, at) < until);
            let is_due = head.received_at.is_none_or(|received_at| received_at.millis() <= due_ms);
            if !(is_first || is_before && is_due && records.len() < BATCH_LINES) {
                file.head = Some(head);
                break;
            }
            records.push(head.record);
            file.look().map_err(|error| file.error(error))?;
        }
        Ok(Next::Batch(Batch::new(Arc::clone(&file.shard), records)))
    }
}

impl Source for FileSource {
    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if self.files.len() == 1 && self.pace.is_none() { self.next_lines() } else { self.next_in_order(wait) }
    }
}

impl Pace {
    /// Up to when what was received may be handed out, or how long to wait for the first of it.
    fn due(&mut self, first: Timestamp) -> Result<i64, Duration> {
        let (begun, began_ms) = *self.begun.get_or_insert_with(|| (Instant::now(), first));
        let passed_ms = begun.elapsed().as_secs_f64() * 1e3 * self.speed;
        let due_ms = began_ms.millis().saturating_add(passed_ms as i64);
        let left_ms = first.millis() - due_ms;
        if left_ms > 0 {
            Err(Duration::try_from_secs_f64(left_ms as f64 / 1e3 / self.speed).unwrap_or(Duration::MAX))
        } else {
            Ok(due_ms)
        }
    }
}

impl LogFile {
    fn open(path: &Path, name: String, after: Option<Position>) -> io::Result<Self> {
        let reader = BufReader::with_capacity(READ_BYTES, decompressed(File::open(path)?)?);
        // Records of the original system are told apart by their file and their place in it.
        let shard = Arc::new(Shard::new(name.clone(), name));
        let mut file = Self { shard, path: path.to_owned(), reader, offset: 0, head: None, is_told: false };
        file.look()?;
        if let Some(table) = file.head.as_ref().and_then(|head| LegacyTable::from_header(&head.record.data)) {
            let what = format!("is a {}; expected a log with one event or record per line, in JSON", table.format());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        // What is packed can only be read over.
        while file.head.as_ref().is_some_and(|head| Some(head.record.position) <= after) {
            file.head = None;
            file.look()?;
        }
        Ok(file)
    }

    fn error(&self, source: io::Error) -> SourceError {
        SourceError::new(format!("{} from byte {}", self.path.display(), self.offset), source)
    }

    /// Sees to it that the next line is there, unless the file has ended.
    fn look(&mut self) -> io::Result<()> {
        if self.head.is_none()
            && let Some(record) = self.next_line()?
        {
            self.head = Some(Head { received_at: record.received_at(), record });
        }
        Ok(())
    }

    /// The next line that is not blank. Of one that is too long to be read, a little more than what can be; a last one that
    /// somebody is still writing is left for the next run.
    fn next_line(&mut self) -> io::Result<Option<Record>> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head.record));
        }
        loop {
            let begin = self.offset;
            let mut data = Vec::new();
            let read = (&mut self.reader).take(MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut data)?;
            if read == 0 {
                return Ok(None);
            }
            let is_ended = data.pop_if(|byte| *byte == b'\n').is_some();
            if !is_ended && data.len() <= MAX_LINE_BYTES && is_begun(&data) {
                return Ok(None);
            }
            self.offset += read as u64;
            if !is_ended && data.len() > MAX_LINE_BYTES {
                self.offset += self.skip_line()?;
            }
            if !data.trim_ascii().is_empty() {
                let position = Position::of(SequenceNumber::from(begin));
                return Ok(Some(Record { position, arrived_at: None, data }));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let (length, is_end) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(position) => (position + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.reader.consume(length);
            skipped += length as u64;
            if is_end {
                return Ok(skipped);
            }
        }
    }
}

/// Whether a line without end is the beginning of an object.
fn is_begun(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof())
}

/// The file at a path, or the logs in the folder there, by name.
fn files_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if LOG_ENDINGS.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.') {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        let what = format!("is a folder without logs of events; expected files named *{}", LOG_ENDINGS.join(", *"));
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    files.sort_unstable();
    Ok(files)
}
