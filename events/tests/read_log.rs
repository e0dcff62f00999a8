//! Files in, events out: all of them, in order, however they are packed.

#[path = "common/files.rs"]
mod files;

use std::io::{self, Read};

use churn_events::{Event, LegacyFormat, LogOptions, Timestamp, read_log_from, read_logs_from};
use files::{gzip, json_lines, login, read_all, write};
use proptest::prelude::*;

fn logins(count: usize) -> Vec<Event<'static>> {
    (0..count).map(|number| login(number % 7, number, number as i64)).collect()
}

#[test]
fn plain_gzip_and_zstd_files_are_told_apart_by_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let events = logins(20_000);
    let lines = json_lines(&events);
    let (first, second) = lines.split_at(lines.len() / 3);
    let members = [gzip(first), gzip(b""), gzip(second)].concat();
    let frames = [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat();
    for (name, bytes) in
        [("plain.gz", &lines), ("gzip.jsonl", &gzip(&lines)), ("members", &members), ("zstd.txt", &frames)]
    {
        let path = write(folder.path(), name, bytes);
        let (read, report) = read_all(&[path], &LogOptions::default());
        assert!(read == events, "{name}");
        assert_eq!((report.lines, report.events, report.malformed), (20_000, 20_000, 0), "{name}");
        assert_eq!(report.broken, []);
    }
}

/// A reader that gives its bytes and then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::Error::other("no more")) } else { self.0.read(out) }
    }
}

#[test]
fn readers_are_merged_as_files_are_and_one_that_fails_ends_only_its_own_log() {
    let events = logins(3000);
    let (even, odd): (Vec<_>, Vec<_>) =
        events.iter().cloned().partition(|event| event.received_at.millis() / 1000 % 2 == 0);
    let (even, odd) = (json_lines(&even), json_lines(&odd));
    let logs = vec![("even".into(), Failing(&even)), ("odd".into(), Failing(&odd))];
    let mut read = Vec::new();
    let on_batch = |batch: &[Event<'_>]| read.extend(batch.iter().cloned().map(Event::into_owned));
    let report = read_logs_from(logs, &LogOptions::default(), on_batch).unwrap();
    assert!(read == events);
    let broken: Vec<_> = report.broken.iter().map(|broken| (broken.file.to_str(), broken.last_line)).collect();
    assert_eq!(broken, [(Some("even"), 1500), (Some("odd"), 1500)]);
}

#[test]
fn a_reader_does_as_well_as_a_file() {
    let events = logins(3000);
    let mut read = Vec::new();
    let mut on_batch = |batch: &[Event<'_>]| read.extend(batch.iter().cloned().map(Event::into_owned));
    let report = read_log_from(json_lines(&events).as_slice(), "standard input", &LogOptions::default(), &mut on_batch);
    assert_eq!(report.unwrap().events, 3000);
    assert!(read == events);
}

#[test]
fn blank_lines_bom_and_crlf_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let events = logins(3);
    let text = String::from_utf8(json_lines(&events)).unwrap().replace('\n', "\r\n\r\n  \n");
    let path = write(folder.path(), "log", format!("\u{feff}\r\n{text}").as_bytes());
    let (read, report) = read_all(&[path], &LogOptions::default());
    assert_eq!(read, events);
    assert_eq!((report.lines, report.malformed), (3, 0));
}

#[test]
fn files_of_one_day_each_come_one_after_the_other_however_named() {
    let folder = tempfile::tempdir().unwrap();
    let events = logins(30_000);
    let mut paths: Vec<_> = events
        .chunks(3000)
        .enumerate()
        .map(|(day, events)| write(folder.path(), &format!("day-{day}"), &json_lines(events)))
        .collect();
    paths.reverse();
    let (read, report) = read_all(&paths, &LogOptions::default());
    assert!(read == events);
    assert_eq!(report.events, 30_000);
}

#[test]
fn a_dense_and_a_sparse_file_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let events = logins(40_000);
    let (sparse, dense): (Vec<_>, Vec<_>) =
        events.iter().cloned().partition(|event| event.occurred_at.millis() % 97_000 == 0);
    let paths = [
        write(folder.path(), "dense", &json_lines(&dense)),
        write(folder.path(), "sparse", &gzip(&json_lines(&sparse))),
    ];
    assert!(read_all(&paths, &LogOptions::default()).0 == events);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn several_files_are_merged_by_when_events_were_received(
        parts in proptest::collection::vec(proptest::collection::vec(0..500_i64, 0..900), 0..6)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        let mut expected = Vec::new();
        for (tenant, mut seconds) in parts.into_iter().enumerate() {
            seconds.sort_unstable();
            let events: Vec<_> =
                seconds.iter().enumerate().map(|(number, &seconds)| login(tenant, number, seconds)).collect();
            paths.push(write(folder.path(), &tenant.to_string(), &json_lines(&events)));
            expected.extend(events);
        }
        // Stable: of equal times the file named first comes first, and a file keeps its own order.
        expected.sort_by_key(|event| event.received_at);
        let (read, report) = read_all(&paths, &LogOptions::default());
        prop_assert_eq!(report.events, expected.len() as u64);
        prop_assert!(read == expected);
    }
}

#[test]
fn the_four_formats_of_the_original_system_are_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let json = concat!(
        r#"{"companyID": "comp_1", "industry": "retail", "revenu": 12, "employee": 3, "monthlyFee": 400}"#,
        "\n",
        r#"{"companyID": "comp_1", "userID": "u", "nbJobs": 2, "creationDate": "2022-08-09"}"#,
    );
    let paths = [
        write(folder.path(), "records.json", json.as_bytes()),
        write(folder.path(), "jobs.csv", b"company_id,userid,date,dataSize,jobSubmitted\ncomp_1,u,2022-08-10,10,1\n\nx,y"),
        write(
            folder.path(),
            "companies.csv",
            b"Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn\nAcme,IT,1,2,3,4,5,6,0\n",
        ),
    ];
    let options =
        LogOptions { received_at: Some(Timestamp::parse("2022-08-01T00:00:00Z").unwrap()), ..LogOptions::default() };
    let (events, report) = read_all(&paths, &options);
    assert_eq!(events.len(), 5);
    assert!(events.is_sorted_by_key(|event| event.received_at));
    for format in [LegacyFormat::CompanyJson, LegacyFormat::JobJson, LegacyFormat::JobCsv, LegacyFormat::CompanyTable] {
        assert_eq!(report.legacy.get(&format), Some(&1), "{format}");
    }
    assert_eq!(report.first_malformed.len(), 1);
    assert_eq!((report.first_malformed[0].line, report.first_malformed[0].file.as_path()), (4, paths[1].as_path()));
}

#[test]
fn only_events_received_in_the_period_are_handed_on() {
    let events = logins(3000);
    let mut lines = json_lines(&events);
    // Spelt so that only the slow reader takes it, malformed, and of the original system.
    let slow = String::from_utf8(json_lines(&events[1500..1501])).unwrap().replace("\"id\":", "\"id\" :");
    lines.extend_from_slice(slow.as_bytes());
    lines.extend_from_slice(b"{\n");
    lines.extend_from_slice(br#"{"companyID": "comp_1", "userID": "u", "nbJobs": 2, "creationDate": "2022-08-09"}"#);
    let period = events[1000].received_at..events[2000].received_at;
    for period in [period.clone(), period.start..period.start] {
        let options = LogOptions { period: period.clone(), ..LogOptions::default() };
        let mut expected: Vec<_> = events.iter().chain([&events[1500]]).collect();
        expected.retain(|event| period.contains(&event.received_at));
        let mut read = Vec::new();
        let on_batch = |batch: &[Event<'_>]| read.extend(batch.iter().cloned().map(Event::into_owned));
        let report = read_log_from(lines.as_slice(), "log", &options, on_batch).unwrap();
        assert!(read.iter().eq(expected.iter().copied()));
        assert_eq!((report.events, report.malformed), (expected.len() as u64, 1));
        // The record of two jobs is two events.
        assert_eq!(report.events + report.outside, 3001 + 2, "{report}");
    }
}
