//! Files written by old releases still read, and still give the same scores.

use std::path::Path;

use churn_model::Model;

/// One line of a golden folder's `scores.csv`.
struct Line {
    model: String,
    row: Vec<f32>,
    raw_score: f64,
    score: f64,
}

fn lines(folder: &Path) -> Vec<Line> {
    let table = std::fs::read_to_string(folder.join("scores.csv")).expect("reads");
    let parse = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [model, row @ .., raw_score, score] = cells.as_slice() else { panic!("too few cells in {line:?}") };
        Line {
            model: (*model).to_owned(),
            row: row.iter().map(|cell| cell.parse().expect("is a number")).collect(),
            raw_score: raw_score.parse().expect("is a number"),
            score: score.parse().expect("is a number"),
        }
    };
    table.lines().skip(1).map(parse).collect()
}

fn folder(format_version: u32) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format_version.to_string())
}

#[test]
fn golden_files_give_the_same_raw_scores_to_the_bit_and_scores_to_1e_12() {
    let folder = folder(1);
    let lines = lines(&folder);
    for name in ["forest", "ensemble", "linear", "linear-log"] {
        let model = Model::read(&folder.join(name).with_extension("safetensors")).expect("reads");
        let mine: Vec<&Line> = lines.iter().filter(|line| line.model == name).collect();
        assert_eq!(mine.len(), 49, "{name}");
        for Line { row, raw_score, score, .. } in mine {
            let found = model.kind().raw_score(row);
            let same = found.to_bits() == raw_score.to_bits();
            assert!(same, "{name} {row:?}: raw score {found:?}, was {raw_score:?}");
            let found = model.score(row);
            assert!((found - score).abs() <= 1e-12, "{name} {row:?}: score {found:?}, was {score:?}");
        }
    }
}

#[test]
fn the_newest_golden_files_are_still_written_byte_for_byte() {
    let folder = folder(1);
    for name in ["forest", "ensemble", "linear", "linear-log"] {
        let bytes = std::fs::read(folder.join(name).with_extension("safetensors")).expect("reads");
        let model = Model::from_bytes(&bytes).expect("reads");
        assert_eq!(model.to_bytes().expect("writes"), bytes, "{name}");
    }
}

#[test]
fn an_id_names_the_bytes_of_the_file() {
    let path = folder(1).join("forest.safetensors");
    let bytes = std::fs::read(&path).expect("reads");
    let model = Model::read(&path).expect("reads");
    assert_eq!(model.id().expect("writes"), churn_model::ModelId::of_bytes(&bytes));
}
