//! Where in one or several files a row stands, in a word of memory.

use std::path::{Path, PathBuf};

use crate::Place;

/// The files that a table is read from, at least one.
#[derive(Debug, Clone)]
pub(crate) struct Files(Vec<PathBuf>);

/// A line of one of the files; in a file without lines, the number of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileLine(u64);

/// Enough for a million million lines, with room for as many files as anybody has.
const LINE_BITS: u32 = 40;

impl FileLine {
    /// A line, from 1, of a file, from 0.
    pub(crate) fn new(file: usize, line: u64) -> Self {
        Self((file as u64) << LINE_BITS | line)
    }
}

impl Files {
    /// These files.
    pub(crate) fn new(paths: Vec<PathBuf>) -> Self {
        Self(paths)
    }

    /// What messages about all of them name: the only one, or the folder of the first.
    pub(crate) fn path(&self) -> &Path {
        match self.0.as_slice() {
            [] => Path::new(""),
            [only] => only,
            [first, ..] => first.parent().unwrap_or(first),
        }
    }

    /// A cell of that column.
    pub(crate) fn place(&self, line: FileLine, column: &str) -> Place {
        let file = self.0.get((line.0 >> LINE_BITS) as usize);
        let path = file.map_or_else(|| self.path().to_owned(), PathBuf::clone);
        Place { path, line: line.0 & ((1 << LINE_BITS) - 1), column: column.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_in_its_file() {
        let files = Files::new(["d/a.csv", "d/b.csv"].map(PathBuf::from).to_vec());
        let place = files.place(FileLine::new(1, 7), "Churn");
        assert_eq!(place.to_string(), r#""d/b.csv", line 7, column "Churn""#);
        assert_eq!(files.path(), Path::new("d"));
        assert_eq!(Files::new(vec!["d/a.csv".into()]).path(), Path::new("d/a.csv"));
    }
}
