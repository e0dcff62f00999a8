//! The models that are served: one, or many that come and go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::http::refusal::Refusal;
use crate::problem::Problem;
use crate::served_model::{LoadError, ServedModel, model_file};

/// What a model takes in memory for each byte of its file. Of a forest of 1,500 trees and 99 MB it is 3.0 while it is
/// read, then 1.6 for model and scorer, and 4.4 once reasons have been asked for.
const MEMORY_PER_FILE_BYTE: u64 = 5;

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
    pub(crate) fn load(&self, name: &str, url: &str) -> Result<Arc<ServedModel>, Refusal> {
        if name.is_empty() {
            return Err(Problem::Form { path: "model_name".to_owned(), expected: "a name" }.into());
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if self.read().contains_key(name) {
            return Err(Refusal::ModelRegistered { name: name.to_owned() });
        }
        let folder = self.folder(name, url)?;
        let bad = |source: LoadError| Refusal::ModelFile { name: name.to_owned(), source };
        let file = if folder.is_dir() { model_file(&folder).map_err(bad)? } else { folder };
        let n_bytes = file.metadata().map_or(0, |metadata| metadata.len()).saturating_mul(MEMORY_PER_FILE_BYTE);
        self.check_memory(name, n_bytes)?;
        let model = Arc::new(ServedModel::read(&file).map_err(bad)?);
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(name.to_owned(), Entry { url: url.to_owned(), model: model.clone(), n_bytes });
        Ok(model)
    }

    /// Forgets a model, and gives it back so that the caller can wait until nobody uses it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn unload(&self, name: &str) -> Result<Arc<ServedModel>, Refusal> {
        let entry = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        entry.map(|entry| entry.model).ok_or_else(|| Refusal::ModelNotFound { name: name.to_owned() })
    }

    /// The model of that name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn get(&self, name: &str) -> Result<Entry, Refusal> {
        self.read().get(name).cloned().ok_or_else(|| Refusal::ModelNotFound { name: name.to_owned() })
    }

    /// All models, by name.
    pub(crate) fn list(&self) -> Vec<(String, Entry)> {
        self.read().iter().map(|(name, entry)| (name.clone(), entry.clone())).collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The folder that the platform names, which must lie below `/opt/ml`.
    fn folder(&self, name: &str, url: &str) -> Result<PathBuf, Refusal> {
        let fail = |text: String| Refusal::ModelUrl { name: name.to_owned(), text };
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

    fn check_memory(&self, name: &str, n_bytes: u64) -> Result<(), Refusal> {
        let taken: u64 = self.read().values().map(|entry| entry.n_bytes).sum();
        let free = self.most_bytes.saturating_sub(taken);
        if n_bytes > free {
            let (needed_mb, free_mb) = (n_bytes.div_ceil(1 << 20), free >> 20);
            return Err(Refusal::NoMemory { name: name.to_owned(), needed_mb, free_mb });
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
    pub(crate) fn only(&self) -> Result<Arc<ServedModel>, Refusal> {
        match self {
            Self::One(_, model) => model.get().cloned().ok_or(Refusal::NotReady),
            Self::Many(_) => Err(Refusal::ManyModels),
        }
    }

    /// The model of that name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<ServedModel>, Refusal> {
        match self {
            Self::One(only, model) if only == name => model.get().cloned().ok_or(Refusal::NotReady),
            Self::One(..) => Err(Refusal::ModelNotFound { name: name.to_owned() }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_models;

    /// A registry whose base has a model in `models/a` and a file that is none in `models/b`.
    fn registry(most_bytes: u64) -> (tempfile::TempDir, Registry) {
        let base = tempfile::tempdir().unwrap();
        for folder in ["a", "b"] {
            std::fs::create_dir_all(base.path().join("models").join(folder)).unwrap();
        }
        test_models::model().write(&base.path().join("models/a").join("model.safetensors")).unwrap();
        std::fs::write(base.path().join("models/b/model.safetensors"), "nothing").unwrap();
        let registry = Registry::new(base.path().to_owned(), most_bytes);
        (base, registry)
    }

    fn status<T>(result: Result<T, Refusal>) -> u16 {
        result.map_or_else(|refusal| refusal.status().as_u16(), |_| 200)
    }

    #[test]
    fn a_model_is_loaded_under_a_name_once_and_can_go_again() {
        let (_base, registry) = registry(u64::MAX);
        assert_eq!(status(registry.get("m")), 404);
        assert_eq!(status(registry.load("m", "/opt/ml/models/a")), 200);
        assert_eq!(status(registry.load("m", "/opt/ml/models/a")), 409);
        assert_eq!(status(registry.load("n", "file:///opt/ml/models/a")), 200);
        assert_eq!(registry.list().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["m", "n"]);
        assert_eq!(registry.get("m").unwrap().url, "/opt/ml/models/a");
        assert_eq!([(); 2].map(|()| status(registry.unload("m"))), [200, 404]);
        assert_eq!(status(registry.load("m", "/opt/ml/models/a")), 200);
    }

    #[test]
    fn what_is_no_model_is_not_loaded() {
        let (base, registry) = registry(u64::MAX);
        let elsewhere = tempfile::tempdir().unwrap();
        test_models::model().write(&elsewhere.path().join("model.safetensors")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), base.path().join("out")).unwrap();
        for (name, url, expected) in [
            ("", "/opt/ml/models/a", 400),
            ("m", "/opt/ml/models/b", 400),
            ("m", "/opt/ml/models", 400),
            ("m", "/opt/ml/models/c", 404),
            ("m", "/opt/ml/models/../..", 404),
            ("m", "/opt/ml/out", 404),
            ("m", "/tmp", 404),
        ] {
            assert_eq!(status(registry.load(name, url)), expected, "{url}");
        }
        assert!(registry.list().is_empty());
    }

    #[test]
    fn a_model_needs_memory_that_unloading_another_gives_back() {
        let n_bytes = {
            let (base, _) = registry(0);
            std::fs::metadata(base.path().join("models/a/model.safetensors")).unwrap().len()
        };
        let (_base, registry) = registry(MEMORY_PER_FILE_BYTE * n_bytes);
        assert_eq!(status(registry.load("m", "/opt/ml/models/a")), 200);
        assert_eq!(status(registry.load("n", "/opt/ml/models/a")), 507);
        registry.unload("m").unwrap();
        assert_eq!(status(registry.load("n", "/opt/ml/models/a")), 200);
    }

    #[test]
    fn only_one_of_many_is_asked_by_name() {
        let one = Models::One("churn".to_owned(), OnceLock::new());
        assert_eq!([status(one.only()), status(one.named("churn")), status(one.named("other"))], [503, 503, 404]);
        assert!(!one.are_ready());
        let many = Models::Many(registry(0).1);
        assert_eq!([status(many.only()), status(many.named("churn"))], [404, 404]);
        assert!(many.are_ready());
    }
}
