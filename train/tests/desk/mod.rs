//! A folder of its own to run the two programs in, and tables to give them.

#![allow(dead_code)] // each test file uses a part of it

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const TRAIN: &str = env!("CARGO_BIN_EXE_train");
pub(crate) const SCORE: &str = env!("CARGO_BIN_EXE_score");
pub(crate) const ASSEMBLE: &str = env!("CARGO_BIN_EXE_assemble");

/// A temporary folder that programs are run in.
pub(crate) struct Desk(tempfile::TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("makes a folder"))
    }

    /// With a file on it.
    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.path(name), content).expect("writes");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.read(name)).expect("is JSON")
    }

    /// The rows of a CSV file by column name.
    pub(crate) fn rows(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(self.path(name)).expect("opens");
        reader.deserialize().map(|row| row.expect("is a row")).collect()
    }

    /// Every file and folder on it with its content, to see what a program did to it.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        fn add(folder: &Path, all: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
            for entry in std::fs::read_dir(folder).expect("reads") {
                let path = entry.expect("reads").path();
                if path.is_dir() {
                    add(&path, all);
                    all.insert(path, None);
                } else {
                    let content = std::fs::read(&path).expect("reads");
                    all.insert(path, Some(content));
                }
            }
        }
        let mut all = BTreeMap::new();
        add(self.0.path(), &mut all);
        all
    }

    /// Runs a program with these words as arguments.
    pub(crate) fn run(&self, program: &str, words: &str) -> Ended {
        self.run_with(program, words.split_whitespace())
    }

    pub(crate) fn run_with(&self, program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
        Ended::of(Command::new(program).args(args).current_dir(self.0.path()).output().expect("runs"))
    }

    /// Runs a line of the shell, where `$TRAIN` and `$SCORE` are the programs.
    pub(crate) fn shell(&self, line: &str) -> Ended {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env("TRAIN", TRAIN).env("SCORE", SCORE).current_dir(self.0.path());
        Ended::of(shell.output().expect("runs"))
    }

    /// Runs `train`, which has to succeed; returns what it printed.
    pub(crate) fn train(&self, words: &str) -> String {
        self.run(TRAIN, words).succeeded().out
    }

    /// Runs `score`, which has to succeed; returns the scores and what was said about them.
    pub(crate) fn score(&self, words: &str) -> Ended {
        self.run(SCORE, words).succeeded()
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The one line that it failed with, without `error: ` before it.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        let line = self.err.strip_prefix("error: ").and_then(|text| text.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("one line that starts with error: {self:?}"));
        assert!(!line.contains(['\n', '\r']) && !line.is_empty(), "more than one line: {line}");
        line.to_owned()
    }
}

/// Random numbers that are the same everywhere: SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mean 0 and variance 1, as the sum of twelve uniform numbers nearly is.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub(crate) fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[(self.uniform() * words.len() as f64) as usize]
    }

    /// 1 with that probability, else 0.
    pub(crate) fn label(&mut self, probability: f64) -> u8 {
        u8::from(self.uniform() < probability)
    }
}

pub(crate) fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// Tenants with a number, a number that is sometimes blank, a category and a boolean; churn follows from the first and
/// the third.
pub(crate) fn tenants(n: usize) -> String {
    let mut dice = Dice(11);
    let mut table = "tenant,logins,revenue,plan,trial,churn\n".to_owned();
    for tenant in 0..n {
        let logins = dice.normal();
        let revenue = if dice.uniform() < 0.1 { String::new() } else { format!("{:.2}", dice.uniform() * 100.0) };
        let plan = dice.one_of(&["basic", "pro", "team"]);
        let trial = dice.one_of(&["yes", "no"]);
        let label = dice.label(sigmoid(-1.0 - 1.2 * logins + if plan == "basic" { 0.8 } else { 0.0 }));
        table.push_str(&format!("t{tenant},{logins:.4},{revenue},{plan},{trial},{label}\n"));
    }
    table
}
