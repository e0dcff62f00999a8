//! Prints what a table would be read as.
//!
//! `cargo run --release -p churn-training-data --example describe -- FILE LABEL [ID]`

#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::path::Path;
use std::time::Instant;

use churn_training_data::{Error, TableOptions, TrainingSet, read_table};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, label, id) = match arguments.as_slice() {
        [file, label] => (file, label, None),
        [file, label, id] => (file, label, Some(id.clone())),
        _ => return println!("usage: describe FILE LABEL [ID]"),
    };
    if let Err(error) = describe(Path::new(file), &TableOptions { id, ..TableOptions::new(label) }) {
        println!("{error}");
    }
}

fn describe(path: &Path, options: &TableOptions) -> Result<(), Error> {
    let start = Instant::now();
    let set = TrainingSet::from_table(read_table(path, options)?)?;
    let (n_rows, n_churned, seconds) = (set.n_observations(), set.n_churned(), start.elapsed().as_secs_f64());
    println!("{n_rows} rows, {n_churned} churned, read in {seconds:.2} s; {}", set.label_values());
    for column in set.describe() {
        let (kind, n_missing) = (column.kind.unwrap_or("-"), column.n_missing.unwrap_or(0));
        println!("{:<24} {:?} {kind}, {n_missing} missing, {:?}", column.name, column.role, column.values);
        column.notes.iter().for_each(|note| println!("    {note}"));
    }
    Ok(())
}
