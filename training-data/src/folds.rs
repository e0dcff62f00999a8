//! A file that says which fold each row is in, so that cross-validation is comparable between programs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Error;
use crate::records::Records;

/// Reads a CSV file with the columns `row` and `fold`: for each row of a table of `n_rows`, counted from 0, its fold.
///
/// # Errors
/// When a row is missing, unknown or given twice, or the folds are not numbered 0, 1, 2, ... without gaps.
pub fn read_folds(path: &Path, n_rows: usize) -> Result<Vec<u32>, Error> {
    let mut records = Records::open(path)?;
    let names = records.read_header()?;
    if names != ["row", "fold"] {
        return Err(Error::FoldHeader { path: path.to_owned(), found: names.to_vec() });
    }
    let mut folds: Vec<Option<u32>> = vec![None; n_rows];
    while let Some(record) = records.next()? {
        let cell = |position| record.get(position).unwrap_or_default().trim().to_owned();
        let (row, fold) = (cell(0), cell(1));
        let (path, line) = (path.to_owned(), records.line());
        let Some((row, slot)) = row.parse().ok().and_then(|row: usize| Some((row, folds.get_mut(row)?))) else {
            return Err(Error::FoldRow { path, line, found: row, last: n_rows.saturating_sub(1) });
        };
        let Ok(number) = fold.parse() else { return Err(Error::FoldNumber { path, line, found: fold }) };
        if slot.replace(number).is_some() {
            return Err(Error::FoldRowTwice { path, line, row });
        }
    }
    let n_missing = folds.iter().filter(|fold| fold.is_none()).count();
    if let Some(first) = folds.iter().position(Option::is_none) {
        return Err(Error::FoldRowsMissing { path: path.to_owned(), first, n_missing, n_rows });
    }
    let folds: Vec<u32> = folds.into_iter().flatten().collect();
    let mut used = folds.clone();
    used.sort_unstable();
    used.dedup();
    match (0..used.len().max(2) as u32).find(|&fold| used.get(fold as usize) != Some(&fold)) {
        Some(fold) => Err(Error::EmptyFold { path: path.to_owned(), fold }),
        None => Ok(folds),
    }
}

/// Writes the fold of each row in the form that [`read_folds`] reads.
///
/// # Errors
/// When the file cannot be written.
pub fn write_folds(path: &Path, folds: &[u32]) -> Result<(), Error> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "row,fold")?;
        folds.iter().enumerate().try_for_each(|(row, fold)| writeln!(file, "{row},{fold}"))?;
        file.flush()
    };
    write().map_err(|source| Error::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, n_rows: usize) -> Result<Vec<u32>, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("folds.csv");
        std::fs::write(&path, text).expect("writes");
        read_folds(&path, n_rows).map_err(|error| error.to_string().replace(&format!("{path:?}"), "folds.csv"))
    }

    #[test]
    fn rows_may_stand_in_any_order() {
        assert_eq!(read("row,fold\n2,0\n0,1\n1,0\n", 3), Ok(vec![1, 0, 0]));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let folds = [2, 0, 1, 1, 0, 2];
        write_folds(file.path(), &folds).expect("writes");
        assert_eq!(read_folds(file.path(), folds.len()).expect("reads"), folds);
    }

    #[test]
    fn each_row_has_one_fold() {
        let error = |text: &str| read(text, 3).expect_err("refused");
        assert_eq!(
            error("row,fold\n0,0\n3,1\n"),
            r#"folds.csv, line 3: row "3" is not in the table; its rows are 0 to 2"#
        );
        assert_eq!(error("row,fold\nx,0\n"), r#"folds.csv, line 2: row "x" is not in the table; its rows are 0 to 2"#);
        assert_eq!(
            error("row,fold\n0,0\n1,1\n0,1\n"),
            "folds.csv, line 4: row 0 already stands on an earlier line; give each row once"
        );
        assert_eq!(
            error("row,fold\n1,0\n"),
            "folds.csv: 2 of 3 rows have no fold, the first is row 0; give each row once"
        );
    }

    #[test]
    fn folds_are_numbered_without_gaps() {
        let error = |text: &str| read(text, 3).expect_err("refused");
        let not_a_number = |found: &str| {
            format!("folds.csv, line 2: fold {found:?} is not a whole number from 0; number the folds 0, 1, 2, ...")
        };
        assert_eq!(error("row,fold\n0,a\n"), not_a_number("a"));
        assert_eq!(error("row,fold\n0,-1\n"), not_a_number("-1"));
        let gap =
            |fold| format!("folds.csv: fold {fold} has no rows; number at least two folds 0, 1, 2, ... without gaps");
        assert_eq!(error("row,fold\n0,0\n1,2\n2,2\n"), gap(1));
        assert_eq!(error("row,fold\n0,1\n1,2\n2,2\n"), gap(0));
        assert_eq!(error("row,fold\n0,0\n1,0\n2,0\n"), gap(1));
    }

    #[test]
    fn other_columns_are_no_fold_file() {
        let header = r#"folds.csv: the header is "id", "fold"; a fold file has the columns "row" and "fold""#;
        assert_eq!(read("id,fold\n0,0\n", 1), Err(header.into()));
    }
}
