//! `--state` and `--from` as the command line has them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use churn_events::Timestamp;

/// A place for checkpoints as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateName {
    Folder(PathBuf),
    DynamoDb { table: String, prefix: String },
}

/// What keys begin with where nothing else is said.
const PREFIX: &str = "consume";

impl FromStr for StateName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        Ok(match text.strip_prefix("dynamodb:") {
            // A folder of that name would be lost with the container that it was made in.
            None if text.split_once(':').is_some_and(|(kind, _)| !kind.contains(['/', '.'])) => {
                return Err("expected a folder, or dynamodb:TABLE/PREFIX; a folder with a colon is written ./NAME");
            }
            None => Self::Folder(text.into()),
            Some(rest) => {
                let (table, prefix) = rest.split_once('/').unwrap_or((rest, PREFIX));
                Self::DynamoDb { table: table.to_owned(), prefix: prefix.trim_matches('/').to_owned() }
            }
        })
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::DynamoDb { table, prefix } => write!(f, "dynamodb:{table}/{prefix}"),
        }
    }
}

/// Where a stream begins that is in no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromName {
    Oldest,
    Latest,
    Time(Timestamp),
}

impl FromStr for FromName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "oldest" => Ok(Self::Oldest),
            "latest" => Ok(Self::Latest),
            _ => match text.parse() {
                Ok(time) => Ok(Self::Time(time)),
                Err(_) => Err("expected latest, oldest or a time such as 2026-03-01T12:30:45Z"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_beginnings_are_named() {
        let state = |text: &str| text.parse::<StateName>().expect("always is one");
        assert_eq!(state("a/b"), StateName::Folder("a/b".into()));
        assert_eq!(state("dynamodb:churn").to_string(), "dynamodb:churn/consume");
        assert_eq!(state("dynamodb:churn/a/b").to_string(), "dynamodb:churn/a/b");
        assert_eq!(state("./a:b"), StateName::Folder("./a:b".into()));
        for text in ["s3://bucket/state", "dynamo:churn"] {
            assert!(text.parse::<StateName>().is_err(), "{text}");
        }
        assert_eq!("oldest".parse(), Ok(FromName::Oldest));
        assert_eq!("latest".parse(), Ok(FromName::Latest));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(FromName::Time(Timestamp::from_millis(1_000))));
        assert!("now".parse::<FromName>().is_err());
    }
}
