//! `hyperparameters.json` and plans: options as the keys of a JSON object.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory, FromArgMatches};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::Error;
use crate::command_line::parse;

/// Reads a command line whose options may also stand in files of JSON objects: options given win over the files, and a
/// file that is named first over the next.
///
/// `files` says which files a first reading of the command line names, each with the options that may stand in it. Beside
/// what was read come all arguments, those from the files among them.
///
/// # Errors
/// When the command line cannot be used, or a file cannot be read, is no JSON object, or has a key that is no option or is
/// there twice.
pub(crate) fn parse_with_files<T: CommandFactory + FromArgMatches>(
    args: impl IntoIterator<Item = OsString>,
    files: impl Fn(&T) -> Vec<(PathBuf, Command)>,
) -> Result<(T, Vec<OsString>), Error> {
    let given: Vec<OsString> = args.into_iter().collect();
    let (program, rest) = given.split_at(1.min(given.len()));
    let mut all = rest.to_vec();
    let mut parsed: T = parse(&given)?;
    for (path, options) in files(&parsed) {
        let from_file = flags_of_file(&path, &options, &all)?;
        all = from_file.into_iter().chain(all).collect();
        parsed = parse(&[program, &all].concat()).map_err(|error| match error {
            Error::Usage { text, .. } => {
                let problem = text.trim().trim_start_matches("error: ").to_owned();
                Error::Hyperparameters { path, problem }
            }
            other => other,
        })?;
    }
    Ok((parsed, [program, &all].concat()))
}

/// The flags that a JSON object stands for, without those that are given already.
fn flags_of_file(path: &Path, options: &Command, given: &[OsString]) -> Result<Vec<OsString>, Error> {
    let fail = |problem: String| Error::Hyperparameters { path: path.to_owned(), problem };
    let text = std::fs::read(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
    let Object(entries) =
        serde_json::from_slice(&text).map_err(|error| fail(format!("expected a JSON object: {error}")))?;
    let mut flags = Vec::new();
    let mut names = HashSet::new();
    for (key, value) in entries {
        let name = key.replace('_', "-");
        if !names.insert(name.clone()) {
            return Err(fail(format!("{key} is there twice; give it once")));
        }
        let is_named = |arg: &&Arg| arg.get_long() == Some(name.as_str()) && !FILES.contains(&name.as_str());
        let Some(arg) = options.get_arguments().find(is_named) else {
            return Err(fail(unknown(&key, options)));
        };
        let flag = format!("--{name}");
        let is_given = |arg: &OsString| {
            arg.to_str()
                .is_some_and(|arg| arg == flag || arg.strip_prefix(&flag).is_some_and(|rest| rest.starts_with('=')))
        };
        if given.iter().any(is_given) {
            continue;
        }
        match flag_values(arg, &value)
            .ok_or_else(|| fail(format!("{key} must be a string, a number, a boolean or a list")))?
        {
            FlagValues::Switch(true) => flags.push(flag.into()),
            FlagValues::Switch(false) => {}
            FlagValues::Texts(texts) => flags.extend(texts.iter().map(|text| format!("{flag}={text}").into())),
        }
    }
    Ok(flags)
}

/// A JSON object with all its entries in order, also those whose key was there before.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// What is wrong with a key that is no option; a plan has so few that all of them are named.
fn unknown(key: &str, options: &Command) -> String {
    if options.get_name() != PLAN {
        return format!("no hyperparameter is called {key:?}; see train --help");
    }
    let names = options.get_arguments().filter_map(Arg::get_long).filter(|name| !FILES.contains(name));
    let names: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    format!("no option of the observation plan is called {key:?}; there are {}", names.join(", "))
}

/// The name of the command that has the options of a plan only.
pub(crate) const PLAN: &str = "plan";

/// Options that name such files themselves.
const FILES: [&str; 2] = ["hyperparameters", PLAN];

/// What the value of a key is as an option.
pub(crate) enum FlagValues {
    /// An option without a value, given or not.
    Switch(bool),
    /// Its values.
    Texts(Vec<String>),
}

/// The option that a value of JSON stands for; `None` for an object or nothing.
///
/// SageMaker hands every value over as a string, so `"true"` is a switch as `true` is, where a switch can be.
pub(crate) fn flag_values(arg: &Arg, value: &Value) -> Option<FlagValues> {
    let is_switch = !arg.get_action().takes_values() || arg.get_num_args().is_some_and(|n| n.min_values() == 0);
    match value {
        Value::Bool(on) if is_switch => Some(FlagValues::Switch(*on)),
        Value::Bool(on) => Some(FlagValues::Texts(vec![on.to_string()])),
        Value::String(text) if is_switch && (text == "true" || text == "false") => {
            Some(FlagValues::Switch(text == "true"))
        }
        Value::String(text) => Some(FlagValues::Texts(vec![text.clone()])),
        Value::Number(number) => Some(FlagValues::Texts(vec![number.to_string()])),
        Value::Array(items) => {
            let text =
                |item: &Value| item.as_str().map(str::to_owned).or_else(|| item.as_number().map(|n| n.to_string()));
            items.iter().map(text).collect::<Option<Vec<String>>>().map(FlagValues::Texts)
        }
        Value::Null | Value::Object(_) => None,
    }
}
