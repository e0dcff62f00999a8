//! No bytes make the importer panic, walk for ever or take much memory.

use churn_model::{ImportError, Model};
use proptest::prelude::*;

use crate::import_files::{every_release, read_and_score, told};

fn read(bytes: &[u8]) -> Result<Model, ImportError> {
    Model::from_xgboost_json(None, bytes)
}

fn sound() -> String {
    let bytes = every_release("xgboost", "partition.json").swap_remove(0);
    String::from_utf8(bytes).expect("text")
}

/// What the importer says of the model after a change of its text.
fn told_of(old: &str, new: &str) -> String {
    let text = sound();
    assert!(text.contains(old), "{old} is not in {text}");
    match read(text.replacen(old, new, 1).as_bytes()) {
        Ok(_) => "no error".to_owned(),
        Err(error) => told(&error),
    }
}

#[test]
fn errors_say_where_the_damage_is() {
    let cases = [
        ("\"left_children\":[1,", "\"left_children\":[", "tree 0: right_children is not as long as left_children"),
        (
            "\"left_children\":[1,",
            "\"left_children\":[0,",
            "tree 0: too many nodes, or nodes with more than one parent",
        ),
        ("\"left_children\":[1,", "\"left_children\":[-7,", "tree 0: a split has a child that does not exist"),
        ("\"left_children\":[1,", "\"left_children\":[7000,", "tree 0: a split has a child that does not exist"),
        ("\"split_indices\":[", "\"split_indices\":[9", "tree 0: a split reads a column beyond the last feature"),
        ("\"default_left\":[", "\"default_left\":[1,", "tree 0: default_left is not as long as left_children"),
        ("\"default_left\":[", "\"default_left\":[-1,", "expected u8 at line 1 column"),
        ("\"sum_hessian\":[", "\"sum_hessian\":[-", "tree 0, node 0: the cover is negative"),
        ("\"categories_sizes\":[", "\"categories_sizes\":[9", "do not cut up categories"),
        ("\"categories_segments\":[", "\"categories_segments\":[3", "do not cut up categories"),
        ("\"categories_nodes\":[", "\"categories_nodes\":[99", "names a node that is no category split"),
        ("\"categories\":[", "\"categories\":[999,", "asks for level 999; levels count from 0 to 253"),
        ("\"trees\":[", "\"trees\":[7,", "expected struct SavedTree at line 1 column"),
        ("\"base_score\":\"", "\"base_score\":\"x", "expected a number in quotes, or several in brackets"),
        (
            "\"num_class\":\"0\",\"num_feature\":\"5\"",
            "\"num_class\":\"0\",\"num_feature\":\"4000000000\"",
            "feature_types is \"5\", which is another number",
        ),
        (
            "\"num_class\":\"0\",\"num_feature\":\"5\"",
            "\"num_class\":\"0\",\"num_features\":\"5\"",
            "missing field `num_feature` at line 1 column",
        ),
        ("\"num_class\":\"0\"", "\"num_class\":\"3\"", "num_class \"3\" is not read; read are models of one output"),
        ("\"name\":\"gbtree\"", "\"name\":\"dart\"", "weight_drop is \"missing\""),
        ("\"learner\"", "\"lerner\"", "missing field `learner`"),
    ];
    for (old, new, expected) in cases {
        let found = told_of(old, new);
        assert!(found.contains(expected), "{new}: {found}");
    }
}

#[test]
fn a_level_that_no_schema_holds_is_named() {
    let text = sound();
    let start = text.find("\"categories\":[").expect("has levels") + "\"categories\":[".len();
    let end = start + text[start..].find([',', ']']).expect("ends");
    let error = read(format!("{}254{}", &text[..start], &text[end..]).as_bytes()).expect_err("too high");
    assert!(matches!(error, ImportError::Level { code: 254, last: 253, .. }), "{error}");
}

#[test]
fn a_large_number_of_features_costs_nothing_before_it_is_refused() {
    let without_types =
        sound().replace("\"feature_types\":[\"q\",\"q\",\"float\",\"c\",\"c\"]", "\"feature_types\":[]");
    let text = without_types.replace("\"num_feature\":\"5\"", "\"num_feature\":\"4294967295\"");
    assert!(told(&read(text.as_bytes()).expect_err("too many")).contains("at most 65535 features"));
}

#[test]
fn every_beginning_of_a_file_is_refused() {
    let text = sound();
    for end in 0..text.len() - 1 {
        assert!(read(&text.as_bytes()[..end]).is_err(), "{end} bytes of {}", text.len());
    }
}

proptest! {
    #[test]
    fn changed_bytes_give_a_model_or_an_error(
        release in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = every_release("xgboost", "one_hot.json").swap_remove(release);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_and_score(read, &bytes);
    }

    #[test]
    fn changed_numbers_give_a_model_or_an_error(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(vec!["-1", "0", "1", "2", "255", "4294967295", "1e39", "NaN", "-Infinity", "null"])),
            1..4,
        ),
    ) {
        let mut text = sound();
        for (at, number) in changes {
            let starts: Vec<usize> = text.match_indices([',', '[']).map(|(at, _)| at + 1).collect();
            let start = *at.get(&starts);
            let length = text[start..].find([',', ']', '}']).unwrap_or(0);
            text.replace_range(start..start + length, number);
        }
        read_and_score(read, text.as_bytes());
    }

    #[test]
    fn any_bytes_give_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).is_err());
    }
}
