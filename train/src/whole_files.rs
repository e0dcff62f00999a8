//! Files that are written together, all or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// How the folders begin in which files grow.
pub(crate) const PARTIAL: &str = ".partial-";

/// Refuses a file that cannot be written, before any work is done.
///
/// # Errors
/// See [`Error::FileIsFolder`], [`Error::NoFolder`] and [`Error::WriteFile`].
pub(crate) fn check_place(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if path.is_dir() {
        return Err(Error::FileIsFolder { path: path.to_owned() });
    }
    if !folder.as_os_str().is_empty() && !folder.is_dir() {
        return Err(Error::NoFolder { path: path.to_owned(), folder: folder.to_owned() });
    }
    try_folder(folder).map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}

/// Whether files can be made in a folder; the empty path is the one that relative ones start in.
pub(crate) fn try_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    tempfile::tempfile_in(folder).map(drop).map_err(without_temporary_name)
}

/// The error that stopped the making of a temporary file, whose name helps nobody.
fn without_temporary_name(error: io::Error) -> io::Error {
    let source = error.get_ref().and_then(|error| error.source()?.downcast_ref::<io::Error>());
    source.and_then(io::Error::raw_os_error).map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Writes files, all of them in `folder`, each to its path only when every one of them is on the disk.
///
/// # Errors
/// When one of them cannot be written; none is then.
pub(crate) fn write_together(folder: &Path, files: &[(PathBuf, &[u8])]) -> Result<(), Error> {
    let fail = |path: &Path, source| Error::WriteFile { path: path.to_owned(), source };
    // Nothing else can stand in the way of a file that is renamed within its folder.
    if let Some((path, _)) = files.iter().find(|(path, _)| path.is_dir()) {
        return Err(Error::FileIsFolder { path: path.clone() });
    }
    // A folder for them and not a temporary file for each: those would be readable by their owner only.
    let partial = tempfile::Builder::new().prefix(PARTIAL).tempdir_in(folder);
    let partial = partial.map_err(|source| fail(folder, without_temporary_name(source)))?;
    let partial_path = |number: usize| partial.path().join(number.to_string());
    for (number, (path, bytes)) in files.iter().enumerate() {
        let write = || {
            let mut file = File::create(partial_path(number))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| fail(path, source))?;
    }
    for (number, (path, _)) in files.iter().enumerate() {
        fs::rename(partial_path(number), path).map_err(|source| fail(path, source))?;
    }
    Ok(())
}
