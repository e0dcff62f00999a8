//! Files of events, to be read back.

use std::io::Write;
use std::path::{Path, PathBuf};

use churn_events::{Event, EventKind, LogOptions, LogReport, Timestamp, encode, read_log};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A login of a tenant so many seconds after the start of 2026.
pub fn login(tenant: usize, number: usize, seconds: i64) -> Event<'static> {
    let at = Timestamp::from_millis(1_767_225_600_000 + seconds * 1000);
    Event {
        id: format!("{tenant}-{number}").into(),
        source: "/test".into(),
        tenant: format!("tenant-{tenant}").into(),
        occurred_at: at,
        received_at: at,
        kind: EventKind::UserLogin { user: "user-1".into(), session: format!("session-{number}").into() },
    }
}

pub fn json_lines<'e>(events: impl IntoIterator<Item = &'e Event<'static>>) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        encode(event, &mut lines);
        lines.push(b'\n');
    }
    lines
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// All events of some files, with the report.
pub fn read_all(paths: &[PathBuf], options: &LogOptions) -> (Vec<Event<'static>>, LogReport) {
    let mut events = Vec::new();
    let report = read_log(paths, options, |batch| events.extend(batch.iter().cloned().map(Event::into_owned))).unwrap();
    (events, report)
}
