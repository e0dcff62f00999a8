//! The scorer file: what was written scores the same, and what was changed is refused or at least walked safely.
#![allow(unsafe_code)] // mapped files are part of what is tested

use std::path::{Path, PathBuf};

use churn_model::{Calibrator, Combine, Kernel, Model, ModelKind, ReadError, ReadProblem, Scorer};
use proptest::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;
use xxhash_rust::xxh3::Xxh3;

use crate::forests::{Dice, dice, model, schema};
use crate::row;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn forest_model(dice: &mut Dice, n_features: usize) -> Model {
    let forest = dice.forest(n_features, 20, |dice| dice.tree(n_features, 60, 9, false));
    model(schema(n_features), ModelKind::Forest(forest))
}

/// What both ways of opening a file give; they have to agree.
fn open(path: &Path) -> Result<Scorer, ReadError> {
    let read = Scorer::read(path);
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { Scorer::map(path) };
    match (&read, &mapped) {
        (Ok(_), Ok(_)) => {}
        (Err(read), Err(mapped)) => assert_eq!(read.to_string(), mapped.to_string()),
        _ => panic!("read {read:?}, mapped {mapped:?}"),
    }
    mapped.and(read)
}

/// A scorer file in parts, put together again with the right checksum.
struct Parts {
    text: String,
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Parts {
    fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("reads");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("is a container");
        let text = metadata.metadata().as_ref().expect("has metadata")["churn_scorer"].clone();
        let container = SafeTensors::deserialize(&bytes).expect("is a container");
        let mut tensors: Vec<_> = container
            .iter()
            .map(|(name, view)| (name.to_owned(), view.dtype(), view.shape().to_vec(), view.data().to_vec()))
            .collect();
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Self { text, tensors }
    }

    fn edit(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "{from:?} in {}", self.text);
        self.text = self.text.replace(from, to);
        self
    }

    /// Puts a number in the place of another one behind the feature schema: of columns, roots, depths or bounds.
    fn put_number(&mut self, place: f64, number: u64) {
        let start = self.text.find("\"encoder\"").expect("is there");
        let is_digit = |at: usize| self.text.as_bytes()[at].is_ascii_digit();
        let starts: Vec<usize> = (start..self.text.len())
            .filter(|&at| is_digit(at) && b",:[-".contains(&self.text.as_bytes()[at - 1]))
            .collect();
        let from = starts[(starts.len() as f64 * place) as usize];
        let to = (from..self.text.len()).find(|&at| !is_digit(at)).expect("ends");
        self.text.replace_range(from..to, &number.to_string());
    }

    fn write(mut self, path: &Path) {
        // Tensors start on a cache line, as the writer has it, so that mapped ones are walked where they are.
        self.text.truncate(self.text.trim_end().len());
        let tensors: usize = self.tensors.iter().map(|(.., bytes)| bytes.len()).sum();
        let header = self.packed().len() - tensors;
        self.text.extend(std::iter::repeat_n(' ', header.next_multiple_of(64) - header));
        assert_eq!(self.packed().len() % 64, 0);
        let digits = self.checksum();
        self.text.replace_range(13..13 + 16, &digits);
        std::fs::write(path, self.packed()).expect("writes");
    }

    fn checksum(&self) -> String {
        let mut hasher = Xxh3::new();
        hasher.update(&self.text.as_bytes()[13 + 16..]);
        self.tensors.iter().for_each(|(.., bytes)| hasher.update(bytes));
        format!("{:016x}", hasher.digest())
    }

    fn packed(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).expect("shape and bytes agree"))
        });
        let metadata = [("churn_scorer".to_owned(), self.text.clone())].into_iter().collect();
        safetensors::serialize(views, Some(metadata)).expect("packs")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_written_scorer_scores_as_the_model(mut dice in dice(), n_features in 1_usize..150, n_trees in 1_usize..40) {
        let forest = dice.forest(n_features, n_trees, |dice| dice.tree(n_features, 80, 10, false));
        let model = model(schema(n_features), ModelKind::Forest(forest));
        let (folder, scorer) = (folder(), Scorer::new(&model));
        let path = folder.path().join("model.scorer");
        model.write_scorer(&path).expect("writes");
        // SAFETY: nobody else knows the file.
        let mapped = unsafe { Scorer::map(&path) }.expect("maps");
        for read in [Scorer::read(&path).expect("reads"), mapped.clone(), mapped] {
            prop_assert_eq!(read.kernel(), scorer.kernel());
            prop_assert_eq!((read.model_id(), scorer.model_id()), (Some(model.id().expect("has one")), None));
            prop_assert_eq!(read.schema(), model.schema());
            for _ in 0..4 {
                let row = row(&mut dice, n_features);
                prop_assert_eq!(read.score(&row).to_bits(), model.score(&row).to_bits());
                prop_assert_eq!(read.decide(&row), model.decide(model.score(&row)));
            }
        }
    }

    #[test]
    fn a_changed_byte_is_found_or_changes_nothing(mut dice in dice(), place in 0.0..1.0_f64, mask in 1_u8..) {
        let (model, folder) = (forest_model(&mut dice, 5), folder());
        let path = folder.path().join("model.scorer");
        model.write_scorer(&path).expect("writes");
        let mut bytes = std::fs::read(&path).expect("reads");
        let at = (bytes.len() as f64 * place) as usize;
        bytes[at] ^= mask;
        std::fs::write(&path, &bytes).expect("writes");
        if let Ok(read) = open(&path) {
            let row = row(&mut dice, 5);
            prop_assert_eq!(read.score(&row).to_bits(), model.score(&row).to_bits(), "byte {}", at);
        }
    }

    #[test]
    fn whatever_stands_behind_a_right_checksum_is_refused_or_walked_safely(
        mut dice in dice(),
        pokes in proptest::collection::vec((0..2_usize, 0.0..1.0_f64, any::<u8>()), 0..4),
        numbers in proptest::collection::vec((0.0..1.0_f64, 0..300_u64), 0..3),
    ) {
        let (model, folder) = (forest_model(&mut dice, 5), folder());
        let path = folder.path().join("model.scorer");
        model.write_scorer(&path).expect("writes");
        let mut parts = Parts::of(&path);
        for (tensor, place, byte) in pokes {
            let bytes = &mut parts.tensors[tensor].3;
            let at = (bytes.len() as f64 * place) as usize;
            bytes[at] = byte;
        }
        numbers.into_iter().for_each(|(place, number)| parts.put_number(place, number));
        parts.write(&path);
        if let Ok(read) = open(&path) {
            let rows: Vec<f32> = (0..9).flat_map(|_| row(&mut dice, 5)).collect();
            // SAFETY: nobody else knows the file.
            let mapped = unsafe { Scorer::map(&path) }.expect("as it was read");
            for scorer in Kernel::available().into_iter().flat_map(|k| [read.clone(), mapped.clone()].map(|s| s.limited_to(k))) {
                prop_assert_eq!(scorer.score_batch(&rows).len(), 9);
                prop_assert!((0.0..=1.0).contains(&scorer.score(&rows[..5])));
                scorer.decide(&rows[..5]);
            }
        }
    }
}

fn written() -> (TempDir, PathBuf) {
    let folder = folder();
    let path = folder.path().join("model.scorer");
    forest_model(&mut Dice::new(3), 5).write_scorer(&path).expect("writes");
    (folder, path)
}

fn refusal(path: &Path) -> ReadProblem {
    let error = Scorer::read(path).expect_err("is refused");
    assert!(error.to_string().starts_with(&format!("scorer file {path:?} ")), "{error}");
    match error.problem() {
        ReadProblem::Scorer { what } => ReadProblem::Scorer { what },
        ReadProblem::UnknownLayout { found, expected } => {
            ReadProblem::UnknownLayout { found: *found, expected: *expected }
        }
        ReadProblem::HeaderStart => ReadProblem::HeaderStart,
        problem => panic!("{problem}"),
    }
}

#[test]
fn parts_that_no_kernel_may_walk_are_refused() {
    let refused = |from: &str, to: &str| {
        let (_folder, path) = written();
        Parts::of(&path).edit(from, to).write(&path);
        refusal(&path).to_string()
    };
    assert!(refused("\"n_trees\":20", "\"n_trees\":33").contains("another number of groups"));
    assert!(refused("\"n_trees\":20", "\"n_trees\":0").contains("another number of groups"));
    assert!(refused("\"layout\":1", "\"layout\":2").contains("layout 2"));
    assert!(refused("\"roots\":[33,", "\"roots\":[0,").contains("start nowhere"));
    assert!(refused("\"roots\":[33,", "\"roots\":[4000000000,").contains("start nowhere"));
    let n_words = Parts::of(&written().1).tensors[1].3.len() / 8;
    assert!(refused("\"roots\":[33,", &format!("\"roots\":[{},", n_words - 20)).contains("start nowhere"));
    let no_knots = "{\"kind\":\"isotonic\",\"raw_scores\":[],\"probabilities\":[]}";
    assert!(refused("{\"kind\":\"identity\"}", no_knots).contains("calibrator"));
    assert!(refused("\"pivots\":0,", "\"pivots\":100000,").contains("split values"));
    assert!(refused("{\"feature\":0,\"pivots\"", "{\"feature\":5,\"pivots\"").contains("split values"));
}

#[test]
fn every_word_is_looked_at_before_it_is_walked() {
    // Words counted from the last one: a slot that no code has, a left and a right child outside, and no step for a word
    // that goes on.
    for (from_the_end, word) in [(4, 0x0002_0aff_u32), (1, 0x0001_0a00), (2, 0x0001_0a00), (4, 0x0000_0a00)] {
        let (_folder, path) = written();
        let mut parts = Parts::of(&path);
        let nodes = &mut parts.tensors[1].3;
        let at = nodes.len() / 2 - 4 * from_the_end;
        nodes[at..][..4].copy_from_slice(&word.to_le_bytes());
        parts.write(&path);
        assert!(refusal(&path).to_string().contains("lead nowhere"), "{word:08x}");
    }
    let (_folder, path) = written();
    let mut parts = Parts::of(&path);
    let nodes = &mut parts.tensors[1].3;
    let last_value = nodes.len() - 4;
    nodes[last_value..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    parts.write(&path);
    assert!(refusal(&path).to_string().contains("not finite"));
}

#[test]
fn a_leaf_that_is_no_share_is_refused() {
    let (folder, mut dice) = (folder(), Dice::new(8));
    let path = folder.path().join("model.scorer");
    let model = forest_model(&mut dice, 5);
    assert!(matches!(model.kind(), ModelKind::Forest(forest) if forest.combine() == Combine::MeanShare));
    model.write_scorer(&path).expect("writes");
    let mut parts = Parts::of(&path);
    let nodes = &mut parts.tensors[1].3;
    let last_value = nodes.len() - 4;
    nodes[last_value..].copy_from_slice(&1e30_f32.to_le_bytes());
    parts.write(&path);
    assert!(refusal(&path).to_string().contains("no shares"));
}

#[test]
fn words_that_mean_something_else_need_another_layout() {
    // When this fails, kernels walk other words than those of scorer files out there: raise LAYOUT, then mend the number.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/1/forest.safetensors");
    let bytes = Model::read(&golden).expect("reads").scorer_bytes().expect("is a forest");
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&bytes), 139_065_831_179_911_575, "layout 1");
}

#[test]
fn nodes_that_do_not_start_a_line_of_the_file_are_copied() {
    let (_folder, path) = written();
    let model = forest_model(&mut Dice::new(3), 5);
    let mut parts = Parts::of(&path);
    parts.text.push_str("        ");
    let digits = parts.checksum();
    parts.text.replace_range(13..13 + 16, &digits);
    std::fs::write(&path, parts.packed()).expect("writes");
    assert_ne!(parts.packed().len() % 64, 0);
    let mapped = open(&path).expect("opens");
    let row = row(&mut Dice::new(4), 5);
    assert_eq!(mapped.score(&row).to_bits(), model.score(&row).to_bits());
}

#[test]
fn other_files_are_told_apart() {
    let (folder, path) = written();
    let as_model = Model::read(&path).expect_err("is no model file").to_string();
    assert!(as_model.contains("\"churn_scorer\" where only \"churn_model\""), "{as_model}");
    let model_path = folder.path().join("model.safetensors");
    forest_model(&mut Dice::new(3), 5).write(&model_path).expect("writes");
    assert!(matches!(open(folder.path()).expect_err("is a folder").problem(), ReadProblem::NotAFile));
    assert!(matches!(open(&folder.path().join("x")).expect_err("is missing").problem(), ReadProblem::Io(_)));

    let bytes = std::fs::read(&path).expect("reads");
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).expect("writes");
        open(&path).expect_err("is cut short");
    }
}

#[test]
fn the_scorer_file_of_a_model_that_starts_at_once_is_its_model_file() {
    let folder = folder();
    let mut dice = Dice::new(1);
    let wide = model(schema(700), ModelKind::Forest(dice.forest(700, 40, |dice| dice.tree(700, 100, 60, false))));
    let linear = Model::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/1/linear.safetensors"));
    for model in [wide, linear.expect("reads")] {
        let path = folder.path().join("model.scorer");
        model.write_scorer(&path).expect("writes");
        assert_eq!(std::fs::read(&path).expect("reads"), model.to_bytes().expect("has bytes"));
        let read = open(&path).expect("opens");
        assert_eq!(read.model_id(), Some(model.id().expect("has one")));
        let row = row(&mut dice, model.schema().len());
        assert_eq!(read.score(&row).to_bits(), model.score(&row).to_bits());
    }
}

#[test]
fn calibrator_and_threshold_come_along() {
    let model = forest_model(&mut Dice::new(5), 5);
    let calibrator = Calibrator::Logistic { slope: 0.7, intercept: -0.3 };
    let mut threshold = *model.threshold();
    threshold.score = 0.43;
    let parts = (model.schema().clone(), model.kind().clone(), model.references().to_vec(), model.card().clone());
    let model = Model::new(parts.0, parts.1, calibrator, threshold, parts.2, parts.3).expect("fits together");
    let (folder, mut dice) = (folder(), Dice::new(6));
    let path = folder.path().join("model.scorer");
    model.write_scorer(&path).expect("writes");
    let read = open(&path).expect("opens");
    let rows: Vec<Vec<f32>> = (0..50).map(|_| row(&mut dice, 5)).collect();
    for row in &rows {
        assert_eq!(read.score(row).to_bits(), model.score(row).to_bits());
        assert_eq!(read.decide(row), model.decide(model.score(row)));
    }
    assert!(rows.iter().any(|row| read.decide(row)) && rows.iter().any(|row| !read.decide(row)));
}
