//! Scores for new rows, by a model file.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Parser;

use churn_model::{Model, Scorer};
use churn_training_data::{Keys, ScoringOptions, ScoringTable, read_features};

use crate::Error;
use crate::command_line::parse;
use crate::console::Console;
use crate::evaluation::score_all;
use crate::file_kind::FileKind;
use crate::run_folder::{Csv, digit, number};
use crate::whole_files::write_together;

/// Scores the rows of a table by a model file; columns are matched by name.
///
/// Writes CSV with the columns id (or row, or the names of several ids), score and decision to standard output, or to --out. What was missing or
/// unknown is told on standard error.
#[derive(Debug, Clone, Parser)]
#[command(name = "score", version, max_term_width = 110)]
pub struct ScoreConfig {
    /// Model file to score by
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// Table to score: CSV, or CSV in gzip
    #[arg(long, value_name = "FILE")]
    pub table: PathBuf,
    /// Column that names the rows; may be repeated, or hold a comma-separated list, and then keeps its name in the scores
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub id: Vec<String>,
    /// The table has no header: columns stand in the order of the model's schema, behind the label if there is one more
    #[arg(long)]
    pub no_header: bool,
    /// File to write; standard output by default
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

impl ScoreConfig {
    /// Reads the command line.
    ///
    /// # Errors
    /// [`Error::Usage`] holds the text to show, and is also how `--help` and `--version` come back.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        parse(&args.into_iter().collect::<Vec<OsString>>())
    }
}

/// The scores of a table.
#[derive(Debug)]
pub struct Scored {
    /// What was read.
    pub table: ScoringTable,
    /// Churn probability per row.
    pub scores: Vec<f64>,
}

/// Scores as configured and writes the scores.
///
/// # Errors
/// When the model file or the table cannot be used, or the scores cannot be written.
pub fn score(config: &ScoreConfig, console: &Console) -> Result<Scored, Error> {
    let model = Model::read(&config.model).map_err(|error| match FileKind::of(&config.model) {
        FileKind::ModelFile | FileKind::Unknown => Error::ReadModel(error),
        _ => Error::NoModelFile { path: config.model.clone() },
    })?;
    if FileKind::of(&config.table) == FileKind::Parquet {
        return Err(Error::ParquetTable { path: config.table.clone() });
    }
    let read = |id: Option<&String>| {
        let options = ScoringOptions { id: id.cloned(), header: !config.no_header, label: None };
        read_features(&config.table, model.schema(), &options)
    };
    let table = read(config.id.first())?;
    // A table has one column of keys, so it is read once more for each further one.
    let further = config.id.iter().skip(1).map(|id| read(Some(id))).collect::<Result<Vec<_>, _>>()?;
    let scorer = Scorer::new(&model);
    let scores = score_all(table.features(), |rows| scorer.score_batch(rows));

    let keys: Vec<&Keys> = [&table].into_iter().chain(&further).map(ScoringTable::keys).collect();
    let key_names: Vec<&str> = match config.id.as_slice() {
        [] => vec!["row"],
        [_] => vec!["id"],
        several => several.iter().map(String::as_str).collect(),
    };
    let mut csv = Csv::new(&[key_names.as_slice(), &["score", "decision"]].concat());
    for (row, &score) in scores.iter().enumerate() {
        let keys: Vec<Cow<'_, str>> = keys.iter().map(|keys| keys.get(row)).collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        csv.row(&[keys.as_slice(), &[&number(score), digit(model.decide(score))]].concat());
    }
    write(config.out.as_deref(), &csv.bytes())?;
    tell(console, &model, &table, &scores, &config.id);
    Ok(Scored { table, scores })
}

fn write(out: Option<&Path>, bytes: &[u8]) -> Result<(), Error> {
    let Some(path) = out else { return write_to_standard_output(bytes) };
    let fail = |source| Error::WriteDevice { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match path.metadata() {
        // A device or a pipe, such as /dev/stdout, is written to and never replaced by a file.
        Ok(found) if !found.is_file() && !found.is_dir() => {
            OpenOptions::new().write(true).open(path).and_then(|mut device| device.write_all(bytes)).map_err(fail)
        }
        _ if !folder.is_dir() => Err(Error::NoFolder { path: path.to_owned(), folder: folder.to_owned() }),
        _ => write_together(folder, &[(path.to_owned(), bytes)]),
    }
}

/// A reader that has seen enough, such as `head`, is no failure.
fn write_to_standard_output(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(Error::WriteDevice { path: PathBuf::from("standard output"), source })
        }
        _ => Ok(()),
    }
}

fn tell(console: &Console, model: &Model, table: &ScoringTable, scores: &[f64], ids: &[String]) {
    let n_decided = scores.iter().filter(|&&score| model.decide(score)).count();
    let at = model.threshold().score;
    console.line(format!("{} rows scored; {n_decided} at or above {at:.4}", table.n_rows()));
    for column in table.columns() {
        if column.n_missing > 0 {
            console.line(format!("  {}: {} missing", column.name, column.n_missing));
        }
        if column.n_unknown > 0 {
            let examples: Vec<String> = column.unknown_examples.iter().map(|example| format!("{example:?}")).collect();
            let examples = examples.join(", ");
            console.line(format!(
                "  {}: {} with a level that the model has never seen ({examples}), taken as missing",
                column.name, column.n_unknown
            ));
        }
    }
    let ignored: Vec<&str> =
        table.ignored_columns().iter().map(String::as_str).filter(|name| !ids.iter().any(|id| id == name)).collect();
    if !ignored.is_empty() {
        console.line(format!("  not read by the model: {}", ignored.join(", ")));
    }
}
