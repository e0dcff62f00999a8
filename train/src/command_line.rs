//! Arguments to options, and what is wrong with them in one line.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use crate::Error;

/// Reads arguments, the program's name first.
///
/// # Errors
/// [`Error::Usage`] holds the text to show, and is also how `--help` and `--version` come back.
pub(crate) fn parse<T: CommandFactory + FromArgMatches>(args: &[OsString]) -> Result<T, Error> {
    let command = command::<T>();
    let name = command.get_name().to_owned();
    let usage = |error: clap::Error| {
        let (text, exit_code) = (error.render().to_string(), error.exit_code());
        let text = if exit_code == 0 { text } else { format!("{}; see {name} --help\n", in_one_line(&text)) };
        Error::Usage { text, exit_code }
    };
    let matches = command.try_get_matches_from(args).map_err(usage)?;
    T::from_arg_matches(&matches).map_err(usage)
}

/// The options that these arguments give, program's name first, as words in the order of the help; without those named
/// in `except`.
///
/// # Panics
/// When the arguments are not such as [`parse`] reads.
pub(crate) fn given<T: CommandFactory>(args: &[OsString], except: &[&str]) -> Vec<String> {
    let command = command::<T>();
    let matches = command.clone().get_matches_from(args);
    let is_given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        matches.value_source(id) == Some(ValueSource::CommandLine) && !except.contains(&id)
    };
    let mut words = Vec::new();
    for arg in command.get_arguments().filter(is_given) {
        let Some(option) = arg.get_long().map(|name| format!("--{name}")) else { continue };
        if !arg.get_action().takes_values() {
            words.push(option);
            continue;
        }
        for value in matches.get_raw(arg.get_id().as_str()).into_iter().flatten() {
            let value = value.to_string_lossy();
            if value.is_empty() || value.starts_with('-') {
                words.push(format!("{option}={value}"));
            } else {
                words.extend([option.clone(), value.into_owned()]);
            }
        }
    }
    words
}

/// The command whose options `T` holds. A value may be a negative number: it is then refused as a value that is out of
/// range and not as an option that does not exist.
pub(crate) fn command<T: CommandFactory>() -> Command {
    T::command().mut_args(|arg| {
        let takes_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_value)
    })
}

/// What Rust says of a number that is none, and what helps. Whole numbers among the options are never below 0.
const IN_OTHER_WORDS: [(&str, &str); 5] = [
    ("invalid digit found in string", "expected a whole number"),
    ("cannot parse integer from empty string", "expected a whole number"),
    ("number too large to fit in target type", "expected a smaller number"),
    ("invalid float literal", "expected a number"),
    ("cannot parse float from empty string", "expected a number"),
];

/// clap's message without its usage and its pointer to the help, which are paragraphs of their own.
fn in_one_line(text: &str) -> String {
    let text = IN_OTHER_WORDS.iter().fold(text.to_owned(), |text, (said, meant)| text.replace(said, meant));
    let paragraphs = text.trim().split("\n\n");
    let lines = paragraphs
        .filter(|paragraph| !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information"))
        .flat_map(str::lines);
    lines.map(str::trim).filter(|line| !line.is_empty()).fold(String::new(), |message, line| match message {
        message if message.is_empty() => line.to_owned(),
        message if message.ends_with(':') => format!("{message} {line}"),
        message => format!("{message}; {line}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_several_paragraphs_becomes_one_line() {
        let text =
            "error: these were not provided:\n  --a <A>\n  --b <B>\n\nUsage: x --a <A>\n\nFor more information, try";
        assert_eq!(in_one_line(text), "error: these were not provided: --a <A>; --b <B>");
        let text = "error: unexpected argument '--tabel' found\n\n  tip: '--table' is similar\n\nUsage: x\n";
        assert_eq!(in_one_line(text), "error: unexpected argument '--tabel' found; tip: '--table' is similar");
    }

    #[test]
    fn a_wrong_number_is_said_in_plain_words() {
        let error = |arg: &str| match parse::<crate::config::TrainConfig>(&["train".into(), arg.into()]) {
            Err(Error::Usage { text, .. }) => text,
            other => panic!("{other:?}"),
        };
        for (arg, said) in [
            ("--max-depth=five", "expected a whole number"),
            ("--n-trees=-1", "expected a whole number"),
            ("--seed=", "expected a whole number"),
            ("--n-trees=99999999999999999999", "expected a smaller number"),
            ("--penalty=low", "expected a number"),
            ("--penalty=", "expected a number"),
        ] {
            assert!(error(arg).contains(said), "{}", error(arg));
        }
    }
}
