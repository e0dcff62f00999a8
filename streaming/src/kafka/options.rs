use std::collections::BTreeSet;
use std::str::FromStr;

use rdkafka::ClientConfig;

use super::KafkaError;

/// How topics are reached, and which of their partitions are read.
#[derive(Debug, Clone, Default)]
pub struct KafkaOptions {
    /// Properties of librdkafka, of sources and sinks alike; the later of two with one name counts.
    pub properties: Vec<KafkaProperty>,
    /// The partitions that are read; all when there are none.
    pub partitions: Option<KafkaPartitions>,
}

/// A property of librdkafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    /// Its name, such as `bootstrap.servers`.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A text that is no property.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected NAME=VALUE, such as bootstrap.servers=kafka:9092")]
pub struct NoKafkaProperty;

impl FromStr for KafkaProperty {
    type Err = NoKafkaProperty;

    fn from_str(text: &str) -> Result<Self, NoKafkaProperty> {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(NoKafkaProperty)?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Numbers of partitions, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaPartitions(pub(super) BTreeSet<i32>);

/// A text that names no partitions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected numbers of partitions, such as 0-3 or 0-3,8")]
pub struct NoKafkaPartitions;

/// More partitions than any cluster has in a topic.
const MOST_PARTITIONS: i32 = 1_000_000;

impl FromStr for KafkaPartitions {
    type Err = NoKafkaPartitions;

    fn from_str(text: &str) -> Result<Self, NoKafkaPartitions> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number: &i32| is_number && *number < MOST_PARTITIONS);
            number.ok_or(NoKafkaPartitions)
        };
        let mut partitions = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(NoKafkaPartitions);
            }
            partitions.extend(first..=last);
        }
        Ok(Self(partitions))
    }
}

impl KafkaOptions {
    /// The settings of a client: those by default, those that were named, and those that must be so.
    pub(super) fn config(&self, defaults: &[(&str, &str)], fixed: &[(&str, &str)]) -> Result<ClientConfig, KafkaError> {
        let named = |name: &str| self.properties.iter().any(|property| property.name == name);
        if !named("bootstrap.servers") && !named("metadata.broker.list") {
            return Err(KafkaError::NoBrokers);
        }
        let mut config = ClientConfig::new();
        let named = self.properties.iter().map(|property| (&*property.name, &*property.value));
        config.extend(defaults.iter().copied().chain(named).chain(fixed.iter().copied()).map(owned));
        Ok(config)
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_numbers_and_ranges_of_them() {
        let read = |text: &str| text.parse::<KafkaPartitions>().map(|partitions| partitions.0.into_iter().collect());
        assert_eq!(read("0-3,8"), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(read("7"), Ok(vec![7]));
        for text in ["", "-1", "3-1", "a", "1-", "1,,2", "+1", "0-2147483647"] {
            assert_eq!(read(text), Err(NoKafkaPartitions), "{text}");
        }
    }

    #[test]
    fn a_property_has_a_name_and_any_value() {
        let property = "sasl.jaas.config=a=b".parse::<KafkaProperty>().expect("is one");
        assert_eq!((property.name.as_str(), property.value.as_str()), ("sasl.jaas.config", "a=b"));
        assert!("=b".parse::<KafkaProperty>().is_err() && "a".parse::<KafkaProperty>().is_err());
    }

    #[test]
    fn what_was_named_goes_before_defaults_and_what_must_be_before_both() {
        let property = |text: &str| text.parse().expect("is one");
        let properties = ["bootstrap.servers=b:1", "linger.ms=1", "enable.idempotence=false"].map(property);
        let options = KafkaOptions { properties: properties.into(), partitions: None };
        let config = options.config(&[("linger.ms", "5")], &[("enable.idempotence", "true")]).expect("has brokers");
        assert_eq!(["linger.ms", "enable.idempotence"].map(|name| config.get(name)), [Some("1"), Some("true")]);
        assert!(matches!(KafkaOptions::default().config(&[], &[]), Err(KafkaError::NoBrokers)));
    }
}
