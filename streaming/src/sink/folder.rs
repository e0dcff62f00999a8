//! Objects as files of a folder.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use churn_events::WholeFile;

use super::objects::{Failure, ObjectFormat, ObjectPlace, ObjectSink};
use crate::Retries;

struct Folder {
    path: PathBuf,
    /// Whoever waits for a hundred thousand files sees here that it goes on.
    retries: Arc<Retries>,
}

impl ObjectSink {
    /// Objects as files of a folder, which is made where it is not there; `retries` is where those that were written or
    /// removed count as successes.
    pub fn folder(path: &Path, format: ObjectFormat, retries: Arc<Retries>) -> Self {
        let folder = Folder { path: path.to_owned(), retries };
        Self::new(format!("folder:{}", path.display()), Box::new(folder), format)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("file {path:?} cannot be used")]
struct FileError {
    path: PathBuf,
    source: io::Error,
}

impl ObjectPlace for Folder {
    fn write(&mut self, objects: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        for (name, bytes) in objects {
            let path = self.path.join(name);
            let write = || -> io::Result<()> {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut file = WholeFile::create(&path)?;
                file.write_all(&bytes)?;
                file.finish()
            };
            write().map_err(|source| FileError { path: path.clone(), source })?;
            self.retries.note_success();
        }
        Ok(())
    }

    fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError { path, source }.into()),
        }
    }

    fn remove(&mut self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError { path, source }.into());
                }
                _ => self.retries.note_success(),
            }
        }
        Ok(())
    }

    fn clear_away(&mut self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            let path = self.path.join(name);
            WholeFile::clear_away(&path).map_err(|source| FileError { path, source })?;
            self.retries.note_success();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeadLetter, Sink as _, SinkPosition};

    #[test]
    fn a_folder_gives_back_what_it_was_given_until_it_is_removed() {
        let at = tempfile::tempdir().expect("is made");
        let retries = Arc::new(Retries::default());
        let mut folder = Folder { path: at.path().join("new"), retries: Arc::clone(&retries) };
        assert!(folder.read("a/b.jsonl").expect("is looked for").is_none());
        folder.write(vec![("a/b.jsonl".to_owned(), b"1".to_vec())]).expect("is written");
        folder.write(vec![("a/b.jsonl".to_owned(), b"2".to_vec())]).expect("is written again");
        assert_eq!(folder.read("a/b.jsonl").expect("is read"), Some(b"2".to_vec()));
        folder.remove(&["a/b.jsonl".to_owned(), "a/c.jsonl".to_owned()]).expect("is removed");
        assert!(folder.read("a/b.jsonl").expect("is looked for").is_none());
        assert_eq!(retries.successes(), 4, "two were written, and two removed");
    }

    #[test]
    fn what_a_killed_writer_was_writing_is_removed_and_nothing_of_others() {
        let at = tempfile::tempdir().expect("is made");
        let sink = |parts| {
            let mut sink = ObjectSink::folder(at.path(), ObjectFormat::JsonLines, Arc::default());
            sink.restore(SinkPosition { parts, ..SinkPosition::default() }).expect("is restored");
            sink
        };
        let partials = || {
            let folders = ["", "dead-letters"].into_iter().flat_map(|folder| fs::read_dir(at.path().join(folder)));
            let names = folders.flatten().map(|entry| entry.expect("is there").file_name());
            names.filter(|name| name.to_string_lossy().starts_with(".partial-")).count()
        };
        let mut killed = sink(None);
        killed.bury(&[DeadLetter::new("s", 1, "line", "is not JSON", b"{")]).expect("is taken");
        killed.keep().expect("is kept");
        drop(killed);
        let begin = |name: &str| std::mem::forget(WholeFile::create(&at.path().join(name)).expect("is begun"));
        begin("dead-letters/part-000000.jsonl");
        begin("pending.json");
        // Another process is about to write in it, or has been killed just before it was removed.
        fs::create_dir(at.path().join("dead-letters/.partial-x")).expect("is made");
        let ours = partials();
        begin("model.safetensors");
        begin("dead-letters/notes.txt");
        assert_eq!((ours, partials()), (3, 5));
        drop(sink(None));
        assert_eq!(partials(), 3);
        assert!(!at.path().join("dead-letters/part-000000.jsonl").exists());
    }
}
