//! What is scraped of the program while it replays a log.
#![cfg(feature = "metrics")]

mod world;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

const CONSUME: &str = env!("CARGO_BIN_EXE_consume");

/// A program that is ended with the test.
struct Running {
    child: Child,
    told: BufReader<ChildStderr>,
    address: String,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(CONSUME)
            .current_dir(folder)
            .args(["--metrics", "127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let told = BufReader::new(child.stderr.take().expect("is piped"));
        let mut running = Self { child, told, address: String::new() };
        let line = running.next_line();
        let address = line.strip_prefix("consume: metrics at http://").and_then(|line| line.strip_suffix("/metrics"));
        running.address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        running
    }

    fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).expect("is read");
        line.trim_end().to_owned()
    }

    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("is served");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("is answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
        (head.to_owned(), body.to_owned())
    }

    fn scrape(&self) -> BTreeMap<String, f64> {
        let (head, body) = self.get("/metrics");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("openmetrics-text"), "{head}");
        assert!(body.ends_with("# EOF\n"));
        let samples = body.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').expect("is a sample"));
        samples.map(|(name, value)| (name.to_owned(), value.parse().expect("is a number"))).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    world::model().write(&folder.path().join("model.safetensors")).expect("is written");
    let mut text = world::lines(&world::log(2_000, 42));
    text.splice(0..0, *b"poison\n");
    fs::write(folder.path().join("log.jsonl"), text).expect("is written");
    folder
}

#[test]
fn what_is_scraped_is_what_the_status_line_says() {
    let folder = folder();
    // Forty days in forty seconds: it is far from its end whenever it is asked.
    let arguments = [
        "--source=file:log.jsonl",
        "--model=.",
        "--sink=file:scores.jsonl",
        "--dead-letters=file:dead.jsonl",
        "--state=state",
        "--speed=86400",
        "--status-every=200ms",
        "--checkpoint-every=200ms",
    ];
    let mut running = Running::start(folder.path(), &arguments);
    let (head, body) = running.get("/healthz");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(body, "ok\n");
    assert!(running.get("/other").0.starts_with("HTTP/1.1 404"));

    // Numbers are published once a second, and a line comes five times in one: what was said ten lines ago is there.
    let mut last = 0.0;
    for _ in 0..2 {
        let line = running.next_line();
        let said: f64 = line["consume: ".len()..].split_once(' ').expect("says").0.parse().expect("is a number");
        (0..10).for_each(|_| drop(running.next_line()));
        let samples = running.scrape();
        let records = samples["churn_consume_records_total"];
        assert!(records >= said && records >= last, "{records} {said} {last}");
        last = records;
        let events: f64 =
            samples.iter().filter(|(name, _)| name.starts_with("churn_consume_events_total")).map(|(_, n)| n).sum();
        assert_eq!(events + samples["churn_consume_malformed_total"] + samples["churn_consume_unknown_total"], records);
        assert_eq!(samples["churn_consume_dead_letters_total"], 1.0);
        assert!(samples["churn_consume_tenants"] > 0.0 && samples["churn_consume_state_bytes"] > 0.0);
        assert!(samples["churn_consume_checkpoint_seconds_count"] > 0.0);
        assert_eq!(
            samples["churn_consume_checkpoint_seconds_count"],
            samples["churn_consume_checkpoint_seconds_bucket{le=\"+Inf\"}"]
        );
        assert!(samples["churn_consume_last_checkpoint_seconds"] > 0.0);
        assert!(samples["churn_consume_last_checkpoint_bytes"] > 0.0);
        assert!(!samples.contains_key("churn_consume_restore_seconds"), "there was nothing to restore");
        let age = |name: &str| name.starts_with("churn_consume_event_age_seconds{") && name.ends_with("/log.jsonl\"}");
        assert!(samples.iter().any(|(name, age_s)| age(name) && *age_s > 0.0));
    }
    assert!(last > 1.0);
    drop(running);

    // Killed, and started again: the records of the state folder are in the line, and not in the counter.
    let mut running = Running::start(folder.path(), &arguments);
    let restored = running.next_line();
    let n_tenants = restored.strip_prefix("consume: restored the states of ").and_then(|rest| rest.split_once(' '));
    let n_tenants: f64 = n_tenants.expect("says").0.parse().expect("is a number");
    assert!(n_tenants > 0.0 && restored.contains(" tenants in 0."), "{restored}");
    let line = running.next_line();
    let said: f64 = line["consume: ".len()..].split_once(' ').expect("says").0.parse().expect("is a number");
    let samples = running.scrape();
    assert!(samples["churn_consume_records_total"] < said, "{line}");
    assert_eq!(samples["churn_consume_restored_tenants"], n_tenants);
    assert!(samples["churn_consume_restore_seconds"] > 0.0);
}

#[test]
fn an_address_in_use_is_said_at_the_start() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Command::new(CONSUME)
        .current_dir(folder.path())
        .args(["--source=file:log.jsonl", "--sink=file:scores.jsonl", "--metrics", &address])
        .output()
        .expect("starts");
    let told = String::from_utf8(output.stderr).expect("is text");
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&format!("cannot serve metrics at {address}")) && told.contains("--metrics"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("scores.jsonl")).expect("was opened"), "");
}
