//! Checkpoints in a table, for a process without a disk that lasts.
//!
//! The files of a [`CheckpointFolder`](crate::CheckpointFolder) are written to a scratch folder, which nothing depends on,
//! and from there into items of [`CHUNK`] bytes. One more item, the head, names those that make up the checkpoint: it is
//! written after them, in one call. It also says who uses the checkpoint and until when, so that call is refused when
//! somebody else has taken over. What such a straggler writes is named by no head: names of items hold its term.
//!
//! | item | attributes |
//! | --- | --- |
//! | `PREFIX` | `head` (JSON), `term`, `owner` and `until` (milliseconds since 1970) while there is one |
//! | `PREFIX/FILE/TERM/NUMBER` | `data` |
//! | `PREFIX/ended` | `shards`: those that have ended, where each shard has a checkpoint of its own |

use std::error::Error;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Condition, Item, KEY, Table};
use crate::Aws;
use crate::aws::{CallError, Fault};
use crate::checkpoint::{CheckpointError, CheckpointFolder, ENDED, MANIFEST, Mirror};
use crate::lock::lock_within;
use crate::now::now;

/// Bytes in an item: a quarter of what DynamoDB takes, so that a batch is sent in one go and written evenly.
const CHUNK: usize = 100 << 10;

/// Items that are in memory at once.
const CHUNKS_AT_ONCE: usize = 25;

/// How often a call is made: with the waits between, about half a minute.
const ATTEMPTS: u32 = 12;

/// How often somebody who waits looks whether the checkpoint is free.
const LOOK_EVERY: Duration = Duration::from_millis(500);

const VERSION: u32 = 1;

/// Where checkpoints are.
#[derive(Debug, Clone)]
pub struct TableName {
    /// The connection.
    pub aws: Arc<Aws>,
    /// The table; its partition key is `key`, a string, and it has no sort key.
    pub table: String,
    /// What the keys of items begin with, so that one table serves several consumers.
    pub prefix: String,
    /// How long a process may be silent before another one may take over; it speaks at each checkpoint.
    pub lease: Duration,
}

/// Why a table cannot be used for checkpoints.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such table.
    #[error(
        "there is no table for {place} in region {region}: create it, with the partition key `key`, a string, and no sort \
         key, or check its name and AWS_REGION"
    )]
    NoTable {
        /// Table and prefix.
        place: String,
        /// Where it was looked for.
        region: String,
        /// What DynamoDB says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The credentials do not allow it.
    #[error(
        "{operation} on {place} is refused: check the credentials, and that their policy allows dynamodb:{operation}"
    )]
    Refused {
        /// Table and prefix.
        place: String,
        /// What was refused.
        operation: &'static str,
        /// What DynamoDB says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Anything else.
    #[error("{operation} on {place} failed")]
    Failed {
        /// Table and prefix.
        place: String,
        /// What failed.
        operation: &'static str,
        /// What DynamoDB, or the way to it, says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another process uses the checkpoint.
    #[error(
        "{place} is in use by another process; give each process a prefix of its own (--state dynamodb:TABLE/PREFIX)"
    )]
    InUse {
        /// Table and prefix.
        place: String,
    },
    /// Another process has taken over.
    #[error("{place} has been taken over by another process, because this one was silent for longer than its lease")]
    TakenOver {
        /// Table and prefix.
        place: String,
    },
    /// An item is not as this library writes it.
    #[error("item {key:?} of {place} is missing, or not as this library writes it")]
    Damaged {
        /// Table and prefix.
        place: String,
        /// The item's key.
        key: String,
    },
    /// The scratch folder cannot be used.
    #[error("cannot use scratch folder {path:?}; TMPDIR names another place for it")]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What the head item says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    version: u32,
    /// `checkpoint.json`; nothing when there is none yet.
    checkpoint: Option<String>,
    /// Files that it names.
    files: Vec<Kept>,
    /// Files of which items may be there that nobody needs.
    stray: Vec<Kept>,
}

/// A file in items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    name: String,
    /// The term of the process that wrote it.
    term: u64,
    chunks: u64,
}

impl Kept {
    fn keys(&self, prefix: &str) -> impl Iterator<Item = String> {
        let stem = format!("{prefix}/{}/{}", self.name, self.term);
        (0..self.chunks).map(move |number| format!("{stem}/{number}"))
    }
}

impl TableName {
    fn place(&self) -> String {
        format!("dynamodb:{}/{}", self.table, self.prefix)
    }

    fn table(&self) -> Table {
        Table::new(&self.aws, &self.table, ATTEMPTS)
    }

    fn call_failed(&self) -> impl Fn(CallError) -> TableError {
        |CallError { operation, fault, source }| {
            let place = self.place();
            match fault {
                Fault::NotFound => TableError::NoTable { place, region: self.aws.region().to_owned(), source },
                Fault::Refused => TableError::Refused { place, operation, source },
                _ => TableError::Failed { place, operation, source },
            }
        }
    }

    fn head(&self, table: &Table) -> Result<Option<(Item, Head)>, TableError> {
        let Some(item) = table.get(&[&self.prefix]).map_err(self.call_failed())?.pop() else { return Ok(None) };
        let head = item.get("head").and_then(|head| serde_json::from_str::<Head>(head.as_s().ok()?).ok());
        match head.filter(|head| head.version == VERSION) {
            Some(head) => Ok(Some((item, head))),
            None => Err(TableError::Damaged { place: self.place(), key: self.prefix.clone() }),
        }
    }

    /// Writes the files of a checkpoint into a folder; `meanwhile` is done again and again, because it may take long.
    fn download(
        &self,
        table: &Table,
        head: &Head,
        folder: &Path,
        meanwhile: &mut dyn FnMut() -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let fail = |source| TableError::Scratch { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(fail)?;
        if let Some(checkpoint) = &head.checkpoint {
            fs::write(folder.join(MANIFEST), checkpoint).map_err(fail)?;
        }
        for kept in &head.files {
            let mut file = File::create(folder.join(&kept.name)).map_err(fail)?;
            let keys: Vec<String> = kept.keys(&self.prefix).collect();
            for keys in keys.chunks(CHUNKS_AT_ONCE) {
                let items = table.get(keys).map_err(self.call_failed())?;
                for key in keys {
                    let is_it = |item: &&Item| item.get(KEY).is_some_and(|found| found.as_s() == Ok(key));
                    let data = items.iter().find(is_it).and_then(|item| item.get("data")?.as_b().ok());
                    let data = data.ok_or_else(|| TableError::Damaged { place: self.place(), key: key.clone() })?;
                    file.write_all(data.as_ref()).map_err(fail)?;
                }
                meanwhile()?;
            }
        }
        Ok(())
    }

    /// Opens the checkpoint, and waits for a while for another process to leave it.
    pub(crate) fn open(&self, patience: Duration) -> Result<CheckpointFolder, CheckpointError> {
        let mut checkpoints = Checkpoints::acquire(self.clone(), patience)?;
        checkpoints.restore(Path::new("own"))?;
        checkpoints.open(Path::new("own"))
    }

    /// Opens that of a shard, beside those that ended shards have left.
    pub(crate) fn open_shard(&self, shard: &str, patience: Duration) -> Result<CheckpointFolder, CheckpointError> {
        let of = |shard: &str| Self { prefix: format!("{}/{shard}", self.prefix), ..self.clone() };
        let mut checkpoints = Checkpoints::acquire(of(shard), patience)?;
        checkpoints.restore(Path::new(shard))?;
        let table = self.table();
        let set = table.get(&[self.ended_key()]).map_err(self.call_failed())?.pop();
        let ended = set.and_then(|mut item| item.remove("shards")?.as_ss().ok().cloned()).unwrap_or_default();
        for other in ended.iter().filter(|other| *other != shard) {
            let (name, path) = (of(other), checkpoints.folder(Path::new(other)));
            let missing = || TableError::Damaged { place: name.place(), key: name.prefix.clone() };
            let (_, head) = name.head(&table)?.ok_or_else(missing)?;
            name.download(&table, &head, &path, &mut || checkpoints.renew())?;
            File::create(path.join(ENDED)).map_err(|source| TableError::Scratch { path, source })?;
        }
        checkpoints.open(Path::new(shard))
    }

    fn ended_key(&self) -> String {
        format!("{}/ended", self.prefix)
    }
}

/// The checkpoint of a process that holds the lease.
#[derive(Debug)]
struct Checkpoints {
    name: TableName,
    table: Table,
    owner: String,
    term: u64,
    head: Head,
    renewed: Instant,
    scratch: PathBuf,
    _lock: File,
}

impl Checkpoints {
    fn acquire(name: TableName, patience: Duration) -> Result<Self, TableError> {
        let table = name.table();
        let owner = format!("{:016x}-{}", RandomState::new().hash_one(std::process::id()), std::process::id());
        let begun = Instant::now();
        // Whoever was killed holds it until its lease has run out.
        let patience = patience.max(name.lease.saturating_mul(3) / 2);
        let (scratch, lock) = scratch(&std::env::temp_dir(), &name.place(), patience)?;
        let head = Head { version: VERSION, checkpoint: None, files: Vec::new(), stray: Vec::new() };
        let mut own = Self { table, owner, term: 1, head, renewed: begun, scratch, _lock: lock, name };
        loop {
            let found = own.name.head(&own.table)?;
            let condition = match &found {
                None => Condition { expression: "attribute_not_exists(#key)", names: vec![KEY], values: Vec::new() },
                Some((item, head)) => {
                    let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
                    let term = number("term").unwrap_or(0);
                    (own.term, own.head) = (term + 1, head.clone());
                    let until = item.get("owner").and_then(|_| number("until"));
                    // Another one may have come and gone, or still be there.
                    if until.is_some_and(|until| now_ms() <= until) && !own.is_owner(item) {
                        if begun.elapsed() >= patience {
                            return Err(TableError::InUse { place: own.name.place() });
                        }
                        thread::sleep(LOOK_EVERY);
                        continue;
                    }
                    if own.is_owner(item) {
                        // The answer to the call below was lost.
                        own.term = term;
                        return Ok(own);
                    }
                    let mut values = vec![("term", AttributeValue::N(term.to_string()))];
                    values.extend(item.get("until").map(|until| ("until", until.clone())));
                    let expression = if values.len() == 2 {
                        "#term = :term AND #until = :until"
                    } else {
                        "#term = :term AND attribute_not_exists(#until)"
                    };
                    Condition { expression, names: vec!["term", "until"], values }
                }
            };
            own.renewed = Instant::now();
            if own.table.put_if(&own.item(&own.head, true), &condition).map_err(own.name.call_failed())? {
                return Ok(own);
            }
        }
    }

    /// A folder for the files of a checkpoint.
    fn folder(&self, name: &Path) -> PathBuf {
        self.scratch.join("states").join(name)
    }

    /// Writes the checkpoint into the folder of that name.
    fn restore(&mut self, name: &Path) -> Result<(), TableError> {
        let (own, table, head, folder) = (self.name.clone(), self.name.table(), self.head.clone(), self.folder(name));
        own.download(&table, &head, &folder, &mut || self.renew())?;
        self.clear_away()
    }

    /// Opens the folder of that name, which holds the checkpoint.
    fn open(self, name: &Path) -> Result<CheckpointFolder, CheckpointError> {
        CheckpointFolder::open_mirrored(&self.folder(name), Box::new(self))
    }

    fn is_owner(&self, item: &Item) -> bool {
        item.get("owner").is_some_and(|owner| owner.as_s() == Ok(&self.owner))
    }

    fn item(&self, head: &Head, is_held: bool) -> Item {
        let text = serde_json::to_string(head).expect("this cannot fail because it has no maps");
        let mut item = Item::from([
            (KEY.to_owned(), AttributeValue::S(self.name.prefix.clone())),
            ("head".to_owned(), AttributeValue::S(text)),
            ("term".to_owned(), AttributeValue::N(self.term.to_string())),
        ]);
        if is_held {
            let until = now_ms().saturating_add(u64::try_from(self.name.lease.as_millis()).unwrap_or(u64::MAX));
            item.insert("owner".to_owned(), AttributeValue::S(self.owner.clone()));
            item.insert("until".to_owned(), AttributeValue::N(until.to_string()));
        }
        item
    }

    fn is_mine(&self) -> Condition {
        let owner = AttributeValue::S(self.owner.clone());
        Condition { expression: "#owner = :owner", names: vec!["owner"], values: vec![("owner", owner)] }
    }

    /// Makes this the head, and renews the lease.
    fn put_head(&mut self, head: Head) -> Result<(), TableError> {
        let renewed = Instant::now();
        let is_mine = self.table.put_if(&self.item(&head, true), &self.is_mine());
        if !is_mine.map_err(self.name.call_failed())? {
            return Err(TableError::TakenOver { place: self.name.place() });
        }
        (self.head, self.renewed) = (head, renewed);
        Ok(())
    }

    /// Renews the lease when a part of it has gone by.
    fn renew(&mut self) -> Result<(), TableError> {
        if self.renewed.elapsed() >= self.name.lease / 3 { self.put_head(self.head.clone()) } else { Ok(()) }
    }

    fn upload(&mut self, path: &Path, kept: &Kept) -> Result<(), TableError> {
        let fail = |source| TableError::Scratch { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(fail)?);
        let keys: Vec<String> = kept.keys(&self.name.prefix).collect();
        for keys in keys.chunks(CHUNKS_AT_ONCE) {
            let mut items = Vec::with_capacity(keys.len());
            for key in keys {
                let mut data = Vec::with_capacity(CHUNK);
                file.by_ref().take(CHUNK as u64).read_to_end(&mut data).map_err(fail)?;
                let key = (KEY.to_owned(), AttributeValue::S(key.clone()));
                items.push(Item::from([key, ("data".to_owned(), AttributeValue::B(Blob::new(data)))]));
            }
            self.table.put_all(items).map_err(self.name.call_failed())?;
            self.renew()?;
        }
        match file.fill_buf().map_err(fail)? {
            [] => Ok(()),
            _ => Err(fail(io::Error::other("the file has grown while it was read"))),
        }
    }

    /// Deletes items that nobody needs; the head says so with the next checkpoint.
    fn clear_away(&mut self) -> Result<(), TableError> {
        let keys: Vec<String> = self.head.stray.iter().flat_map(|stray| stray.keys(&self.name.prefix)).collect();
        self.table.delete_all(&keys).map_err(self.name.call_failed())?;
        self.head.stray.clear();
        Ok(())
    }
}

impl Mirror for Checkpoints {
    fn keep(&mut self, folder: &Path, names: &[String], checkpoint: String) -> Result<(), CheckpointError> {
        let is_kept = |name: &&String| self.head.files.iter().any(|kept| kept.name == **name);
        let mut fresh = Vec::new();
        for name in names.iter().filter(|name| !is_kept(name)) {
            let path = folder.join(name);
            let bytes = fs::metadata(&path).map_err(|source| TableError::Scratch { path, source })?.len();
            fresh.push(Kept { name: name.clone(), term: self.term, chunks: bytes.div_ceil(CHUNK as u64) });
        }
        // Whoever comes after a crash finds what may have been written.
        let mut head = self.head.clone();
        head.stray.extend(fresh.iter().cloned());
        self.put_head(head)?;
        for kept in &fresh {
            self.upload(&folder.join(&kept.name), kept)?;
        }
        let (mut files, mut stray): (Vec<Kept>, Vec<Kept>) =
            self.head.files.iter().cloned().partition(|kept| names.contains(&kept.name));
        stray.extend(self.head.stray.iter().filter(|stray| !fresh.contains(stray)).cloned());
        files.extend(fresh);
        self.put_head(Head { version: VERSION, checkpoint: Some(checkpoint), files, stray })?;
        // What cannot be deleted now stays named in the head, and is deleted the next time.
        let _ = self.clear_away();
        Ok(())
    }

    fn mark_ended(&self) -> Result<(), CheckpointError> {
        let Some((parent, shard)) = self.name.prefix.rsplit_once('/') else { return Ok(()) };
        let key = TableName { prefix: parent.to_owned(), ..self.name.clone() }.ended_key();
        Ok(self.table.add_to_set(&key, "shards", shard).map_err(self.name.call_failed())?)
    }
}

impl Drop for Checkpoints {
    /// Lets another process have it at once; if that fails, when the lease has run out.
    fn drop(&mut self) {
        let _ = self.table.put_if(&self.item(&self.head, false), &self.is_mine());
        let _ = fs::remove_dir_all(self.scratch.join("states"));
    }
}

/// A folder of this process alone, in which nothing is.
fn scratch(folder: &Path, place: &str, patience: Duration) -> Result<(PathBuf, File), TableError> {
    let path = folder.join(format!("consume-{:016x}", xxh3_64(place.as_bytes())));
    let fail = |source| TableError::Scratch { path: path.clone(), source };
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(&path).map_err(fail)?;
    // Anybody can tell its name, and may have been here before.
    #[cfg(unix)]
    check_own(&path).map_err(fail)?;
    let lock = File::options().create(true).append(true).open(path.join("lock")).map_err(fail)?;
    if !lock_within(&lock, patience).map_err(fail)? {
        return Err(TableError::InUse { place: place.to_owned() });
    }
    match fs::remove_dir_all(path.join("states")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fail(error)),
        _ => Ok((path, lock)),
    }
}

/// # Errors
/// When others made the folder, or may look into it: it holds states of tenants, and what is read from it is believed.
#[cfg(unix)]
fn check_own(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    // Not what a link leads to.
    let found = fs::symlink_metadata(path)?;
    let refuse = |what| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    if !found.is_dir() {
        return refuse("is no folder of its own; remove what is there");
    }
    if found.mode() & 0o077 != 0 {
        return refuse("is open to other users; remove it");
    }
    // What this process makes is its user's.
    let probe = path.join(format!("{:016x}", RandomState::new().hash_one(std::process::id())));
    let owner = File::create_new(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if owner == found.uid() { Ok(()) } else { refuse("is another user's") }
}

fn now_ms() -> u64 {
    now().millis().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_two_terms_never_meet_and_a_head_is_read_as_it_was_written() {
        let kept = |term, chunks| Kept { name: "states-7".to_owned(), term, chunks };
        let keys = |kept: &Kept| kept.keys("jobs").collect::<Vec<_>>();
        assert_eq!(keys(&kept(3, 2)), ["jobs/states-7/3/0", "jobs/states-7/3/1"]);
        assert!(keys(&kept(4, 2)).iter().all(|key| !keys(&kept(3, 2)).contains(key)));
        assert!(keys(&kept(1, 0)).is_empty());
        let head = Head {
            version: VERSION,
            checkpoint: Some("{}".to_owned()),
            files: vec![kept(1, 2)],
            stray: vec![kept(2, 1)],
        };
        let text = serde_json::to_string(&head).expect("is written");
        assert_eq!(serde_json::from_str::<Head>(&text).expect("is read"), head);
    }

    #[cfg(unix)]
    #[test]
    fn a_scratch_folder_that_others_made_or_may_use_is_refused() {
        use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
        let at = tempfile::tempdir().expect("a folder");
        let made = || scratch(at.path(), "dynamodb:table/prefix", Duration::ZERO);
        let why = || Error::source(&made().expect_err("is refused")).expect("has one").to_string();
        let (path, lock) = made().expect("is made");
        drop(lock);
        made().expect("is ours");
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("is ours");
        for open in [0o777, 0o750, 0o701] {
            mode(open);
            assert_eq!(why(), "is open to other users; remove it");
        }
        mode(0o700);
        // Only root can give something away.
        if chown(&path, Some(12_345), None).is_ok() {
            assert_eq!(why(), "is another user's");
            chown(&path, Some(0), None).expect("is taken back");
        }
        let elsewhere = at.path().join("elsewhere");
        fs::rename(&path, &elsewhere).expect("is moved");
        symlink(&elsewhere, &path).expect("is made");
        assert_eq!(why(), "is no folder of its own; remove what is there");
    }
}
