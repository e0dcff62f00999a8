//! The arrows between folders are the ones that were decided on.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on, of ours. Why not on more stands in `docs/architecture.md`.
const ARROWS: [(&str, &[&str]); 11] = [
    ("events", &[]),
    ("features", &["events"]),
    ("churn-model", &["features"]),
    ("simulator", &["events"]),
    ("training-data", &["events", "features"]),
    ("train", &["events", "features", "training-data", "churn-model", "simulator"]),
    ("serve", &["events", "features", "churn-model"]),
    ("streaming", &["events", "features", "churn-model"]),
    ("python", &["events", "features", "churn-model", "training-data", "simulator"]),
    ("container", &["train", "serve"]),
    (
        "benches",
        &[
            "events",
            "features",
            "churn-model",
            "simulator",
            "training-data",
            "train",
            "serve",
            "streaming",
            "python",
            "container",
        ],
    ),
];

/// Where crates from outside may be used, by how their names begin.
const OUTSIDE: [(&str, &[&str]); 9] = [
    ("linfa", &["churn-model", "benches"]),
    ("smartcore", &["churn-model", "benches"]),
    ("rand", &["churn-model", "simulator", "benches"]),
    ("pyo3", &["python"]),
    ("numpy", &["python"]),
    ("tokio", &["serve", "streaming"]),
    ("hyper", &["serve", "streaming"]),
    ("aws-", &["serve", "streaming"]),
    ("clap", &["train", "simulator", "serve", "streaming", "container", "benches"]),
];

/// A use of one crate by another; ours go by their folders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    from: String,
    to: String,
    is_ours: bool,
    is_optional: bool,
    is_for_tests: bool,
}

fn arrows() -> Vec<Arrow> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path", manifest])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    let text = |value: &Value| value.as_str().expect("is text").to_owned();
    let list = |value: &Value| value.as_array().expect("is a list").clone();
    let packages = list(&metadata["packages"]);
    let arrows = packages.iter().flat_map(|package| {
        let from = folder_of(&text(&package["name"]));
        list(&package["dependencies"]).into_iter().map(move |dependency| Arrow {
            from: from.clone(),
            to: folder_of(&text(&dependency["name"])),
            is_ours: dependency["path"].is_string(),
            is_optional: dependency["optional"] == true,
            is_for_tests: dependency["kind"] == "dev",
        })
    });
    arrows.collect()
}

/// Folder and crate differ by the prefix `churn-`, which `churn-model` keeps.
fn folder_of(name: &str) -> String {
    match name.strip_prefix("churn-") {
        Some(rest) if name != "churn-model" => rest.to_owned(),
        _ => name.to_owned(),
    }
}

/// Whether `name` is that crate or one of its family, as `linfa-trees` is of `linfa`; `random` is none of `rand`'s.
fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| family.ends_with('-') || rest.is_empty() || rest.starts_with(['-', '_']))
}

fn wrong_arrows(arrows: &[Arrow]) -> Vec<String> {
    let is_allowed = |arrow: &&Arrow| match arrow.is_ours {
        true => ARROWS.iter().any(|(from, to)| *from == arrow.from && to.contains(&arrow.to.as_str())),
        false => {
            let mut families = OUTSIDE.iter().filter(|(family, _)| is_of_family(&arrow.to, family));
            families.all(|(_, users)| users.contains(&arrow.from.as_str()))
        }
    };
    let wrong = arrows.iter().filter(|arrow| !is_allowed(arrow));
    wrong.map(|arrow| format!("{} uses {}", arrow.from, arrow.to)).collect()
}

#[test]
fn crates_depend_only_where_the_table_says_so() {
    let arrows = arrows();
    assert!(arrows.iter().any(|arrow| arrow.is_ours && arrow.from == "train" && arrow.to == "churn-model"));
    assert_eq!(wrong_arrows(&arrows), [""; 0], "a new arrow starts with a decision; see docs/architecture.md");
}

#[test]
fn every_crate_is_in_the_table() {
    let known: BTreeSet<&str> = ARROWS.iter().map(|(from, _)| *from).collect();
    let arrows = arrows();
    let unknown: BTreeSet<&str> =
        arrows.iter().map(|arrow| arrow.from.as_str()).filter(|from| !known.contains(from)).collect();
    assert!(unknown.is_empty(), "not in the table of arrows: {unknown:?}");
}

#[test]
fn an_arrow_that_is_not_in_the_table_is_found() {
    let arrow = |from: &str, to: &str, is_ours| Arrow {
        from: from.to_owned(),
        to: to.to_owned(),
        is_ours,
        is_optional: false,
        is_for_tests: false,
    };
    for (from, to, is_ours) in [
        ("features", "churn-model", true),
        ("churn-model", "training-data", true),
        ("training-data", "churn-model", true),
        ("container", "churn-model", true),
        ("train", "linfa-trees", false),
        ("train", "rand", false),
        ("train", "rand_xoshiro", false),
        ("churn-model", "pyo3", false),
        ("train", "tokio", false),
        ("churn-model", "aws-sdk-s3", false),
    ] {
        assert_eq!(wrong_arrows(&[arrow(from, to, is_ours)]), [format!("{from} uses {to}")]);
    }
    let fine = [arrow("train", "serde", false), arrow("benches", "linfa", false), arrow("train", "features", true)];
    assert_eq!(wrong_arrows(&fine), [""; 0]);
}

#[test]
fn what_an_embedder_can_leave_out_is_optional() {
    for arrow in arrows().iter().filter(|arrow| arrow.from == "churn-model" && !arrow.is_for_tests) {
        let heavy = ["linfa", "smartcore", "rand", "rayon", "ndarray"];
        let is_heavy = heavy.iter().any(|family| is_of_family(&arrow.to, family));
        assert!(!is_heavy || arrow.is_optional, "{} comes with every scorer", arrow.to);
    }
}
