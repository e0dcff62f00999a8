use std::convert::Infallible;
use std::io::Cursor;

use super::*;

/// Writes down what it is asked to do.
#[derive(Default)]
struct Noted {
    calls: Vec<String>,
}

impl ShardWork for Noted {
    type Error = Infallible;

    fn begin(&mut self, shard_id: &str, start: &Start, _: &mut dyn FnMut(&str)) -> Result<Arc<Shard>, Infallible> {
        self.calls.push(format!("begin {shard_id} {start:?}"));
        Ok(Arc::new(Shard::new("s", shard_id)))
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Infallible> {
        let records = batch.records.iter();
        let texts: Vec<String> =
            records.map(|record| format!("{}={}", record.position, String::from_utf8_lossy(&record.data))).collect();
        self.calls.push(format!("apply {} {:?}", texts.join(","), batch.behind_ms));
        Ok(())
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Result<(), Infallible> {
        self.calls.push(format!(
            "refuse {:?} {}",
            refusal.position.map(|position| position.to_string()),
            refusal.field
        ));
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<(), Infallible> {
        self.calls.push("checkpoint".to_owned());
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), Infallible> {
        self.calls.push("end".to_owned());
        Ok(())
    }

    fn lose_lease(&mut self) {
        self.calls.push("let go".to_owned());
    }
}

/// A clock that goes on by a second whenever somebody looks at it.
#[derive(Default)]
struct Ticking {
    seconds: u64,
    pauses: Vec<u32>,
}

impl Clock for Ticking {
    fn now(&mut self) -> Duration {
        self.seconds += 1;
        Duration::from_secs(self.seconds)
    }

    fn pause(&mut self, attempts: u32) {
        self.pauses.push(attempts);
    }
}

struct Played {
    calls: Vec<String>,
    lines: Vec<String>,
    said: Vec<String>,
    pauses: Vec<u32>,
    ended: Result<(), String>,
}

/// What the child does and replies when the daemon writes these lines.
fn play(lines: &[&str], checkpoint_every: Duration) -> Played {
    let mut work = Noted::default();
    let mut clock = Ticking::default();
    let mut output = Vec::new();
    let mut said = Vec::new();
    let input = Cursor::new(lines.join("\n"));
    let mut log = |text: &str| said.push(text.to_owned());
    let ended = run(input, &mut output, &mut work, &mut clock, checkpoint_every, &mut log);
    let output = String::from_utf8(output).expect("is text");
    Played {
        calls: work.calls,
        lines: output.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        said,
        pauses: clock.pauses,
        ended: ended.map_err(|error| error.to_string()),
    }
}

const NEVER: Duration = Duration::MAX;
const ALWAYS: Duration = Duration::ZERO;

const INITIALIZE: &str =
    r#"{"action":"initialize","shardId":"shardId-000000000000","sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}"#;
const INITIALIZED: &str = r#"{"action":"status","responseFor":"initialize"}"#;
const RECORDS: &str = r#"{"action":"processRecords","records":[{"action":"record","data":"YQ==","partitionKey":"t","sequenceNumber":"7","subSequenceNumber":0,"approximateArrivalTimestamp":5},{"action":"record","data":"Yg==","partitionKey":"t","sequenceNumber":"9","subSequenceNumber":2,"approximateArrivalTimestamp":6}],"millisBehindLatest":12}"#;
const PROCESSED: &str = r#"{"action":"status","responseFor":"processRecords"}"#;
const CHECKPOINT: &str = r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null}"#;
const KEPT: &str = r#"{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":null}"#;

fn refused_with(error: &str) -> String {
    format!(r#"{{"action":"checkpoint","sequenceNumber":null,"subSequenceNumber":null,"error":"{error}"}}"#)
}

fn request(action: &str) -> String {
    format!(r#"{{"action":"{action}"}}"#)
}

fn status(action: &str) -> String {
    format!(r#"{{"action":"status","responseFor":"{action}"}}"#)
}

const BEGUN: &str = "begin shardId-000000000000 TrimHorizon";
const APPLIED: &str = "apply 7=a,9/2=b Some(12)";

#[test]
fn requests_are_answered_one_by_one_and_checkpoints_come_after_the_work() {
    let played =
        play(&[INITIALIZE, RECORDS, KEPT, "", &request("shutdownRequested"), KEPT, &request("leaseLost")], ALWAYS);
    assert_eq!(played.calls, [BEGUN, APPLIED, "checkpoint", "checkpoint", "let go"]);
    let (shutdown, lost) = (status("shutdownRequested"), status("leaseLost"));
    assert_eq!(played.lines, [INITIALIZED, CHECKPOINT, PROCESSED, CHECKPOINT, &shutdown, &lost]);
    assert_eq!(played.ended, Ok(()));
    assert!(played.said.is_empty(), "{:?}", played.said);
}

#[test]
fn checkpoints_wait_until_their_time_has_come() {
    let script = [INITIALIZE, RECORDS, RECORDS, RECORDS, KEPT, RECORDS];
    // The clock is looked at once in each of them.
    let played = play(&script, Duration::from_secs(3));
    assert_eq!(played.lines, [INITIALIZED, PROCESSED, PROCESSED, CHECKPOINT, PROCESSED, PROCESSED]);
}

#[test]
fn the_end_of_a_shard_is_kept_before_it_is_answered_in_both_ways_of_saying_it() {
    for ended in [request("shardEnded"), r#"{"action":"shutdown","reason":"TERMINATE"}"#.to_owned()] {
        let action = if ended.contains("shardEnded") { "shardEnded" } else { "shutdown" };
        let played = play(&[INITIALIZE, RECORDS, &ended, KEPT], NEVER);
        assert_eq!(played.calls, [BEGUN, APPLIED, "end", "let go"]);
        assert_eq!(played.lines, [INITIALIZED, PROCESSED, CHECKPOINT, &status(action)]);
    }
}

#[test]
fn a_lost_lease_is_let_go_without_a_checkpoint() {
    for lost in [request("leaseLost"), r#"{"action":"shutdown","reason":"ZOMBIE"}"#.to_owned(), request("shutdown")] {
        let action = if lost.contains("leaseLost") { "leaseLost" } else { "shutdown" };
        let played = play(&[INITIALIZE, RECORDS, &lost], NEVER);
        assert_eq!(played.calls, [BEGUN, APPLIED, "let go"]);
        assert_eq!(played.lines, [INITIALIZED, PROCESSED, &status(action)]);
        assert_eq!(played.ended, Ok(()));
    }
}

#[test]
fn a_checkpoint_that_is_refused_for_a_while_is_asked_for_again() {
    let throttled = refused_with("ThrottlingException");
    let played = play(&[INITIALIZE, RECORDS, &throttled, &throttled, KEPT], ALWAYS);
    assert_eq!(played.lines, [INITIALIZED, CHECKPOINT, CHECKPOINT, CHECKPOINT, PROCESSED]);
    assert_eq!(played.pauses, [1, 2]);
    assert!(played.said[0].contains("ThrottlingException, attempt 1 of 6"), "{:?}", played.said);
}

#[test]
fn after_all_attempts_the_child_goes_on_and_the_next_checkpoint_comes() {
    for error in ["KinesisClientLibDependencyException", "InvalidStateException"] {
        let refused = refused_with(error);
        let mut script = vec![INITIALIZE, RECORDS];
        script.extend([refused.as_str(); CHECKPOINT_ATTEMPTS as usize]);
        script.extend([RECORDS, KEPT]);
        let played = play(&script, ALWAYS);
        let checkpoints = played.lines.iter().filter(|line| *line == CHECKPOINT).count();
        assert_eq!(checkpoints, CHECKPOINT_ATTEMPTS as usize + 1);
        assert_eq!(played.lines.iter().filter(|line| *line == PROCESSED).count(), 2);
        assert_eq!(played.pauses.len(), CHECKPOINT_ATTEMPTS as usize - 1);
        assert_eq!(played.calls, [BEGUN, APPLIED, "checkpoint", APPLIED, "checkpoint", "let go"]);
    }
}

#[test]
fn a_shard_whose_end_is_not_kept_is_not_said_to_have_ended() {
    let (ended, refused) = (request("shardEnded"), refused_with("ThrottlingException"));
    let mut script = vec![INITIALIZE, RECORDS, &ended];
    script.extend([refused.as_str(); LAST_CHECKPOINT_ATTEMPTS as usize]);
    let played = play(&script, NEVER);
    assert_eq!(played.calls, [BEGUN, APPLIED, "end"]);
    assert!(!played.lines.contains(&status("shardEnded")));
    let error = played.ended.expect_err("the daemon has to be started again");
    assert!(error.contains("did not keep the last checkpoint of"), "{error}");
}

#[test]
fn a_checkpoint_refused_for_good_means_that_the_lease_is_gone() {
    let refused = refused_with("ShutdownException");
    let played = play(&[INITIALIZE, RECORDS, &refused, RECORDS, &request("leaseLost")], ALWAYS);
    // What comes until the daemon has noticed is answered, and not taken in.
    assert_eq!(played.calls, [BEGUN, APPLIED, "checkpoint", "let go"]);
    assert_eq!(played.lines, [INITIALIZED, CHECKPOINT, PROCESSED, PROCESSED, &status("leaseLost")]);
    assert_eq!(played.ended, Ok(()));
}

#[test]
fn a_request_that_comes_before_the_answer_to_a_checkpoint_is_put_off() {
    let played = play(&[INITIALIZE, RECORDS, &request("shutdownRequested"), KEPT, KEPT], ALWAYS);
    let shutdown = status("shutdownRequested");
    assert_eq!(played.lines, [INITIALIZED, CHECKPOINT, PROCESSED, CHECKPOINT, &shutdown]);
    assert_eq!(played.calls, [BEGUN, APPLIED, "checkpoint", "checkpoint", "let go"]);
}

#[test]
fn damaged_records_are_refused_in_their_place_and_the_others_taken_in() {
    let records = r#"{"action":"processRecords","millisBehindLatest":0,"records":[
        {"data":"YQ==","sequenceNumber":"1"},{"data":"%","sequenceNumber":"2"},{"sequenceNumber":"3"},{"data":"YQ=="},
        7,{"data":"Yg==","sequenceNumber":"4"}]}"#
        .replace('\n', " ");
    let played = play(&[INITIALIZE, &records], NEVER);
    let expected = [
        BEGUN,
        "apply 1=a Some(0)",
        "refuse Some(\"2\") data",
        "refuse Some(\"3\") data",
        "refuse None sequenceNumber",
        "refuse None record",
        "apply 4=b Some(0)",
        "let go",
    ];
    assert_eq!(played.calls, expected);
    assert_eq!(played.lines, [INITIALIZED, PROCESSED]);
}

#[test]
fn what_is_not_known_is_said_and_passed_over() {
    let script = [
        r#"{"action":"initialize","shardId":"s","sequenceNumber":"5","subSequenceNumber":1,"later":{"a":[1]}}"#,
        "not JSON",
        "[]",
        r#"{"records":[]}"#,
        &request("rebalance"),
        KEPT,
        r#"{"action":"processRecords","records":null,"millisBehindLatest":null}"#,
    ];
    let played = play(&script, NEVER);
    assert_eq!(played.lines, [INITIALIZED, &status("rebalance"), PROCESSED]);
    assert_eq!(played.said.len(), 6, "{:?}", played.said);
    let start = Start::After(Position { sequence: 5.into(), sub_sequence: 1 });
    assert_eq!(played.calls, [&format!("begin s {start:?}"), "apply  None", "let go"]);
}

#[test]
fn where_the_daemon_begins_is_understood() {
    let words =
        [("\"TRIM_HORIZON\"", "TrimHorizon"), ("\"LATEST\"", "Elsewhere(\"LATEST\")"), ("null", "Elsewhere(\"no")];
    for (word, start) in words {
        let line =
            format!(r#"{{"action":"initialize","shardId":"s","sequenceNumber":{word},"subSequenceNumber":null}}"#);
        let played = play(&[&line], NEVER);
        assert!(played.calls[0].starts_with(&format!("begin s {start}")), "{:?}", played.calls);
    }
}

#[test]
fn records_before_a_shard_are_an_error() {
    let played = play(&[RECORDS], NEVER);
    let expected = "the daemon sent processRecords before it sent initialize with a shardId";
    assert_eq!(played.ended, Err(expected.to_owned()));
    assert!(play(&[r#"{"action":"initialize"}"#], NEVER).ended.is_err());
}

#[test]
fn a_daemon_that_is_gone_is_no_error_wherever_it_stopped() {
    let script = [INITIALIZE, RECORDS, KEPT, RECORDS, KEPT];
    for n_lines in 0..=script.len() {
        let played = play(&script[..n_lines], ALWAYS);
        assert_eq!(played.ended, Ok(()));
        assert_eq!(played.calls.last().map(String::as_str), (n_lines > 0).then_some("let go"));
    }
}
