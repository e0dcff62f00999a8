//! Arguments to options, and what is wrong with them in one line.

use std::ffi::OsString;

use clap::{Command, CommandFactory, FromArgMatches};

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

/// The command whose options `T` holds. A value may be a negative number: it is then refused as a value that is out of
/// range and not as an option that does not exist.
pub(crate) fn command<T: CommandFactory>() -> Command {
    T::command().mut_args(|arg| {
        let takes_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_value)
    })
}

/// clap's message without its usage and its pointer to the help, which are paragraphs of their own.
fn in_one_line(text: &str) -> String {
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
}
