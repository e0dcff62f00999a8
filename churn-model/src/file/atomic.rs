//! Putting bytes on disk whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::WriteError;

/// Writes a temporary file beside `path`, and renames it to `path` once its bytes are on disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    // Renaming would put a file in the place of a device such as `/dev/null`.
    let is_other = fs::metadata(path).is_ok_and(|found| !found.is_file());
    let folder = match path.parent() {
        Some(folder) if path.file_name().is_some() && !is_other => folder,
        Some(_) | None => return Err(WriteError::NotAFile { path: path.to_owned() }),
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let fail = |step| move |source| WriteError::Io { path: path.to_owned(), step, source };
    let (temporary, file) = create_beside(folder).map_err(fail("creating a temporary file beside it"))?;
    let written = fill(file, bytes)
        .map_err(fail("writing its bytes"))
        .and_then(|()| fs::rename(&temporary, path).map_err(fail("moving the written bytes into place")));
    match written {
        Ok(()) => sync_folder(folder),
        // Nothing more can be done when this fails too; the first error says what to mend.
        Err(_) => drop(fs::remove_file(&temporary)),
    }
    written
}

/// A new, empty file; its name is short whatever the target's, and no two writers share one.
fn create_beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = format!(".churn-model-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {} // left by a killed process of the same number
            opened => return opened.map(|file| (path, file)),
        }
    }
}

/// Takes the file, so that it is closed before it is renamed; Windows insists on that.
fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the new name outlast a power cut. Some file systems refuse to, and the file is whole under either name.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        drop(File::open(folder).and_then(|folder| folder.sync_all()));
    }
}
