//! Bad input: told with file, line, field and reason, and never in the way of the rest.

#[path = "common/files.rs"]
mod files;

use churn_events::{Error, Event, LogOptions, MAX_LINE_BYTES, decode, decode_all_ways, read_log};
use files::{gzip, json_lines, login, read_all, write};
use serde_json::{Value, json};

/// A good event, as JSON.
fn job() -> Value {
    json!({
        "specversion": "1.0", "id": "1", "source": "/jobs", "type": "com.anycompany.bdcp.job.submitted",
        "subject": "tenant-7", "time": "2026-03-01T12:30:45Z",
        "data": {"jobId": "job-9", "userId": "user-3", "servers": 4, "dataSize": 1000}
    })
}

/// A good tenant event, as JSON.
fn tenant() -> Value {
    let mut event = job();
    event["type"] = "com.anycompany.bdcp.tenant.created".into();
    event["data"] = json!({"revenue": 1.5, "employees": 3, "sentiment": 0.5, "monthlyCharge": 10.5});
    event
}

/// The good event with another value in one place; `null` is as good as nothing.
fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    event.pointer_mut(parent).expect("an object")[name] = value;
    event
}

fn message(line: &str) -> String {
    match decode(line.as_bytes()) {
        Ok(event) => panic!("read as {event:?}: {line}"),
        Err(malformed) => malformed.to_string(),
    }
}

#[test]
fn every_wrong_field_is_named_with_what_is_wrong() {
    let cases = [
        (with(job(), "/specversion", json!("0.3")), "specversion: is \"0.3\" where 1.0 is expected"),
        (with(job(), "/specversion", json!(1.0)), "specversion: is the number 1.0 where a text is expected"),
        (with(job(), "/id", json!(null)), "id: is missing"),
        (with(job(), "/id", json!("")), "id: is empty"),
        (with(job(), "/source", json!("")), "source: is empty"),
        (with(job(), "/subject", json!("")), "subject: is empty"),
        (with(job(), "/subject", json!(null)), "subject: is missing"),
        (with(job(), "/time", json!(null)), "time: is missing"),
        (with(job(), "/time", json!(1_767_225_600)), "time: is the number 1767225600 where a text is expected"),
        (
            with(job(), "/time", json!("soon")),
            "time: is \"soon\" where a time such as 2026-03-01T12:30:45Z is expected",
        ),
        (
            with(job(), "/time", json!("2026-03-01T12:30:45")),
            "time: is \"2026-03-01T12:30:45\", a time without zone, where a Z or an offset such as +01:00 is expected at the end",
        ),
        (
            with(job(), "/time", json!("1969-12-31T23:59:59Z")),
            "time: is \"1969-12-31T23:59:59Z\" where a year from 1970 to 2100 is expected",
        ),
        (
            with(job(), "/recordedtime", json!("2101-01-01T00:00:00Z")),
            "recordedtime: is \"2101-01-01T00:00:00Z\" where a year from 1970 to 2100 is expected",
        ),
        (with(job(), "/data", json!(null)), "jobId: is missing"),
        (with(job(), "/data", json!("text")), "data: is the text \"text\" where an object is expected"),
        (with(job(), "/data", json!([1])), "data: is a list where an object is expected"),
        (with(job(), "/data_base64", json!("e30=")), "data_base64: holds data as bytes where JSON is expected in data"),
        (with(job(), "/data/jobId", json!("")), "jobId: is empty"),
        (with(job(), "/data/userId", json!({"a": 1})), "userId: is an object where a text is expected"),
        (with(job(), "/data/servers", json!("4")), "servers: is the text \"4\" where a whole number is expected"),
        (with(job(), "/data/servers", json!(2.5)), "servers: is 2.5 where a whole number is expected"),
        (with(job(), "/data/servers", json!(true)), "servers: is true or false where a whole number is expected"),
        (
            with(job(), "/data/servers", json!(1u64 << 32)),
            "servers: is 4294967296 where at most 4294967295 is expected",
        ),
        (with(job(), "/data/dataSize", json!(-1)), "dataSize: is -1 where a number from 0 is expected"),
        (with(job(), "/data/dataSize", json!(null)), "dataSize: is missing"),
        (with(tenant(), "/data/revenue", json!(-1.5)), "revenue: is -1.5 where a number from 0 is expected"),
        (with(tenant(), "/data/sentiment", json!(1.01)), "sentiment: is 1.01 where a number from -1 to 1 is expected"),
        (with(tenant(), "/data/monthlyCharge", json!(-1)), "monthlyCharge: is -1 where a number from 0 is expected"),
        (
            with(tenant(), "/data/monthlyCharge", json!(1e300)),
            "monthlyCharge: is 1e+300 where at most 90 trillion dollars is expected",
        ),
        (with(tenant(), "/data/company", json!(7)), "company: is the number 7 where a text is expected"),
    ];
    for (event, expected) in cases {
        assert_eq!(message(&event.to_string()), expected, "{event}");
    }
    let mut ended = with(job(), "/type", json!("com.anycompany.bdcp.job.terminated"));
    ended["data"] = json!({"jobId": "j", "status": "lost"});
    assert_eq!(message(&ended.to_string()), "status: is \"lost\" where succeeded or failed is expected");
}

#[test]
fn what_is_no_json_object_is_refused_for_that() {
    assert_eq!(message("[]"), "line: is a list where an object is expected, one event per line");
    assert_eq!(message("7"), "line: is a number where an object is expected, one event per line");
    assert_eq!(message("null"), "line: is null where an object is expected, one event per line");
    assert_eq!(message(""), "line: is nothing where an object is expected, one event per line");
    assert_eq!(message("{\"id\":"), "line: is not JSON: EOF while parsing a value at byte 6");
    assert_eq!(message("hello"), "line: is not JSON: expected value at byte 1");
    assert_eq!(decode(b"{\"id\":\"\xff\"}").unwrap_err().to_string(), "line: is not UTF-8 from byte 7 on");
}

#[test]
fn nan_and_infinity_are_refused_with_their_field() {
    for word in ["NaN", "Infinity", "-Infinity", "nan", "-inf"] {
        let line = tenant().to_string().replace("\"sentiment\":0.5", &format!("\"sentiment\":{word}"));
        assert_eq!(message(&line), format!("sentiment: is {word} where a number is expected"));
    }
}

#[test]
fn huge_numbers_are_refused_with_their_field() {
    let nines = "9".repeat(400);
    for number in ["1e400", &nines] {
        let found = if number.len() > 60 { format!("{}…", &number[..60]) } else { number.to_owned() };
        let line = job().to_string().replace("1000", number);
        assert_eq!(message(&line), format!("dataSize: is {found} where at most 18446744073709551615 is expected"));
        let line = tenant().to_string().replace("1.5", number);
        assert!(message(&line).starts_with(&format!("revenue: is {found} where at most")), "{}", message(&line));
    }
}

#[test]
fn a_key_given_twice_is_refused_and_an_unknown_one_is_not() {
    let twice = job().to_string().replacen('{', "{\"subject\":\"tenant-8\",", 1);
    assert_eq!(message(&twice), "subject: is given twice");
    let twice = job().to_string().replace("\"servers\":4", "\"servers\":4,\"servers\":5");
    assert_eq!(message(&twice), "servers: is given twice");
    let unknown = job().to_string().replacen('{', "{\"x\":\"tenant-8\",\"x\":7,", 1);
    assert!(decode(unknown.as_bytes()).is_ok());
}

#[test]
fn deep_nesting_is_passed_over_without_a_stack_overflow() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let line = job().to_string().replacen('{', &format!("{{\"x\":{deep},"), 1);
    assert_eq!(decode(line.as_bytes()).unwrap().tenant, "tenant-7");
    assert!(message(&deep).starts_with("line: "));
    assert!(message(&"{\"a\":".repeat(1_000_000)).starts_with("line: "));
}

#[test]
fn ids_of_10_kb_are_read() {
    let id = "i".repeat(10_000);
    let line = with(with(job(), "/id", json!(id)), "/data/jobId", json!(id)).to_string();
    let ([_, fast], slow) = decode_all_ways(line.as_bytes());
    assert_eq!(fast.unwrap().id, id);
    assert_eq!(slow.unwrap().id, id);
}

#[test]
fn an_event_in_a_binary_form_is_refused_and_other_attributes_are_not() {
    let line = with(with(job(), "/datacontenttype", json!("application/json")), "/traceparent", json!("00-0-0-00"));
    assert!(decode(line.to_string().as_bytes()).is_ok());
}

#[test]
fn unknown_types_are_counted_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for name in ["com.anycompany.bdcp.job.paused", "com.anycompany.bdcp.job.paused", "org.other.login"] {
        lines += &format!("{}\n", with(job(), "/type", json!(name)));
    }
    let path = write(folder.path(), "log", lines.as_bytes());
    let (events, report) = read_all(&[path], &LogOptions::default());
    assert_eq!((events.len(), report.malformed, report.lines), (0, 0, 3));
    let counts: Vec<_> = report.unknown_types.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counts, [("com.anycompany.bdcp.job.paused", 2), ("org.other.login", 1)]);
}

#[test]
fn a_million_names_of_types_do_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String =
        (0..1000).map(|number| format!("{}\n", with(job(), "/type", json!(format!("type-{number}"))))).collect();
    let (_, report) = read_all(&[write(folder.path(), "log", lines.as_bytes())], &LogOptions::default());
    assert_eq!(report.unknown_types.len(), 101);
    assert_eq!(report.unknown_types["other"], 900);
}

#[test]
fn a_truncated_gzip_gives_what_came_before_and_does_not_stop_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..20_000).map(|number| login(1, number, number as i64)).collect();
    let whole = gzip(&json_lines(&events));
    let broken = write(folder.path(), "broken.gz", &whole[..whole.len() / 2]);
    let other = write(folder.path(), "other", &json_lines(&[login(2, 0, 50_000), login(2, 1, 60_000)]));
    for paths in [vec![broken.clone()], vec![broken.clone(), other.clone()], vec![other, broken.clone()]] {
        let (read, report) = read_all(&paths, &LogOptions::default());
        let of_broken: Vec<_> = read.iter().filter(|event| event.tenant == "tenant-1").cloned().collect();
        assert!(of_broken.len() > 5000 && of_broken == events[..of_broken.len()]);
        assert_eq!(read.len() - of_broken.len(), (paths.len() - 1) * 2);
        assert_eq!((report.broken.len(), &report.broken[0].file), (1, &broken));
        assert_eq!(report.broken[0].last_line, of_broken.len() as u64);
        // The line in which it breaks off is no event, and is told as well.
        assert!(report.malformed <= 1);
    }
}

#[test]
fn damaged_compression_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let lines = json_lines(&(0..5000).map(|number| login(1, number, number as i64)).collect::<Vec<_>>());
    let zstd = zstd::encode_all(lines.as_slice(), 1).unwrap();
    let trailing = [gzip(&lines), b"garbage behind it".to_vec()].concat();
    for (name, bytes) in [("zstd", &zstd[..zstd.len() / 2]), ("trailing", &trailing), ("only magic", &[0x1f, 0x8b])] {
        let (_, report) = read_all(&[write(folder.path(), name, bytes)], &LogOptions::default());
        assert_eq!(report.broken.len(), 1, "{name}");
    }
}

#[test]
fn parquet_is_refused_by_name_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let parquet = write(folder.path(), "month.parquet", b"PAR1\x15\x04\nPAR1");
    let log = write(folder.path(), "other", &json_lines(&[login(1, 0, 50_000)]));
    let error = read_log(&[log, parquet], &LogOptions::default(), |_| panic!("no event is handed on")).unwrap_err();
    let message =
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default());
    assert!(message.contains("month.parquet") && message.contains("is Parquet; expected"), "{message}");
}

#[test]
fn interleaved_garbage_is_set_aside_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let good: Vec<_> = (0..500).map(|number| login(1, number, number as i64)).collect();
    let garbage: [&[u8]; 5] =
        [b"hello", b"\xff\xfe\x00\x01", b"{\"id\":", b"\x00", "{\"specversion\":\"1.0\",\"id\":\"ü\"}".as_bytes()];
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for (number, event) in good.iter().enumerate() {
        bytes.extend(json_lines([event]));
        if number % 50 == 0 {
            let line = garbage[number / 50 % 5];
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
            expected.push(((number + number / 50 + 2) as u64, line));
        }
    }
    let path = write(folder.path(), "log", &bytes);
    let dead_letters = folder.path().join("dead.jsonl");
    std::fs::write(&dead_letters, "left from before").unwrap();
    let options =
        LogOptions { dead_letters: Some(dead_letters.clone()), most_malformed_shown: 3, ..LogOptions::default() };
    let (read, report) = read_all(std::slice::from_ref(&path), &options);
    assert!(read == good);
    assert_eq!((report.malformed, report.first_malformed.len()), (10, 3));
    assert!(report.to_string().contains("log:2: line: is not JSON: expected value at byte 1"), "{report}");

    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "the log and the dead letters");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&dead_letters), mode(&path), "readable by whom the user allows");
    }
    let letters = std::fs::read_to_string(&dead_letters).unwrap();
    let letters: Vec<Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), expected.len());
    for (letter, (line, text)) in letters.iter().zip(expected) {
        assert_eq!((letter["source"].as_str(), letter["line"].as_u64()), (path.to_str(), Some(line)));
        assert!(letter["field"].is_string() && letter["reason"].is_string());
        match letter["text"].as_str() {
            Some(found) => assert_eq!(found.as_bytes(), text),
            None => assert_eq!(letter["textBase64"], "//4AAQ=="),
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_set_aside_with_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = json_lines(&[login(1, 0, 0)]);
    bytes.resize(bytes.len() + MAX_LINE_BYTES + 1, b'x');
    bytes.push(b'\n');
    bytes.extend(json_lines(&[login(1, 1, 1)]));
    let dead_letters = folder.path().join("dead.jsonl");
    let options = LogOptions { dead_letters: Some(dead_letters.clone()), ..LogOptions::default() };
    let (read, report) = read_all(&[write(folder.path(), "log", &bytes)], &options);
    assert_eq!((read.len(), report.malformed), (2, 1));
    assert!(report.to_string().contains("log:2: line: is longer than 16777216 bytes"), "{report}");
    let letter: Value = serde_json::from_slice(&std::fs::read(dead_letters).unwrap()).unwrap();
    assert_eq!(letter["lineBytes"], MAX_LINE_BYTES as u64 + 1);
}

#[test]
fn empty_files_and_no_files_hold_no_events() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(folder.path(), "empty", b"");
    let packed = write(folder.path(), "empty.gz", &gzip(b""));
    for paths in [vec![], vec![empty.clone()], vec![packed.clone()], vec![empty, packed]] {
        let (read, report) = read_all(&paths, &LogOptions::default());
        assert!(read.is_empty());
        assert_eq!(report, Default::default());
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_before_anything_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "good", &json_lines(&[login(1, 0, 0)]));
    let paths = [good, folder.path().join("missing")];
    let on_batch = |_: &[Event<'_>]| panic!("nothing should be handed on");
    let error = read_log(&paths, &LogOptions::default(), on_batch).unwrap_err();
    assert!(matches!(&error, Error::Open { path, .. } if *path == paths[1]), "{error}");
    assert!(error.to_string().starts_with("cannot open the event log"));

    let options = LogOptions { dead_letters: Some(folder.path().join("no/folder")), ..LogOptions::default() };
    let error = read_log(&paths[..1], &options, on_batch).unwrap_err();
    assert!(matches!(error, Error::DeadLetters { .. }), "{error}");
}

#[test]
fn companies_without_any_time_are_refused_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "companies", b"Company,Industry\nAcme,IT\n");
    let (_, report) = read_all(&[path], &LogOptions::default());
    assert_eq!(report.malformed, 1);
    assert_eq!(report.first_malformed[0].malformed.field, "time");
}
