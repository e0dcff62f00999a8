use std::path::PathBuf;

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
        "there is no channel \"train\" (or \"training\"); its channels are {found:?}: give the job one of that name"
    )]
    NoTrainChannel { found: Vec<String> },
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
            Self::Train(error) => error.line(),
            _ => self.to_string(),
        };
        if !matches!(self, Self::Train(_)) {
            let mut source = std::error::Error::source(self);
            while let Some(error) = source {
                line.push_str(": ");
                line.push_str(&error.to_string());
                source = error.source();
            }
        }
        if let Self::Train(Error::Data(DataError::UndeclaredHeader { .. })) = self {
            line.push_str(
                "; declare it by the channel's ContentType text/csv; header=present, or by the hyperparameter \
                 header=present (with label=COLUMN, if the label is not the first column)",
            );
        }
        line
    }
}
