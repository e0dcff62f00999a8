//! No bytes make the importer panic, walk for ever or take much memory.

use churn_model::{ImportError, Model};
use proptest::prelude::*;

use crate::import_files::{every_release, read_and_score, told};

fn read(bytes: &[u8]) -> Result<Model, ImportError> {
    Model::from_lightgbm_text(None, bytes)
}

fn sound() -> String {
    let bytes = every_release("lightgbm", "categories.txt").swap_remove(0);
    String::from_utf8(bytes).expect("text")
}

#[test]
fn errors_say_on_which_line_the_damage_is() {
    let cases = [
        ("tree\n", "model\n", "line 1, tree: a text file of LightGBM begins with this word"),
        ("version=v3", "version=v9", "version \"v9\" is not read; read are v3 and v4"),
        ("num_class=1", "num_class=", "line 3, num_class: a number is expected"),
        ("num_class=1", "num_class=1\nnum_class=1", "line 4, key: it stands there a second time"),
        ("sigmoid:1", "sigmoid:-1", "line 7, objective: a positive sigmoid parameter is expected"),
        ("objective=binary", "objective=lambdarank", "objective \"lambdarank sigmoid:1\" is not read"),
        ("max_feature_idx=4", "max_feature_idx=18446744073709551615", "line 8, feature_names: the number of names"),
        ("Tree=1", "Tree=2", "Tree: trees do not count up from 0"),
        ("num_leaves=7", "num_leaves=4000000000", "line 21, leaf_value: it does not have as many numbers as it should"),
        ("num_leaves=7", "num_leaves=0", "line 13, num_leaves: a tree has at least one leaf"),
        ("split_feature=", "split_feature=x", "line 15, split_feature: it holds something that is no number"),
        ("split_feature=", "split_feature=7", "a split reads a column beyond the last feature"),
        ("left_child=1", "left_child=0", "left_child: a child does not exist, or does not stand behind"),
        ("left_child=1", "left_child=-70", "left_child: a child does not exist, or does not stand behind"),
        ("left_child=1", "left_child=-1", "a node is the child of no node, or of more than one"),
        ("decision_type=", "decision_type=9", "decision_type: "),
        ("cat_boundaries=0", "cat_boundaries=1", "cat_boundaries: they do not count up from 0"),
        ("leaf_value=", "leaf_value=inf ", "leaf_value: it does not have as many numbers"),
        ("is_linear=0", "is_linear=1", "kind of tree \"linear_tree\" is not read"),
        ("end of trees", "end of", "end of trees: the text ends before its trees do"),
        ("pandas_categorical:", "pandas_categorical:{", "pandas_categorical: a JSON list of lists"),
    ];
    let text = sound();
    for (old, new, expected) in cases {
        assert!(text.contains(old), "{old} is not in {text}");
        let found = match read(text.replacen(old, new, 1).as_bytes()) {
            Ok(_) => "no error".to_owned(),
            Err(error) => told(&error),
        };
        assert!(found.contains(expected), "{new}: {found}");
    }
}

#[test]
fn a_level_that_no_schema_holds_is_named() {
    let text = sound();
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).expect("has levels").to_owned();
    let (bounds, words) = (line("cat_boundaries="), line("cat_threshold="));
    // One word more for the first split, 300 levels up: 32 * 9 + 12.
    let first_size: usize =
        bounds["cat_boundaries=0 ".len()..].split(' ').next().expect("a bound").parse().expect("a number");
    let mut codes: Vec<&str> = words["cat_threshold=".len()..].split(' ').collect();
    codes.splice(first_size..first_size, (first_size..9).map(|_| "0").chain(["4096"]));
    let more = 10 - first_size;
    let moved = bounds["cat_boundaries=0 ".len()..]
        .split(' ')
        .map(|bound| (bound.parse::<usize>().expect("a number") + more).to_string());
    let moved = format!("cat_boundaries=0 {}", moved.collect::<Vec<_>>().join(" "));
    let damaged = text.replacen(&bounds, &moved, 1).replacen(&words, &format!("cat_threshold={}", codes.join(" ")), 1);
    let error = read(damaged.as_bytes()).expect_err("too high");
    assert!(matches!(error, ImportError::Level { code: 300, last: 253, .. }), "{error}");
}

#[test]
fn every_beginning_of_a_file_is_refused() {
    let text = sound();
    let last = text.find("end of trees").expect("ends") + "end of trees".len();
    for end in 0..last {
        assert!(read(&text.as_bytes()[..end]).is_err(), "{end} bytes of {last}");
    }
}

#[test]
fn zeros_that_would_make_a_tree_grow_without_end_are_refused() {
    // A tree of 24 features whose zeros all go against their neighbours: every split would double all below it.
    let n = 24;
    let join = |number: &dyn Fn(usize) -> String, n: usize| (0..n).map(number).collect::<Vec<_>>().join(" ");
    let both = |at: usize| if at + 1 < n { (at + 1).to_string() } else { "-1".to_owned() };
    let text = format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx={}\nobjective=regression\n\
         feature_names={}\nfeature_infos={}\n\nTree=0\nnum_leaves={}\nnum_cat=0\nsplit_feature={}\nthreshold={}\n\
         decision_type={}\nleft_child={}\nright_child={}\nleaf_value={}\n\nend of trees\n",
        n - 1,
        join(&|at| format!("f{at}"), n),
        join(&|_| "[0:1]".to_owned(), n),
        n + 1,
        join(&|at| at.to_string(), n),
        join(&|_| "1.5".to_owned(), n),
        join(&|_| "4".to_owned(), n),
        join(&both, n),
        join(&|at| format!("-{}", at + 2), n),
        join(&|at| at.to_string(), n + 1),
    );
    let found = told(&read(text.as_bytes()).expect_err("too many nodes"));
    assert!(found.contains("tree 0: too many nodes"), "{found}");
}

proptest! {
    #[test]
    fn changed_bytes_give_a_model_or_an_error(
        file in prop::sample::select(vec!["categories.txt", "zero_as_missing.txt", "forest.txt"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = every_release("lightgbm", file).swap_remove(0);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_and_score(read, &bytes);
    }

    #[test]
    fn changed_numbers_give_a_model_or_an_error(
        file in prop::sample::select(vec!["categories.txt", "zero_as_missing.txt"]),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(vec!["-1", "0", "1", "2", "6", "255", "4294967295", "1e39", "nan", "inf"])),
            1..4,
        ),
    ) {
        let mut text = String::from_utf8(every_release("lightgbm", file).swap_remove(0)).expect("text");
        for (at, number) in changes {
            let starts: Vec<usize> = text.match_indices([' ', '=']).map(|(at, _)| at + 1).collect();
            let start = *at.get(&starts);
            let length = text[start..].find([' ', '\n']).unwrap_or(0);
            text.replace_range(start..start + length, number);
        }
        read_and_score(read, text.as_bytes());
    }

    #[test]
    fn any_bytes_give_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).is_err());
    }
}
