//! The program by its words; the tests in Python ask it everything else, and find it built by this one.

use std::process::{Command, Output};

fn churn(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_churn")).args(args).output().expect("can be started")
}

#[test]
fn a_word_that_the_program_does_not_know_is_refused() {
    for args in [&["frobnicate"][..], &[]] {
        let output = churn(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("expected train or serve"));
    }
}

#[test]
fn its_help_names_both_words() {
    let output = churn(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("churn train") && text.contains("churn serve"), "{text}");
}

#[test]
fn it_says_which_version_it_is() {
    let output = churn(&["--version"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, format!("churn {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
}

#[test]
fn train_without_a_job_fails_and_simulates_nothing() {
    let folder = tempfile::tempdir().expect("is made");
    let train =
        Command::new(env!("CARGO_BIN_EXE_churn")).arg("train").env("SAGEMAKER_BASE_DIR", folder.path()).output();
    let train = train.expect("can be started");
    assert_eq!(train.status.code(), Some(1));
    let reason = std::fs::read_to_string(folder.path().join("output/failure")).expect("says why");
    assert!(reason.contains("train"), "{reason}");
}
