//! CSV records with exact line numbers: plain or gzip, with or without byte order mark, LF or CRLF.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder, StringRecord, Terminator};
use flate2::read::MultiGzDecoder;

use crate::{Error, Place};
use churn_features::Cell;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 1 << 16;

/// The records of one CSV file, each checked to be as wide as the first.
pub(crate) struct Records {
    path: PathBuf,
    is_gzip: bool,
    reader: csv::Reader<TwoLineFeeds>,
    /// Column names; empty until they are read or given.
    names: Vec<String>,
    width: Option<usize>,
    record: StringRecord,
    /// A record that was looked at and not handed out yet.
    is_pending: bool,
    /// Line on which `record` starts.
    line: u64,
    /// Line on which the reader stands.
    next_line: u64,
}

impl Records {
    /// Opens a file and looks at its first bytes.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let (mut text, is_gzip) = open(path)?;
        let mut start = take(&mut text, BYTE_ORDER_MARK.len()).map_err(|e| read_error(path, is_gzip, e))?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        let text = TwoLineFeeds { inner: Box::new(Cursor::new(start).chain(text)), n_bytes: 0, n_appended: 0 };
        // With LF as the only terminator every record takes its own line feed along, so that line numbers are exact;
        // the CR of a CRLF file stays at the end of the last cell, where trimming removes it.
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(text);
        Ok(Self {
            path: path.to_owned(),
            is_gzip,
            reader,
            names: Vec::new(),
            width: None,
            record: StringRecord::new(),
            is_pending: false,
            line: 0,
            next_line: 1,
        })
    }

    /// Reads the column names from the first record.
    pub(crate) fn read_header(&mut self) -> Result<&[String], Error> {
        let Some(record) = self.next()? else { return Err(Error::Empty { path: self.path.clone() }) };
        let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        check_header(&self.path, &names)?;
        self.names = names;
        Ok(&self.names)
    }

    /// Names the columns by their number, for a file without header.
    pub(crate) fn name_by_position(&mut self, name: impl FnMut(usize) -> String) -> Result<&[String], Error> {
        let Some(width) = self.next()?.map(StringRecord::len) else {
            return Err(Error::Empty { path: self.path.clone() });
        };
        self.is_pending = true;
        self.names = (0..width).map(name).collect();
        Ok(&self.names)
    }

    /// Gives the columns of a file without header the names that messages should use.
    pub(crate) fn rename(&mut self, name: impl FnMut(usize) -> String) {
        self.names = (0..self.names.len()).map(name).collect();
    }

    /// The column names.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The file that is read.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The record handed out last.
    pub(crate) fn record(&self) -> &StringRecord {
        &self.record
    }

    /// File, line and column name of a cell in the record handed out last, for an error.
    pub(crate) fn place(&self, position: usize) -> Place {
        let name = self.names.get(position).cloned();
        Place { path: self.path.clone(), line: self.line, column: name.unwrap_or_else(|| (position + 1).to_string()) }
    }

    /// Line on which the record handed out last starts.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The next record, or `None` at the end. Cells are not trimmed.
    pub(crate) fn next(&mut self) -> Result<Option<&StringRecord>, Error> {
        if std::mem::take(&mut self.is_pending) {
            return Ok(Some(&self.record));
        }
        loop {
            let mut bytes = std::mem::take(&mut self.record).into_byte_record();
            let is_record = self.reader.read_byte_record(&mut bytes).map_err(|error| self.csv_error(error))?;
            if !is_record {
                return Ok(None);
            }
            self.find_line(&bytes)?;
            if is_blank(&bytes, self.width) {
                continue;
            }
            self.check_bytes(&bytes)?;
            self.record = StringRecord::from_byte_record(bytes).map_err(|error| {
                let (column, at) = (error.utf8_error().field(), error.utf8_error().valid_up_to());
                let byte = error.into_byte_record().get(column).and_then(|cell| cell.get(at)).copied().unwrap_or(0);
                Error::NotUtf8 { place: self.place(column), byte }
            })?;
            return Ok(Some(&self.record));
        }
    }

    /// Finds the line on which the record just read starts.
    ///
    /// The position the csv crate gives is that of the reader before it skipped blank lines, so the line is counted
    /// back from the end of the record.
    fn find_line(&mut self, record: &ByteRecord) -> Result<(), Error> {
        let (start, end) = (self.next_line, self.reader.position().line());
        self.next_line = end;
        let n_inside = || record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.line = if end == start + 1 { start } else { end - 1 - n_inside() };
        if self.reader.get_ref().ends_at(self.reader.position().byte()) {
            // Both appended line feeds went into the open cell, and neither ended the record.
            self.line = end - n_inside();
            return Err(Error::OpenQuote { place: self.place(record.len().saturating_sub(1)) });
        }
        Ok(())
    }

    fn check_bytes(&mut self, record: &ByteRecord) -> Result<(), Error> {
        if record.as_slice().contains(&0) {
            let column = record.iter().position(|cell| cell.contains(&0)).unwrap_or(0);
            return Err(Error::Nul { place: self.place(column) });
        }
        let expected = *self.width.get_or_insert(record.len());
        if record.len() != expected {
            let (path, line, found) = (self.path.clone(), self.line, record.len());
            return Err(Error::Ragged { path, line, found, expected });
        }
        Ok(())
    }

    fn csv_error(&self, error: csv::Error) -> Error {
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            other => io::Error::other(format!("{other:?}")),
        };
        read_error(&self.path, self.is_gzip, source)
    }
}

/// Opens a file that may be compressed, and says whether it is.
pub(crate) fn open(path: &Path) -> Result<(Box<dyn Read>, bool), Error> {
    if path.is_dir() {
        return Err(Error::Directory { path: path.to_owned() });
    }
    let mut file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::NoFile { path: path.to_owned() },
        _ => Error::Read { path: path.to_owned(), source },
    })?;
    let start = take(&mut file, GZIP_MAGIC.len()).map_err(|e| read_error(path, false, e))?;
    let is_gzip = start == GZIP_MAGIC;
    let whole = Cursor::new(start).chain(file);
    Ok((if is_gzip { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) }, is_gzip))
}

fn read_error(path: &Path, is_gzip: bool, source: io::Error) -> Error {
    let path = path.to_owned();
    if is_gzip { Error::Gzip { path, source } } else { Error::Read { path, source } }
}

fn take(input: &mut impl Read, n_bytes: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(n_bytes);
    input.take(n_bytes as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Whether a record is a line without content. In a table of one column only the CR of a blank CRLF line is: an empty
/// quoted cell is a missing value there.
fn is_blank(record: &ByteRecord, width: Option<usize>) -> bool {
    let Some(cell) = record.get(0) else { return true };
    record.len() == 1 && if width == Some(1) { cell == b"\r" } else { cell.trim_ascii().is_empty() }
}

fn check_header(path: &Path, names: &[String]) -> Result<(), Error> {
    let path = || path.to_owned();
    if let [name] = names
        && let Some(found) = name.chars().find(|c| [';', '\t', '|'].contains(c))
    {
        return Err(Error::Separator { path: path(), found });
    }
    if names.iter().any(|name| name.contains('\r') && !name.contains('\n')) {
        return Err(Error::CarriageReturns { path: path() });
    }
    if names.iter().all(|name| matches!(Cell::read(name), Cell::Number(_) | Cell::Infinite)) {
        return Err(Error::NumbersAsHeader { path: path() });
    }
    let mut first_position = HashMap::with_capacity(names.len());
    for (position, name) in (1..).zip(names) {
        if name.is_empty() {
            return Err(Error::EmptyHeader { path: path(), position });
        }
        if let Some(first) = first_position.insert(name, position) {
            return Err(Error::DuplicateHeader { path: path(), name: name.clone(), first, second: position });
        }
    }
    Ok(())
}

/// Text with two line feeds after its end.
///
/// The first one ends a last line that does not end itself. Only a quoted cell that never ends takes the second one
/// too: this is how it is told from a sound file, since the csv crate accepts both.
struct TwoLineFeeds {
    inner: Box<dyn Read>,
    n_bytes: u64,
    n_appended: u8,
}

impl TwoLineFeeds {
    fn ends_at(&self, byte: u64) -> bool {
        self.n_appended == 2 && self.n_bytes == byte
    }
}

impl Read for TwoLineFeeds {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut n_read = if self.n_appended == 0 { self.inner.read(buffer)? } else { 0 };
        if n_read == 0 && self.n_appended < 2 {
            buffer[0] = b'\n';
            self.n_appended += 1;
            n_read = 1;
        }
        self.n_bytes += n_read as u64;
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The lines on which the records of `text` start, after the header.
    fn lines_of(text: &str) -> Vec<u64> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("writes");
        let mut records = Records::open(file.path()).expect("opens");
        records.read_header().expect("a header");
        let mut lines = Vec::new();
        while records.next().expect("a sound record").is_some() {
            lines.push(records.line());
        }
        lines
    }

    #[test]
    fn line_numbers_are_those_of_an_editor() {
        assert_eq!(lines_of("a,b\n1,2\n3,4\n"), [2, 3]);
        assert_eq!(lines_of("a,b\r\n1,2\r\n3,4\r\n"), [2, 3]);
        assert_eq!(lines_of("a,b\n1,2\n3,4"), [2, 3]);
        assert_eq!(lines_of("\n\na,b\n\n1,2\n\n\n3,4\n\n"), [5, 8]);
        assert_eq!(lines_of("a,b\r\n\r\n1,2\r\n  \r\n3,4\r\n"), [3, 5]);
        assert_eq!(lines_of("\"a\nx\",b\n\"1\n\n\",2\n3,\"4\n\"\n5,6"), [3, 6, 8]);
        assert_eq!(lines_of("a,b\r\n1,\"2\r\n\"\r\n\r\n3,4"), [2, 5]);
    }
}
