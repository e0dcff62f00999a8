//! The program as a process, and what is left of it when it is killed.

mod world;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use world::{Dice, lines, log};

const CONSUME: &str = env!("CARGO_BIN_EXE_consume");

fn consume(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(CONSUME).current_dir(folder).args(arguments).output().expect("starts")
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = consume(folder, arguments);
    let told = String::from_utf8(output.stderr).expect("is text");
    assert!(output.status.success(), "{told}");
    told
}

fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = consume(folder, arguments);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).expect("is text")
}

fn sorted(path: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_to_string(path).expect("is there").lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// A folder with a model and a log, with poison in it.
fn folder(n_events: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    world::model().write(&folder.path().join("model.safetensors")).expect("is written");
    let mut text = lines(&log(n_events, 42));
    text.extend_from_slice(b"poison\n\n{}\n");
    fs::write(folder.path().join("log.jsonl"), text).expect("is written");
    folder
}

#[test]
fn a_log_is_replayed_offline() {
    let folder = folder(2_000);
    let told = succeed(
        folder.path(),
        &[
            "--source",
            "file:log.jsonl",
            "--model",
            ".",
            "--sink",
            "file:scores.jsonl",
            "--dead-letters",
            "file:dead.jsonl",
        ],
    );
    assert!(told.contains("2102 records") && told.contains("12 tenants") && told.contains("malformed 2"), "{told}");
    let scores = sorted(&folder.path().join("scores.jsonl"));
    assert!(scores.len() > 100 && scores.iter().all(|line| line.contains("\"riskOfChurn\":")));
    let letters = fs::read_to_string(folder.path().join("dead.jsonl")).expect("is there");
    let letters: Vec<serde_json::Value> =
        letters.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    assert_eq!(
        (letters.len(), letters[0]["text"].as_str(), letters[1]["field"].as_str()),
        (2, Some("poison"), Some("specversion"))
    );
    assert!(letters[0]["source"].as_str().expect("is text").ends_with("/log.jsonl"));

    let output =
        consume(folder.path(), &["--source", "file:log.jsonl", "--model", "model.safetensors", "--reasons", "0"]);
    let mut printed: Vec<&str> = std::str::from_utf8(&output.stdout).expect("is text").lines().collect();
    printed.sort_unstable();
    assert_eq!(printed.len(), scores.len());
    assert!(printed.iter().all(|line| line.contains("\"reasons\":[]")));
    let without = succeed(folder.path(), &["--source", "file:log.jsonl", "--sink", "file:none.jsonl"]);
    assert!(without.contains(" 0 score records"), "{without}");
}

#[test]
fn parts_of_a_log_packed_or_not_are_merged_by_when_events_were_received() {
    let folder = folder(1_500);
    let scores = |source: &[&str]| {
        let sources = source.iter().flat_map(|name| ["--source", name]);
        let arguments = sources.chain(["--model", ".", "--score", "daily", "--sink", "file:out.jsonl"]);
        succeed(folder.path(), &arguments.collect::<Vec<_>>());
        sorted(&folder.path().join("out.jsonl"))
    };
    let expected = scores(&["file:log.jsonl"]);
    assert!(expected.len() > 200);
    let text = fs::read_to_string(folder.path().join("log.jsonl")).expect("is there");
    let (companies, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("bdcp.tenant."));
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).expect("is made");
    fs::write(parts.join("companies.jsonl"), companies.join("\n")).expect("is written");
    fs::write(parts.join("jobs.jsonl"), others.join("\n")).expect("is written");
    fs::write(parts.join("truth.csv"), "is no log").expect("is written");
    assert_eq!(scores(&["file:parts/jobs.jsonl", "file:parts/companies.jsonl"]), expected);
    let pack = |name: &str| {
        let packed = Command::new("gzip").arg(parts.join(name)).status().expect("gzip starts");
        assert!(packed.success());
    };
    pack("jobs.jsonl");
    assert_eq!(scores(&["file:parts"]), expected);
}

/// Runs the program until it ends by itself; it is killed so many times before that, at random moments.
fn run_killed(folder: &Path, arguments: &[&str], times: usize) -> usize {
    let mut dice = Dice(times as u64);
    let start = || -> Child {
        Command::new(CONSUME).current_dir(folder).args(arguments).stderr(Stdio::null()).spawn().expect("starts")
    };
    let mut killed = 0;
    while killed < times {
        let mut child = start();
        thread::sleep(Duration::from_millis(2 + dice.roll(40)));
        match child.try_wait().expect("can be asked") {
            Some(status) => {
                assert!(status.success());
                return killed;
            }
            None => {
                child.kill().expect("can be killed");
                child.wait().expect("has ended");
                killed += 1;
            }
        }
    }
    assert!(start().wait().expect("has ended").success());
    killed
}

#[test]
fn a_program_that_is_killed_at_random_moments_writes_what_one_that_is_not_does() {
    let folder = folder(12_000);
    let source = ["--source", "file:log.jsonl", "--model", ".", "--checkpoint-every", "1ms"];
    for score in ["events", "daily"] {
        let with = |name: &str| {
            let others =
                ["--sink", &format!("file:{name}.jsonl"), "--dead-letters", &format!("file:{name}-dead.jsonl")]
                    .map(str::to_owned);
            let state = ["--state", &format!("{name}-state"), "--score", score].map(str::to_owned);
            source.map(str::to_owned).into_iter().chain(others).chain(state).collect::<Vec<String>>()
        };
        let (whole, torn) = (with(&format!("{score}-whole")), with(&format!("{score}-torn")));
        succeed(folder.path(), &whole.iter().map(String::as_str).collect::<Vec<_>>());
        let killed = run_killed(folder.path(), &torn.iter().map(String::as_str).collect::<Vec<_>>(), 20);
        assert!(killed >= 3, "it was killed {killed} times only");
        for ending in ["", "-dead"] {
            let read = |name: &str| {
                fs::read_to_string(folder.path().join(format!("{score}-{name}{ending}.jsonl"))).expect("is there")
            };
            assert!(read("torn") == read("whole"), "{score}{ending}");
        }
    }
}

#[test]
fn a_stop_is_an_end_in_order_and_the_next_start_goes_on() {
    let folder = folder(4_000);
    let base = ["--source", "file:log.jsonl", "--model", ".", "--state", "state", "--sink", "file:scores.jsonl"];
    // Forty days in ten seconds or so, and asked to end before that.
    let paced: Vec<&str> = base.into_iter().chain(["--speed", "300000", "--status-every", "100ms"]).collect();
    let child = Command::new(CONSUME).current_dir(folder.path()).args(&paced).stderr(Stdio::piped()).spawn();
    let child = child.expect("starts");
    thread::sleep(Duration::from_millis(900));
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill starts");
    assert!(stopped.success());
    let output = child.wait_with_output().expect("has ended");
    assert!(output.status.success());
    let n_before = sorted(&folder.path().join("scores.jsonl")).len();
    let told = succeed(folder.path(), &base);
    let whole = ["--source", "file:log.jsonl", "--model", ".", "--sink", "file:whole.jsonl"];
    succeed(folder.path(), &whole);
    let all = fs::read_to_string(folder.path().join("whole.jsonl")).expect("is there");
    assert!(0 < n_before && n_before < all.lines().count(), "{n_before}");
    assert_eq!(fs::read_to_string(folder.path().join("scores.jsonl")).expect("is there"), all);
    assert!(told.contains("4202 records"), "{told}");
}

#[test]
fn a_stop_while_everybody_is_due_comes_between_some_tenants_and_others() {
    let folder = folder(10);
    fs::write(folder.path().join("silent.jsonl"), lines(&world::silent_log(2_000))).expect("is written");
    let base = ["--source", "file:silent.jsonl", "--model", ".", "--score", "daily", "--reasons", "0"];
    let with_state = [&base[..], &["--state", "state"]].concat();
    let whole = consume(folder.path(), &base).stdout;
    let mut child = Command::new(CONSUME)
        .current_dir(folder.path())
        .args(&with_state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut stdout = child.stdout.take().expect("is piped");
    let mut printed = vec![0];
    stdout.read_exact(&mut printed).expect("is written");
    // Until the rest is read, it cannot write all that it has in hand.
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill starts");
    assert!(stopped.success());
    stdout.read_to_end(&mut printed).expect("is written");
    assert!(child.wait().expect("has ended").success());
    let n_lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count();
    assert!(n_lines(&printed) < n_lines(&whole), "{} of {}", n_lines(&printed), n_lines(&whole));
    assert_eq!(n_lines(&whole), 6_000);
    printed.extend(consume(folder.path(), &with_state).stdout);
    assert!(printed == whole);
}

#[test]
fn a_line_that_is_still_being_written_is_left_for_the_next_run() {
    let folder = folder(300);
    let path = folder.path().join("log.jsonl");
    let whole = fs::read(&path).expect("is there");
    let base = ["--source", "file:log.jsonl", "--model", ".", "--state", "state", "--sink", "file:scores.jsonl"];
    let cut = whole[..whole.len() / 2].to_vec();
    assert_ne!(cut.last(), Some(&b'\n'));
    fs::write(&path, cut).expect("is written");
    assert!(succeed(folder.path(), &base).contains("malformed 0"));
    fs::write(&path, &whole).expect("is written");
    assert!(succeed(folder.path(), &base).contains("malformed 2"));
    succeed(folder.path(), &["--source", "file:log.jsonl", "--model", ".", "--sink", "file:whole.jsonl"]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("is there");
    assert_eq!(read("scores.jsonl"), read("whole.jsonl"));
}

#[test]
fn a_log_that_is_packed_later_goes_on_where_it_was() {
    let folder = folder(300);
    let at = folder.path();
    let text = fs::read_to_string(at.join("log.jsonl")).expect("is there");
    let half = text.match_indices('\n').nth(150).expect("a line").0 + 1;
    let run = |source: &str, out: &str| {
        let sink = format!("file:{out}.jsonl");
        let arguments =
            ["--source", source, "--model", "model.safetensors", "--score", "events", "--sink", &sink, "--state", out];
        succeed(at, &arguments);
        fs::read(at.join(&sink[5..])).expect("is there")
    };
    let whole = run("file:log.jsonl", "whole");
    fs::write(at.join("log.jsonl"), &text[..half]).expect("is written");
    assert!(run("file:log.jsonl", "packed") != whole);
    fs::write(at.join("log.jsonl"), &text).expect("is written");
    assert!(Command::new("gzip").arg("log.jsonl").current_dir(at).status().expect("gzip").success());
    assert!(run("file:log.jsonl.gz", "packed") == whole);
}

#[test]
fn a_log_that_became_shorter_or_another_is_not_passed_over() {
    let folder = folder(300);
    let at = folder.path();
    let path = at.join("log.jsonl");
    let base = ["--source", "file:log.jsonl", "--model", ".", "--state", "state", "--sink", "file:scores.jsonl"];
    succeed(at, &base);
    let (whole, scores) = (fs::read(&path).expect("is there"), fs::read(at.join("scores.jsonl")).expect("is there"));
    let half = whole.iter().take(whole.len() / 2).rposition(|byte| *byte == b'\n').expect("has lines") + 1;
    fs::write(&path, &whole[..half]).expect("is written");
    let told = fail(at, &base);
    let expected =
        format!("log.jsonl: is shorter than it was: it ends at byte {half}, and the checkpoint has taken in");
    assert!(told.contains(&expected) && told.contains("give a new log a name of its own"), "{told}");
    fs::write(&path, [b"{}\n", &whole[..]].concat()).expect("is written");
    let told = fail(at, &base);
    assert!(told.contains("is another log than it was: no line begins at byte"), "{told}");
    fs::write(&path, "").expect("is written");
    assert!(fail(at, &base).contains("it ends at byte 0"));
    // Nothing has happened to what was written.
    assert_eq!(fs::read(at.join("scores.jsonl")).expect("is there"), scores);
    fs::write(&path, &whole).expect("is written");
    succeed(at, &base);
}

#[test]
fn a_quiet_pipe_does_not_hold_up_the_end() {
    let folder = folder(300);
    let at = folder.path();
    let pipe = at.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo starts").success());
    let base = ["--model", ".", "--checkpoint-every", "10ms"];
    let run = |source: &str, name: &str| {
        let (sink, state) = (format!("file:{name}.jsonl"), format!("{name}-state"));
        let mut command = Command::new(CONSUME);
        command.current_dir(at).args(["--source", source, "--sink", &sink, "--state", &state]).args(base);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("starts")
    };
    let (text, all) = (fs::read(at.join("log.jsonl")).expect("is there"), "\"records\": 317");
    let stop = |child: &Child| {
        let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill starts");
        assert!(stopped.success());
    };
    let wait_for = |state: &str, text: &str| {
        let path = at.join(state).join("checkpoint.json");
        let is_there = || fs::read_to_string(&path).is_ok_and(|manifest| manifest.contains(text));
        for _ in 0..6_000 {
            if is_there() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("no checkpoint in {state} has {text}");
    };
    // Nobody has opened it for writing yet.
    let child = run("file:pipe", "unopened");
    wait_for("unopened-state", "\"number\": 1");
    stop(&child);
    assert!(child.wait_with_output().expect("has ended").status.success());
    // A named pipe, and standard input: what came is taken in before the writer closes it.
    let child = run("file:pipe", "named");
    let mut writer = fs::File::options().write(true).open(&pipe).expect("is opened");
    writer.write_all(&text).expect("is taken");
    wait_for("named-state", all);
    stop(&child);
    let output = child.wait_with_output().expect("has ended");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    drop(writer);
    let mut child = run("file:/dev/stdin", "stdin");
    child.stdin.as_mut().expect("is a pipe").write_all(&text).expect("is taken");
    wait_for("stdin-state", all);
    stop(&child);
    let writer = child.stdin.take();
    assert!(child.wait_with_output().expect("has ended").status.success());
    drop(writer);
    succeed(at, &["--source", "file:log.jsonl", "--model", ".", "--sink", "file:whole.jsonl"]);
    let read = |name: &str| fs::read_to_string(at.join(name)).expect("is there");
    assert_eq!(read("named.jsonl"), read("whole.jsonl"));
    assert_eq!(read("stdin.jsonl"), read("whole.jsonl"));
    // A pipe that gives less than was taken in is another one, or was not begun at its beginning.
    let shell = format!("head -n 9 log.jsonl | {CONSUME} --source file:/dev/stdin --state stdin-state");
    let shell = format!("{shell} --sink file:stdin.jsonl");
    let told = Command::new("sh").current_dir(at).args(["-c", &shell]).output().expect("sh starts");
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.contains("cannot read /dev/stdin: is shorter than it was"), "{told}");
}

/// What the program says as a child of KCL's daemon, which writes these lines.
fn answer(folder: &Path, requests: &[String]) -> String {
    let mut command = Command::new(CONSUME);
    command.current_dir(folder).args(["--kcl", "--model", ".", "--state", "states", "--sink", "file:{shard}.jsonl"]);
    command.args(["--dead-letters", "file:dead-{shard}.jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
    child.stdin.take().expect("is a pipe").write_all(requests.join("\n").as_bytes()).expect("is taken");
    let output = child.wait_with_output().expect("has ended");
    let told = String::from_utf8(output.stderr).expect("is text");
    assert!(output.status.success(), "{told}");
    told
}

#[test]
fn a_child_of_kcl_tells_how_fast_it_is_and_not_how_much_it_has_restored() {
    let folder = folder(300);
    let text = fs::read(folder.path().join("log.jsonl")).expect("is there");
    let records = (1..).zip(text.split(|byte| *byte == b'\n')).map(|(number, line)| {
        format!(r#"{{"action":"record","data":"{}","sequenceNumber":"{number}"}}"#, STANDARD.encode(line))
    });
    let records: Vec<String> = records.collect();
    let initialize = |shard: &str, start: &str| {
        format!(r#"{{"action":"initialize","shardId":"{shard}","sequenceNumber":"{start}","subSequenceNumber":0}}"#)
    };
    let process = format!(r#"{{"action":"processRecords","records":[{}]}}"#, records.join(","));
    let end = [
        r#"{"action":"shutdownRequested"}"#.to_owned(),
        r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":null}"#.to_owned(),
        r#"{"action":"leaseLost"}"#.to_owned(),
    ];
    let begin = [initialize("shardId-1", "TRIM_HORIZON"), process];
    let first = answer(folder.path(), &[&begin[..], &end[..]].concat());
    let all = format!("consume: {} records (", records.len());
    assert!(first.contains(&all) && !first.contains(&format!("{all}0/s)")), "{first}");
    // What it has restored was not taken in by it, and a shard that is given to it next has less.
    let others = [initialize("shardId-1", &records.len().to_string()), initialize("shardId-2", "TRIM_HORIZON")];
    let second = answer(folder.path(), &[&others[..1], &end[..], &others[1..], &end[..]].concat());
    assert!(second.contains(&format!("{all}0/s)")) && second.contains("consume: 0 records (0/s)"), "{second}");
}

#[test]
fn a_new_state_folder_replaces_nothing_and_a_run_without_one_does() {
    let folder = folder(300);
    let at = folder.path();
    let base = ["--source", "file:log.jsonl", "--model", "."];
    for (sink, file) in [("file:scores.jsonl", "scores.jsonl"), ("folder:objects", "objects/pending.json")] {
        let without = [&base[..], &["--sink", sink]].concat();
        succeed(at, &without);
        let before = fs::read(at.join(file)).expect("is there");
        let told = fail(at, &[&without[..], &["--state", "new"]].concat());
        assert!(told.contains(&format!("sink {sink} holds something already")) && told.contains("--state"), "{told}");
        assert_eq!(fs::read(at.join(file)).expect("is there"), before);
        succeed(at, &without);
        assert_eq!(fs::read(at.join(file)).expect("is there"), before, "it is begun anew, and not added to");
        // Begun with this state folder, it goes on with it.
        let other = sink.replace(':', ":other-");
        let own = [&base[..], &["--sink", &other, "--state", "own"]].concat();
        succeed(at, &own);
        succeed(at, &own);
        fs::remove_dir_all(at.join("own")).expect("is removed");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let folder = folder(10);
    let at = folder.path();
    assert!(fail(at, &["--source", "file:none.jsonl"]).contains("cannot read none.jsonl: No such file"));
    fs::write(at.join("jobs.csv"), "company_id,userid,date,dataSize,jobSubmitted\n").expect("is written");
    assert!(fail(at, &["--source", "file:jobs.csv"]).contains("jobs.csv: is a job CSV; expected a log"));
    for (sink, what) in [("log.jsonl", "a source"), ("./model.safetensors", "the model")] {
        let before = fs::read(at.join(sink)).expect("is there");
        let sink = format!("file:{sink}");
        let told = fail(at, &["--source", "file:log.jsonl", "--model", "model.safetensors", "--sink", &sink]);
        assert!(told.contains(what) && fs::read(at.join(&sink[5..])).expect("is there") == before, "{told}");
    }
    let told = fail(at, &["--source", "file:log.jsonl", "--sink", "file:x", "--dead-letters", "file:./x"]);
    assert!(told.contains("another sink"), "{told}");
    let told = fail(at, &["--source", "file:log.jsonl", "--sink", "folder:f/a", "--dead-letters", "folder:./f/a/"]);
    assert!(told.contains("folder:./f/a/ is another sink") && !at.join("f").exists(), "{told}");
    let told = fail(at, &["--kcl", "--state", "s", "--sink", "file:{shard}", "--dead-letters", "file:./{shard}"]);
    assert!(told.contains("file:./{shard} is another sink"), "{told}");
    assert!(fail(at, &["--source", "file:log.jsonl", "--source", "file:./log.jsonl"]).contains("is named twice"));
    fs::create_dir(at.join("empty")).expect("is made");
    assert!(fail(at, &["--source", "file:empty"]).contains("without logs of events; expected files named *.jsonl"));
    assert!(fail(at, &["--source", "file:log.jsonl", "--sink", "file:none/x"]).contains("cannot write to file:none/x"));
    assert!(fail(at, &["--source", "file:log.jsonl", "--model", "log.jsonl"]).contains("log.jsonl"));
    if cfg!(not(feature = "kafka")) {
        let told = fail(at, &["--source", "kafka:jobs", "--sink", "file:x"]);
        assert!(told.contains(
            "without what kafka:jobs needs; build it with `cargo build -p churn-streaming --features kafka`"
        ));
    }
    world::table_model().write(&at.join("table.safetensors")).expect("is written");
    let told = fail(at, &["--source", "file:log.jsonl", "--model", "table.safetensors"]);
    assert!(told.contains("train it on events") && told.contains("shoe size"), "{told}");
    let text = fs::read(at.join("log.jsonl")).expect("is there");
    let mut packed = Command::new("gzip").args(["-c", "log.jsonl"]).current_dir(at).output().expect("gzip").stdout;
    // One that is whole, and the beginning of another.
    packed.extend_from_within(..packed.len() / 2);
    fs::write(at.join("cut.gz"), &packed).expect("is written");
    let told = fail(at, &["--source", "file:cut.gz", "--model", ".", "--sink", "file:cut.jsonl", "--state", "cut"]);
    assert!(told.contains("cannot read cut.gz from byte"), "{told}");
    let n_lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    let kept: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join("cut/checkpoint.json")).expect("is there")).expect("is JSON");
    assert!(kept["counts"]["records"].as_u64().expect("a number") >= n_lines, "what came before it is kept: {kept}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_source_that_fails_is_told_even_if_what_came_before_cannot_be_kept() {
    let folder = folder(10);
    let at = folder.path();
    let mut packed = Command::new("gzip").args(["-c", "log.jsonl"]).current_dir(at).output().expect("gzip").stdout;
    packed.extend_from_within(..packed.len() / 2);
    fs::write(at.join("cut.gz"), &packed).expect("is written");
    let told = fail(at, &["--source", "file:cut.gz", "--model", ".", "--sink", "file:/dev/full"]);
    assert!(told.contains("cannot read cut.gz from byte") && told.contains("cannot write to file:/dev/full"), "{told}");
}
