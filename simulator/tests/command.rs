//! The binary, as people call it.

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulate")).args(arguments).output().expect("starts")
}

fn complaint(arguments: &[&str]) -> String {
    let output = simulate(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).expect("is text")
}

#[test]
fn wrong_arguments_are_refused_by_name() {
    assert!(complaint(&[]).contains("--out <DIR>"));
    assert!(complaint(&["--stdout", "--scenario", "calm"]).contains("steady, seasonal, onboarding and drifting"));
    assert!(complaint(&["--out", "/dev/null/x", "--format", "xlsx"]).contains("jsonl, jsonl.gz and parquet"));
    assert!(complaint(&["--stdout", "--speed", "-3"]).contains("neither a number above 0"));
    assert!(complaint(&["--stdout", "--tenants", "0"]).contains("the number of tenants is 0"));
    assert!(complaint(&["--stdout", "--start", "yesterday"]).contains("yesterday"));
    assert!(complaint(&["--stdout", "--validate"]).contains("cannot be used with"));
    let early = complaint(&["--stdout", "--start", "1975-06-01"]);
    assert!(early.contains("1975-06-01") && early.contains("1980-01-01 to 2089-12-31"), "{early}");
}

#[test]
fn options_that_would_have_no_effect_are_refused() {
    for arguments in [
        ["--out", "/dev/null/x", "--speed", "60"],
        ["--out", "/dev/null/x", "--rows", "5"],
        ["--stdout", "--rows", "5", "--threads=1"],
        ["--stdout", "--gap", "7", "--threads=1"],
        ["--table", "x.csv", "--days", "5"],
        ["--table", "x.csv", "--scenario", "seasonal"],
    ] {
        let said = complaint(&arguments);
        assert!(said.contains("cannot be used with"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_folder_never_holds_two_worlds() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_str().expect("is text");
    let first = ["--tenants", "3", "--days", "40", "--out", out];
    assert!(simulate(&first).status.success());
    let january = std::fs::read(folder.path().join("events-2024-01.jsonl")).expect("is there");
    let said = complaint(&["--tenants", "2", "--days", "10", "--seed", "9", "--format", "jsonl.gz", "--out", out]);
    assert!(said.contains("events-2024-01.jsonl") && said.contains("name another folder"), "{said}");
    assert_eq!(std::fs::read(folder.path().join("events-2024-01.jsonl")).expect("is there"), january);
    assert_eq!(folder.path().read_dir().expect("is there").count(), 3, "two months and the truth");
    assert!(!folder.path().join("events-2024-01.jsonl.gz").exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").expect("is written");
    let inside = file.join("inside");
    let text = complaint(&["--tenants", "2", "--days", "10", "--out", inside.to_str().expect("is text")]);
    assert!(text.contains("cannot write") && text.contains("inside"), "{text}");
    let text = complaint(&["--table", inside.to_str().expect("is text"), "--rows", "3"]);
    assert!(text.contains("cannot write"), "{text}");
}

#[test]
fn a_folder_holds_a_file_per_month_and_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("new/world");
    let output = simulate(&["--tenants", "20", "--days", "45", "--out", out.to_str().expect("is text")]);
    assert!(output.status.success());
    let mut names: Vec<String> = std::fs::read_dir(&out)
        .expect("is there")
        .map(|entry| entry.expect("is there").file_name().into_string().expect("is text"))
        .collect();
    names.sort();
    assert_eq!(names, ["events-2024-01.jsonl", "events-2024-02.jsonl", "truth.csv"]);
}

#[test]
fn a_reader_may_close_the_pipe() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--tenants", "200", "--days", "200", "--stdout"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = [0; 100];
    child.stdout.take().expect("is piped").read_exact(&mut first).expect("there are events");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_replay_at_a_speed_says_the_same_as_one_without() {
    let world = ["--tenants", "4", "--days", "20", "--stdout"];
    let paced = simulate(&[&world[..], &["--speed", "100000000"]].concat());
    let unpaced = simulate(&[&world[..], &["--speed", "max"]].concat());
    assert!(paced.status.success() && !paced.stdout.is_empty());
    assert!(paced.stdout == unpaced.stdout);
}
