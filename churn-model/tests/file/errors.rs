//! Everything that a model file promises is checked by the reader, and what is wrong is said.

use std::error::Error;

use crate::parts::{Parts, golden};
use churn_model::{Model, NodeProblem, ReadProblem, TreeError};
use safetensors::Dtype;

/// The message of the reader with all its sources, as a reporter prints it.
fn refusal(bytes: &[u8]) -> String {
    let error = Model::from_bytes(bytes).expect_err("is refused");
    let sources = std::iter::successors(error.source(), |&error| error.source());
    sources.fold(error.to_string(), |message, source| format!("{message}: {source}"))
}

#[track_caller]
fn assert_refused(parts: Parts, because: &str) {
    let message = refusal(&parts.sealed().packed());
    assert!(message.contains(because), "{message:?} does not say {because:?}");
}

fn forest() -> Parts {
    Parts::of_golden("forest")
}

fn linear() -> Parts {
    Parts::of_golden("linear")
}

fn f32s(number: f32) -> [u8; 4] {
    number.to_le_bytes()
}

#[test]
fn sealed_parts_are_a_file_like_any_other() {
    for name in ["forest", "linear"] {
        let bytes = std::fs::read(golden(name)).expect("reads");
        assert_eq!(Parts::of_golden(name).sealed().packed(), bytes);
    }
}

#[test]
fn what_is_no_container_is_refused() {
    let whole = forest().packed();
    let length = u64::from_le_bytes(whole[..8].try_into().expect("has 8 bytes"));
    let with_length = |length: u64| [length.to_le_bytes().as_slice(), &whole[8..]].concat();
    assert!(refusal(b"").contains("ends after 0 bytes"));
    assert!(refusal(b"seven by").contains("header length of 87"));
    assert!(refusal(&with_length(u64::MAX)).contains("header length of 18446744073709551615 where at most 100000000"));
    assert!(refusal(&with_length(99_999_999)).contains("inside its container header"));
    assert!(refusal(&with_length(length - 20)).contains("not a sound safetensors container"));
    assert!(refusal(&whole[..whole.len() - 1]).contains("has 336 bytes of tensors where its header announces 337"));
    assert!(refusal(&[&whole[..], &[0]].concat()).contains("338 bytes of tensors"));
    let mut not_text = whole.clone();
    not_text[20] = 0xff;
    assert!(refusal(&not_text).contains("not a sound safetensors container"));
}

#[test]
fn tensor_lengths_that_overflow_when_added_are_refused() {
    // Each is a legal tensor by itself; together with the header they have 2^64 bytes.
    let length = (1_u64 << 61) - 1;
    let tensors: Vec<String> = (0..8)
        .map(|i| {
            let (start, end) = (i * length, (i + 1) * length);
            format!(r#""t{i}":{{"dtype":"U8","shape":[{length}],"data_offsets":[{start},{end}]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", tensors.join(","));
    let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    assert!(refusal(&file).contains("has 0 bytes of tensors where its header announces 18446744073709551608"));
}

#[test]
fn a_safetensors_file_without_a_churn_model_is_refused() {
    let other = br#"{"__metadata__":{"format":"pt"}}"#;
    let file = [&(other.len() as u64).to_le_bytes(), other.as_slice()].concat();
    assert!(refusal(&file).contains("metadata key \"format\""));
    let none = [&2_u64.to_le_bytes(), b"{}".as_slice()].concat();
    assert!(refusal(&none).contains("lacks the metadata key \"churn_model\""));
}

#[test]
fn another_format_version_is_refused_by_name_and_before_the_checksum() {
    let file = forest().edit("\"format_version\":1", "\"format_version\":7").packed();
    assert!(refusal(&file).contains("has format version 7; this build reads 1 to 1"));
    assert_refused(forest().edit("\"format_version\":1", "\"format_version\":0"), "does not begin with its checksum");
    assert_refused(Parts { text: "[]".into(), ..forest() }, "does not begin with its checksum");
}

#[test]
fn a_changed_number_anywhere_breaks_the_checksum() {
    let header = forest().edit("\"test.roc_auc\":0.87", "\"test.roc_auc\":0.97");
    let tensor = forest().poke("forest.cover", 0, &f32s(101.0));
    let shape = {
        let mut parts = forest();
        parts.tensors.get_mut("forest.level_sets").expect("is there").1 = vec![4, 3];
        parts
    };
    for parts in [header, tensor, shape] {
        assert!(refusal(&parts.packed()).contains("is damaged: its content has the checksum"));
    }
}

#[test]
fn the_order_of_tensors_in_the_container_does_not_matter() {
    let whole = forest().packed();
    let length = usize::try_from(u64::from_le_bytes(whole[..8].try_into().expect("8 bytes"))).expect("fits");
    let header = std::str::from_utf8(&whole[8..8 + length]).expect("is text");
    // Cover and value have the same type and length, so that swapping them swaps their offsets.
    let swapped = header.replace("forest.cover", "forest.?").replace("forest.value", "forest.cover");
    let swapped = swapped.replace("forest.?", "forest.value");
    let data = &whole[8 + length..];
    let data = [&data[..96], &data[156..216], &data[96..156], &data[216..]].concat();
    let file = [&whole[..8], swapped.as_bytes(), &data].concat();
    assert_eq!(Model::from_bytes(&file).expect("reads"), Model::from_bytes(&whole).expect("reads"));
}

#[test]
fn a_header_that_does_not_follow_its_version_is_refused() {
    assert_refused(linear().edit("\"caveats\":", "\"remarks\":"), "missing field `caveats`");
    assert_refused(linear().edit("\"calibrator\":", "\"extra\":1,\"calibrator\":"), "unknown field `extra`");
    assert_refused(linear().edit("\"linear\":{", "\"boosted\":{"), "unknown variant `boosted`");
    assert_refused(linear().edit("\"intercept\":-2.2", "\"intercept\":1e999"), "number out of range");
    assert_refused(linear().edit("\"intercept\":-2.2", "\"intercept\":null"), "invalid type: null");
    let nested = linear().edit("\"n_trees\":3", &format!("\"n_trees\":{}{}", "[ ".repeat(200), "] ".repeat(200)));
    assert_refused(nested, "recursion limit");
}

#[test]
fn a_header_of_tiny_values_is_refused_before_it_is_parsed() {
    let zeros = |n: usize| format!("\"n_trees\":[{}0]", "0,".repeat(n));
    assert_refused(linear().edit("\"n_trees\":3", &zeros(100_000)), "packs more values into its header");
    let objects = format!("\"n_trees\":[{}0]", "{\"\":0},".repeat(10_000));
    assert_refused(linear().edit("\"n_trees\":3", &objects), "packs more values into its header");
    let mut many = linear();
    many.tensors.extend((0..100).map(|i| (format!("t{i}"), (Dtype::U8, vec![0], vec![]))));
    assert_refused(many, "packs more values into its container header");
}

#[test]
fn a_schema_that_is_not_the_fingerprinted_one_is_refused() {
    assert_refused(forest().edit("\"IT\"", "\"it\""), "its features have");
    assert_refused(forest().edit("\"kind\":\"boolean\"", "\"kind\":\"numeric\""), "its features have");
    assert_refused(forest().edit("\"is_trial\"", "\"industry\""), "names must differ");
}

#[test]
fn parts_that_do_not_fit_the_schema_are_refused() {
    assert_refused(forest().edit("\"probabilities\":[0.0,", "\"probabilities\":[0.5,"), "never-decreasing");
    assert_refused(forest().edit("\"edges\":[0.0,1.0]", "\"edges\":[1.0,0.0]"), "histogram of feature \"is_trial\"");
    assert_refused(linear().edit("\"scale\":7.1", "\"scale\":0.0"), "linear term of feature \"days_since_login\"");
    assert_refused(linear().edit("[0.3,-0.2,", "[0.3,"), "linear term of feature \"industry\"");
    assert_refused(Parts::of_golden("ensemble").edit("\"base\":-1.1", "\"base\":-1e999"), "does not follow its format");
}

#[test]
fn tensors_missing_or_extra_or_of_another_type_or_shape_are_refused() {
    for name in forest().tensors.into_keys() {
        let mut parts = forest();
        let (dtype, shape, bytes) = parts.tensors.remove(&name).expect("is there");
        assert_refused(parts.clone(), &format!("lacks the tensor {name:?}"));
        let as_bytes = (Dtype::I8, vec![bytes.len()], bytes.clone());
        parts.tensors.insert(name.clone(), as_bytes);
        assert_refused(parts.clone(), &format!("holds the tensor {name:?} with type I8"));
        let deeper = [&[1], shape.as_slice()].concat();
        parts.tensors.insert(name.clone(), (dtype, deeper, bytes));
        assert_refused(parts, &format!("holds the tensor {name:?} with shape [1, "));
    }
    let mut short = forest();
    short.tensors.insert("forest.left".into(), (Dtype::U32, vec![14], vec![0; 56]));
    assert_refused(short, "holds the tensor \"forest.left\" with shape [14] where [15] is expected");
    let mut extra = linear();
    extra.tensors.insert("forest.cover".into(), (Dtype::F32, vec![0], vec![]));
    assert_refused(extra, "holds the tensor \"forest.cover\", which no model of its kind has");
}

#[test]
fn trees_that_do_not_follow_each_other_are_refused() {
    let start = |tree: usize, node: u32| forest().poke("forest.tree_starts", 4 * tree, &node.to_le_bytes());
    assert_refused(start(0, 1), "a tree 0 that starts at node 1");
    assert_refused(start(1, 0), "a tree 0 that starts at node 0 and ends before node 0");
    assert_refused(start(2, 5), "a tree 1 that starts at node 7 and ends before node 5");
    assert_refused(start(3, 14), "a tree 2 that starts at node 14 and ends before node 14, of 15");
    assert_refused(start(3, u32::MAX), "ends before node 4294967295, of 15");
    let mut none = forest();
    none.tensors.insert("forest.tree_starts".into(), (Dtype::U32, vec![0], vec![]));
    assert_refused(none, "at least one tree");
}

#[test]
fn nodes_that_lead_astray_are_refused() {
    let left = |node: usize, to: u32| forest().poke("forest.left", 4 * node, &to.to_le_bytes());
    assert_refused(left(0, 0), "tree 0, node 0: its children do not stand behind it");
    assert_refused(left(1, 6), "tree 0, node 1: its children do not stand behind it");
    assert_refused(left(1, u32::MAX), "tree 0, node 1: its children do not stand behind it");
    assert_refused(left(2, 3), "tree 0, node 3: it is the child of no node or of more than one");
    assert_refused(left(3, 1), "a leaf, node 3, with a child");
    assert_refused(forest().poke("forest.missing_left", 3, &[1]), "a leaf, node 3, with a child or a direction");
    assert_refused(forest().poke("forest.missing_left", 0, &[2]), "has 2 in \"forest.missing_left\", node 0");
    assert_refused(forest().poke("forest.feature", 0, &3_u16.to_le_bytes()), "splits on a feature that the schema");
}

#[test]
fn numbers_that_no_model_has_are_refused() {
    let value = |node: usize, number: f32| forest().poke("forest.value", 4 * node, &f32s(number));
    assert_refused(value(0, f32::NAN), "tree 0, node 0: the split value is not a number");
    assert_refused(value(3, f32::NAN), "tree 0, node 3: the leaf value is not finite");
    assert_refused(value(3, 1.5), "tree 0, node 3: the leaf value is not finite, or is no share");
    assert_refused(value(3, -0.1), "tree 0, node 3: the leaf value");
    assert_refused(forest().poke("forest.cover", 0, &f32s(-1.0)), "tree 0, node 0: the cover");
    assert_refused(forest().poke("forest.cover", 0, &f32s(f32::INFINITY)), "tree 0, node 0: the cover");
}

#[test]
fn level_sets_are_used_one_by_one() {
    let row = |node: usize, number: f32| forest().poke("forest.value", 4 * node, &f32s(number));
    assert_refused(row(1, 1.0), "node 1, with level set 1 where row 0 of 3 is its own");
    assert_refused(row(7, 0.5), "node 7, with level set 0.5 where row 1");
    assert_refused(row(7, f32::NAN), "node 7, with level set NaN where row 1");
    assert_refused(row(7, -1.0), "node 7, with level set -1 where row 1");
    let with_rows = |n: usize| {
        let mut parts = forest();
        parts.tensors.insert("forest.level_sets".into(), (Dtype::U64, vec![n, 4], vec![1; 32 * n]));
        parts
    };
    assert_refused(with_rows(2), "where row 2 of 2 is its own");
    assert_refused(with_rows(4), "holds 4 level sets for 3 category splits");
}

#[test]
fn a_caller_can_match_on_what_is_wrong() {
    let file = forest().poke("forest.cover", 0, &f32s(-1.0)).sealed().packed();
    let error = Model::from_bytes(&file).expect_err("is refused");
    assert!(error.path().is_none());
    let cover = TreeError::Node { tree: 0, node: 0, problem: NodeProblem::Cover };
    assert!(matches!(error.problem(), ReadProblem::Trees(found) if *found == cover));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let missing = folder.path().join("none.safetensors");
    let error = Model::read(&missing).expect_err("is not there");
    assert_eq!(error.to_string(), format!("model file {missing:?} cannot be read"));
    assert_eq!(error.path(), Some(missing.as_path()));
    let error = Model::read(folder.path()).expect_err("is a folder");
    assert!(error.to_string().contains("is not a regular file"));
}
