//! The models that are served: one, or many that come and go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::problem::Problem;
use crate::served_model::{LoadError, ServedModel, model_file};

/// What a model takes in memory for each byte of its file: the model itself, the scorer, the explainer.
const MEMORY_PER_FILE_BYTE: u64 = 4;

/// A model with the place it was loaded from.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) url: String,
    pub(crate) model: Arc<ServedModel>,
    n_bytes: u64,
}

/// The models of an endpoint of many, by the platform's names for them, which mean nothing.
#[derive(Debug)]
pub(crate) struct Registry {
    entries: RwLock<BTreeMap<String, Entry>>,
    /// Held while a model is loaded: the next one has to know what is left.
    loading: Mutex<()>,
    /// Stands for `/opt/ml` in what the platform names.
    base: PathBuf,
    most_bytes: u64,
}

impl Registry {
    pub(crate) fn new(base: PathBuf, most_bytes: u64) -> Self {
        Self { entries: RwLock::default(), loading: Mutex::default(), base, most_bytes }
    }

    /// Loads a model from a folder.
    ///
    /// # Errors
    /// When the name is taken, there is no such folder or no model in it, or no memory for it.
    pub(crate) fn load(&self, name: &str, url: &str) -> Result<(), Problem> {
        if name.is_empty() {
            return Err(Problem::Form { path: "model_name".to_owned(), expected: "a name" });
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.read().contains_key(name) {
            return Err(Problem::ModelRegistered { name: name.to_owned() });
        }
        let folder = self.folder(name, url)?;
        let bad = |source: LoadError| Problem::ModelFile { name: name.to_owned(), source };
        let file = if folder.is_dir() { model_file(&folder).map_err(bad)? } else { folder };
        let n_bytes = file.metadata().map_or(0, |metadata| metadata.len()).saturating_mul(MEMORY_PER_FILE_BYTE);
        self.check_memory(name, n_bytes)?;
        let model = Arc::new(ServedModel::read(&file).map_err(bad)?);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(name.to_owned(), Entry { url: url.to_owned(), model, n_bytes });
        Ok(())
    }

    /// Forgets a model, and gives it back so that the caller can wait until nobody uses it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn unload(&self, name: &str) -> Result<Arc<ServedModel>, Problem> {
        let entry = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        entry.map(|entry| entry.model).ok_or_else(|| Problem::ModelNotFound { name: name.to_owned() })
    }

    /// The model of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn get(&self, name: &str) -> Result<Entry, Problem> {
        self.read().get(name).cloned().ok_or_else(|| Problem::ModelNotFound { name: name.to_owned() })
    }

    /// All models, by name.
    pub(crate) fn list(&self) -> Vec<(String, Entry)> {
        self.read().iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder that the platform names, which must lie below `/opt/ml`.
    fn folder(&self, name: &str, url: &str) -> Result<PathBuf, Problem> {
        let fail = |text: String| Problem::ModelUrl { name: name.to_owned(), text };
        let url = Path::new(url.strip_prefix("file://").unwrap_or(url));
        let path = match url.strip_prefix("/opt/ml") {
            Ok(rest) => self.base.join(rest),
            Err(_) => url.to_owned(),
        };
        let found = path.canonicalize().map_err(|error| fail(format!("cannot find {}: {error}", url.display())))?;
        let base = self.base.canonicalize().map_err(|error| fail(format!("cannot find the base folder: {error}")))?;
        if path.is_absolute() && found.starts_with(base) {
            Ok(found)
        } else {
            Err(fail(format!("{} does not lie below /opt/ml", url.display())))
        }
    }

    fn check_memory(&self, name: &str, n_bytes: u64) -> Result<(), Problem> {
        let taken: u64 = self.read().values().map(|entry| entry.n_bytes).sum();
        let free = self.most_bytes.saturating_sub(taken);
        if n_bytes > free {
            let (needed_mb, free_mb) = (n_bytes.div_ceil(1 << 20), free >> 20);
            return Err(Problem::NoMemory { name: name.to_owned(), needed_mb, free_mb });
        }
        Ok(())
    }
}

/// What is served.
#[derive(Debug)]
pub(crate) enum Models {
    /// One model under a name, empty until it is loaded.
    One(String, OnceLock<Arc<ServedModel>>),
    /// Many.
    Many(Registry),
}

impl Models {
    /// The model that `/invocations` asks.
    pub(crate) fn only(&self) -> Result<Arc<ServedModel>, Problem> {
        match self {
            Self::One(_, model) => model.get().cloned().ok_or(Problem::NotReady),
            Self::Many(_) => Err(Problem::ManyModels),
        }
    }

    /// The model of that name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<ServedModel>, Problem> {
        match self {
            Self::One(only, model) if only == name => model.get().cloned().ok_or(Problem::NotReady),
            Self::One(..) => Err(Problem::ModelNotFound { name: name.to_owned() }),
            Self::Many(registry) => registry.get(name).map(|entry| entry.model),
        }
    }

    /// All models that are ready, by name.
    pub(crate) fn all(&self) -> Vec<(String, Arc<ServedModel>)> {
        match self {
            Self::One(name, model) => model.get().map(|model| (name.clone(), model.clone())).into_iter().collect(),
            Self::Many(registry) => registry.list().into_iter().map(|(name, entry)| (name, entry.model)).collect(),
        }
    }

    /// Whether requests can be answered; an endpoint of many models is ready without any.
    pub(crate) fn are_ready(&self) -> bool {
        match self {
            Self::One(_, model) => model.get().is_some(),
            Self::Many(_) => true,
        }
    }
}

/// Bytes that models may take: what the system lets this process have, less some for requests.
pub(crate) fn memory_for_models() -> u64 {
    const FOR_REQUESTS: u64 = 32 << 20;
    let of_file = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let of_system = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    };
    let of_process = rlimit::Resource::AS.get().ok().map(|(soft, _)| soft);
    let limits = [
        of_file("/sys/fs/cgroup/memory.max"),
        of_file("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        of_system(),
        of_process,
    ];
    limits.into_iter().flatten().min().map_or(u64::MAX, |limit| limit.saturating_sub(FOR_REQUESTS))
}
