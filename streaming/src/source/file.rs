use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_events::Timestamp;

use super::line_reader::LineReader;
use super::pace::Pace;
use super::pipe::{Pipe, Piped};
use super::{Next, Source, SourceError};
use crate::now::now;
use crate::{Batch, Position, Record, Shard};

/// Lines that are handed out at once.
pub(super) const BATCH_LINES: usize = 512;

/// How the names of logs in a folder end.
const LOG_ENDINGS: [&str; 3] = [".jsonl", ".jsonl.gz", ".jsonl.zst"];

/// Files of events, one per line, plain, gzip or zstd: a stored log that is replayed.
///
/// A line's sequence number is its place in the unpacked file, in bytes. Several files are merged by when their events
/// were received, as streams that were written side by side. What is no file, such as a pipe, is read by a thread of its
/// own, so that nobody waits for its writer longer than he wants to.
pub struct FileSource {
    files: Vec<LogFile>,
    pace: Option<Pace>,
}

struct LogFile {
    shard: Arc<Shard>,
    lines: Lines,
    /// The next line, where it had to be looked at.
    head: Option<Head>,
    /// What is wrong behind the lines that were handed out last.
    failed: Option<SourceError>,
    /// Whether it was told that the file has nothing more.
    is_told: bool,
}

enum Lines {
    File(LineReader),
    /// With the lines that came together and were not asked for yet.
    Pipe {
        pipe: Pipe,
        came: std::vec::IntoIter<Record>,
    },
}

enum Line {
    Record(Record),
    /// Nothing while it was waited for; a file never keeps anybody waiting.
    Nothing,
    End,
}

/// What a look at a file has found.
#[derive(PartialEq, Eq)]
enum Seen {
    Line,
    Nothing,
    End,
}

struct Head {
    record: Record,
    /// When it was received, where it is an event, and its clock was not ahead of ours: who waited for that would hold back
    /// the rest of its file.
    received_at: Option<Timestamp>,
}

impl FileSource {
    /// Opens files, and those in folders; those that were read before go on behind their positions.
    ///
    /// `speed` is how many times as fast as it happened the log is replayed; without it, as fast as it can be.
    ///
    /// # Errors
    /// When a file cannot be opened, is a table, does not have its position any more, or a folder holds none. What a pipe
    /// is shows when it is read.
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
                let name = name_of(&path);
                if files.iter().any(|file: &LogFile| file.shard.name == name) {
                    return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, "is named twice, or packed and not")));
                }
                let after = position_of(&name);
                files.push(LogFile::open(&path, name, after)?);
            }
        }
        Ok(Self { files, pace: speed.map(Pace::new) })
    }

    /// Lines of the only file: nobody has to look at them before they are processed.
    fn next_lines(&mut self, wait: Duration) -> Result<Next, SourceError> {
        let [file] = &mut self.files[..] else { return Ok(Next::End) };
        Ok(match file.next_lines(wait)? {
            None => Next::End,
            Some(records) if records.is_empty() => Next::Idle,
            Some(records) => Next::Batch(Batch::new(Arc::clone(&file.shard), records)),
        })
    }

    /// Lines of the file whose next event was received first, up to where another file's comes.
    fn next_in_order(&mut self, wait: Duration) -> Result<Next, SourceError> {
        for file in &mut self.files {
            let seen = file.look(wait)?;
            if seen == Seen::Nothing {
                // What it gives may come before all that the others have.
                return Ok(Next::Idle);
            }
            if seen == Seen::End && !std::mem::replace(&mut file.is_told, true) {
                let shard = Arc::clone(&file.shard);
                return Ok(Next::Batch(Batch { is_last: true, ..Batch::new(shard, Vec::new()) }));
            }
        }
        let heads = self.files.iter().map(|file| file.head.as_ref().map(|head| head.received_at));
        let mut order: Vec<(Option<Timestamp>, usize)> =
            heads.zip(0..).filter_map(|(head, file)| Some((head?, file))).collect();
        order.sort_unstable();
        let Some((first, at)) = order.first().copied() else { return Ok(Next::End) };
        // What has no time is due at once, and the events behind it are not.
        let mut due = |received_at: Option<Timestamp>| match (&mut self.pace, received_at) {
            (Some(pace), Some(received_at)) => pace.due(received_at, Instant::now()),
            _ => Ok(()),
        };
        if let Err(left) = due(first) {
            std::thread::sleep(left.min(wait));
            return Ok(Next::Idle);
        }
        let until = order.get(1).copied();
        let file = &mut self.files[at];
        let mut records = Vec::new();
        while let Some(head) = file.head.take() {
            let is_first = records.is_empty();
            let is_before = until.is_none_or(|until| (head.received_at, at) < until);
            let has_room = records.len() < BATCH_LINES;
            if !(is_first || is_before && has_room && due(head.received_at).is_ok()) {
                file.head = Some(head);
                break;
            }
            records.push(head.record);
            if let Err(error) = file.look(Duration::ZERO) {
                file.failed = Some(error);
                break;
            }
        }
        Ok(Next::Batch(Batch::new(Arc::clone(&file.shard), records)))
    }
}

impl Source for FileSource {
    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        if self.files.len() == 1 && self.pace.is_none() { self.next_lines(wait) } else { self.next_in_order(wait) }
    }
}

impl LogFile {
    fn open(path: &Path, name: String, after: Option<Position>) -> Result<Self, SourceError> {
        let fail = |source: io::Error| SourceError::new(path.display().to_string(), source);
        // A pipe that is quiet must not hold up the whole process; what is not there at all is an error of the file.
        let is_pipe = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let lines = if is_pipe {
            Lines::Pipe { pipe: Pipe::open(path.to_owned(), after).map_err(fail)?, came: Vec::new().into_iter() }
        } else {
            Lines::File(LineReader::open(path, after)?)
        };
        // Records of the original system are told apart by their file and their place in it.
        let shard = Arc::new(Shard::new(name.clone(), name));
        let mut file = Self { shard, lines, head: None, failed: None, is_told: false };
        if !is_pipe {
            file.look(Duration::ZERO)?;
        }
        Ok(file)
    }

    /// Sees to it that the next line is there, unless the file has ended.
    fn look(&mut self, wait: Duration) -> Result<Seen, SourceError> {
        if self.head.is_some() {
            return Ok(Seen::Line);
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        Ok(match self.lines.next(wait)? {
            Line::Record(record) => {
                let received_at = record.received_at().filter(|received_at| *received_at <= now());
                self.head = Some(Head { received_at, record });
                Seen::Line
            }
            Line::Nothing => Seen::Nothing,
            Line::End => Seen::End,
        })
    }

    /// Lines as they come; nothing at the end, and no lines when none came while waiting.
    fn next_lines(&mut self, wait: Duration) -> Result<Option<Vec<Record>>, SourceError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut records: Vec<Record> = self.head.take().map(|head| head.record).into_iter().collect();
        while records.len() < BATCH_LINES {
            // Only the first is waited for.
            let wait = if records.is_empty() { wait } else { Duration::ZERO };
            match self.lines.next(wait) {
                Ok(Line::Record(record)) => records.push(record),
                Ok(Line::Nothing) => return Ok(Some(records)),
                Ok(Line::End) => break,
                Err(error) if records.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(Some(records).filter(|records| !records.is_empty()))
    }
}

impl Lines {
    fn next(&mut self, wait: Duration) -> Result<Line, SourceError> {
        match self {
            Self::File(reader) => Ok(reader.next_line()?.map_or(Line::End, Line::Record)),
            Self::Pipe { pipe, came } => {
                if came.as_slice().is_empty() {
                    match pipe.next(wait)? {
                        Piped::Lines(lines) => *came = lines.into_iter(),
                        Piped::Nothing => return Ok(Line::Nothing),
                        Piped::End => return Ok(Line::End),
                    }
                }
                Ok(came.next().map_or(Line::Nothing, Line::Record))
            }
        }
    }
}

/// The same for a file by whatever path, packed or not: a position is one in its lines, and a log that is packed later goes
/// on where it was. A pipe has no other path than the one given.
fn name_of(path: &Path) -> String {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_packed = path.extension().is_some_and(|ending| ending == "gz" || ending == "zst");
    if is_packed { path.with_extension("").display().to_string() } else { path.display().to_string() }
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::SequenceNumber;

    fn line(second: u32) -> String {
        let event = r#""specversion":"1.0","source":"/jobs","type":"com.anycompany.bdcp.user.login","subject":"a""#;
        let data = r#""data":{"userId":"ann","sessionId":"s"}"#;
        format!("{{{event},\"id\":\"{second}\",\"time\":\"2026-03-01T12:30:{second:02}Z\",{data}}}\n")
    }

    /// The records of the first log, when something happens after each batch; no log goes on behind its end.
    fn read(logs: &[PathBuf], after: Option<Position>, mut between: impl FnMut()) -> Vec<(Position, Vec<u8>)> {
        let first = name_of(&logs[0]);
        let mut source = FileSource::open(logs, None, |name| after.filter(|_| name == first)).expect("opens");
        let (mut records, mut ended) = (Vec::new(), Vec::new());
        while let Next::Batch(batch) = source.next(Duration::ZERO).expect("is read") {
            assert!(!ended.contains(&batch.shard.name), "{} goes on", batch.shard.name);
            if batch.is_last {
                ended.push(batch.shard.name.clone());
            }
            if batch.shard.name == first {
                records.extend(batch.records.into_iter().map(|record| (record.position, record.data)));
            }
            between();
        }
        records
    }

    #[test]
    fn a_log_that_is_written_on_while_it_is_read_ends_where_its_end_was_found() {
        for n_logs in 1..=3_u32 {
            let folder = tempfile::tempdir().expect("a folder");
            let logs: Vec<PathBuf> = (0..n_logs).map(|log| folder.path().join(format!("{log}.jsonl"))).collect();
            for (log, path) in (0..).zip(&logs) {
                fs::write(path, line(10 * log) + &line(10 * log + 1)).expect("is written");
            }
            let (third, fourth) = (line(2), line(3));
            let (begin, end) = third.split_at(third.len() / 2);
            let mut writer = fs::File::options().append(true).open(&logs[0]).expect("opens");
            writer.write_all(begin.as_bytes()).expect("is written");
            let mut rest = Some(format!("{end}{fourth}"));
            let write_rest = || {
                let rest = rest.take().unwrap_or_default();
                writer.write_all(rest.as_bytes()).expect("is written");
            };
            let mut records = read(&logs, None, write_rest);
            assert_eq!(records.len(), 2, "of {n_logs} logs");
            records.extend(read(&logs, Some(records[1].0), || {}));
            let mut offset = 0;
            for ((position, data), line) in records.iter().zip([&line(0), &line(1), &third, &fourth]) {
                assert_eq!(
                    (*position, data.as_slice()),
                    (Position::of(SequenceNumber::from(offset)), line.trim_end().as_bytes())
                );
                offset += line.len() as u64;
            }
            assert_eq!(records.len(), 4);
        }
    }
}
