//! Whatever breaks off where: nothing is lost, and nothing stands twice in a file.

mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use churn_events::{DAY_MS, Event, Timestamp};
use churn_features::{StateOptions, StoreOptions};
use churn_model::Model;
use churn_streaming::{
    CheckpointError, CheckpointFolder, ConsumeError, Consumer, LineSink, NamedSink, ProcessorOptions, Record, ScoreWhen,
};
use proptest::prelude::*;
use world::{batch, line, log, record, scoring, shard};

static MODEL: LazyLock<Model> = LazyLock::new(world::model);

fn options(when: ScoreWhen) -> ProcessorOptions {
    ProcessorOptions { when, ..ProcessorOptions::default() }
}

fn sinks(folder: &Path, names: &[&str]) -> Vec<NamedSink> {
    let named = |name: &&str| NamedSink {
        name: (*name).to_owned(),
        sink: Box::new(LineSink::file(&folder.join(name)).expect("can be opened")),
    };
    names.iter().map(named).collect()
}

fn consumer(folder: &Path, options: ProcessorOptions) -> Result<Consumer, ConsumeError> {
    let state = CheckpointFolder::open(&folder.join("state"), Duration::ZERO)?;
    let sinks_of = |names| sinks(folder, names);
    let mut consumer =
        Consumer::new(options, Some(scoring(&MODEL)), sinks_of(&["scores"]), sinks_of(&["dead"]), Some(state))?;
    consumer.begin()?;
    Ok(consumer)
}

fn records(n_events: usize, seed: u64) -> Vec<Record> {
    let events = log(n_events, seed);
    let lines = events
        .iter()
        .zip(1..)
        .map(|(event, sequence)| record(sequence, if sequence % 37 == 0 { b"poison".to_vec() } else { line(event) }));
    lines.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_consumer_that_is_cut_off_anywhere_ends_as_one_that_was_not(
        seed in any::<u64>(),
        n_events in 1..500_usize,
        policy in 0..3_usize,
        lives in proptest::collection::vec((0..8_usize, any::<bool>()), 0..8),
    ) {
        let when = [ScoreWhen::Events, ScoreWhen::Changes { least: 0.01 }, ScoreWhen::Daily][policy];
        let records = records(n_events, seed);
        let (whole, torn) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let run = |consumer: &mut Consumer, n_batches: usize, every: usize| {
            let reached = consumer.processor().positions().get("one").copied();
            let first = records.iter().position(|record| Some(record.position) > reached).unwrap_or(records.len());
            // What lies before the position is delivered again, now and then.
            for (number, part) in records[first.saturating_sub(5)..].chunks(30).take(n_batches).enumerate() {
                consumer.apply(&batch(&shard("one"), part.to_vec())).expect("sinks take it");
                if number % every == every - 1 {
                    consumer.checkpoint().expect("is written");
                }
            }
        };
        let mut expected = consumer(whole.path(), options(when)).expect("opens");
        run(&mut expected, usize::MAX, usize::MAX);
        expected.advance_to(world::START.plus_days(45)).expect("sinks take it");
        expected.checkpoint().expect("is written");
        for (n_batches, flushes) in lives {
            let mut life = consumer(torn.path(), options(when)).expect("opens");
            run(&mut life, n_batches, 3);
            if flushes {
                // Sinks have kept what no checkpoint knows of: the process died between the two.
                let manifest = torn.path().join("state/checkpoint.json");
                let before = fs::read(&manifest).ok();
                life.checkpoint().expect("is written");
                drop(life);
                match before {
                    Some(before) if !rewrites(&before, &manifest) => fs::write(&manifest, before).expect("is written"),
                    _ => {}
                }
            }
        }
        let mut last = consumer(torn.path(), options(when)).expect("opens");
        run(&mut last, usize::MAX, 2);
        last.advance_to(world::START.plus_days(45)).expect("sinks take it");
        last.checkpoint().expect("is written");
        prop_assert!(last.processor().store() == expected.processor().store());
        prop_assert_eq!(last.processor().counts().scores, expected.processor().counts().scores);
        for name in ["scores", "dead"] {
            let read = |folder: &Path| fs::read_to_string(folder.join(name)).expect("is there");
            prop_assert_eq!(read(torn.path()), read(whole.path()), "{}", name);
        }
    }
}

/// Whether a checkpoint has cleared away files of the one before it, which then cannot be gone back to.
fn rewrites(before: &[u8], manifest: &Path) -> bool {
    let before: serde_json::Value = serde_json::from_slice(before).expect("is JSON");
    let folder = manifest.parent().expect("has one");
    !before["states"].as_array().expect("a list").iter().all(|name| folder.join(name.as_str().expect("text")).exists())
}

/// A consumer that has taken in some records and written checkpoints: whole ones, and changes.
fn checkpointed(folder: &Path) {
    let mut consumer = consumer(folder, options(ScoreWhen::Events)).expect("opens");
    for part in records(900, 1).chunks(100) {
        consumer.apply(&batch(&shard("one"), part.to_vec())).expect("sinks take it");
        consumer.checkpoint().expect("is written");
    }
}

fn refusal(folder: &Path, options: ProcessorOptions) -> String {
    use std::error::Error as _;
    let error = match consumer(folder, options) {
        Err(error) => error,
        Ok(_) => panic!("was opened"),
    };
    let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
    format!("{error}{source}").replace(folder.to_str().expect("is text"), "")
}

#[test]
fn a_folder_is_used_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = CheckpointFolder::open(folder.path(), Duration::ZERO).expect("opens");
    let second = CheckpointFolder::open(folder.path(), Duration::ZERO).expect_err("is in use");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    drop(first);
    CheckpointFolder::open(folder.path(), Duration::ZERO).expect("is free again");
}

#[test]
fn what_belongs_to_no_checkpoint_is_cleared_away() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let state = folder.path().join("state");
    let names = || {
        let names = fs::read_dir(&state).expect("is there").map(|entry| entry.expect("is there").file_name());
        names.map(|name| name.into_string().expect("is text")).collect::<std::collections::BTreeSet<_>>()
    };
    let before = names();
    let manifest = fs::read_to_string(state.join("checkpoint.json")).expect("is there");
    assert!(
        before.iter().all(|name| name == "lock" || name == "checkpoint.json" || manifest.contains(name)),
        "{before:?}"
    );
    fs::write(state.join("states-000000000099"), "half").expect("is written");
    fs::create_dir(state.join(".partial-x")).expect("is made");
    drop(consumer(folder.path(), options(ScoreWhen::Events)).expect("opens"));
    assert_eq!(names(), before);
}

#[test]
fn a_new_state_folder_does_not_begin_the_output_of_another_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let read = |name: &str| fs::read(folder.path().join(name)).expect("is there");
    let before = (read("scores"), read("dead"));
    fs::rename(folder.path().join("state"), folder.path().join("kept")).expect("is moved");
    let refused = refusal(folder.path(), options(ScoreWhen::Events));
    assert!(
        refused.starts_with("sink scores holds something already, and no checkpoint knows of it; name"),
        "{refused}"
    );
    // Where only the dead letters would be lost, nothing is touched, either.
    fs::rename(folder.path().join("scores"), folder.path().join("elsewhere")).expect("is moved");
    let refused = refusal(folder.path(), options(ScoreWhen::Events));
    assert!(refused.starts_with("sink dead holds something already"), "{refused}");
    fs::rename(folder.path().join("elsewhere"), folder.path().join("scores")).expect("is moved");
    assert_eq!((read("scores"), read("dead")), before);
    // Nothing has begun in the folder, which can be put back.
    fs::remove_dir_all(folder.path().join("state")).expect("is removed");
    fs::rename(folder.path().join("kept"), folder.path().join("state")).expect("is moved");
    consumer(folder.path(), options(ScoreWhen::Events)).expect("goes on");
    assert_eq!((read("scores"), read("dead")), before);
}

#[test]
fn what_a_run_wrote_before_its_first_checkpoint_is_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let part = records(200, 1);
    for _ in 0..2 {
        let mut cut_off = consumer(folder.path(), options(ScoreWhen::Events)).expect("opens");
        cut_off.apply(&batch(&shard("one"), part.clone())).expect("sinks take it");
        drop(cut_off);
        assert!(fs::metadata(folder.path().join("scores")).expect("is there").len() > 0);
    }
    let mut last = consumer(folder.path(), options(ScoreWhen::Events)).expect("opens");
    assert_eq!(fs::metadata(folder.path().join("scores")).expect("is there").len(), 0);
    last.apply(&batch(&shard("one"), part)).expect("sinks take it");
    assert_eq!(last.processor().counts().repeated, 0);
    last.checkpoint().expect("is written");
}

#[test]
fn when_the_first_run_began_that_asked_is_known_to_quiet_runs_after_a_warm_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let asks = |millis, begins: bool| {
        let mut state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("opens");
        let found = state.begun_at(Timestamp::from_millis(millis)).map(Timestamp::millis);
        let (scores, dead) = (sinks(folder.path(), &["scores"]), sinks(folder.path(), &["dead"]));
        let quiet = Consumer::new(options(ScoreWhen::Events), Some(scoring(&MODEL)), scores, dead, Some(state));
        let mut quiet = quiet.expect("opens");
        if begins {
            quiet.checkpoint().expect("is written");
        }
        found
    };
    checkpointed(folder.path());
    assert_eq!(asks(1_000_000, false), None, "whose source cannot be opened, say");
    assert_eq!(asks(2_000_000, true), None);
    assert_eq!(asks(3_000_000, true), Some(1_700_000));
    checkpointed(folder.path());
    assert_eq!(asks(4_000_000, true), Some(1_700_000));
}

#[test]
fn states_without_a_manifest_are_no_fresh_start() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let state = folder.path().join("state");
    let names = || fs::read_dir(&state).expect("is there").count();
    fs::remove_file(state.join("checkpoint.json")).expect("is removed");
    let before = names();
    let refused = refusal(folder.path(), options(ScoreWhen::Events));
    assert!(refused.starts_with(r#"folder "/state" has no checkpoint.json, but "states-0000"#), "{refused}");
    assert_eq!(names(), before, "nothing is cleared away");
}

#[test]
fn damage_is_named_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let state = folder.path().join("state");
    let damage = |name: &str, text: &[u8], expected: &str| {
        let path = state.join(name);
        let before = fs::read(&path).expect("is there");
        fs::write(&path, text).expect("is written");
        let refused = refusal(folder.path(), options(ScoreWhen::Events));
        assert!(refused.contains(expected), "{refused}");
        fs::write(&path, before).expect("is written");
    };
    damage("checkpoint.json", b"{", "\"/state/checkpoint.json\" does not describe a checkpoint");
    damage("checkpoint.json", br#"{"version": 9}"#, "has format version 9; this build reads 1 to 1");
    let states = fs::read_dir(&state).expect("is there").map(|entry| entry.expect("is there").file_name());
    let states = states.map(|name| name.into_string().expect("is text")).find(|name| name.starts_with("states-"));
    let states = states.expect("there is one");
    damage(&states, b"CHURNFS\n", "the states of tenants cannot be written or read");
    let (path, aside) = (state.join(&states), folder.path().join("aside"));
    fs::rename(&path, &aside).expect("is moved");
    let refused = refusal(folder.path(), options(ScoreWhen::Events));
    assert!(refused.contains(&format!("cannot use \"/state/{states}\" for checkpoints: No such file")), "{refused}");
    fs::rename(&aside, &path).expect("is moved back");
    let text = fs::read(folder.path().join("scores")).expect("is there");
    fs::write(folder.path().join("scores"), &text[..10]).expect("is written");
    let refused = refusal(folder.path(), options(ScoreWhen::Events));
    assert!(refused.starts_with("cannot write to file:/scores: has 10 bytes, and had"), "{refused}");
    fs::write(folder.path().join("scores"), &text).expect("is written");
    consumer(folder.path(), options(ScoreWhen::Events)).expect("all is well again");
}

#[test]
fn sinks_go_back_to_the_checkpoint_at_the_second_attempt_if_not_at_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("opens");
    let sinks_of = |names| sinks(folder.path(), names);
    let (scores, dead) = (sinks_of(&["scores"]), sinks_of(&["dead"]));
    let mut consumer = Consumer::new(options(ScoreWhen::Events), Some(scoring(&MODEL)), scores, dead, Some(state));
    let consumer = consumer.as_mut().expect("is restored");
    let dead = folder.path().join("dead");
    let letters = fs::read(&dead).expect("is there");
    fs::write(&dead, &letters[..10]).expect("is written");
    assert!(consumer.begin().is_err() && consumer.begin().is_err());
    fs::write(&dead, [&letters[..], b"of after the checkpoint"].concat()).expect("is written");
    consumer.begin().expect("can go back now");
    assert_eq!(fs::read(&dead).expect("is there"), letters);
}

#[test]
fn other_sinks_and_other_options_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    checkpointed(folder.path());
    let state = StateOptions { max_users: 7, ..StateOptions::default() };
    let other =
        ProcessorOptions { store: StoreOptions { state, ..StoreOptions::default() }, ..options(ScoreWhen::Events) };
    let refused = refusal(folder.path(), other);
    assert!(
        refused.contains("kept under other options; name an empty folder") && refused.contains("max_users"),
        "{refused}"
    );
    let open = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("opens");
    let refused = Consumer::new(
        options(ScoreWhen::Events),
        Some(scoring(&MODEL)),
        sinks(folder.path(), &["elsewhere"]),
        Vec::new(),
        Some(open),
    );
    let Err(ConsumeError::Checkpoint(error @ CheckpointError::Sinks { .. })) = refused else { panic!("was opened") };
    assert!(error.to_string().contains("the sinks scores, dead, not elsewhere"), "{error}");
}

#[test]
fn a_date_of_which_a_checkpoint_knows_a_part_goes_on_with_the_rest() {
    let log = world::silent_log(2_000);
    let events = |days: i64| -> Vec<Record> {
        let later = |event: &Event<'static>| {
            let received_at = Timestamp::from_millis(event.received_at.millis() + days * DAY_MS);
            Event { id: format!("{days}-{}", event.id).into(), occurred_at: received_at, received_at, ..event.clone() }
        };
        let number = days as u64 * 10_000;
        log.iter().zip(number..).map(|(event, number)| record(number, line(&later(event)))).collect()
    };
    let (date, folders) = (world::START.plus_days(3), [(); 3].map(|()| tempfile::tempdir().expect("a folder")));
    let open = |folder: &tempfile::TempDir| consumer(folder.path(), options(ScoreWhen::Daily)).expect("opens");
    let apply = |consumer: &mut Consumer, days| {
        consumer.apply(&batch(&shard("one"), events(days))).expect("sinks take it");
    };
    let [whole, resumed, overtaken] = &folders;
    for folder in &folders {
        let mut life = open(folder);
        apply(&mut life, 0);
        let mut due = life.processor().due(date).into();
        if folder.path() == whole.path() {
            while life.score_some(date, &mut due).expect("sinks take it") {}
        } else {
            assert!(life.score_some(date, &mut due).expect("sinks take it"));
        }
        life.checkpoint().expect("is written");
        // What comes after it is for nothing.
        life.score_some(date, &mut due).expect("sinks take it");
    }
    for folder in &folders {
        let mut life = open(folder);
        if folder.path() == resumed.path() {
            life.advance_to(date).expect("sinks take it");
        }
        apply(&mut life, 4);
        life.checkpoint().expect("is written");
    }
    let scores = |folder: &tempfile::TempDir| fs::read_to_string(folder.path().join("scores")).expect("is there");
    assert!(scores(whole).lines().count() > 8_000 && scores(resumed) == scores(whole));
    // Events that come before it is that far again find their tenant at the dates before them, one by one.
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(sorted(&scores(overtaken)) == sorted(&scores(whole)));
    assert_eq!(scores(overtaken).len(), scores(whole).len());
}

#[test]
fn tenants_of_a_run_that_scored_otherwise_are_due_on_every_date_from_then_on() {
    let records = records(2_000, 5);
    let (first, rest) = records.split_at(1_000);
    // Some tenants have no event any more.
    let is_silent = |record: &&Record| {
        ["tenant-1\"", "tenant-2\""].iter().any(|id| record.data.windows(id.len()).any(|part| part == id.as_bytes()))
    };
    let rest: Vec<Record> = rest.iter().filter(|record| !is_silent(record)).cloned().collect();
    assert!(rest.len() < 950);
    let until = world::START.plus_days(45);
    let of_rest = |folder: &Path, from: &str| {
        let text = fs::read_to_string(folder.join("scores")).expect("is there");
        let lines = text.lines().filter(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect("is JSON");
            record["event"].is_null() && record["observationDate"].as_str().expect("is text") >= from
        });
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let daily = |folder: &Path| {
        let mut consumer = consumer(folder, options(ScoreWhen::Daily)).expect("opens");
        consumer.apply(&batch(&shard("one"), rest.clone())).expect("sinks take it");
        consumer.advance_to(until).expect("sinks take it");
        consumer.checkpoint().expect("is written");
    };
    let all = tempfile::tempdir().expect("a folder");
    let mut whole = consumer(all.path(), options(ScoreWhen::Daily)).expect("opens");
    whole.apply(&batch(&shard("one"), first.to_vec())).expect("sinks take it");
    whole.checkpoint().expect("is written");
    let from = whole.processor().received_up_to().expect("has events").date().plus_days(1).to_string();
    drop(whole);
    daily(all.path());
    let expected = of_rest(all.path(), &from);
    assert!(expected.len() > 100, "{}", expected.len());
    for scored in [None, Some(ScoreWhen::Changes { least: 0.0 })] {
        let folder = tempfile::tempdir().expect("a folder");
        let state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("opens");
        let before = options(scored.unwrap_or(ScoreWhen::Never));
        let (scores, dead) = (sinks(folder.path(), &["scores"]), sinks(folder.path(), &["dead"]));
        let scoring = scored.map(|_| scoring(&MODEL));
        let mut before = Consumer::new(before, scoring, scores, dead, Some(state)).expect("opens");
        before.apply(&batch(&shard("one"), first.to_vec())).expect("sinks take it");
        before.checkpoint().expect("is written");
        drop(before);
        daily(folder.path());
        assert_eq!(of_rest(folder.path(), &from), expected, "{scored:?}");
    }
}
