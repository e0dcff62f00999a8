use std::path::{Path, PathBuf};

use super::aliases::NOT_OURS_TO_SET;
use crate::Error;

/// Why a job cannot be done, beyond what can go wrong in any run; each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Train(#[from] Error),
    #[error("cannot read {path:?}; SageMaker writes it, and it holds a JSON object")]
    Config { path: PathBuf, source: ConfigError },
    #[error("hyperparameter {key} is {value:?}: {problem}")]
    Hyperparameter { key: String, value: String, problem: String },
    #[error("there is no hyperparameter {key} (its value is {value:?}){}", did_you_mean(.nearest))]
    UnknownHyperparameter { key: String, value: String, nearest: Option<String> },
    #[error("hyperparameters {first} and {second} say the same; give one of them")]
    TwiceSaid { first: String, second: String },
    #[error(
        "there is no channel \"train\" (or \"training\"), {}: give the job one of that name", channels(.found, .folder)
    )]
    NoTrainChannel { found: Vec<String>, folder: PathBuf },
    #[error(
        "the first column was taken as the label; if it is none, name the column that is by the hyperparameter label"
    )]
    FirstColumnIsNoLabel { source: churn_training_data::Error },
    #[error("channel {channel:?}: there is no folder {path:?}; give the job data for that channel")]
    NoFolder { channel: String, path: PathBuf },
    #[error(
        "channel {channel:?} has no files in {path:?} (names that begin with . or _ are passed over); look at the S3 \
         prefix of the channel"
    )]
    NoFiles { channel: String, path: PathBuf },
    #[error("channel {channel:?} is in Pipe mode, which is not read; use File or FastFile as its TrainingInputMode")]
    PipeMode { channel: String },
    #[error(
        "channel {channel:?} has ContentType {found:?}; expected text/csv, text/libsvm, application/x-parquet, \
         application/x-recordio-protobuf or application/jsonlines"
    )]
    ContentType { channel: String, found: String },
    #[error(
        "channel {channel:?} has ContentType {found:?}; expected label_size=1, because a model is fitted on one label, \
         which is the first column"
    )]
    LabelSize { channel: String, found: String },
    #[error("channels {first:?} and {second:?} are not both {what}; give both the same")]
    MixedChannels { first: String, second: String, what: &'static str },
    #[error("cannot catch SIGTERM")]
    Signal { source: std::io::Error },
}

/// Why a file of settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

fn channels(found: &[String], folder: &Path) -> String {
    match found {
        [] => format!("nor any other in {folder:?}"),
        found => format!("its channels are {found:?}"),
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}? docs/sagemaker-training.md lists all"),
        None => "; docs/sagemaker-training.md lists all".to_owned(),
    }
}

impl JobError {
    /// The message and its sources in one line, with what mends it here.
    pub(crate) fn line(&self) -> String {
        use churn_training_data::Error as DataError;
        let mut line = match self {
            Self::Train(Error::Usage { text, .. }) => text.trim().trim_start_matches("error: ").to_owned(),
            Self::Train(error) => error.line(),
            _ => with_sources(self),
        };
        if let Self::Train(Error::Data(DataError::UndeclaredHeader { .. })) = self {
            line.push_str(
                " (it is declared by the channel's ContentType \"text/csv; header=present\", or by the hyperparameter \
                 header=present, with label=COLUMN if the label is not the first column)",
            );
        }
        as_hyperparameters(&line)
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}

/// The same text, with the options that it names called as a job gives them.
fn as_hyperparameters(text: &str) -> String {
    let word = |word: &str| {
        let Some(rest) = word.strip_prefix("--") else { return word.to_owned() };
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        match name {
            "no-header" => format!("the hyperparameter header=absent{behind}"),
            name if NOT_OURS_TO_SET.contains(&name) || name.is_empty() => word.to_owned(),
            name => format!("the hyperparameter {}{behind}", name.replace('-', "_")),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_named_as_hyperparameters() {
        let named = [
            ("leave it out with --drop", "leave it out with the hyperparameter drop"),
            ("--test-share must be", "the hyperparameter test_share must be"),
            ("say which with --positive; or --out x", "say which with the hyperparameter positive; or --out x"),
            ("read it with --no-header", "read it with the hyperparameter header=absent"),
        ];
        named.iter().for_each(|(text, expected)| assert_eq!(as_hyperparameters(text), *expected));
    }

    #[test]
    fn a_reason_is_one_line_with_its_sources() {
        let source = serde_json::from_str::<u8>("").unwrap_err();
        let error = JobError::Config { path: "c.json".into(), source: source.into() };
        assert!(error.line().starts_with("cannot read \"c.json\"; SageMaker writes it"), "{}", error.line());
        assert!(error.line().contains("EOF while parsing"), "{}", error.line());
        let usage = Error::Usage { text: "error: --tune needs at least 1 setting\n".to_owned(), exit_code: 2 };
        assert_eq!(JobError::Train(usage).line(), "the hyperparameter tune needs at least 1 setting");
    }
}
