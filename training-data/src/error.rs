use std::fmt;
use std::path::PathBuf;

use crate::AssemblyError;

/// Why a training set, a scoring table or a fold file cannot be had.
///
/// Line and column numbers count from 1, as editors show them; the header is line 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Observations cannot be assembled from a log, or a split of them would leak.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// No file bears that name.
    #[error("there is no file {path:?}")]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder where a file should be.
    #[error("{path:?} is a directory; expected a file")]
    Directory {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused to read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("cannot write {path:?}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: std::io::Error,
    },
    /// Compressed data ends too early or was changed.
    #[error("{path:?} is gzip data that is cut short or damaged; download or compress it again")]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: std::io::Error,
    },
    /// No bytes, or blank lines only.
    #[error("{path:?} is empty; expected a header and one row per observation")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A header and nothing below it.
    #[error("{path:?} has a header and no rows; expected one row per observation")]
    HeaderOnly {
        /// The file.
        path: PathBuf,
    },
    /// More rows than row numbers.
    #[error("{path:?} has more than {most} rows; read it in parts")]
    TooManyRows {
        /// The file.
        path: PathBuf,
        /// Most rows that can be read.
        most: u32,
    },
    /// A row is longer or shorter than the first.
    #[error(
        "{path:?}, line {line}: the number of fields is {found}, expected {expected}; quote cells that hold commas"
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Line on which the row starts.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the first row.
        expected: usize,
    },
    /// Text in another encoding.
    #[error("{place}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// Where.
        place: Place,
        /// The first byte that does not fit.
        byte: u8,
    },
    /// A byte that no text file holds.
    #[error("{place}: found a NUL byte; save the file as UTF-8 text")]
    Nul {
        /// Where.
        place: Place,
    },
    /// A quote is opened and the file ends inside it.
    #[error("{place}: a quoted cell never ends; close its quote")]
    OpenQuote {
        /// Where.
        place: Place,
    },
    /// The fields are not separated by commas.
    #[error("{path:?}: the header is separated by {found:?}; separate fields by commas")]
    Separator {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: char,
    },
    /// Line ends of old Macintosh files.
    #[error("{path:?}: lines end in bare carriage returns; save the file with LF or CRLF line ends")]
    CarriageReturns {
        /// The file.
        path: PathBuf,
    },
    /// The first line looks like data.
    #[error("{path:?}: the header holds only numbers; if the file has no header, read it with --no-header")]
    NumbersAsHeader {
        /// The file.
        path: PathBuf,
    },
    /// The first line names columns, and nobody said so.
    #[error("{path:?}: the first line looks like a header ({}), and the file is read as having none; declare the header or \
             delete the line", list(.names))]
    UndeclaredHeader {
        /// The file.
        path: PathBuf,
        /// What its first line holds.
        names: Vec<String>,
    },
    /// The files of one table have different columns.
    #[error(
        "{path:?} has {found} columns and {first:?} has {expected}{}; give all files of a table the same columns",
        lacking(.missing)
    )]
    OtherColumns {
        /// The file.
        path: PathBuf,
        /// The file that the others are held against.
        first: PathBuf,
        /// Number of columns.
        found: usize,
        /// Number of columns in the first file.
        expected: usize,
        /// A column of the first file that this one lacks.
        missing: Option<String>,
    },
    /// Rows of a format that knows features by their position.
    #[error("{path:?}")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: churn_features::RecordError,
    },
    /// A sparse row names a feature far beyond any table.
    #[error("{path:?}, {place}: there is a value for feature {found}; expected at most {most} features")]
    TooWide {
        /// The file.
        path: PathBuf,
        /// The row.
        place: churn_features::RecordPlace,
        /// Number of features that the row needs.
        found: u64,
        /// The most features that are read.
        most: u64,
    },
    /// Parquet that is damaged or packed in a way that is not known here.
    #[error("cannot read {path:?} as Parquet; expected it whole, and unpacked or packed with Snappy or gzip")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: parquet::errors::ParquetError,
    },
    /// A table has one value in each cell.
    #[error("{path:?}: column {column:?} holds groups or lists; expected one value in each cell")]
    NestedColumn {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
    },
    /// Two columns share a name.
    #[error("{path:?}: columns {first} and {second} are both named {name:?}; rename one of them")]
    DuplicateHeader {
        /// The file.
        path: PathBuf,
        /// The shared name.
        name: String,
        /// Position of the first one, from 1.
        first: usize,
        /// Position of the second one, from 1.
        second: usize,
    },
    /// A column without a name.
    #[error("{path:?}: column {position} has no name in the header; name it or delete the column")]
    EmptyHeader {
        /// The file.
        path: PathBuf,
        /// Position of the column, from 1.
        position: usize,
    },

    /// An option names a column that the table does not have.
    #[error(
        "{option} {name:?}: {path:?} has no such column{}; its columns are {}",
        did_you_mean(.nearest), list(.columns)
    )]
    UnknownColumn {
        /// The file.
        path: PathBuf,
        /// The option.
        option: &'static str,
        /// The name it was given.
        name: String,
        /// The column that was probably meant.
        nearest: Option<String>,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// One column cannot play two roles.
    #[error("column {column:?} is given to both {first} and {second}; give it to one of them")]
    TwoRoles {
        /// Name of the column.
        column: String,
        /// The option that names it first.
        first: &'static str,
        /// The option that names it again.
        second: &'static str,
    },
    /// Columns in which every cell is missing.
    #[error("{path:?}: no row has a value in column {}; leave it out with --drop", list(.columns))]
    AllMissing {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
    /// A number that a 32-bit float cannot hold.
    #[error(
        "{place}: {found:?} is infinite or too large; \
         blank the cell or leave the column out with --drop {:?}",
        .place.column
    )]
    Infinite {
        /// Where.
        place: Place,
        /// What was found.
        found: String,
    },
    /// A few words in a column of numbers.
    #[error(
        "{place}: {found:?} is not a number, as the others are ({n_words} of {n_values} values are \
         none); blank the cell or treat the column as text with --category {:?}",
        .place.column
    )]
    WordAmongNumbers {
        /// Where.
        place: Place,
        /// What was found.
        found: String,
        /// Values that are no numbers.
        n_words: usize,
        /// Values in the column.
        n_values: usize,
    },
    /// Nothing to learn from.
    #[error("{path:?}: no column is left as a feature beside label, id, group, weight and dropped columns")]
    NoFeature {
        /// The file.
        path: PathBuf,
    },
    /// The columns do not form a schema.
    #[error("{path:?}: the columns do not form a feature schema")]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is behind it.
        source: churn_features::Error,
    },
    /// A row without its id or group.
    #[error("{place}: the {role} is blank; every row needs one")]
    BlankKey {
        /// Where.
        place: Place,
        /// What the cell is for.
        role: &'static str,
    },
    /// A weight that is no weight.
    #[error("{place}: found {found:?}; a weight is a number of at least 0")]
    Weight {
        /// Where.
        place: Place,
        /// What was found.
        found: String,
    },

    /// A row that nothing can be learned from.
    #[error(
        "{place}: the label is blank ({n_blank} such rows); \
         train on rows with a label and score the others"
    )]
    BlankLabel {
        /// Where.
        place: Place,
        /// Rows without a label.
        n_blank: usize,
    },
    /// Every row bears the same label.
    #[error("{path:?}, column {column:?}: every label is {found:?}; a model needs churned and stayed rows")]
    OneLabel {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// The only value.
        found: String,
    },
    /// Churn is yes or no; the column holds more than two values.
    #[error(
        "{path:?}, column {column:?}: a label has 2 values, found {n_values}: {}; keep two of them",
        counted(.examples, *.n_values)
    )]
    ManyLabels {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// Number of different values.
        n_values: usize,
        /// The most frequent ones with their counts.
        examples: Vec<(String, usize)>,
    },
    /// Two values, and no telling which one means churn.
    #[error("{path:?}, column {column:?}: either {first:?} or {second:?} means churn; say which with --positive")]
    WhichLabel {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// One value.
        first: String,
        /// The other value.
        second: String,
    },
    /// The value said to mean churn does not occur.
    #[error("{path:?}, column {column:?}: no label is {positive:?}; --positive is either {first:?} or {second:?}")]
    NoSuchLabel {
        /// The file.
        path: PathBuf,
        /// Name of the column.
        column: String,
        /// The value asked for.
        positive: String,
        /// One value.
        first: String,
        /// The other value.
        second: String,
    },

    /// A table to score lacks features of the model.
    #[error(
        "{path:?} lacks {} of the model's columns: {}; columns are matched by name",
        .columns.len(), list(.columns)
    )]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The columns.
        columns: Vec<String>,
    },
    /// A table without header has another number of columns than the model.
    #[error(
        "{path:?} has {found} columns without a header; the model has {expected}, or {} with the label first",
        .expected + 1
    )]
    PositionalWidth {
        /// The file.
        path: PathBuf,
        /// Columns of the table.
        found: usize,
        /// Features of the model.
        expected: usize,
    },
    /// Ids are found by name, and the table has no names.
    #[error("--id {id:?} names a column, and {path:?} is read without a header; add one or leave out --id")]
    IdWithoutHeader {
        /// The file.
        path: PathBuf,
        /// The id column asked for.
        id: String,
    },
    /// A cell that is not what the model's feature is.
    #[error("{place}: found {found:?}, expected {expected}")]
    WrongCell {
        /// Where.
        place: Place,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },

    /// A share that leaves one side without rows.
    #[error("the test share is {found}; expected a number between 0 and 1, without either")]
    TestShare {
        /// What was found.
        found: f64,
    },
    /// Labels and groups do not belong together.
    #[error("found {groups} groups for {labels} labels; expected one per row")]
    GroupCount {
        /// Number of groups.
        groups: usize,
        /// Number of labels.
        labels: usize,
    },
    /// Too few or too many folds.
    #[error("cannot deal {n_groups} groups of rows into {found} folds; expected 2 to {n_groups}")]
    FoldCount {
        /// Folds asked for.
        found: u32,
        /// Number of groups.
        n_groups: usize,
    },
    /// A fold file with other columns.
    #[error("{path:?}: the header is {}; a fold file has the columns \"row\" and \"fold\"", list(.found))]
    FoldHeader {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: Vec<String>,
    },
    /// A row number that the table does not have.
    #[error("{path:?}, line {line}: row {found:?} is not in the table; its rows are 0 to {last}")]
    FoldRow {
        /// The file.
        path: PathBuf,
        /// Line on which the row starts.
        line: u64,
        /// What was found.
        found: String,
        /// The last row of the table, from 0.
        last: usize,
    },
    /// A row with two folds.
    #[error("{path:?}, line {line}: row {row} already stands on an earlier line; give each row once")]
    FoldRowTwice {
        /// The file.
        path: PathBuf,
        /// Line on which the row starts.
        line: u64,
        /// The row, from 0.
        row: usize,
    },
    /// A fold that is no number.
    #[error("{path:?}, line {line}: fold {found:?} is not a whole number from 0; number the folds 0, 1, 2, ...")]
    FoldNumber {
        /// The file.
        path: PathBuf,
        /// Line on which the row starts.
        line: u64,
        /// What was found.
        found: String,
    },
    /// Rows without a fold.
    #[error("{path:?}: {n_missing} of {n_rows} rows have no fold, the first is row {first}; give each row once")]
    FoldRowsMissing {
        /// The file.
        path: PathBuf,
        /// The first of them, from 0.
        first: usize,
        /// Rows without a fold.
        n_missing: usize,
        /// Rows of the table.
        n_rows: usize,
    },
    /// Fold numbers that leave one out, or a single fold.
    #[error("{path:?}: fold {fold} has no rows; number at least two folds 0, 1, 2, ... without gaps")]
    EmptyFold {
        /// The file.
        path: PathBuf,
        /// The fold.
        fold: u32,
    },
}

/// A cell of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line on which the cell's row starts, from 1; the header is line 1.
    pub line: u64,
    /// Name of the cell's column, or its position from 1 where it has no name.
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, line {}, column {:?}", self.path, self.line, self.column)
    }
}

const MOST_LISTED: usize = 20;

fn list(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MOST_LISTED).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(MOST_LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn counted(values: &[(String, usize)], n_values: usize) -> String {
    let shown: Vec<String> = values.iter().map(|(value, count)| format!("{value:?} ({count})")).collect();
    match n_values.saturating_sub(values.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn lacking(missing: &Option<String>) -> String {
    missing.as_ref().map_or_else(String::new, |name| format!(", and lacks {name:?}"))
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!(" (did you mean {name:?}?)"))
}
