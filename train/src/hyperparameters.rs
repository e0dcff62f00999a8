//! `hyperparameters.json`: flags as the keys of a JSON object.

use std::ffi::OsString;
use std::path::Path;

use clap::Arg;
use serde_json::Value;

use crate::command_line::command;
use crate::{Error, TrainConfig};

/// The flags that a JSON object stands for, without those that the command line gives itself.
///
/// # Errors
/// When the file cannot be read, is no JSON object, or has a key that is no flag.
pub(crate) fn flags_of_file(path: &Path, given: &[OsString]) -> Result<Vec<OsString>, Error> {
    let fail = |problem: String| Error::Hyperparameters { path: path.to_owned(), problem };
    let text = std::fs::read(path).map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
    let object: serde_json::Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| fail(format!("expected a JSON object: {error}")))?;
    let command = command::<TrainConfig>();
    let mut flags = Vec::new();
    for (key, value) in object {
        let name = key.replace('_', "-");
        let is_named = |arg: &&Arg| arg.get_long() == Some(name.as_str()) && name != "hyperparameters";
        let Some(arg) = command.get_arguments().find(is_named) else {
            return Err(fail(format!("no hyperparameter is called {key:?}; see train --help")));
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

enum FlagValues {
    Switch(bool),
    Texts(Vec<String>),
}

/// SageMaker hands every value over as a string, so `"true"` is a switch as `true` is, where a switch can be.
fn flag_values(arg: &Arg, value: &Value) -> Option<FlagValues> {
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
