//! The channels of a job: which there are, what they are for, and their files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use super::base::Base;
use super::config_files::{self, ChannelConfig};
use super::content_type::Content;
use super::error::JobError;
use crate::Error;
use crate::console::Console;

/// A channel that is used.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) content: Content,
    pub(crate) is_sharded: bool,
}

/// The channels by what they are for.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    pub(crate) train: Channel,
    pub(crate) validation: Option<Channel>,
    pub(crate) test: Option<Channel>,
}

impl Channels {
    /// Finds the channels and their files; one that is not known is named and let be.
    pub(crate) fn find(base: &Base, console: &Console) -> Result<Self, JobError> {
        let mut configs = match config_files::channels(base)? {
            Some(configs) => configs,
            None => folders(&base.data())?,
        };
        let found: Vec<String> = configs.keys().cloned().collect();
        let mut take = |name: &str| {
            let config = configs.remove(name)?;
            Some(Channel::open(base, name, &config))
        };
        let train = match (take("train"), take("training")) {
            (Some(_), Some(_)) => {
                return Err(JobError::TwiceSaid { first: "channel train".into(), second: "channel training".into() });
            }
            (Some(channel), None) | (None, Some(channel)) => channel?,
            (None, None) if base.data().join("train_0").exists() => {
                return Err(JobError::PipeMode { channel: "train".to_owned() });
            }
            (None, None) => return Err(JobError::NoTrainChannel { found, folder: base.data() }),
        };
        let (validation, test) = (take("validation").transpose()?, take("test").transpose()?);
        for name in configs.keys() {
            console.line(format!("channel {name:?} is not used; the channels are train, validation and test"));
        }
        Ok(Self { train, validation, test })
    }

    /// Those there are, in the order that their rows are read.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Channel> {
        [Some(&self.train), self.validation.as_ref(), self.test.as_ref()].into_iter().flatten()
    }
}

impl Channel {
    fn open(base: &Base, name: &str, config: &ChannelConfig) -> Result<Self, JobError> {
        let channel = name.to_owned();
        if config.is_pipe() {
            return Err(JobError::PipeMode { channel });
        }
        let path = base.channel(name);
        if !path.is_dir() {
            return Err(if base.data().join(format!("{name}_0")).exists() {
                JobError::PipeMode { channel }
            } else {
                JobError::NoFolder { channel, path: base.short(&path).to_owned() }
            });
        }
        let mut files = Vec::new();
        add_files(&path, &mut BTreeSet::new(), &mut files)
            .map_err(|(path, source)| Error::ReadFile { path, source })?;
        files.sort();
        let Some(first) = files.first() else {
            return Err(JobError::NoFiles { channel, path: base.short(&path).to_owned() });
        };
        let content = match config.content_type.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => Content::of_type(name, text)?,
            None => Content::of_file(first),
        };
        Ok(Self { name: channel, files, content, is_sharded: config.is_sharded() })
    }
}

/// Channels that nobody described: the folders there are.
fn folders(data: &Path) -> Result<BTreeMap<String, ChannelConfig>, JobError> {
    let fail = |source| Error::ReadFile { path: data.to_owned(), source };
    let mut folders = BTreeMap::new();
    if data.is_dir() {
        for entry in data.read_dir().map_err(fail)? {
            let entry = entry.map_err(fail)?;
            if let (true, Ok(name)) = (entry.path().is_dir(), entry.file_name().into_string()) {
                folders.insert(name, ChannelConfig::default());
            }
        }
    }
    Ok(folders)
}

/// Adds the files of a folder and of those in it. A name that begins with a dot or an underscore belongs to a tool.
///
/// A folder is `visited` once, by the first path to it, because links may lead in a circle.
fn add_files(
    folder: &Path,
    visited: &mut BTreeSet<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, std::io::Error)> {
    let fail = |source| (folder.to_owned(), source);
    if !visited.insert(folder.canonicalize().map_err(fail)?) {
        return Ok(());
    }
    let mut entries = folder.read_dir().and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(fail)?;
    entries.sort_by_key(DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") || name.as_encoded_bytes().starts_with(b"_") {
            continue;
        }
        if path.is_dir() {
            add_files(&path, visited, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_subfolders_are_found_and_those_of_tools_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a/c.csv", ".DS_Store", "_SUCCESS", "_tmp/d.csv"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "1,2\n").unwrap();
        }
        let mut files = Vec::new();
        add_files(folder.path(), &mut BTreeSet::new(), &mut files).unwrap();
        files.sort();
        assert_eq!(files, ["a/c.csv", "b.csv"].map(|name| folder.path().join(name)));
    }
}
