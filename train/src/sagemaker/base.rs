//! Where SageMaker puts things, and where it looks for others.

use std::env;
use std::path::{Path, PathBuf};

/// The folder that holds everything, unless `SAGEMAKER_BASE_DIR` names another.
const BASE: &str = "/opt/ml";
const BASE_VARIABLE: &str = "SAGEMAKER_BASE_DIR";

/// The folders of a job.
#[derive(Debug, Clone)]
pub(crate) struct Base(PathBuf);

impl Base {
    /// Those of this process, whether they are there or not.
    pub(crate) fn of_container() -> Self {
        let named = env::var_os(BASE_VARIABLE).filter(|folder| !folder.is_empty());
        Self(named.map_or_else(|| BASE.into(), PathBuf::from))
    }

    /// Those of this process, where it runs inside a training job: a folder is named, or SageMaker's own has settings.
    pub(crate) fn of_job() -> Option<Self> {
        let is_named = env::var_os(BASE_VARIABLE).is_some_and(|folder| !folder.is_empty());
        Some(Self::of_container()).filter(|base| is_named || base.config("").is_dir())
    }

    /// A file of settings.
    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.0.join("input/config").join(name)
    }

    /// The folder of the channels.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.join("input/data")
    }

    /// The folder of a channel, or what the variable `SM_CHANNEL_NAME` says.
    pub(crate) fn channel(&self, name: &str) -> PathBuf {
        let variable = format!("SM_CHANNEL_{}", name.to_uppercase());
        or_variable(&variable, self.data().join(name))
    }

    /// Where the model goes, which SageMaker packs.
    pub(crate) fn model(&self) -> PathBuf {
        or_variable("SM_MODEL_DIR", self.0.join("model"))
    }

    /// Where everything else goes that is worth keeping.
    pub(crate) fn output_data(&self) -> PathBuf {
        or_variable("SM_OUTPUT_DATA_DIR", self.0.join("output/data"))
    }

    /// The file that says why a job failed.
    pub(crate) fn failure(&self) -> PathBuf {
        self.0.join("output/failure")
    }

    /// Where checkpoints go, unless a job says otherwise.
    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// A path as messages name it.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.0).unwrap_or(path)
    }
}

fn or_variable(variable: &str, path: PathBuf) -> PathBuf {
    env::var_os(variable).filter(|value| !value.is_empty()).map_or(path, PathBuf::from)
}
