//! Golden files that other libraries wrote, and what those libraries predicted; `golden/import/make_golden.py` made them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use churn_model::{ImportError, Kernel, Model, Scorer};

/// One line of a golden table: features, and what the library gave for them.
pub(crate) struct Golden {
    pub(crate) row: Vec<f32>,
    pub(crate) raw: f64,
    pub(crate) predicted: f64,
}

/// The golden models of a library, of all its releases, that an import reads (`refused`: that it does not).
pub(crate) fn files(library: &str, extension: &str, refused: bool) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/import");
    let releases = entries(&folder).filter(|path| name(path).starts_with(library));
    let mut files: Vec<PathBuf> = releases
        .flat_map(|release| entries(&release).collect::<Vec<_>>())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| name(path).contains(".refused.") == refused)
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no golden files of {library}");
    files
}

/// One golden model of every release.
pub(crate) fn every_release(library: &str, file: &str) -> Vec<Vec<u8>> {
    let extension = file.rsplit('.').next().expect("has an extension");
    let refused = file.contains(".refused.");
    let of_file = files(library, extension, refused).into_iter().filter(|path| name(path) == file);
    of_file.map(|path| fs::read(path).expect("readable")).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).filter(|path| {
        // The script and the page beside the folders.
        path.is_dir() || path.extension().is_some_and(|found| found != "py" && found != "md")
    })
}

/// Every kernel scores these rows as the model does, bit for bit.
pub(crate) fn check_kernels(model: &Model, rows: &[Golden]) {
    for kernel in Kernel::available() {
        let scorer = Scorer::new(model).limited_to(kernel);
        for Golden { row, .. } in rows {
            let score = model.score(row);
            assert_eq!(scorer.score(row).to_bits(), score.to_bits(), "{:?} at {row:?}", scorer.kernel());
            for threshold in [score, score.next_up(), 0.5] {
                assert_eq!(scorer.decide_at(row, threshold), score >= threshold, "{:?} at {row:?}", scorer.kernel());
            }
        }
    }
}

pub(crate) fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

/// The table beside a golden model.
pub(crate) fn golden(model: &Path) -> Vec<Golden> {
    let text = fs::read_to_string(model.with_extension("csv")).expect("readable");
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(',').collect();
        let predicted = fields.pop().and_then(|field| field.parse().ok()).expect("a prediction");
        let raw = fields.pop().and_then(|field| field.parse().ok()).expect("a raw score");
        Golden { row: fields.iter().map(|field| field.parse().expect("a number")).collect(), raw, predicted }
    };
    text.lines().map(line).collect()
}

/// The error and all its causes, as a reporter prints them.
pub(crate) fn told(error: &ImportError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Reads damaged bytes and, where they still make a model, scores with it.
pub(crate) fn read_and_score(read: impl Fn(&[u8]) -> Result<Model, ImportError>, bytes: &[u8]) {
    match read(bytes) {
        Ok(model) => {
            let width = model.schema().len();
            for value in [f32::NAN, 0.0, 3.0, -1e30, f32::INFINITY] {
                assert!((0.0..=1.0).contains(&model.score(&vec![value; width])));
            }
        }
        Err(error) => assert!(!told(&error).is_empty()),
    }
}
