use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{AssemblyError, Error};

/// A file that gets its name only when it is whole; dropped before that, it leaves nothing behind.
pub(super) struct Partial {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Partial {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if path.is_dir() {
            return Err(Error::Directory { path: path.to_owned() });
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Short whatever the target's name, and no two writers share one.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".training-set-{}-{number}.tmp", std::process::id()));
        let file = File::create(&temporary).map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_owned(), temporary, file: Some(BufWriter::new(file)) })
    }

    /// Puts the bytes on the disk and gives the file its name.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let name = |file: Option<BufWriter<File>>| {
            if let Some(file) = file {
                file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            }
            fs::rename(&self.temporary, &self.path)
        };
        let file = self.file.take();
        name(file).map_err(|source| {
            drop(fs::remove_file(&self.temporary));
            failed(&self.path, source)
        })
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Nothing more can be done when this fails too; the error that led here says what to mend.
        if self.file.take().is_some() {
            drop(fs::remove_file(&self.temporary));
        }
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
