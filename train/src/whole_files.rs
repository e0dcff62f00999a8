//! Files that are written together, all or none.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Error;

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
    let partial =
        tempfile::Builder::new().prefix(".partial-").tempdir_in(folder).map_err(|source| fail(folder, source))?;
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
