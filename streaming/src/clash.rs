//! Names on the command line that must not be the same place.

use std::fs;
use std::path::{Path, PathBuf};

use crate::options::Options;
use crate::transports::{SinkName, SourceName};

/// A place that would be read and written at once, or written twice.
#[derive(Debug, thiserror::Error)]
#[error("{sink} is {what}, too; name another place for what is written")]
pub(crate) struct Clash {
    sink: String,
    what: &'static str,
}

/// Refuses sinks that are sources, models or each other, before any of them is opened.
///
/// # Errors
/// [`Clash`] names the sink.
pub(crate) fn check_names(options: &Options) -> Result<(), Clash> {
    // What is no file, such as /dev/null, may be written to by several.
    let place = |sink: &SinkName| match sink {
        SinkName::File(path) if path.is_file() || !path.exists() => Some(real(path)),
        SinkName::Folder(path) => Some(real(path)),
        _ => None,
    };
    let sinks: Vec<&SinkName> = options.sink.iter().chain(&options.dead_letters).collect();
    for (number, sink) in sinks.iter().enumerate() {
        let clash = |what| Clash { sink: sink.to_string(), what };
        match sink {
            SinkName::File(_) | SinkName::Folder(_) => {
                let Some(path) = place(sink) else { continue };
                let is_read = |source: &SourceName| matches!(source, SourceName::File(source) if real(source) == path || Some(&*real(source)) == path.parent());
                if options.source.iter().any(is_read) {
                    return Err(clash("a source"));
                }
                if options.model.as_deref().is_some_and(|model| real(model) == path) {
                    return Err(clash("the model"));
                }
                if sinks[..number].iter().any(|other| place(other).as_ref() == Some(&path)) {
                    return Err(clash("another sink"));
                }
            }
            SinkName::Kinesis(stream) if options.source.contains(&SourceName::Kinesis(stream.clone())) => {
                return Err(clash("a source"));
            }
            SinkName::Kafka(topic) if options.source.contains(&SourceName::Kafka(topic.clone())) => {
                return Err(clash("a source"));
            }
            _ => {}
        }
    }
    Ok(())
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
