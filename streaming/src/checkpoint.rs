//! A folder with the states of tenants and the positions that they are complete up to.
//!
//! `checkpoint.json` names all there is, and is replaced as a whole: whatever happens, the folder holds the last
//! checkpoint or the one before it. Most checkpoints write only what has changed; when the changes have grown as large as
//! the whole, the whole is written anew. `docs/streaming.md` describes the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use churn_events::{Timestamp, WholeFile};
use churn_features::{Error as FeatureError, FeatureStore, SnapshotError};
use serde::{Deserialize, Serialize};

use crate::lock::lock_within;
use crate::marks::Marks;
use crate::now::CLOCK_AHEAD_MS;
use crate::{Position, Processor, ProcessorOptions, RecordCounts, ScoreWhen, Scoring, SinkPosition};

const VERSION: u32 = 1;
/// Files of states, after which all states are written anew: each has to be opened when a process starts.
const MOST_FILES: usize = 64;
pub(crate) const MANIFEST: &str = "checkpoint.json";
const LOCK: &str = "lock";

/// Stands in the folder of a shard that has ended: its last checkpoint is what it leaves to others.
pub(crate) const ENDED: &str = "ended";

/// Why a checkpoint cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder cannot be used.
    #[error("cannot use {path:?} for checkpoints")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process uses the folder.
    #[error("checkpoint folder {path:?} is in use by another process; give each process a folder of its own")]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest is no manifest.
    #[error(
        "{path:?} does not describe a checkpoint: put back the file as it was, or name an empty folder for --state and replay \
         the stream"
    )]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// States are there, but not what says how far they have come.
    #[error(
        "folder {path:?} has no checkpoint.json, but {found:?} of a checkpoint: put back checkpoint.json, or name an empty \
         folder for --state and replay the stream"
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// A file that a manifest would name.
        found: String,
    },
    /// The checkpoint was written by a later version of this library.
    #[error("{path:?} has format version {found}; this build reads 1 to {newest}")]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Newest version that is read.
        newest: u32,
    },
    /// States cannot be written or read.
    #[error("the states of tenants cannot be written or read")]
    States {
        /// Why not.
        source: SnapshotError,
    },
    /// The states were kept under other options.
    #[error(
        "the states in {path:?} were kept under other options; name an empty folder for --state and replay the stream, or go \
         back to these options"
    )]
    Options {
        /// The folder.
        path: PathBuf,
        /// Which option differs.
        source: FeatureError,
    },
    /// The checkpoint was written with other sinks.
    #[error(
        "the checkpoint in {path:?} was written with the sinks {found}, not {expected}; name the same sinks, or an empty \
         folder for --state"
    )]
    Sinks {
        /// The folder.
        path: PathBuf,
        /// Sinks then.
        found: String,
        /// Sinks now.
        expected: String,
    },
    /// The table cannot be used.
    #[cfg(feature = "dynamodb")]
    #[error(transparent)]
    Table(#[from] crate::TableError),
}

/// A place that lasts longer than the folder, which is kept there, too.
pub(crate) trait Mirror: fmt::Debug + Send {
    /// Keeps these files of the folder, and no others, as one checkpoint; when this fails, the one before it is still there.
    fn keep(&mut self, folder: &Path, names: &[String], checkpoint: String) -> Result<(), CheckpointError>;

    /// See [`CheckpointFolder::mark_ended`].
    fn mark_ended(&self) -> Result<(), CheckpointError>;
}

/// What a checkpoint consists of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    version: u32,
    /// Checkpoints written so far.
    number: u64,
    /// The last position of each shard that states and sinks are complete up to.
    positions: BTreeMap<String, Position>,
    /// Shards that have ended and been taken in to their end.
    #[serde(default)]
    ended: BTreeSet<String>,
    /// When the event that was received last was, in milliseconds.
    #[serde(default)]
    received_up_to: Option<i64>,
    /// When the first run began that read what comes from then on, in milliseconds.
    #[serde(default)]
    begun_at: Option<i64>,
    /// Files of states: all of them, and the changes since then.
    states: Vec<String>,
    /// Files of marks, likewise.
    marks: Vec<String>,
    counts: RecordCounts,
    sinks: Vec<SinkMark>,
}

impl Manifest {
    fn read_into(&self, folder: &Path, store: &mut FeatureStore, marks: &mut Marks) -> Result<(), CheckpointError> {
        for name in &self.states {
            let states = FeatureStore::read_snapshot(folder.join(name));
            let states = states.map_err(|source| CheckpointError::States { source })?;
            let updated = store.update(states);
            updated.map_err(|source| CheckpointError::Options { path: folder.to_owned(), source })?;
        }
        for name in &self.marks {
            let path = folder.join(name);
            marks.update(&path).map_err(|source| CheckpointError::File { path, source })?;
        }
        Ok(())
    }
}

/// How far a sink had come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SinkMark {
    /// The sink as it was named.
    pub(crate) name: String,
    /// How far it had come.
    #[serde(flatten)]
    pub(crate) position: SinkPosition,
}

/// A folder of checkpoints, which no other process uses meanwhile.
#[derive(Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
    manifest: Manifest,
    /// What the manifest will say of it when it is written next.
    begun_at: Option<i64>,
    whole_bytes: u64,
    changes_bytes: u64,
    /// What this process wrote last.
    written_bytes: u64,
    mirror: Option<Box<dyn Mirror>>,
    _lock: File,
}

impl CheckpointFolder {
    /// Opens a folder, which is made where it is not there, and waits for a while for another process to leave it.
    ///
    /// # Errors
    /// When the folder cannot be used, is in use, or holds something else.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, CheckpointError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| CheckpointError::File { path, source }
        };
        fs::create_dir_all(path).map_err(fail(path))?;
        let lock_path = path.join(LOCK);
        let lock = File::options().create(true).append(true).open(&lock_path).map_err(fail(&lock_path))?;
        if !lock_within(&lock, patience).map_err(fail(&lock_path))? {
            return Err(CheckpointError::Locked { path: path.to_owned() });
        }
        let manifest = read_manifest(path)?.unwrap_or_default();
        let mut folder = Self {
            path: path.to_owned(),
            begun_at: manifest.begun_at,
            manifest,
            whole_bytes: 0,
            changes_bytes: 0,
            written_bytes: 0,
            mirror: None,
            _lock: lock,
        };
        folder.clear_away().map_err(fail(path))?;
        let size = |name: &String| {
            let path = path.join(name);
            fs::metadata(&path).map(|found| found.len()).map_err(fail(&path))
        };
        let sizes = folder.manifest.states.iter().map(size).collect::<Result<Vec<u64>, CheckpointError>>()?;
        folder.whole_bytes = sizes.first().copied().unwrap_or(0);
        folder.changes_bytes = sizes.iter().skip(1).sum();
        Ok(folder)
    }

    /// Opens a folder which holds what the mirror does, and keeps what is written in both.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn open_mirrored(path: &Path, mirror: Box<dyn Mirror>) -> Result<Self, CheckpointError> {
        Ok(Self { mirror: Some(mirror), ..Self::open(path, Duration::ZERO)? })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether nothing was written here yet.
    pub fn is_empty(&self) -> bool {
        self.manifest.number == 0
    }

    /// Whether a run that was to write to the sink of that name began here.
    pub(crate) fn has_begun(&self, name: &str) -> bool {
        self.manifest.sinks.iter().any(|sink| sink.name == name)
    }

    /// Notes, before the first checkpoint and before anything is written to them, which sinks a run begins with: what is in
    /// them from now on is of this folder, should it break off before there is a checkpoint. With them, or alone where there
    /// is a checkpoint, when it began.
    pub(crate) fn begin(&mut self, names: Vec<String>) -> Result<(), CheckpointError> {
        let is_noted = self.manifest.version == VERSION
            && self.manifest.begun_at == self.begun_at
            && names.iter().all(|name| self.has_begun(name));
        if is_noted {
            return Ok(());
        }
        let mut manifest = Manifest { version: VERSION, begun_at: self.begun_at, ..self.manifest.clone() };
        let fresh = names.into_iter().filter(|name| !self.has_begun(name));
        manifest.sinks.extend(fresh.map(|name| SinkMark { name, position: SinkPosition::default() }));
        let path = self.path.join(MANIFEST);
        place(&path, &manifest).map_err(|source| CheckpointError::File { path, source })?;
        self.manifest = manifest;
        self.mirror()
    }

    /// When the first run began that asked this, less the five minutes that its clock may have been ahead of a stream's.
    ///
    /// None if it is this one, which has to begin with what comes from now on: [`Consumer::begin`](crate::Consumer::begin)
    /// notes the time for those to come.
    pub fn begun_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        let before = self.begun_at;
        self.begun_at = before.or(Some(now.millis()));
        before.map(|millis| Timestamp::from_millis(millis.saturating_sub(CLOCK_AHEAD_MS)))
    }

    /// Bytes of the files that this process wrote for its last checkpoint; 0 when it wrote none.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// How many checkpoints were written.
    pub fn number(&self) -> u64 {
        self.manifest.number
    }

    /// The last position of each shard that states and sinks are complete up to.
    pub fn positions(&self) -> &BTreeMap<String, Position> {
        &self.manifest.positions
    }

    /// How far each sink had come, in the order in which they are named now; nowhere when there is no checkpoint yet.
    ///
    /// # Errors
    /// [`CheckpointError::Sinks`] when they were others.
    pub(crate) fn sinks(&self, names: &[String]) -> Result<Vec<SinkPosition>, CheckpointError> {
        if self.is_empty() {
            return Ok(vec![SinkPosition::default(); names.len()]);
        }
        let find = |name: &String| self.manifest.sinks.iter().find(|sink| sink.name == *name);
        let found: Option<Vec<SinkPosition>> = names.iter().map(|name| Some(find(name)?.position)).collect();
        found.filter(|found| found.len() == self.manifest.sinks.len()).ok_or_else(|| {
            let found: Vec<&str> = self.manifest.sinks.iter().map(|sink| sink.name.as_str()).collect();
            CheckpointError::Sinks { path: self.path.clone(), found: found.join(", "), expected: names.join(", ") }
        })
    }

    /// A processor as it was at the last checkpoint, or a new one.
    ///
    /// # Errors
    /// When the files cannot be read, or states were kept under other options.
    pub fn restore(&self, options: ProcessorOptions, scoring: Option<Scoring>) -> Result<Processor, CheckpointError> {
        let is_daily = options.when == ScoreWhen::Daily && scoring.is_some();
        let mut processor = Processor::new(options, scoring);
        self.manifest.read_into(&self.path, &mut processor.store, &mut processor.marks)?;
        processor.store.forget_changes();
        processor.positions = self.manifest.positions.clone();
        processor.ended = self.manifest.ended.clone();
        processor.received_up_to = self.manifest.received_up_to;
        processor.counts = self.manifest.counts;
        if is_daily {
            processor.make_due();
        }
        Ok(processor)
    }

    /// Writes a checkpoint; when this returns, it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written. The one before it is then still there.
    /// # Cost
    /// A look at every tenant, and writing those that have changed; now and then, everything.
    pub(crate) fn write(&mut self, processor: &mut Processor, sinks: Vec<SinkMark>) -> Result<(), CheckpointError> {
        let before = &self.manifest;
        let is_same = before.number > 0
            && (&before.positions, &before.ended, before.counts, before.received_up_to, &before.sinks)
                == (&processor.positions, &processor.ended, processor.counts, processor.received_up_to, &sinks);
        if is_same {
            // A lease has to be renewed all the same.
            return self.mirror();
        }
        let number = self.manifest.number + 1;
        let is_whole = self.manifest.states.is_empty()
            || self.changes_bytes >= self.whole_bytes
            || self.manifest.states.len() >= MOST_FILES;
        let (states, marks) = (format!("states-{number:012}"), format!("marks-{number:012}.jsonl"));
        let (states_path, marks_path) = (self.path.join(&states), self.path.join(&marks));
        let store = &processor.store;
        let written = if is_whole { store.write_snapshot(&states_path) } else { store.write_changes(&states_path) };
        written.map_err(|source| CheckpointError::States { source })?;
        let fail = |path: PathBuf| move |source| CheckpointError::File { path, source };
        processor.marks.write(&marks_path, !is_whole).map_err(fail(marks_path.clone()))?;
        let size = |path: PathBuf| fs::metadata(&path).map(|found| found.len()).map_err(fail(path));
        let (bytes, marks_bytes) = (size(states_path)?, size(marks_path)?);
        let before = if is_whole {
            (Vec::new(), Vec::new())
        } else {
            (self.manifest.states.clone(), self.manifest.marks.clone())
        };
        let manifest = Manifest {
            version: VERSION,
            number,
            positions: processor.positions.clone(),
            ended: processor.ended.clone(),
            received_up_to: processor.received_up_to,
            begun_at: self.begun_at,
            states: before.0.into_iter().chain([states]).collect(),
            marks: before.1.into_iter().chain([marks]).collect(),
            counts: processor.counts,
            sinks,
        };
        let manifest_path = self.path.join(MANIFEST);
        place(&manifest_path, &manifest).map_err(fail(manifest_path.clone()))?;
        self.manifest = manifest;
        self.written_bytes = bytes + marks_bytes + size(manifest_path)?;
        self.mirror()?;
        if is_whole {
            (self.whole_bytes, self.changes_bytes) = (bytes, 0);
            // What is left behind is cleared away by whoever opens the folder next.
            let _ = self.clear_away();
        } else {
            self.changes_bytes += bytes;
        }
        processor.store.forget_changes();
        processor.marks.forget_changes();
        Ok(())
    }

    /// Says that this was the last checkpoint of a shard that has ended, and that others may read it from now on.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn mark_ended(&self) -> Result<(), CheckpointError> {
        let path = self.path.join(ENDED);
        let written = WholeFile::create(&path).and_then(WholeFile::finish);
        written.map_err(|source| CheckpointError::File { path, source })?;
        self.mirror.as_ref().map_or(Ok(()), |mirror| mirror.mark_ended())
    }

    /// Whether a folder is that of a shard that has ended.
    pub(crate) fn has_ended(path: &Path) -> Result<bool, CheckpointError> {
        let path = path.join(ENDED);
        path.try_exists().map_err(|source| CheckpointError::File { path, source })
    }

    /// Puts the states and marks of a folder, which nobody writes any more, in the place of those that are there.
    pub(crate) fn read_into(path: &Path, store: &mut FeatureStore, marks: &mut Marks) -> Result<(), CheckpointError> {
        read_manifest(path)?.unwrap_or_default().read_into(path, store, marks)
    }

    /// Lets the mirror keep what the folder holds.
    fn mirror(&mut self) -> Result<(), CheckpointError> {
        let Some(mirror) = &mut self.mirror else { return Ok(()) };
        // Without the folder's line breaks: there may be a bound on its length.
        let text = serde_json::to_string(&self.manifest);
        let text = text.map_err(|source| CheckpointError::Manifest { path: self.path.join(MANIFEST), source })?;
        let names: Vec<String> = self.manifest.states.iter().chain(&self.manifest.marks).cloned().collect();
        mirror.keep(&self.path, &names, text)
    }

    /// Removes files that belong to no checkpoint any more, or to one that was not finished.
    fn clear_away(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_ours = is_checkpoints(name);
            let is_named = self.manifest.states.iter().chain(&self.manifest.marks).any(|kept| kept == name);
            if is_ours && !is_named {
                fs::remove_file(entry.path())?;
            }
            if name.starts_with(".partial-") && self.manifest.number > 0 {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Whether a file is one of those that manifests name.
fn is_checkpoints(name: &str) -> bool {
    is_numbered(name, "states-", "") || is_numbered(name, "marks-", ".jsonl")
}

/// Whether a file's name is one that checkpoints have.
fn is_numbered(name: &str, prefix: &str, ending: &str) -> bool {
    let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(ending));
    number.is_some_and(|number| number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The last file of states or marks in a folder, if there is one.
fn last_file(folder: &Path) -> io::Result<Option<String>> {
    let mut last = None;
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if is_checkpoints(&name) {
            last = last.max(Some(name));
        }
    }
    Ok(last)
}

fn read_manifest(folder: &Path) -> Result<Option<Manifest>, CheckpointError> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let path = folder.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // It is the first file of a folder, and never goes away.
            return match last_file(folder)
                .map_err(|source| CheckpointError::File { path: folder.to_owned(), source })?
            {
                Some(found) => Err(CheckpointError::NoManifest { path: folder.to_owned(), found }),
                None => Ok(None),
            };
        }
        Err(source) => return Err(CheckpointError::File { path, source }),
    };
    let fail = |source| CheckpointError::Manifest { path: path.clone(), source };
    let Version { version: found } = serde_json::from_slice(&bytes).map_err(fail)?;
    if found != VERSION {
        return Err(CheckpointError::UnknownVersion { path, found, newest: VERSION });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(fail)
}

fn place(path: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    serde_json::to_writer_pretty(&mut file, manifest)?;
    file.write_all(b"\n")?;
    file.finish()
}
