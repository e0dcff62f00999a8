//! A table in one or several files, in any format that rows come in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use churn_features::{FeatureRecord, IndexBase};

use crate::Error;
use crate::column::MOST_NUMBER_TEXTS;
use crate::files::{FileLine, Files};
use crate::row_source::{CsvRows, ParquetRows, RecordRows, RowSource, libsvm_records, record_io_records};
use crate::table::{Table, TableBuilder, TableOptions};

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub format: TableFormat,
}

/// How rows stand in a file. All but Parquet may be compressed with gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// CSV, with a header or not, as [`TableOptions::header`] says.
    Csv,
    /// Parquet whose columns have one value in each cell.
    Parquet,
    /// RecordIO-protobuf as SageMaker's built-in algorithms take it; columns are named as without a header.
    RecordIo,
    /// LIBSVM; columns are named as without a header.
    Libsvm,
}

/// Most features that a sparse row may ask for: each becomes a column.
const MOST_SPARSE_FEATURES: u64 = 1 << 16;

/// Reads a CSV file, gzip or not, into memory.
///
/// Cells are trimmed. A blank cell and each of [`MISSING_WORDS`](churn_features::MISSING_WORDS) is missing.
///
/// # Errors
/// When the file cannot be read, is not a table, or an option names a column it does not have.
/// # Cost
/// One pass. A second one only when words turn up late in a column with very many different numbers, whose texts are
/// then needed after all.
pub fn read_table(path: &Path, options: &TableOptions) -> Result<Table, Error> {
    let file = TableFile { path: path.to_owned(), format: TableFormat::Csv };
    Ok(read_tables(&[file], options)?.0)
}

/// Reads several files as one table, and says how many rows came from each.
///
/// Columns with names are matched to those of the first file by name, others by position.
///
/// # Errors
/// As [`read_table`], and when the columns of the files differ.
/// # Cost
/// As [`read_table`]; sparse formats need one pass more, which finds their width.
///
/// # Panics
/// When there is no file.
pub fn read_tables(files: &[TableFile], options: &TableOptions) -> Result<(Table, Vec<usize>), Error> {
    let layout = Layout::of(files)?;
    // What is not a file, such as a pipe, can be read only once: there every text is kept from the start.
    let is_read_again = files.iter().all(|file| file.path.is_file());
    let most_texts = if is_read_again { MOST_NUMBER_TEXTS } else { usize::MAX };
    match scan(files, &layout, options, most_texts, BTreeSet::new())? {
        (Ok(table), counts) => Ok((table, counts)),
        (Err(as_text), _) => {
            let (table, counts) = scan(files, &layout, options, most_texts, as_text)?;
            Ok((table.expect("this cannot fail because the second reading has all texts"), counts))
        }
    }
}

/// The names of the columns, as the first file has them.
///
/// # Errors
/// When the file cannot be read.
/// # Panics
/// When there is no file.
pub fn column_names(files: &[TableFile], header: bool) -> Result<Vec<String>, Error> {
    let layout = Layout::of(files)?;
    Ok(layout.open(&files[0], header)?.names().to_vec())
}

type Scanned = (Result<Table, BTreeSet<usize>>, Vec<usize>);

fn scan(
    files: &[TableFile],
    layout: &Layout,
    options: &TableOptions,
    most_texts: usize,
    as_text: BTreeSet<usize>,
) -> Result<Scanned, Error> {
    let mut first = layout.open(&files[0], options.header)?;
    let names = first.names().to_vec();
    let paths = Files::new(files.iter().map(|file| file.path.clone()).collect());
    let mut builder = TableBuilder::new(paths, &names, options, most_texts, as_text)?;
    let mut counts = Vec::with_capacity(files.len());
    let mut read = |number: usize, source: &mut dyn RowSource, positions: &[usize]| {
        let n_before = builder.n_rows();
        while let Some((cells, line)) = source.next_row()? {
            builder.push(|column| &cells[positions[column]], FileLine::new(number, line))?;
        }
        counts.push(builder.n_rows() - n_before);
        Ok::<(), Error>(())
    };
    read(0, first.as_mut(), &(0..names.len()).collect::<Vec<_>>())?;
    drop(first);
    for (number, file) in files.iter().enumerate().skip(1) {
        let mut source = layout.open(file, options.header)?;
        let positions = positions(file, source.names(), &files[0], &names)?;
        read(number, source.as_mut(), &positions)?;
    }
    Ok((builder.finish()?, counts))
}

/// Where each column of the first file stands in another one.
fn positions(file: &TableFile, found: &[String], first: &TableFile, names: &[String]) -> Result<Vec<usize>, Error> {
    let other = |missing: Option<&String>| Error::OtherColumns {
        path: file.path.clone(),
        first: first.path.clone(),
        found: found.len(),
        expected: names.len(),
        missing: missing.cloned(),
    };
    let position = |name: &String| found.iter().position(|other| other == name).ok_or_else(|| other(Some(name)));
    let positions = names.iter().map(position).collect::<Result<_, _>>()?;
    if found.len() == names.len() { Ok(positions) } else { Err(other(None)) }
}

/// What is known only after all files were looked into.
struct Layout {
    /// Features of the formats that may be sparse.
    width: usize,
    base: IndexBase,
}

impl Layout {
    /// Looks through the files in sparse formats.
    fn of(files: &[TableFile]) -> Result<Self, Error> {
        let (mut record_io_width, mut libsvm_width, mut base) = (0, 0, IndexBase::One);
        for file in files {
            match file.format {
                TableFormat::Csv | TableFormat::Parquet => {}
                TableFormat::RecordIo => {
                    for record in record_io_records(&file.path)? {
                        record_io_width = record_io_width.max(width(&file.path, &record?)?);
                    }
                }
                TableFormat::Libsvm => {
                    let records = libsvm_records(&file.path)?;
                    for record in &records {
                        libsvm_width = libsvm_width.max(width(&file.path, record)?);
                    }
                    if IndexBase::of(&records) == IndexBase::Zero {
                        base = IndexBase::Zero;
                    }
                }
            }
        }
        if base == IndexBase::One {
            // The widths are those of keys that count from 0.
            libsvm_width = libsvm_width.saturating_sub(1);
        }
        Ok(Self { width: record_io_width.max(libsvm_width), base })
    }

    fn open(&self, file: &TableFile, header: bool) -> Result<Box<dyn RowSource>, Error> {
        Ok(match file.format {
            TableFormat::Csv => Box::new(CsvRows::open(&file.path, header)?),
            TableFormat::Parquet => Box::new(ParquetRows::open(&file.path)?),
            TableFormat::RecordIo => {
                let records = record_io_records(&file.path)?;
                Box::new(RecordRows::new(&file.path, self.width, IndexBase::One, Box::new(records)))
            }
            TableFormat::Libsvm => {
                let mut records = libsvm_records(&file.path)?;
                self.base.apply(&mut records);
                let records = Box::new(records.into_iter().map(Ok));
                Box::new(RecordRows::new(&file.path, self.width, self.base, records))
            }
        })
    }
}

/// Features that a record needs.
fn width(path: &Path, record: &FeatureRecord) -> Result<usize, Error> {
    let (place, found, most) = (record.place, record.width(), MOST_SPARSE_FEATURES);
    let width = usize::try_from(found).ok().filter(|_| found <= most);
    width.ok_or_else(|| Error::TooWide { path: path.to_owned(), place, found, most })
}
