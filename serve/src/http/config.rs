//! Settings: flags, then the environment that SageMaker sets, then defaults.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Parser, ValueEnum};

use crate::invocation::AnswerSettings;
use crate::media_type::AnswerFormat;
use crate::output::OutputKey;
use crate::row::BadRows;

/// Megabyte, as the platform counts.
const MB: usize = 1 << 20;

/// The most that a body may have unless something else is said.
const DEFAULT_PAYLOAD_MB: usize = 25;

/// What is told to batch jobs where no cap is set: what the platform takes by default.
const DEFAULT_BATCH_PAYLOAD_MB: usize = 6;

/// The most that a batch job may send at once; a cap of 0 MB, which stands for "no cap", gives ten times as much.
const MOST_BATCH_PAYLOAD_MB: usize = 100;

/// Scores over HTTP as SageMaker asks for it: /ping and /invocations on port 8080.
///
/// Every setting is also read from the environment variable named beside it; SageMaker sets those that begin with
/// SAGEMAKER_. Without flags the model is the one in /opt/ml/model.
#[derive(Debug, Clone, Parser)]
#[command(name = "serve", version, max_term_width = 110)]
pub(crate) struct ServeConfig {
    /// Folder that stands for /opt/ml
    #[arg(long, env = "SAGEMAKER_BASE_DIR", value_name = "DIR", default_value = "/opt/ml")]
    pub(crate) base: PathBuf,
    /// Model file, or the folder it is in [default: the folder model/ of --base]
    #[arg(long, env = "CHURN_MODEL", value_name = "PATH")]
    pub(crate) model: Option<PathBuf>,
    /// Name of the model in the Open Inference Protocol
    #[arg(long, env = "CHURN_MODEL_NAME", default_value = "churn")]
    pub(crate) name: String,
    /// Address to listen on
    #[arg(long, env = "CHURN_HOST", default_value = "0.0.0.0")]
    pub(crate) host: std::net::IpAddr,
    /// Port to listen on
    #[arg(long, env = "SAGEMAKER_BIND_TO_PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Serve many models, loaded and unloaded by requests, and none at the start; yes, on and 1 say true, too
    #[arg(long, env = "SAGEMAKER_MULTI_MODEL", value_name = "BOOL", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_value_t = false, default_missing_value = "true")]
    pub(crate) multi_model: bool,
    /// What is answered where Accept leaves it open
    #[arg(long, env = "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", value_name = "TYPE", value_parser = answer_format, default_value = "application/json")]
    pub(crate) accept: AnswerFormat,
    /// Values of a prediction, separated by commas: score, predicted_label, labels, probability, probabilities,
    /// raw_score, raw_scores, predicted_score, reasons [default: score, predicted_label]
    #[arg(long, env = "SAGEMAKER_INFERENCE_OUTPUT", value_name = "KEYS")]
    pub(crate) output: Option<String>,
    /// Whether the first line of a CSV body names the columns, unless its Content-Type says so
    #[arg(long, env = "CHURN_CSV_HEADER", value_enum, default_value_t = CsvHeader::Absent)]
    pub(crate) csv_header: CsvHeader,
    /// What becomes of a request with a row that cannot be read
    #[arg(long, env = "CHURN_BAD_ROWS", value_enum, default_value_t = BadRows::Refuse)]
    pub(crate) bad_rows: BadRows,
    /// Largest body, in megabytes; 0 for a thousand [default: 25]
    #[arg(long, env = "SAGEMAKER_MAX_PAYLOAD_IN_MB", value_name = "MB")]
    pub(crate) max_payload_mb: Option<usize>,
    /// Largest body, in bytes, where it is not given in megabytes
    #[arg(long, env = "MAX_CONTENT_LENGTH", value_name = "BYTES")]
    pub(crate) max_content_length: Option<usize>,
    /// How a batch transform job puts records together: MULTI_RECORD or SINGLE_RECORD; lists of lines end in a newline but for the latter
    #[arg(long, env = "SAGEMAKER_BATCH_STRATEGY", value_name = "STRATEGY")]
    pub(crate) batch_strategy: Option<String>,
    /// Bodies that the job sends at once [default: as many as there are cores]
    #[arg(long, env = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS", value_name = "N")]
    pub(crate) max_concurrent_transforms: Option<usize>,
    /// Requests that are read or scored at once; more are answered by 503
    #[arg(long, env = "CHURN_MAX_REQUESTS", value_name = "N", default_value_t = 1024, value_parser = at_least_one)]
    pub(crate) max_requests: usize,
    /// Seconds that a client has for the head of a request, for its body, and for reading on
    #[arg(long, env = "CHURN_CLIENT_TIMEOUT", value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) client_timeout: u64,
    /// Seconds that requests have to finish after SIGTERM; SageMaker kills after 30
    #[arg(long, env = "CHURN_DRAIN_TIMEOUT", value_name = "SECONDS", default_value_t = 25)]
    pub(crate) drain_timeout: u64,
    /// Megabytes that all models together may take [default: what the container may use]
    #[arg(long, env = "CHURN_MODEL_MEMORY_MB", value_name = "MB")]
    pub(crate) model_memory_mb: Option<u64>,
    /// What is logged, on standard error, as JSON
    #[arg(long, env = "CHURN_LOG", value_enum, default_value_t = Log::Info)]
    pub(crate) log: Log,
}

/// Whether CSV bodies have a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CsvHeader {
    /// The first line is a row.
    Absent,
    /// The first line names the columns.
    Present,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// What ended the program.
    Error,
    /// What was not answered.
    Warn,
    /// What was refused, and models that come and go.
    Info,
    /// One line per request.
    Debug,
}

impl ServeConfig {
    /// Where the model is.
    pub(crate) fn model_path(&self) -> PathBuf {
        self.model.clone().unwrap_or_else(|| self.base.join("model"))
    }

    /// The largest body, in bytes.
    pub(crate) fn most_bytes(&self) -> usize {
        match (self.max_payload_mb, self.max_content_length) {
            (Some(0), _) => 10 * MOST_BATCH_PAYLOAD_MB * MB,
            (Some(megabytes), _) => megabytes.saturating_mul(MB),
            (None, Some(bytes)) => bytes,
            (None, None) => DEFAULT_PAYLOAD_MB * MB,
        }
    }

    /// What a batch job is told about bodies, in megabytes.
    pub(crate) fn batch_payload_mb(&self) -> usize {
        match (self.max_payload_mb, self.max_content_length) {
            (None, None) => DEFAULT_BATCH_PAYLOAD_MB,
            _ => (self.most_bytes() / MB).clamp(1, MOST_BATCH_PAYLOAD_MB),
        }
    }

    /// How requests are answered.
    pub(crate) fn answers(&self) -> AnswerSettings {
        let single = self.batch_strategy.as_deref().is_some_and(|it| {
            it.chars().filter(char::is_ascii_alphabetic).collect::<String>().eq_ignore_ascii_case("singlerecord")
        });
        let keys = self.output.as_ref().map(|keys| keys.split(',').map(OutputKey::of_name).collect());
        AnswerSettings {
            default_format: self.accept,
            keys,
            csv_header: self.csv_header == CsvHeader::Present,
            open_end: single,
            bad_rows: self.bad_rows,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "expected a whole number above 0".to_owned())
}

fn answer_format(name: &str) -> Result<AnswerFormat, String> {
    let expected = "expected application/json, application/jsonlines, text/csv or application/x-recordio-protobuf";
    AnswerFormat::of_name(name).ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> ServeConfig {
        ServeConfig::parse_from(["serve"].iter().chain(args))
    }

    #[test]
    fn the_cap_in_megabytes_goes_before_the_one_in_bytes() {
        let caps = |args: &[&str]| (config(args).most_bytes(), config(args).batch_payload_mb());
        assert_eq!(caps(&[]), (25 << 20, 6));
        assert_eq!(caps(&["--max-content-length", "19922944"]), (19_922_944, 19));
        assert_eq!(caps(&["--max-content-length", "5", "--max-payload-mb", "7"]), (7 << 20, 7));
        assert_eq!(caps(&["--max-payload-mb", "0"]), (1000 << 20, 100));
    }

    #[test]
    fn flags_are_spelt_as_python_does_too() {
        let spelt = |value: &str| config(&["--multi-model", value]).multi_model;
        for (value, expected) in [("True", true), ("true", true), ("1", true), ("False", false), ("0", false)] {
            assert_eq!(spelt(value), expected, "{value}");
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_its_setting() {
        for (flag, value) in [
            ("--multi-model", "perhaps"),
            ("--accept", "text/html"),
            ("--csv-header", "maybe"),
            ("--bad-rows", "drop"),
            ("--max-payload-mb", "-1"),
            ("--max-requests", "0"),
            ("--client-timeout", "0"),
            ("--port", "65536"),
            ("--host", "here"),
        ] {
            let error = ServeConfig::try_parse_from(["serve".to_owned(), format!("{flag}={value}")]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("'{value}'")) && text.contains(&format!("'{flag} ")), "{text}");
        }
        let error = ServeConfig::try_parse_from(["serve", "--accept=text/html"]).unwrap_err().to_string();
        assert!(error.contains("expected application/json, application/jsonlines, text/csv"), "{error}");
    }

    #[test]
    fn single_records_are_joined_by_others() {
        assert!(config(&["--batch-strategy", "SINGLE_RECORD"]).answers().open_end);
        assert!(config(&["--batch-strategy", "SingleRecord"]).answers().open_end);
        assert!(!config(&["--batch-strategy", "MULTI_RECORD"]).answers().open_end && !config(&[]).answers().open_end);
    }
}
