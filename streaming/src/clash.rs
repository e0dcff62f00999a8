//! Names on the command line that must not be the same place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::run::model_file;
use crate::state_name::StateName;
use crate::transports::{SHARD, SinkName, SourceName};

/// Places that would be read and written at once, or twice.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Clash {
    /// What is written there would be lost, or read, or what is read there be lost.
    #[error("{name} is {what}, too; name another place for what is written")]
    Written { name: String, what: &'static str },
    /// A stream that is named in both ways may be of another account.
    #[error(
        "{sink} has the name of the source {source_name}; name both by their ARNs, or another place for what is written"
    )]
    SameName { sink: String, source_name: String },
    /// Positions are kept by name.
    #[error(
        "source {name} is named twice; name each topic and stream once, and streams of one name in processes of their own"
    )]
    ReadTwice { name: String },
}

/// Refuses sinks that are sources, models or each other, states among either, and streams that are read twice, before any
/// of them is opened.
///
/// # Errors
/// [`Clash`] names the place.
pub(crate) fn check_names(options: &Options) -> Result<(), Clash> {
    check_sources(&options.source)?;
    let sinks: Vec<&SinkName> = options.sink.iter().chain(&options.dead_letters).collect();
    for (number, sink) in sinks.iter().enumerate() {
        let clash = |what| Clash::Written { name: sink.to_string(), what };
        match sink {
            SinkName::File(_) | SinkName::Folder(_) => {
                let Some(path) = place(sink) else { continue };
                if options.source.iter().any(|source| is_read(path, source)) {
                    return Err(clash("a source"));
                }
                if options.model.as_deref().is_some_and(|model| is_same(&model_file(model), path)) {
                    return Err(clash("the model"));
                }
                if sinks[..number].iter().filter_map(|other| place(other)).any(|other| is_same(other, path)) {
                    return Err(clash("another sink"));
                }
            }
            SinkName::Kinesis(stream) => check_stream(stream, &options.source)?,
            SinkName::Kafka(topic) if options.source.contains(&SourceName::Kafka(topic.clone())) => {
                return Err(clash("a source"));
            }
            _ => {}
        }
    }
    check_state(options, &sinks)
}

/// Where a sink writes, unless that is no file, such as /dev/null, which may be written to by several.
fn place(sink: &SinkName) -> Option<&Path> {
    match sink {
        SinkName::File(path) if path.is_file() || !path.exists() => Some(path),
        SinkName::Folder(path) => Some(path),
        _ => None,
    }
}

/// Whether a place is one that a source reads, or would the next time.
fn is_read(path: &Path, source: &SourceName) -> bool {
    let SourceName::File(source) = source else { return false };
    let logs = fs::read_dir(source).into_iter().flatten().flatten().map(|entry| entry.path());
    is_same(source, path)
        || real(path).parent() == Some(&*real(source))
        || logs.into_iter().any(|log| is_same(&log, path))
}

/// # Errors
/// When a source's shards would have the names of another's: files see to that by themselves.
fn check_sources(sources: &[SourceName]) -> Result<(), Clash> {
    let mut names = BTreeSet::new();
    for source in sources {
        let name = match source {
            SourceName::File(_) => continue,
            SourceName::Kinesis(stream) => format!("kinesis:{}", stream_name(stream)),
            SourceName::Kafka(topic) => format!("kafka:{topic}"),
        };
        if !names.insert(name.clone()) {
            return Err(Clash::ReadTwice { name });
        }
    }
    Ok(())
}

/// # Errors
/// When a sink is a source.
fn check_stream(sink: &str, sources: &[SourceName]) -> Result<(), Clash> {
    for source in sources {
        let SourceName::Kinesis(source) = source else { continue };
        if sink == source {
            return Err(Clash::Written { name: format!("kinesis:{sink}"), what: "a source" });
        }
        let are_arns = is_arn(sink) && is_arn(source);
        if !are_arns && stream_name(sink) == stream_name(source) {
            let source_name = format!("kinesis:{source}");
            return Err(Clash::SameName { sink: format!("kinesis:{sink}"), source_name });
        }
    }
    Ok(())
}

fn is_arn(stream: &str) -> bool {
    stream.starts_with("arn:")
}

/// The name of a stream, by which its shards are known, whichever way it was named.
fn stream_name(stream: &str) -> &str {
    stream.rsplit('/').next().unwrap_or(stream)
}

/// # Errors
/// When files of a checkpoint would be read as logs, or lie among what a sink writes.
fn check_state(options: &Options, sinks: &[&SinkName]) -> Result<(), Clash> {
    let Some(StateName::Folder(state)) = &options.state else { return Ok(()) };
    let clash = |what| Clash::Written { name: format!("--state {}", state.display()), what };
    if options.source.iter().any(|source| matches!(source, SourceName::File(path) if is_same(path, state))) {
        return Err(clash("a source"));
    }
    // A child of KCL keeps those of each shard in a folder below.
    let own = if options.kcl { state.join(SHARD) } else { state.clone() };
    let is_sink = |sink: &&SinkName| match sink {
        SinkName::Folder(path) => is_same(path, &own),
        // Its files come and go there.
        SinkName::File(path) => path.parent().is_some_and(|folder| is_same(folder, &own)),
        _ => false,
    };
    if sinks.iter().any(is_sink) { Err(clash("a sink")) } else { Ok(()) }
}

/// Whether two paths lead to one place; a file may have several names.
fn is_same(one: &Path, other: &Path) -> bool {
    real(one) == real(other) || file_id(one).is_some_and(|id| file_id(other) == Some(id))
}

/// What tells a file from all others, where the system says so.
#[cfg(unix)]
fn file_id(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<(u64, u64)> {
    None
}

/// A path by the one name that a place has, whether anything is there or not.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find_map(|folder| Some((folder, fs::canonicalize(folder).ok()?)));
    match found {
        Some((folder, found)) => found.join(absolute.strip_prefix(folder).unwrap_or(Path::new(""))),
        None => absolute,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// What is wrong with a command line in which `@` stands for a folder.
    fn clash(folder: &Path, arguments: &str) -> Option<String> {
        let arguments = format!("consume {arguments}").replace('@', folder.to_str().expect("is text"));
        let options = Options::try_parse_from(arguments.split(' ')).expect("can be read");
        check_names(&options).err().map(|error| error.to_string().replace(folder.to_str().expect("is text"), "@"))
    }

    fn refused(folder: &Path, arguments: &str, why: &str) {
        let found = clash(folder, arguments);
        assert!(found.as_ref().is_some_and(|found| found.contains(why)), "{arguments}: {found:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_the_same_by_each_of_its_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        fs::create_dir(at.join("logs")).expect("is made");
        fs::write(at.join("logs/l.jsonl"), "{}\n").expect("is written");
        fs::write(at.join("model.safetensors"), "{}\n").expect("is written");
        for (file, link) in [("logs/l.jsonl", "hard"), ("model.safetensors", "model")] {
            fs::hard_link(at.join(file), at.join(link)).expect("is made");
        }
        let source = "--source file:@/logs/l.jsonl";
        refused(at, &format!("{source} --sink file:@/hard"), "file:@/hard is a source, too");
        refused(at, &format!("{source} --dead-letters file:@/hard"), "file:@/hard is a source, too");
        refused(at, "--source file:@/logs --sink file:@/hard", "file:@/hard is a source, too");
        for model in ["@", "@/model.safetensors"] {
            refused(at, &format!("{source} --model {model} --sink file:@/model"), "file:@/model is the model, too");
        }
        fs::write(at.join("one"), "").expect("is written");
        fs::hard_link(at.join("one"), at.join("other")).expect("is made");
        refused(at, &format!("{source} --sink file:@/one --sink file:@/other"), "file:@/other is another sink, too");
        assert_eq!(clash(at, &format!("{source} --sink file:@/one --sink file:@/new")), None);
        assert_eq!(clash(at, &format!("{source} --sink file:/dev/null --dead-letters file:/dev/null")), None);
    }

    #[test]
    fn states_have_a_folder_of_their_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        fs::create_dir(at.join("logs")).expect("is made");
        fs::write(at.join("logs/l.jsonl"), "{}\n").expect("is written");
        refused(at, "--source file:@/logs --state @/logs/", "--state @/logs/ is a source, too");
        let source = "--source file:@/logs/l.jsonl";
        refused(at, &format!("{source} --sink folder:@/out --state @/out"), "--state @/out is a sink, too");
        refused(at, &format!("{source} --dead-letters folder:@/out --state @/./out"), "--state @/./out is a sink, too");
        refused(at, &format!("{source} --sink file:@/out/lock --state @/out"), "--state @/out is a sink, too");
        refused(at, "--kcl --sink folder:@/out/{shard} --state @/out", "--state @/out is a sink, too");
        for free in ["--state @", "--state @/logs/state", "--state @/logs", "--sink folder:@/out --state @/out/state"] {
            assert_eq!(clash(at, &format!("{source} {free}")), None, "{free}");
        }
        assert_eq!(clash(at, "--kcl --sink folder:@/out/{shard} --state @/out/states"), None);
    }

    #[test]
    fn a_stream_is_the_same_by_its_name_and_its_arn() {
        let at = Path::new("/none");
        let arn = |account: u32| format!("kinesis:arn:aws:kinesis:us-east-1:{account}:stream/jobs");
        let (one, other) = (arn(111_122_223), arn(444_455_556));
        for second in ["kinesis:jobs", &one, &other] {
            // Shards of both would have the same names.
            refused(at, &format!("--source kinesis:jobs --source {second}"), "source kinesis:jobs is named twice");
            refused(at, &format!("--source {second} --source {one}"), "source kinesis:jobs is named twice");
        }
        refused(at, "--source kafka:jobs --source kafka:jobs", "source kafka:jobs is named twice");
        refused(
            at,
            &format!("--source kinesis:jobs --sink {one}"),
            &format!("{one} has the name of the source kinesis:jobs"),
        );
        refused(
            at,
            &format!("--source {one} --sink kinesis:jobs"),
            &format!("kinesis:jobs has the name of the source {one}"),
        );
        refused(at, "--source kinesis:jobs --sink kinesis:jobs", "kinesis:jobs is a source, too");
        refused(at, &format!("--source {one} --dead-letters {one}"), &format!("{one} is a source, too"));
        assert_eq!(clash(at, &format!("--source {one} --sink {other}")), None);
        assert_eq!(clash(at, "--source kinesis:tenants --source kinesis:jobs --sink kinesis:scores"), None);
    }
}
