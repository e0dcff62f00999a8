//! Files that appear whole or not at all; every crate that writes files for keeps stands on `events`, so it is here.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How the folders begin in which files grow.
const PARTIAL: &str = ".partial-";

/// A file that is at its path when it is complete and on the disk, and leaves nothing behind otherwise.
///
/// A link is followed: what it leads to is replaced. A device or a pipe, such as `/dev/stdout`, is written to and never
/// replaced by a file.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: File,
    /// Where the file grows; nowhere when it is a device. In a folder of its own, because a temporary file would stay
    /// readable by its owner only.
    partial: Option<TempDir>,
}

impl WholeFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    /// When `path` is a folder, or no file can be made there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(found) if found.is_file() => fs::canonicalize(path)?,
            Ok(_) => {
                let file = OpenOptions::new().write(true).open(path)?;
                return Ok(Self { path: path.to_owned(), file, partial: None });
            }
            Err(_) => path.to_owned(),
        };
        let folder = folder_of(&path);
        let begin = || {
            let partial = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(folder)?;
            Ok((File::create(in_partial(partial.path(), &path))?, partial))
        };
        // Without the temporary name, which helps nobody.
        let (file, partial) = begin().map_err(|source: io::Error| io::Error::from(source.kind()))?;
        Ok(Self { path, file, partial: Some(partial) })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// When it cannot get onto the disk or to its place; what was there before is then still there.
    pub fn finish(self) -> io::Result<()> {
        let Self { path, file, partial } = self;
        let Some(partial) = partial else { return Ok(()) };
        // What has a name after the machine went down is whole.
        file.sync_all()?;
        drop(file);
        fs::rename(in_partial(partial.path(), &path), &path)?;
        sync_folder(&path)
    }

    /// Removes what a process that was killed has left of a file of that name, beside it; what is of other files stays.
    ///
    /// Nobody may be writing the file.
    ///
    /// # Errors
    /// When something is there that cannot be removed.
    pub fn clear_away(path: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(folder_of(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                continue;
            }
            match fs::remove_file(in_partial(&entry.path(), path)) {
                Ok(()) => fs::remove_dir(entry.path())?,
                // It holds another file, or is somebody else's.
                Err(error) if is_not_ours(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_not_ours(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the name of a file on the disk, too; where folders cannot be opened, the system sees to it.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// By its own name, so that what is left of it can be told from what others are writing there.
fn in_partial(partial: &Path, path: &Path) -> PathBuf {
    partial.join(path.file_name().unwrap_or_default())
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
        assert!(WholeFile::create(folder.path()).is_err());
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_socket_is_not_replaced() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let folder = tempfile::tempdir().expect("a folder");
        let [target, link, socket] = ["target", "link", "socket"].map(|name| folder.path().join(name));
        fs::write(&target, "old").expect("is written");
        symlink(&target, &link).expect("is made");
        let mut file = WholeFile::create(&link).expect("is made");
        file.write_all(b"new").expect("is written");
        file.finish().expect("is placed");
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).expect("is there"), b"new");
        let _listener = UnixListener::bind(&socket).expect("is made");
        // It cannot be opened like a file, so this fails; what counts is that it is still a socket.
        drop(WholeFile::create(&socket).and_then(WholeFile::finish));
        let found = fs::metadata(&socket).expect("is there");
        assert!(!found.is_file() && !found.is_dir());
    }
}
