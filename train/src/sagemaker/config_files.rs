//! The JSON files that SageMaker describes a job in. Any may be absent, and every key but the first host's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::base::Base;
use super::error::JobError;

/// What is known of a channel beside its files.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct ChannelConfig {
    pub(crate) content_type: Option<String>,
    pub(crate) training_input_mode: Option<String>,
    #[serde(rename = "S3DistributionType")]
    pub(crate) distribution: Option<String>,
}

impl ChannelConfig {
    pub(crate) fn is_pipe(&self) -> bool {
        self.training_input_mode.as_deref().is_some_and(|mode| mode.eq_ignore_ascii_case("Pipe"))
    }

    pub(crate) fn is_sharded(&self) -> bool {
        self.distribution.as_deref().is_some_and(|distribution| distribution.eq_ignore_ascii_case("ShardedByS3Key"))
    }
}

/// The channels by name; `None` where there is no such file.
pub(crate) fn channels(base: &Base) -> Result<Option<BTreeMap<String, ChannelConfig>>, JobError> {
    read(&base.config("inputdataconfig.json"))
}

/// Hyperparameters as they stand there; values should be texts, and other values are taken as such.
pub(crate) fn hyperparameters(base: &Base) -> Result<BTreeMap<String, serde_json::Value>, JobError> {
    Ok(read(&base.config("hyperparameters.json"))?.unwrap_or_default())
}

/// The folder of a job's checkpoints, which SageMaker makes and restores; `None` where the job asks for none.
pub(crate) fn checkpoints(base: &Base) -> Result<Option<PathBuf>, JobError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct CheckpointConfig {
        local_path: Option<PathBuf>,
    }
    let config: CheckpointConfig = read(&base.config("checkpointconfig.json"))?.unwrap_or_default();
    let folder = config.local_path.unwrap_or_else(|| base.checkpoints());
    Ok(Some(folder).filter(|folder| folder.is_dir()))
}

/// The machines of a job.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hosts {
    current_host: String,
    hosts: Vec<String>,
}

impl Hosts {
    pub(crate) fn read(base: &Base) -> Result<Self, JobError> {
        let mut hosts: Self = read(&base.config("resourceconfig.json"))?.unwrap_or_default();
        hosts.hosts.sort();
        Ok(hosts)
    }

    /// The host that fits, when it is not this one.
    pub(crate) fn other_that_fits(&self) -> Option<&str> {
        let first = self.hosts.first()?;
        (*first != self.current_host && self.hosts.contains(&self.current_host)).then_some(first)
    }

    pub(crate) fn len(&self) -> usize {
        self.hosts.len().max(1)
    }

    /// The name of this one, for log lines.
    pub(crate) fn current(&self) -> &str {
        if self.current_host.is_empty() { "algo-1" } else { &self.current_host }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, JobError> {
    let fail = |source| JobError::Config { path: path.to_owned(), source };
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error.into())),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| fail(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(current: &str, all: &[&str]) -> Hosts {
        let mut hosts: Vec<String> = all.iter().map(|host| (*host).to_owned()).collect();
        hosts.sort();
        Hosts { current_host: current.to_owned(), hosts }
    }

    #[test]
    fn the_first_host_by_name_fits() {
        assert_eq!(hosts("algo-2-x1", &["algo-2-x1", "algo-1-x1"]).other_that_fits(), Some("algo-1-x1"));
        assert_eq!(hosts("algo-1-x1", &["algo-2-x1", "algo-1-x1"]).other_that_fits(), None);
    }

    #[test]
    fn a_host_that_knows_nothing_of_others_fits() {
        assert_eq!(hosts("", &[]).other_that_fits(), None);
        assert_eq!(hosts("me", &["other"]).other_that_fits(), None);
    }
}
