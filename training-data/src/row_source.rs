//! The rows of one file, as texts, whatever its format: tables of all formats are interpreted by the same rules.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use churn_features::{Cell, FeatureRecord, IndexBase, RecordReader, read_libsvm};
use csv::StringRecord;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use crate::Error;
use crate::parquet_panics::without_panic;
use crate::records::{Records, open};

/// Rows that are handed out one after the other.
pub(crate) trait RowSource {
    /// The columns.
    fn names(&self) -> &[String];

    /// The next row and its line, or its number where the file has no lines; both from 1.
    fn next_row(&mut self) -> Result<Option<(&StringRecord, u64)>, Error>;
}

/// What the columns of a file without names are called: the label is the first, as SageMaker's own algorithms expect.
fn name_by_position(position: usize) -> String {
    if position == 0 { "label".to_owned() } else { format!("column_{position}") }
}

/// Rows of CSV.
pub(crate) struct CsvRows {
    path: PathBuf,
    records: Records,
    /// The first row of a file without header, as long as it may be one.
    may_be_header: Option<Vec<String>>,
    is_first: bool,
}

impl CsvRows {
    pub(crate) fn open(path: &Path, header: bool) -> Result<Self, Error> {
        let mut records = Records::open(path)?;
        if header {
            records.read_header()?;
        } else {
            records.name_by_position(name_by_position)?;
        }
        Ok(Self { path: path.to_owned(), records, may_be_header: None, is_first: !header })
    }

    /// Refuses a row without numbers where the next one has some: it names the columns.
    fn check_header(&mut self) -> Result<(), Error> {
        let cells = || self.records.record().iter().map(str::trim);
        let is_number = |cell: &str| matches!(Cell::read(cell), Cell::Number(_) | Cell::Infinite);
        if std::mem::take(&mut self.is_first) {
            if !cells().any(is_number) {
                self.may_be_header = Some(cells().map(str::to_owned).collect());
            }
        } else if let Some(names) = self.may_be_header.take()
            && cells().zip(&names).any(|(cell, name)| is_number(cell) && Cell::read(name) == Cell::Word)
        {
            return Err(Error::UndeclaredHeader { path: self.path.clone(), names });
        }
        Ok(())
    }
}

impl RowSource for CsvRows {
    fn names(&self) -> &[String] {
        self.records.names()
    }

    fn next_row(&mut self) -> Result<Option<(&StringRecord, u64)>, Error> {
        if self.records.next()?.is_none() {
            return Ok(None);
        }
        self.check_header()?;
        Ok(Some((self.records.record(), self.records.line())))
    }
}

/// Rows of Parquet.
pub(crate) struct ParquetRows {
    path: PathBuf,
    names: Vec<String>,
    rows: RowIter<'static>,
    row: StringRecord,
    number: u64,
}

impl ParquetRows {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let broken = |source| Error::Parquet { path: path.to_owned(), source };
        let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let reader = without_panic(|| SerializedFileReader::new(file)).map_err(broken)?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        if let Some(nested) = fields.iter().find(|field| !field.is_primitive()) {
            return Err(Error::NestedColumn { path: path.to_owned(), column: nested.name().to_owned() });
        }
        let names = fields.iter().map(|field| field.name().to_owned()).collect();
        let rows = RowIter::from_file_into(Box::new(reader));
        Ok(Self { path: path.to_owned(), names, rows, row: StringRecord::new(), number: 0 })
    }
}

impl RowSource for ParquetRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next_row(&mut self) -> Result<Option<(&StringRecord, u64)>, Error> {
        let row = without_panic(|| self.rows.next().transpose());
        let row = row.map_err(|source| Error::Parquet { path: self.path.clone(), source })?;
        let Some(row) = row else { return Ok(None) };
        self.row.clear();
        for (_, field) in row.get_column_iter() {
            match field {
                Field::Null => self.row.push_field(""),
                Field::Str(text) => self.row.push_field(text),
                Field::Bytes(bytes) => self.row.push_field(&String::from_utf8_lossy(bytes.data())),
                // Not the format of the library, which writes 0 as 0E0.
                Field::Float(number) => self.row.push_field(&number.to_string()),
                Field::Double(number) => self.row.push_field(&number.to_string()),
                other => self.row.push_field(&other.to_string()),
            }
        }
        self.number += 1;
        Ok(Some((&self.row, self.number)))
    }
}

/// Rows of a format that knows features by their position.
pub(crate) struct RecordRows {
    path: PathBuf,
    names: Vec<String>,
    records: Box<dyn Iterator<Item = Result<FeatureRecord, Error>>>,
    row: StringRecord,
    number: u64,
}

impl RecordRows {
    pub(crate) fn new(
        path: &Path,
        width: usize,
        base: IndexBase,
        records: Box<dyn Iterator<Item = Result<FeatureRecord, Error>>>,
    ) -> Self {
        let names = (0..=width).map(|position| match base {
            // A server has to count as the training did, and nothing but the names tells it.
            IndexBase::Zero if position > 0 => format!("f{}", position - 1),
            _ => name_by_position(position),
        });
        let names = names.collect();
        Self { path: path.to_owned(), names, records, row: StringRecord::new(), number: 0 }
    }
}

impl RowSource for RecordRows {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn next_row(&mut self) -> Result<Option<(&StringRecord, u64)>, Error> {
        let Some(record) = self.records.next().transpose()? else { return Ok(None) };
        self.number += 1;
        let label = record.label.map_or_else(String::new, |label| label.to_string());
        let features = record.into_row(self.names.len() - 1);
        let features = features.map_err(|source| Error::Record { path: self.path.clone(), source })?;
        self.row.clear();
        self.row.push_field(&label);
        // NaN reads as missing.
        features.iter().for_each(|value| self.row.push_field(&value.to_string()));
        Ok(Some((&self.row, self.number)))
    }
}

/// The rows of a RecordIO file.
pub(crate) fn record_io_records(
    path: &Path,
) -> Result<impl Iterator<Item = Result<FeatureRecord, Error>> + use<>, Error> {
    let reader = RecordReader::new(BufReader::new(open(path)?.0));
    let path = path.to_owned();
    Ok(reader.map(move |record| record.map_err(|source| Error::Record { path: path.clone(), source })))
}

/// The rows of a LIBSVM file, their keys as they stand there.
pub(crate) fn libsvm_records(path: &Path) -> Result<Vec<FeatureRecord>, Error> {
    let input = BufReader::new(open(path)?.0);
    read_libsvm(input, IndexBase::Zero).map_err(|source| Error::Record { path: path.to_owned(), source })
}
