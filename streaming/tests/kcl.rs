//! Shards under a daemon that splits, merges, kills and delivers again, beside a consumer to which nothing happens.

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Cursor};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use churn_model::Model;
use churn_streaming::kcl::{self, Clock, KclShard};
use churn_streaming::kpl::hash_key;
use churn_streaming::{
    CheckpointFolder, ConsumeError, Consumer, LineSink, NamedSink, Position, Processor, ProcessorOptions, ScoreWhen,
};
use proptest::prelude::*;
use world::{N_TENANTS, batch, line, log, record, scoring, shard};

static MODEL: LazyLock<Model> = LazyLock::new(world::model);

struct Still;

impl Clock for Still {
    fn now(&mut self) -> Duration {
        Duration::ZERO
    }

    fn pause(&mut self, _: u32) {}
}

/// Everything that happens to a stream, told by which of its records come when.
struct Stream {
    folder: PathBuf,
    options: ProcessorOptions,
    /// Warnings, as the daemon's log has them.
    warnings: Vec<String>,
}

fn consumer(
    folder: &Path,
    shard: &str,
    options: ProcessorOptions,
    state: CheckpointFolder,
) -> Result<Consumer, ConsumeError> {
    let sink = |kind: &str| {
        fs::create_dir_all(folder.join(kind)).expect("can be made");
        let sink = Box::new(LineSink::file(&folder.join(kind).join(shard)).expect("can be opened"));
        vec![NamedSink { name: kind.to_owned(), sink }]
    };
    Consumer::new(options, Some(scoring(&MODEL)), sink("scores"), sink("dead"), Some(state))
}

/// A record as the daemon delivers it.
fn delivered(sequence: u64, data: &[u8]) -> String {
    format!(
        r#"{{"action":"record","data":"{}","partitionKey":"t","sequenceNumber":"{sequence}","subSequenceNumber":0}}"#,
        STANDARD.encode(data)
    )
}

impl Stream {
    /// Lets a child read these lines of the daemon, and nothing more; returns how many checkpoints it asked for.
    fn live(&mut self, lines: &[String]) -> usize {
        let (folder, options) = (self.folder.clone(), self.options);
        let make = |shard: &str, state| Ok(consumer(&folder, shard, options, state)?);
        let mut shard = KclShard::new(self.folder.join("states"), "events", make);
        let mut output = Vec::new();
        let mut log = |text: &str| {
            if text.starts_with("WARNING") {
                self.warnings.push(text.to_owned());
            }
        };
        let input = BufReader::new(Cursor::new(lines.join("\n")));
        kcl::run(input, &mut output, &mut shard, &mut Still, Duration::ZERO, &mut log).expect("answers");
        String::from_utf8(output).expect("is text").lines().filter(|line| line.contains(r#""checkpoint""#)).count()
    }

    /// Delivers a shard's records, with children that die after so many lines each; the last one does not, and is told that
    /// the shard has ended if it has.
    fn deliver(&mut self, shard: &str, records: &[(u64, Vec<u8>)], deaths: &[usize], has_ended: bool) {
        const KEPT: &str = r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":null}"#;
        let mut kept: Option<u64> = None;
        for death in deaths.iter().copied().chain([usize::MAX]) {
            let start = kept.map_or_else(|| "TRIM_HORIZON".to_owned(), |kept| kept.to_string());
            let initialize = format!(
                r#"{{"action":"initialize","shardId":"{shard}","sequenceNumber":"{start}","subSequenceNumber":0}}"#
            );
            let mut lines = vec![initialize];
            // Behind which line the daemon's checkpoint is at which record.
            let mut kept_behind: Vec<(usize, u64)> = Vec::new();
            let left: Vec<&(u64, Vec<u8>)> =
                records.iter().filter(|(number, _)| kept.is_none_or(|kept| *number > kept)).collect();
            for part in left.chunks(17) {
                let texts: Vec<String> = part.iter().map(|(number, data)| delivered(*number, data)).collect();
                lines.push(format!(
                    r#"{{"action":"processRecords","records":[{}],"millisBehindLatest":1}}"#,
                    texts.join(",")
                ));
                lines.push(KEPT.to_owned());
                kept_behind.push((lines.len(), part.last().expect("is not empty").0));
            }
            if has_ended {
                lines.extend([r#"{"action":"shardEnded"}"#.to_owned(), KEPT.to_owned()]);
            }
            lines.truncate(death);
            self.live(&lines);
            let last = kept_behind.iter().rfind(|(behind, _)| *behind <= lines.len());
            kept = last.map(|(_, number)| *number).or(kept);
        }
    }

    fn score_records(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.join("scores")).expect("is there");
        let texts = files.map(|file| fs::read_to_string(file.expect("is there").path()).expect("is text"));
        let mut lines: Vec<String> =
            texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.sort_unstable();
        lines
    }

    /// What the shards of the stream have of each tenant, the last one counting.
    fn states(&self) -> BTreeMap<String, Vec<u8>> {
        let mut folders: Vec<PathBuf> = fs::read_dir(self.folder.join("states"))
            .expect("is there")
            .map(|entry| entry.expect("is there").path())
            .collect();
        folders.sort_unstable();
        let mut states = BTreeMap::new();
        for folder in folders {
            let folder = CheckpointFolder::open(&folder, Duration::ZERO).expect("is free");
            states.extend(states_of(&folder.restore(self.options, None).expect("is read")));
        }
        states
    }
}

fn states_of(processor: &Processor) -> BTreeMap<String, Vec<u8>> {
    let bytes = |state: &churn_features::TenantState| {
        let mut bytes = Vec::new();
        state.write_to(&mut bytes);
        bytes
    };
    processor.store().states().map(|(tenant, state)| (tenant.to_owned(), bytes(state))).collect()
}

/// The shards that records go to one after the other, and what comes of them: a split, a split of one of its halves, and a
/// merge of the others.
fn history() -> Vec<(&'static str, RangeInclusive<u128>, RangeInclusive<usize>, bool)> {
    let (quarter, half) = (1_u128 << 126, 1_u128 << 127);
    vec![
        ("shardId-000000000000", 0..=u128::MAX, 0..=0, true),
        ("shardId-000000000001", 0..=half - 1, 1..=2, true),
        ("shardId-000000000002", half..=u128::MAX, 1..=1, true),
        ("shardId-000000000003", half..=half + quarter - 1, 2..=2, true),
        ("shardId-000000000004", half + quarter..=u128::MAX, 2..=3, false),
        ("shardId-000000000005", 0..=half + quarter - 1, 3..=3, false),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn shards_that_come_and_go_end_as_a_consumer_to_which_nothing_happens(
        seed in any::<u64>(),
        n_events in 40..400_usize,
        says_all in any::<bool>(),
        deaths in proptest::collection::vec(proptest::collection::vec(0..40_usize, 0..4), 6),
    ) {
        let when = if says_all { ScoreWhen::Events } else { ScoreWhen::Changes { least: 0.01 } };
        let options = ProcessorOptions { when, ..ProcessorOptions::default() };
        let (torn, whole) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let events = log(n_events, seed);
        let mut stream = Stream { folder: torn.path().to_owned(), options, warnings: Vec::new() };
        for ((shard, hash_keys, eras, has_ended), deaths) in history().into_iter().zip(&deaths) {
            let belongs = |index: usize, tenant: &str| {
                eras.contains(&(4 * index / events.len())) && hash_keys.contains(&hash_key(tenant.as_bytes()))
            };
            let records: Vec<(u64, Vec<u8>)> = events
                .iter()
                .enumerate()
                .filter(|(index, event)| belongs(*index, &event.tenant))
                .map(|(index, event)| (1_000 + index as u64, line(event)))
                .collect();
            stream.deliver(shard, &records, deaths, has_ended);
        }
        prop_assert!(stream.warnings.is_empty(), "{:?}", stream.warnings);

        let state = CheckpointFolder::open(&whole.path().join("state"), Duration::ZERO).expect("opens");
        let mut expected = consumer(whole.path(), "all", options, state).expect("opens");
        let records = (1_000..).zip(&events).map(|(sequence, event)| record(sequence, line(event))).collect();
        expected.apply(&batch(&shard("all"), records)).expect("sinks take it");
        expected.checkpoint().expect("is written");
        prop_assert_eq!(stream.states(), states_of(expected.processor()));
        let whole = Stream { folder: whole.path().to_owned(), options, warnings: Vec::new() };
        prop_assert_eq!(stream.score_records(), whole.score_records());
    }
}

#[test]
fn the_world_has_tenants_in_every_part_of_the_hash_keys() {
    for (shard, hash_keys, ..) in history() {
        let is_there = |tenant: u64| hash_keys.contains(&hash_key(format!("tenant-{tenant}").as_bytes()));
        assert!((0..N_TENANTS).any(is_there), "{shard}");
    }
}

fn stream(folder: &Path) -> Stream {
    let options = ProcessorOptions { when: ScoreWhen::Events, ..ProcessorOptions::default() };
    Stream { folder: folder.to_owned(), options, warnings: Vec::new() }
}

fn initialize(start: &str) -> String {
    format!(r#"{{"action":"initialize","shardId":"shardId-7","sequenceNumber":"{start}","subSequenceNumber":0}}"#)
}

fn process(records: &[String]) -> String {
    format!(r#"{{"action":"processRecords","records":[{}],"millisBehindLatest":0}}"#, records.join(","))
}

#[test]
fn states_that_are_missing_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stream = stream(folder.path());
    stream.live(&[initialize("LATEST")]);
    stream.live(&[initialize("41")]);
    let events = log(3, 1);
    stream.live(&[initialize("TRIM_HORIZON"), process(&[delivered(50, &line(&events[0]))])]);
    stream.live(&[initialize("50")]);
    stream.live(&[initialize("49")]);
    stream.live(&[initialize("51")]);
    let [latest, nothing, gap] = &stream.warnings[..] else { panic!("{:?}", stream.warnings) };
    assert!(latest.contains("begins at LATEST of shardId-7, but there are no states in"), "{latest}");
    assert!(nothing.contains("begins after 41 of shardId-7, but there are no states in"), "{nothing}");
    assert!(gap.contains("goes on after 51 of shardId-7, but the states in") && gap.contains("end at 50"), "{gap}");
}

#[test]
fn poison_goes_to_dead_letters_once_however_often_it_is_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stream = stream(folder.path());
    let good = line(&log(1, 1)[0]);
    let poison = [
        delivered(1, b"\xff\xfe"),
        r#"{"action":"record","data":"%%%","sequenceNumber":"2"}"#.to_owned(),
        r#"{"action":"record","sequenceNumber":"3"}"#.to_owned(),
        delivered(4, &good),
        delivered(5, &[b"x".repeat(1 << 20), b"y".to_vec()].concat()),
    ];
    for _ in 0..3 {
        assert_eq!(stream.live(&[initialize("TRIM_HORIZON"), process(&poison)]), 1);
    }
    let letters = fs::read_to_string(folder.path().join("dead/shardId-7")).expect("is text");
    let letters: Vec<serde_json::Value> =
        letters.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect();
    let told: Vec<(&str, &str)> = letters
        .iter()
        .map(|letter| (letter["position"].as_str().expect("text"), letter["field"].as_str().expect("text")))
        .collect();
    assert_eq!(told[1..3], [("2", "data"), ("3", "data")]);
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!((told[0].0, told[3].0), ("1", "5"));
    let positions = CheckpointFolder::open(&folder.path().join("states/shardId-7"), Duration::ZERO).expect("is free");
    assert_eq!(positions.positions()["shardId-7"], Position::of(5));
}

#[test]
fn what_is_no_shards_folder_is_not_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let states = folder.path().join("states");
    // Of a disk, with what would be taken for a checkpoint of a shard that has ended; and a file of somebody's.
    fs::create_dir_all(states.join("lost+found")).expect("is made");
    for (name, text) in [("lost+found/ended", ""), ("lost+found/checkpoint.json", "no manifest"), ("notes", "")] {
        fs::write(states.join(name), text).expect("is written");
    }
    let mut stream = stream(folder.path());
    let events = [process(&[delivered(50, &line(&log(1, 1)[0]))])];
    assert_eq!(stream.live(&[&[initialize("TRIM_HORIZON")], &events[..]].concat()), 1);
    assert!(stream.warnings.is_empty(), "{:?}", stream.warnings);
}

#[test]
fn a_shard_whose_name_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["../up", "a/b", "..", "", "a b"] {
        let make = |_: &str, _| -> Result<Consumer, Box<dyn std::error::Error>> { panic!("is not asked for") };
        let mut shard = KclShard::new(folder.path(), "events", make);
        let line = format!(r#"{{"action":"initialize","shardId":"{name}","sequenceNumber":"TRIM_HORIZON"}}"#);
        let ended = kcl::run(Cursor::new(line), Vec::new(), &mut shard, &mut Still, Duration::ZERO, &mut |_| {});
        assert!(ended.expect_err("is refused").to_string().contains("where a name of letters"));
    }
}
