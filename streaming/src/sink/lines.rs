use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Sink, SinkError, SinkPosition};
use crate::{DeadLetter, ScoreRecord};

/// JSON Lines, into a file or to standard output.
///
/// A file is cut back to the length it had at the checkpoint that is restored, so that no line stands there twice.
#[derive(Debug)]
pub struct LineSink {
    name: String,
    out: Out,
    bytes: u64,
}

#[derive(Debug)]
enum Out {
    File(BufWriter<File>, PathBuf),
    Stdout(BufWriter<io::Stdout>),
}

impl LineSink {
    /// Lines into a file, which is begun anew or cut back when the sink is restored.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn file(path: &Path) -> Result<Self, SinkError> {
        let name = format!("file:{}", path.display());
        // Not truncated here: what is in it belongs to a checkpoint, perhaps.
        let opened = File::options().write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|source| SinkError::new(&name, source))?;
        let out = Out::File(BufWriter::with_capacity(1 << 16, file), path.to_owned());
        Ok(Self { name, out, bytes: 0 })
    }

    /// Lines to standard output.
    pub fn stdout() -> Self {
        Self { name: "stdout".to_owned(), out: Out::Stdout(BufWriter::with_capacity(1 << 16, io::stdout())), bytes: 0 }
    }

    fn write<T: Serialize>(&mut self, items: &[T]) -> Result<(), SinkError> {
        let mut line = Vec::new();
        let mut write = || -> io::Result<()> {
            for item in items {
                line.clear();
                serde_json::to_writer(&mut line, item)?;
                line.push(b'\n');
                self.out.write_all(&line)?;
                self.bytes += line.len() as u64;
            }
            // Somebody may be looking.
            if matches!(self.out, Out::Stdout(_)) { self.out.flush() } else { Ok(()) }
        };
        write().map_err(|source| SinkError::new(&self.name, source))
    }

    fn cut(&mut self, bytes: u64) -> io::Result<()> {
        let Out::File(file, _) = &mut self.out else { return Ok(()) };
        if !is_regular(file.get_ref())? {
            return Ok(()); // a pipe takes nothing back
        }
        let found = file.get_ref().metadata()?.len();
        if found < bytes {
            let what = format!(
                "has {found} bytes, and had {bytes} at the checkpoint; put back what was there, or name an empty folder for --state"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        file.get_ref().set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        self.bytes = bytes;
        Ok(())
    }
}

/// # Errors
/// When what was written cannot be found under its name any more, because somebody has removed the file or moved it away.
fn is_still_there(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |found: &std::fs::Metadata| (found.dev(), found.ino());
        let own = place(&file.metadata()?);
        if path.metadata().map(|found| place(&found)).ok() != Some(own) {
            let what = "was removed or moved while it was written; put it back, and start again";
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
    }
    let _ = (file, path);
    Ok(())
}

fn is_regular(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.is_file())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

impl Sink for LineSink {
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError> {
        self.write(records)
    }

    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.write(letters)
    }

    fn keep(&mut self) -> Result<SinkPosition, SinkError> {
        let kept = self.out.flush().and_then(|()| match &mut self.out {
            Out::File(file, path) if is_regular(file.get_ref())? => {
                is_still_there(file.get_ref(), path)?;
                file.get_ref().sync_data()
            }
            Out::File(..) | Out::Stdout(_) => Ok(()),
        });
        kept.map_err(|source| SinkError::new(&self.name, source))?;
        let bytes = matches!(self.out, Out::File(..)).then_some(self.bytes);
        Ok(SinkPosition { bytes, ..SinkPosition::default() })
    }

    fn is_empty(&mut self) -> Result<bool, SinkError> {
        let Out::File(file, _) = &self.out else { return Ok(true) };
        let found = file.get_ref().metadata().map_err(|source| SinkError::new(&self.name, source))?;
        Ok(!found.is_file() || found.len() == 0)
    }

    fn restore(&mut self, position: SinkPosition) -> Result<(), SinkError> {
        self.cut(position.bytes.unwrap_or(0)).map_err(|source| SinkError::new(&self.name, source))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_gone_or_another_is_no_place_to_keep_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("scores.jsonl");
        let mut sink = LineSink::file(&path).expect("is opened");
        sink.keep().expect("is there");
        fs::rename(&path, folder.path().join("scores.1")).expect("is moved");
        for is_there in [false, true] {
            if is_there {
                fs::write(&path, "").expect("is written");
            }
            let error = sink.keep().expect_err("is not the file that was opened");
            assert!(error.to_string().contains("scores.jsonl"), "{error}");
        }
    }
}
