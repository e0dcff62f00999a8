use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Error;

/// A file that is at its path when it is complete and on the disk, and leaves nothing behind otherwise.
pub(crate) struct WholeFile {
    path: PathBuf,
    file: File,
    /// Where the file grows. In a folder of its own, because a temporary file would stay readable by its owner only.
    partial: TempDir,
}

impl WholeFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// [`Error::Write`] when no file can be made there.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let begin = || {
            let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(folder)?;
            Ok((File::create(in_partial(&partial))?, partial))
        };
        // Without the temporary name, which helps nobody.
        let (file, partial) = begin()
            .map_err(|source: io::Error| Error::Write { path: path.to_owned(), source: source.kind().into() })?;
        Ok(Self { path: path.to_owned(), file, partial })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Write`] when it cannot get onto the disk or to its place.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let Self { path, file, partial } = self;
        // What has a name after the machine went down is whole.
        let placed = file.sync_all().and_then(|()| {
            drop(file);
            fs::rename(in_partial(&partial), &path)
        });
        placed.map_err(|source| Error::Write { path, source })
    }
}

fn in_partial(partial: &TempDir) -> PathBuf {
    partial.path().join("file")
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_given_up_leaves_nothing_and_one_that_is_finished_is_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("whole");
        let names = || folder.path().read_dir().expect("is there").count();
        let mut file = WholeFile::create(&path).expect("is made");
        file.write_all(b"half").expect("is written");
        assert!(!path.exists() && names() == 1);
        drop(file);
        assert_eq!(names(), 0);
        let mut file = WholeFile::create(&path).expect("is made");
        file.write_all(b"all").expect("is written");
        file.finish().expect("is placed");
        assert_eq!((fs::read(&path).expect("is there"), names()), (b"all".to_vec(), 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_readable_by_whom_the_user_allows() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode();
        let (plain, whole) = (folder.path().join("plain"), folder.path().join("whole"));
        fs::write(&plain, "").expect("is written");
        WholeFile::create(&whole).and_then(WholeFile::finish).expect("is placed");
        assert_eq!(mode(&whole), mode(&plain));
    }
}
