//! The file of lines that are no events, so that nothing is lost.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::Fault;
use crate::{Error, WholeFile};

/// Writes dead letters beside their file, which appears when all are on the disk.
pub(super) struct DeadLetters {
    path: PathBuf,
    file: BufWriter<WholeFile>,
}

/// One line of the file.
#[derive(Serialize)]
struct DeadLetter<'a> {
    source: &'a str,
    line: u64,
    field: &'a str,
    reason: String,
    /// The line as it was, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    /// The bytes of the line otherwise.
    #[serde(rename = "textBase64", skip_serializing_if = "Option::is_none")]
    text_base64: Option<String>,
    /// How many bytes the line has, where these are only its beginning.
    #[serde(rename = "lineBytes", skip_serializing_if = "Option::is_none")]
    line_bytes: Option<u64>,
}

impl DeadLetters {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = WholeFile::create(path);
        let file = file.map_err(|source| Error::DeadLetters { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(super) fn write(&mut self, source: &str, fault: &Fault<'_>) -> Result<(), Error> {
        let text = std::str::from_utf8(fault.text).ok();
        let letter = DeadLetter {
            source,
            line: fault.line,
            field: &fault.malformed.field,
            reason: fault.malformed.reason.to_string(),
            text,
            text_base64: text.is_none().then(|| STANDARD.encode(fault.text)),
            line_bytes: fault.line_bytes,
        };
        let written = serde_json::to_writer(&mut self.file, &letter).map_err(io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(|source| self.error(source))
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Self { path, file } = self;
        let placed = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(WholeFile::finish);
        placed.map_err(|source| Error::DeadLetters { path, source })
    }

    fn error(&self, source: io::Error) -> Error {
        Error::DeadLetters { path: self.path.clone(), source }
    }
}
