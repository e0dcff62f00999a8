//! The lines of one log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use churn_events::{LegacyTable, MAX_LINE_BYTES, decompressed};
use serde::de::IgnoredAny;

use super::SourceError;
use crate::{Position, Record, SequenceNumber};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Reads a log line by line, plain, gzip or zstd.
pub(super) struct LineReader {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    /// Where the next line begins.
    offset: u64,
    /// Whether the end was found. What is written behind it from then on is the rest of a line of which the beginning has
    /// been read already, perhaps.
    has_ended: bool,
}

/// What is no log, or not the one that was read before.
#[derive(Debug, thiserror::Error)]
enum WrongLog {
    #[error("is a {}; expected a log with one event or record per line, in JSON", .0.format())]
    Table(LegacyTable),
    #[error(
        "is shorter than it was: it ends at byte {length}, and the checkpoint has taken in the line at byte {position}; put \
         back what was there, give a new log a name of its own, or name an empty folder for --state"
    )]
    Shorter { length: u64, position: SequenceNumber },
    #[error(
        "is another log than it was: no line begins at byte {position}, which the checkpoint has taken in; put back what was \
         there, give a new log a name of its own, or name an empty folder for --state"
    )]
    Other { position: SequenceNumber },
}

impl LineReader {
    /// Opens a log behind a position that was taken in before.
    ///
    /// # Errors
    /// When it cannot be opened, is a table, or does not have that position any more.
    pub(super) fn open(path: &Path, after: Option<Position>) -> Result<Self, SourceError> {
        let fail = |source: io::Error| SourceError::new(path.display().to_string(), source);
        let mut file = File::open(path).map_err(fail)?;
        let offset = after.map_or(Ok(0), |after| begin_of(&mut file, after)).map_err(fail)?;
        // In the middle of a log nothing tells what is packed.
        let reader = if offset > 0 { Box::new(file) } else { decompressed(file).map_err(fail)? };
        let reader = BufReader::with_capacity(READ_BYTES, reader);
        let mut log = Self { path: path.to_owned(), reader, offset, has_ended: false };
        if let Some(after) = after {
            log.skip(after)?;
        }
        Ok(log)
    }

    /// Reads over what was taken in.
    fn skip(&mut self, after: Position) -> Result<(), SourceError> {
        let position = after.sequence;
        let wrong = loop {
            match self.next_line()? {
                Some(line) if line.position.sequence < position => {}
                Some(line) if line.position.sequence == position => return Ok(()),
                Some(_) => break WrongLog::Other { position },
                None => break WrongLog::Shorter { length: self.offset, position },
            }
        };
        Err(SourceError::new(self.path.display().to_string(), wrong))
    }

    /// The next line that is not blank. Of one that is too long to be read, a little more than what can be; a last one that
    /// somebody is still writing is left for the next run, and so is everything that comes once there was none.
    pub(super) fn next_line(&mut self) -> Result<Option<Record>, SourceError> {
        if self.has_ended {
            return Ok(None);
        }
        let is_first = self.offset == 0;
        let line = self.read_line();
        let line = line
            .map_err(|source| SourceError::new(format!("{} from byte {}", self.path.display(), self.offset), source))?;
        self.has_ended = line.is_none();
        if let Some(table) = line.as_ref().filter(|_| is_first).and_then(|line| LegacyTable::from_header(&line.data)) {
            return Err(SourceError::new(self.path.display().to_string(), WrongLog::Table(table)));
        }
        Ok(line)
    }

    fn read_line(&mut self) -> io::Result<Option<Record>> {
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

    /// Whether another line has been read already, and does not have to be waited for.
    pub(super) fn has_line(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }
}

/// Where to begin to find a line again: at the line, in a log that is not packed and has the end of another line before it.
fn begin_of(file: &mut File, line: Position) -> io::Result<u64> {
    let Ok(position @ 1..) = line.sequence.to_string().parse::<u64>() else { return Ok(0) };
    if !file.metadata()?.is_file() {
        return Ok(0);
    }
    let mut byte = [0];
    let is_plain = file.read(&mut byte)? == 1 && byte == *b"{";
    file.seek(SeekFrom::Start(position - 1))?;
    if is_plain && file.read(&mut byte)? == 1 && byte == *b"\n" {
        return Ok(position);
    }
    file.rewind()?;
    Ok(0)
}

/// Whether a line without end is the beginning of an object.
fn is_begun(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(line).is_err_and(|error| error.is_eof())
}
