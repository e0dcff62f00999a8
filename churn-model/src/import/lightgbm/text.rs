//! The lines of LightGBM's text: `key=value`, in a header and one block per tree.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use super::super::ImportError;

/// The text of a model, cut into blocks.
pub(super) struct ModelText<'a> {
    pub(super) header: Block<'a>,
    pub(super) trees: Vec<Block<'a>>,
    /// For each category column of the data frame that the model was fitted on, its levels.
    pub(super) pandas_levels: Option<Vec<Vec<String>>>,
}

/// Lines that belong together, by their keys.
pub(super) struct Block<'a> {
    first_line: usize,
    entries: BTreeMap<&'a str, (usize, &'a str)>,
}

impl<'a> ModelText<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, ImportError> {
        let fail = |line, key, problem| Err(ImportError::Line { line, key, problem });
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
                return fail(line, "text", "it is not UTF-8");
            }
        };
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
        if lines.next().is_none_or(|(_, line)| line != "tree") {
            return fail(1, "tree", "a text file of LightGBM begins with this word");
        }
        let mut header = Block::starting_at(1);
        let mut trees: Vec<Block<'a>> = Vec::new();
        let mut is_complete = false;
        let mut last_line = 1;
        for (line, content) in lines.by_ref() {
            last_line = line;
            if content == "end of trees" {
                is_complete = true;
                break;
            }
            let (key, value) = content.split_once('=').unwrap_or((content, ""));
            if key == "Tree" {
                if value.parse() != Ok(trees.len()) {
                    return fail(line, "Tree", "trees do not count up from 0");
                }
                trees.push(Block::starting_at(line));
            } else if !key.is_empty() {
                trees.last_mut().unwrap_or(&mut header).insert(line, key, value)?;
            }
        }
        if !is_complete {
            return fail(last_line, "end of trees", "the text ends before its trees do");
        }
        let pandas = lines.find_map(|(line, content)| Some((line, content.strip_prefix("pandas_categorical:")?)));
        let pandas_levels = pandas.map(|(line, json)| pandas_levels(line, json)).transpose()?.flatten();
        Ok(Self { header, trees, pandas_levels })
    }
}

fn pandas_levels(line: usize, json: &str) -> Result<Option<Vec<Vec<String>>>, ImportError> {
    let problem = "a JSON list of lists of levels is expected";
    let levels: Option<Vec<Vec<Value>>> =
        serde_json::from_str(json).map_err(|_| ImportError::Line { line, key: "pandas_categorical", problem })?;
    let name = |level: Value| match level {
        Value::String(name) => name,
        other => other.to_string(),
    };
    Ok(levels.map(|levels| levels.into_iter().map(|levels| levels.into_iter().map(name).collect()).collect()))
}

impl<'a> Block<'a> {
    fn starting_at(first_line: usize) -> Self {
        Self { first_line, entries: BTreeMap::new() }
    }

    fn insert(&mut self, line: usize, key: &'a str, value: &'a str) -> Result<(), ImportError> {
        match self.entries.insert(key, (line, value)) {
            None => Ok(()),
            Some(_) => Err(ImportError::Line { line, key: "key", problem: "it stands there a second time" }),
        }
    }

    /// Line number and value of an entry.
    pub(super) fn get(&self, key: &str) -> Option<(usize, &'a str)> {
        self.entries.get(key).copied()
    }

    pub(super) fn required(&self, key: &'static str) -> Result<(usize, &'a str), ImportError> {
        let problem = "it is missing from the block that begins here";
        self.get(key).ok_or(ImportError::Line { line: self.first_line, key, problem })
    }

    pub(super) fn number<T: FromStr>(&self, key: &'static str) -> Result<T, ImportError> {
        let (line, text) = self.required(key)?;
        text.trim().parse().map_err(|_| ImportError::Line { line, key, problem: "a number is expected" })
    }

    /// The `length` numbers of an entry.
    pub(super) fn numbers<T: FromStr>(&self, key: &'static str, length: usize) -> Result<Vec<T>, ImportError> {
        let (line, text) = self.required(key)?;
        let problem = |problem| ImportError::Line { line, key, problem };
        let numbers: Result<Vec<T>, T::Err> = text.split_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|_| problem("it holds something that is no number, or none of this kind"))?;
        if numbers.len() == length {
            Ok(numbers)
        } else {
            Err(problem("it does not have as many numbers as it should"))
        }
    }

    /// The same for an entry that may be missing or empty.
    pub(super) fn numbers_if_any<T: FromStr>(
        &self,
        key: &'static str,
        length: usize,
    ) -> Result<Option<Vec<T>>, ImportError> {
        match self.get(key) {
            Some((_, text)) if !text.is_empty() => self.numbers(key, length).map(Some),
            _ => Ok(None),
        }
    }

    /// That something is wrong with an entry.
    pub(super) fn wrong(&self, key: &'static str, problem: &'static str) -> ImportError {
        ImportError::Line { line: self.get(key).map_or(self.first_line, |(line, _)| line), key, problem }
    }
}
