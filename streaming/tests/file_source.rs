//! Logs in which a clock was wrong.

mod world;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use churn_events::Timestamp;
use churn_streaming::{FileSource, Next, Source as _};
use world::lines;

/// A log of events that were received then.
fn write(folder: &tempfile::TempDir, name: &str, times: &[&str]) -> PathBuf {
    let mut events = world::log(times.len(), 7);
    events.truncate(times.len());
    for (number, (event, time)) in events.iter_mut().zip(times).enumerate() {
        let time: Timestamp = time.parse().expect("is one");
        (event.occurred_at, event.received_at) = (time, time);
        event.id = format!("{name}{number}").into();
    }
    let path = folder.path().join(name);
    fs::write(&path, lines(&events)).expect("is written");
    path
}

/// The ids of what is handed out to somebody who never waits.
fn ids(paths: &[PathBuf], speed: Option<f64>) -> Vec<String> {
    let mut source = FileSource::open(paths, speed, |_| None).expect("opens");
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        match source.next(Duration::ZERO).expect("is read") {
            Next::Batch(batch) => ids.extend(batch.records.iter().map(|record| {
                let event: serde_json::Value = serde_json::from_slice(&record.data).expect("is JSON");
                event["id"].as_str().expect("is text").to_owned()
            })),
            Next::Idle => {}
            Next::End => break,
        }
    }
    ids
}

#[test]
fn a_wrong_clock_does_not_stop_a_replay() {
    let folder = tempfile::tempdir().expect("a folder");
    let (now, future) = ("2024-10-04T12:00:00Z", "2099-01-01T00:00:00Z");
    for wrong in ["1970-01-01T00:00:00Z", "2023-10-04T12:00:00Z", "2025-10-04T12:00:00Z", future] {
        for times in [[wrong, now, now, now], [now, wrong, now, now], [now, now, now, wrong]] {
            let path = write(&folder, "a", &times);
            assert_eq!(ids(&[path], Some(1.0)), ["a0", "a1", "a2", "a3"], "{times:?}");
        }
    }
}

#[test]
fn a_clock_ahead_of_ours_does_not_hold_back_the_rest_of_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let future = "2099-01-01T00:00:00Z";
    let a = write(&folder, "a", &["2024-10-04T12:00:00Z", future, future, "2024-10-04T12:00:02Z"]);
    let b = write(&folder, "b", &["2024-10-04T12:00:01Z", "2024-10-04T12:00:03Z"]);
    assert_eq!(ids(&[a, b], None), ["a0", "a1", "a2", "b0", "a3", "b1"]);
}
