use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use churn_events::WholeFile;

use crate::{AssemblyError, Error};

/// A file that gets its name only when it is whole; dropped before that, it leaves nothing behind.
pub(super) struct Partial {
    path: PathBuf,
    file: BufWriter<WholeFile>,
}

impl Partial {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Err(Error::Directory { path: path.to_owned() });
        }
        let file = WholeFile::create(path).map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Puts the bytes on the disk and gives the file its name.
    pub(super) fn finish(self) -> Result<(), Error> {
        let placed = self.file.into_inner().map_err(io::IntoInnerError::into_error).and_then(WholeFile::finish);
        placed.map_err(|source| failed(&self.path, source))
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(super) fn failed(path: &Path, source: io::Error) -> Error {
    AssemblyError::Write { path: path.to_owned(), source }.into()
}

/// What went wrong when a file was opened or read.
pub(super) fn not_read(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NoFile { path },
        io::ErrorKind::IsADirectory => Error::Directory { path },
        _ => AssemblyError::Read { path, source }.into(),
    }
}
