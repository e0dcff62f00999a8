//! The table in `.npy` files, so that every engine reads the same bytes.

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, aview1};
use ndarray_npy::{ReadNpyExt, WriteNpyExt, read_npy, write_npy};

use crate::Error;
use crate::table::{N_FEATURES, Part, Table};

/// Writes a table as `<part>_features.npy` (f32) and `<part>_labels.npy` (booleans) into a folder made for it.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn write_table(folder: &Path, part: Part, table: &Table) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
    write(features_file(folder, part), &table.features)?;
    write(labels_file(folder, part), &aview1(&table.labels))
}

/// Reads a table back, straight into the memory that it stays in.
///
/// # Errors
/// When a file cannot be read, or the table has another shape than `n_observations` rows of all features.
pub fn read_table(folder: &Path, part: Part, n_observations: usize) -> Result<Table, Error> {
    let features: Array2<f32> = read(features_file(folder, part))?;
    let labels: Array1<bool> = read(labels_file(folder, part))?;
    let (found, expected) = ([features.nrows(), features.ncols()], [n_observations, N_FEATURES]);
    if found != expected || labels.len() != n_observations {
        return Err(Error::Shape { path: folder.to_owned(), found, expected });
    }
    Ok(Table { features, labels: labels.into_raw_vec_and_offset().0 })
}

fn features_file(folder: &Path, part: Part) -> PathBuf {
    folder.join(format!("{}_features.npy", part.word()))
}

fn labels_file(folder: &Path, part: Part) -> PathBuf {
    folder.join(format!("{}_labels.npy", part.word()))
}

fn read<T: ReadNpyExt>(path: PathBuf) -> Result<T, Error> {
    read_npy(&path).map_err(|source| Error::Read { path, source })
}

fn write(path: PathBuf, array: &impl WriteNpyExt) -> Result<(), Error> {
    write_npy(&path, array).map_err(|source| Error::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/on/the/way");
        let (fit, test) = (Table::generate(Part::Fit, 40, 1), Table::generate(Part::Test, 30, 1));
        write_table(&path, Part::Fit, &fit).unwrap();
        write_table(&path, Part::Test, &test).unwrap();
        assert_eq!(read_table(&path, Part::Fit, 40).unwrap(), fit);
        assert_eq!(read_table(&path, Part::Test, 30).unwrap(), test);
    }

    #[test]
    fn a_table_of_another_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_table(folder.path(), Part::Fit, &Table::generate(Part::Fit, 40, 1)).unwrap();
        let error = read_table(folder.path(), Part::Fit, 41).unwrap_err();
        assert!(error.to_string().contains("[40, 20]; expected [41, 20]"), "{error}");
    }

    #[test]
    fn a_missing_file_says_how_to_get_it() {
        let error = read_table(Path::new("no/such/folder"), Part::Fit, 1).unwrap_err();
        assert!(error.to_string().contains("fit_case --prepare"), "{error}");
    }
}
