//! Sources and sinks by the names that the command line gives them.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "s3")]
use churn_streaming::SinkError;
use churn_streaming::{
    Consumer, FileSource, LineSink, NamedSink, ObjectFormat, ObjectSink, Retries, Sink, Source, StatePlace,
};
#[cfg(feature = "kinesis")]
use churn_streaming::{InitialPosition, KinesisSink, KinesisSource, KinesisStart};

use crate::options::Options;
#[cfg(feature = "kinesis")]
use crate::say::say;
use crate::state_name::{FromName, StateName};

/// A source as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceName {
    File(PathBuf),
    Kinesis(String),
    Kafka(String),
}

/// A sink as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SinkName {
    Stdout,
    File(PathBuf),
    Folder(PathBuf),
    Kinesis(String),
    Kafka(String),
    /// The whole address.
    S3(String),
}

/// What score records are written as where each tenant and day has files of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum FormatName {
    #[default]
    Json,
    Parquet,
}

/// A name of another form.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected}")]
pub(crate) struct WrongName {
    expected: &'static str,
}

/// A transport that this program was built without.
#[derive(Debug, thiserror::Error)]
#[error(
    "this program was built without what {name} needs; build it with `cargo build -p churn-streaming --features {feature}`"
)]
struct NotBuilt {
    name: String,
    feature: &'static str,
}

/// Sources of kinds that are not read together.
#[derive(Debug, thiserror::Error)]
#[error("files, streams and topics cannot be read together; name files, streams or topics, in processes of their own")]
struct Mixed;

impl FromStr for SourceName {
    type Err = WrongName;

    fn from_str(text: &str) -> Result<Self, WrongName> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("kinesis", stream)) if !stream.is_empty() => Ok(Self::Kinesis(stream.to_owned())),
            Some(("kafka", topic)) if !topic.is_empty() => Ok(Self::Kafka(topic.to_owned())),
            _ => Err(WrongName { expected: "file:PATH, kinesis:STREAM or kafka:TOPIC" }),
        }
    }
}

impl FromStr for SinkName {
    type Err = WrongName;

    fn from_str(text: &str) -> Result<Self, WrongName> {
        match text.split_once(':') {
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("folder", path)) if !path.is_empty() => Ok(Self::Folder(path.into())),
            Some(("kinesis", stream)) if !stream.is_empty() => Ok(Self::Kinesis(stream.to_owned())),
            Some(("kafka", topic)) if !topic.is_empty() => Ok(Self::Kafka(topic.to_owned())),
            // The same objects have one name.
            Some(("s3", rest))
                if rest.strip_prefix("//").is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty()) =>
            {
                Ok(Self::S3(text.trim_end_matches('/').to_owned()))
            }
            _ => Err(WrongName {
                expected: "stdout, file:PATH, folder:PATH, s3://BUCKET/PREFIX, kinesis:STREAM or kafka:TOPIC",
            }),
        }
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Folder(path) => write!(f, "folder:{}", path.display()),
            Self::S3(address) => f.write_str(address),
            Self::Kinesis(stream) => write!(f, "kinesis:{stream}"),
            Self::Kafka(topic) => write!(f, "kafka:{topic}"),
        }
    }
}

/// What stands for the shard in the name of a sink.
pub(crate) const SHARD: &str = "{shard}";

impl SinkName {
    /// The sink of one shard's process, which shares its files with no other.
    pub(crate) fn of_shard(&self, shard_id: &str) -> Result<Self, String> {
        let own = |name: Option<&str>| match name.filter(|name| name.contains(SHARD)) {
            Some(name) => Ok(name.replace(SHARD, shard_id)),
            None => Err(format!("each shard's process needs a place of its own: put {{shard}} into {self}")),
        };
        match self {
            Self::Stdout => {
                Err("stdout is the daemon's with --kcl; name a file, such as file:scores/{shard}.jsonl".to_owned())
            }
            Self::File(path) => Ok(Self::File(own(path.to_str())?.into())),
            Self::Folder(path) => Ok(Self::Folder(own(path.to_str())?.into())),
            Self::S3(address) => Ok(Self::S3(own(Some(address))?)),
            Self::Kinesis(_) | Self::Kafka(_) => Ok(self.clone()),
        }
    }
}

/// What sources and sinks share: connections, and how often they had to try again.
pub(crate) struct Transports {
    retries: Arc<Retries>,
    #[cfg(feature = "kafka")]
    kafka: churn_streaming::KafkaOptions,
    #[cfg(feature = "aws")]
    aws: Option<Arc<churn_streaming::Aws>>,
    format: FormatName,
}

impl Transports {
    /// As the command line says.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            retries: Arc::default(),
            #[cfg(feature = "kafka")]
            kafka: churn_streaming::KafkaOptions {
                properties: options.kafka_property.clone(),
                partitions: options.kafka_partitions.clone(),
            },
            #[cfg(feature = "aws")]
            aws: None,
            format: options.format,
        }
    }

    fn format(&self) -> Result<ObjectFormat, NotBuilt> {
        match self.format {
            FormatName::Json => Ok(ObjectFormat::JsonLines),
            #[cfg(feature = "parquet")]
            FormatName::Parquet => Ok(ObjectFormat::Parquet),
            #[cfg(not(feature = "parquet"))]
            FormatName::Parquet => Err(NotBuilt { name: "Parquet".to_owned(), feature: "parquet" }),
        }
    }

    /// Where all of them count what they try again.
    pub(crate) fn retries(&self) -> Arc<Retries> {
        Arc::clone(&self.retries)
    }

    #[cfg(feature = "aws")]
    fn aws(&mut self) -> Result<Arc<churn_streaming::Aws>, churn_streaming::AwsError> {
        if self.aws.is_none() {
            self.aws = Some(churn_streaming::Aws::connect(Arc::clone(&self.retries))?);
        }
        Ok(Arc::clone(self.aws.as_ref().expect("this cannot fail because it was just connected")))
    }

    /// The place for checkpoints of that name.
    ///
    /// # Errors
    /// When there is no connection to it, or this program was built without it.
    pub(crate) fn state(&mut self, name: &StateName, lease: Duration) -> Result<StatePlace, Box<dyn Error>> {
        match name {
            StateName::Folder(path) => Ok(StatePlace::Folder(path.clone())),
            #[cfg(feature = "dynamodb")]
            StateName::DynamoDb { table, prefix } => Ok(StatePlace::Table(churn_streaming::TableName {
                aws: self.aws()?,
                table: table.clone(),
                prefix: prefix.clone(),
                lease,
            })),
            #[cfg(not(feature = "dynamodb"))]
            StateName::DynamoDb { .. } => {
                let _ = lease;
                Err(NotBuilt { name: name.to_string(), feature: "dynamodb" }.into())
            }
        }
    }

    /// The sinks of these names.
    ///
    /// # Errors
    /// When one cannot be opened, or this program was built without it.
    pub(crate) fn sinks(&mut self, names: &[SinkName]) -> Result<Vec<NamedSink>, Box<dyn Error>> {
        names.iter().map(|name| Ok(NamedSink { name: name.to_string(), sink: self.sink(name)? })).collect()
    }

    fn sink(&mut self, name: &SinkName) -> Result<Box<dyn Sink>, Box<dyn Error>> {
        Ok(match name {
            SinkName::Stdout => Box::new(LineSink::stdout()),
            SinkName::File(path) => Box::new(LineSink::file(path)?),
            SinkName::Folder(path) => Box::new(ObjectSink::folder(path, self.format()?, Arc::clone(&self.retries))),
            #[cfg(feature = "s3")]
            SinkName::S3(address) => {
                let named = |error| SinkError::new(address, error);
                let sink = ObjectSink::s3(&self.aws()?, address, self.format()?).map_err(named)?;
                sink.check()?;
                Box::new(sink)
            }
            #[cfg(not(feature = "s3"))]
            SinkName::S3(_) => return Err(NotBuilt { name: name.to_string(), feature: "s3" }.into()),
            #[cfg(feature = "kinesis")]
            SinkName::Kinesis(stream) => {
                let sink = KinesisSink::new(&self.aws()?, stream);
                sink.check()?;
                Box::new(sink)
            }
            #[cfg(feature = "kafka")]
            SinkName::Kafka(topic) => {
                Box::new(churn_streaming::KafkaSink::new(topic, &self.kafka, Arc::clone(&self.retries))?)
            }
            #[cfg(not(feature = "kafka"))]
            SinkName::Kafka(_) => return Err(NotBuilt { name: name.to_string(), feature: "kafka" }.into()),
            #[cfg(not(feature = "kinesis"))]
            SinkName::Kinesis(_) => return Err(NotBuilt { name: name.to_string(), feature: "kinesis" }.into()),
        })
    }

    /// One source of all these names, which goes on where the consumer's checkpoint was.
    ///
    /// # Errors
    /// When it cannot be opened, or this program was built without it.
    pub(crate) fn source(&mut self, options: &Options, consumer: &Consumer) -> Result<Box<dyn Source>, Box<dyn Error>> {
        let (mut files, mut streams, mut topics) = (Vec::new(), Vec::new(), Vec::new());
        for name in &options.source {
            match name {
                SourceName::File(path) => files.push(path.clone()),
                SourceName::Kinesis(stream) => streams.push(stream.clone()),
                SourceName::Kafka(topic) => topics.push(topic.clone()),
            }
        }
        if [files.is_empty(), streams.is_empty(), topics.is_empty()].into_iter().filter(|is_empty| !is_empty).count()
            > 1
        {
            return Err(Mixed.into());
        }
        if options.from.is_some() && streams.is_empty() {
            return Err(
                "--from is about Kinesis streams, and there is none; files and topics begin at their beginning".into(),
            );
        }
        if !topics.is_empty() {
            return self.kafka(&topics, consumer);
        }
        if streams.is_empty() {
            let position_of = |name: &str| consumer.processor().positions().get(name).copied();
            return Ok(Box::new(FileSource::open(&files, options.speed, position_of)?));
        }
        self.kinesis(&streams, options.from, consumer)
    }

    #[cfg(feature = "kafka")]
    fn kafka(&self, topics: &[String], consumer: &Consumer) -> Result<Box<dyn Source>, Box<dyn Error>> {
        let positions = consumer.processor().positions();
        Ok(Box::new(churn_streaming::KafkaSource::open(topics, &self.kafka, &self.retries, positions)?))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(&self, topics: &[String], _: &Consumer) -> Result<Box<dyn Source>, Box<dyn Error>> {
        Err(NotBuilt { name: format!("kafka:{}", topics[0]), feature: "kafka" }.into())
    }

    #[cfg(feature = "kinesis")]
    fn kinesis(
        &mut self,
        streams: &[String],
        from: Option<FromName>,
        consumer: &Consumer,
    ) -> Result<Box<dyn Source>, Box<dyn Error>> {
        let processor = consumer.processor();
        let start = KinesisStart {
            initial: match from {
                None | Some(FromName::Oldest) => InitialPosition::TrimHorizon,
                Some(FromName::Latest) => InitialPosition::Latest,
                Some(FromName::Time(time)) => InitialPosition::At(time),
            },
            positions: processor.positions().clone(),
            ended: processor.ended().clone(),
        };
        let notice = Arc::new(|text: &str| say("consume", text));
        Ok(Box::new(KinesisSource::open(&self.aws()?, streams, start, notice)?))
    }

    #[cfg(not(feature = "kinesis"))]
    fn kinesis(
        &mut self,
        streams: &[String],
        _: Option<FromName>,
        _: &Consumer,
    ) -> Result<Box<dyn Source>, Box<dyn Error>> {
        Err(NotBuilt { name: format!("kinesis:{}", streams[0]), feature: "kinesis" }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_of_a_daemon_has_sinks_of_its_own() {
        let parsed = |name: &str| name.parse::<SinkName>().expect("is one").of_shard("shardId-7");
        assert_eq!(parsed("file:a/{shard}.jsonl"), Ok(SinkName::File("a/shardId-7.jsonl".into())));
        assert_eq!(parsed("kinesis:enriched"), Ok(SinkName::Kinesis("enriched".to_owned())));
        assert!(parsed("file:a.jsonl").expect_err("is shared").contains("put {shard} into file:a.jsonl"));
        assert_eq!(parsed("s3://b/{shard}"), Ok(SinkName::S3("s3://b/shardId-7".to_owned())));
        assert!(parsed("folder:a").expect_err("is shared").contains("put {shard} into folder:a"));
        assert!(parsed("stdout").expect_err("is the daemon's").contains("file:scores/{shard}.jsonl"));
    }

    #[test]
    fn names_are_shown_as_they_are_read() {
        for name in
            ["stdout", "file:a/b.jsonl", "folder:a/b", "s3://bucket/a/b", "kinesis:enrichedcompanies", "kafka:jobs"]
        {
            assert_eq!(name.parse::<SinkName>().expect("is one").to_string(), name);
        }
        assert_eq!("s3://bucket/a/".parse::<SinkName>().expect("is one").to_string(), "s3://bucket/a");
        assert_eq!("s3://bucket/".parse::<SinkName>().expect("is one").to_string(), "s3://bucket");
        for name in ["", "file:", "kinesis:", "kafka", "kafka:", "sqs:x", "Stdout", "s3:bucket", "s3://", "s3:///"] {
            assert!(name.parse::<SinkName>().is_err() && name.parse::<SourceName>().is_err(), "{name}");
        }
    }
}
