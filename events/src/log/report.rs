use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::{LegacyFormat, Malformed};

/// How many names of unknown types are kept apart.
const MOST_NAMES: usize = 100;

/// What was found in a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogReport {
    /// Lines that are not blank.
    pub lines: u64,
    /// Events handed on.
    pub events: u64,
    /// Events received outside the period that was asked for.
    pub outside: u64,
    /// Events whose type is not known here, by type; those of the types after the first hundred are under `other`.
    pub unknown_types: BTreeMap<String, u64>,
    /// Lines that are no events.
    pub malformed: u64,
    /// The first of them, file by file in the order they were read.
    pub first_malformed: Vec<MalformedLine>,
    /// Records of the original system, by format.
    pub legacy: BTreeMap<LegacyFormat, u64>,
    /// Files that broke off. What came before was handed on.
    pub broken: Vec<BrokenFile>,
}

/// A line that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedLine {
    /// Which file.
    pub file: PathBuf,
    /// Which of its lines, from 1.
    pub line: u64,
    /// Which field, and why.
    pub malformed: Malformed,
}

impl fmt::Display for MalformedLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.malformed)
    }
}

/// A file that could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenFile {
    /// Which file.
    pub file: PathBuf,
    /// The last line that is whole.
    pub last_line: u64,
    /// What the system or the decompressor said.
    pub problem: String,
}

impl fmt::Display for BrokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: breaks off after line {}: {}", self.file.display(), self.last_line, self.problem)
    }
}

impl LogReport {
    pub(super) fn count_unknown_type(&mut self, name: &str) {
        let name =
            if self.unknown_types.len() < MOST_NAMES || self.unknown_types.contains_key(name) { name } else { "other" };
        match self.unknown_types.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.unknown_types.insert(name.to_owned(), 1);
            }
        }
    }
}

/// A line for each finding.
impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events in {} lines", self.events, self.lines)?;
        if self.outside > 0 {
            write!(f, ", and {} received at other times", self.outside)?;
        }
        for (format, count) in &self.legacy {
            write!(f, "\n{count} records of the original system as {format}")?;
        }
        for (name, count) in &self.unknown_types {
            write!(f, "\n{count} of the unknown type {name}")?;
        }
        if self.malformed > 0 {
            write!(f, "\n{} malformed", self.malformed)?;
        }
        for line in &self.first_malformed {
            write!(f, "\n  {line}")?;
        }
        for file in &self.broken {
            write!(f, "\n{file}")?;
        }
        Ok(())
    }
}
