//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use churn_streaming::{ScoreWhen, parse_duration_ms};
use clap::Parser;

use crate::state_name::{FromName, StateName};
use crate::transports::{FormatName, SinkName, SourceName};

/// Scores tenants inline: events in, score records out.
///
/// Replays files, or consumes streams. Without --state it begins at the beginning; with it, it goes on where it was, and
/// whatever broke off, nothing is lost and nothing shows twice.
#[derive(Debug, Parser)]
#[command(version, after_help = after_help())]
pub(crate) struct Options {
    /// Where events come from: file:PATH, a file or folder of JSON Lines, gzip or zstd or plain, kinesis:STREAM
    /// or kafka:TOPIC.
    /// Several files are merged by when their events were received; several streams are read side by side
    #[arg(long, required_unless_present = "kcl", value_name = "SOURCE")]
    pub(crate) source: Vec<SourceName>,

    /// Is the child of the KCL MultiLangDaemon, which hands over one shard of a stream; --state is the folder that all
    /// shards share, and {shard} in the names of sinks stands for the shard
    #[arg(long, conflicts_with_all = ["source", "speed"], requires = "state")]
    pub(crate) kcl: bool,

    /// The model file, or the folder of a run; without it nothing is scored, and only states are kept
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,

    /// Where score records go: stdout, file:PATH, kinesis:STREAM or kafka:TOPIC, as JSON; folder:PATH or s3://BUCKET/PREFIX,
    /// an object for each tenant, day and checkpoint; may be given several times
    #[arg(long, default_value = "stdout", value_name = "SINK")]
    pub(crate) sink: Vec<SinkName>,

    /// What score records are written as below a folder or an S3 prefix
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: FormatName,

    /// Where records go that are no events; without it they are counted, and lost
    #[arg(long, value_name = "SINK")]
    pub(crate) dead_letters: Vec<SinkName>,

    /// Where the checkpoint is: tenants' states, and the positions that they are complete up to. FOLDER, or
    /// dynamodb:TABLE/PREFIX, a table with the partition key `key`, a string; the prefix is `consume` by default. With a new
    /// one, sinks have to be empty; without --state, files are begun anew
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<StateName>,

    /// How long a process that uses a DynamoDB table may be silent before another one takes over; longer than
    /// --checkpoint-every, than sinks take to keep what they have, and than reading all states at the start
    #[arg(long, default_value = "1m", value_parser = duration, value_name = "DURATION")]
    pub(crate) state_lease: Duration,

    /// Where a Kinesis stream begins that is in no checkpoint: oldest (the default), latest (now, and in later runs with
    /// the same --state five minutes before that), or the time of arrival, such as 2026-03-01T12:30:45Z
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["kcl", "speed"])]
    pub(crate) from: Option<FromName>,

    /// When a tenant is scored: events, changes (of the score at all, or by at least 0.01 with changes:0.01), crossings
    /// (of the threshold), every:1h (at most once in that time), daily (whether something happened or not) or never
    #[arg(long, default_value = "changes", value_name = "WHEN")]
    pub(crate) score: ScoreWhen,

    /// How many reasons a score record has, at most
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub(crate) reasons: usize,

    /// How often a checkpoint is made
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) checkpoint_every: Duration,

    /// Replays files so many times as fast as their events were received, where there is no more than a day between two;
    /// without it, as fast as it can
    #[arg(long, value_parser = speed, value_name = "X")]
    pub(crate) speed: Option<f64>,

    /// A property of librdkafka, such as bootstrap.servers=kafka:9092; may be given several times
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) kafka_property: Vec<churn_streaming::KafkaProperty>,

    /// The partitions that this process reads of each topic, such as 0-3; all by default. Each process keeps the states of
    /// its partitions in a --state of its own
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "NUMBERS")]
    pub(crate) kafka_partitions: Option<churn_streaming::KafkaPartitions>,

    /// Serves what Prometheus scrapes at /metrics, and at /healthz whether the loop goes round
    #[cfg(feature = "metrics")]
    #[arg(long, conflicts_with = "kcl", value_name = "ADDRESS:PORT")]
    pub(crate) metrics: Option<String>,

    /// How often a line about how it goes is written to standard error
    #[arg(long, default_value = "10s", value_parser = duration, value_name = "DURATION")]
    pub(crate) status_every: Duration,

    /// The most tenants there may be; events of further ones are refused
    #[arg(long, default_value = "1048576", value_name = "N")]
    pub(crate) max_tenants: NonZeroUsize,
}

const EXAMPLES: &str = "\
Examples:
  consume --source file:log --model run/model.safetensors --sink file:scores.jsonl --dead-letters file:dead.jsonl
  consume --source file:log --model run/model.safetensors --score daily --state state --sink file:scores.jsonl";

/// What a build may have or not have, with its feature.
const OPTIONAL: [(&str, &str, bool); 6] = [
    ("kinesis:STREAM", "kinesis", cfg!(feature = "kinesis")),
    ("kafka:TOPIC", "kafka", cfg!(feature = "kafka")),
    ("s3://BUCKET/PREFIX", "s3", cfg!(feature = "s3")),
    ("dynamodb:TABLE/PREFIX", "dynamodb", cfg!(feature = "dynamodb")),
    ("--format parquet", "parquet", cfg!(feature = "parquet")),
    ("--metrics", "metrics", cfg!(feature = "metrics")),
];

fn after_help() -> String {
    let with = OPTIONAL.iter().filter(|(.., is_built)| *is_built).map(|(what, ..)| *what);
    let built: Vec<&str> = ["file:PATH", "folder:PATH"].into_iter().chain(with).collect();
    let mut help = format!("{EXAMPLES}\n\nThis build has: {}.", built.join(", "));
    let without = OPTIONAL.iter().filter(|(.., is_built)| !is_built);
    let without: Vec<String> = without.map(|(what, feature, _)| format!("{what} (--features {feature})")).collect();
    if !without.is_empty() {
        help += &format!("\nIt was built without: {}.", without.join(", "));
    }
    help
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    let ms = parse_duration_ms(text).ok_or("expected a duration such as 500ms, 10s, 5m or 1h")?;
    Ok(Duration::from_millis(ms.unsigned_abs()))
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or("expected a number above 0, such as 100")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_help_says_what_this_build_has_and_how_to_build_what_it_has_not() {
        assert!(Options::command().render_help().to_string().contains("This build has: file:PATH"));
        let help = after_help();
        let line = |begin: &str| help.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned();
        assert!(line("This build has: file:PATH, folder:PATH").ends_with('.'), "{help}");
        for (what, feature, is_built) in OPTIONAL {
            assert_eq!(line("This build has: ").contains(what), is_built);
            let without = format!("{what} (--features {feature})");
            assert_eq!(line("It was built without: ").contains(&without), !is_built);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |arguments: &[&str]| {
            let arguments = ["consume"].iter().chain(arguments);
            Options::try_parse_from(arguments).expect_err("is refused").to_string()
        };
        assert!(error(&[]).contains("--source"));
        assert!(error(&["--kcl"]).contains("--state"));
        assert!(error(&["--kcl", "--state", "s", "--source", "file:x"]).contains("cannot be used with"));
        assert!(error(&["--source", "log.jsonl"]).contains("expected file:PATH, kinesis:STREAM"));
        assert!(error(&["--source", "file:x", "--sink", "kafka"]).contains("expected stdout, file:PATH"));
        assert!(error(&["--source", "file:x", "--score", "hourly"]).contains("every:1h"));
        assert!(error(&["--source", "file:x", "--speed", "0"]).contains("above 0"));
        assert!(error(&["--source", "file:x", "--checkpoint-every", "10"]).contains("such as 500ms"));
    }
}
