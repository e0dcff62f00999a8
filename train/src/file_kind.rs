//! What a file is by its first bytes, so that one behind the wrong option is told what it is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Parquet, such as `assemble` writes.
    Parquet,
    /// The CSV that `assemble` writes.
    Observations,
    /// safetensors, as model files are.
    ModelFile,
    /// Anything else.
    Other,
    /// It cannot be opened or read, or is too short to tell.
    Unknown,
}

/// What a Parquet file begins with.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// How the header of the CSV begins that `assemble` writes.
const OBSERVATIONS_HEADER: &[u8] = b"tenant,observation_date,";

/// Bytes of a safetensors file before its header, an object of JSON.
const LENGTH_BYTES: usize = 8;

impl FileKind {
    /// What the file is. Only a regular file is looked into, because a pipe can be read once.
    pub(crate) fn of(path: &Path) -> Self {
        let mut start = Vec::new();
        let n = OBSERVATIONS_HEADER.len() as u64;
        let is_read = path.is_file() && File::open(path).and_then(|file| file.take(n).read_to_end(&mut start)).is_ok();
        match start.as_slice() {
            _ if !is_read => Self::Unknown,
            start if start.starts_with(PARQUET_MAGIC) => Self::Parquet,
            start if start == OBSERVATIONS_HEADER => Self::Observations,
            start => match start.get(LENGTH_BYTES) {
                Some(b'{') => Self::ModelFile,
                Some(_) => Self::Other,
                None => Self::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |bytes: &[u8]| {
            let path = folder.path().join("f");
            std::fs::write(&path, bytes).unwrap();
            FileKind::of(&path)
        };
        assert_eq!(kind(b"PAR1\x15\x04"), FileKind::Parquet);
        assert_eq!(kind(b"tenant,observation_date,churned\n"), FileKind::Observations);
        assert_eq!(kind(b"\x10\0\0\0\0\0\0\0{\"a\":1}"), FileKind::ModelFile);
        assert_eq!(kind(b"tenant,churned\n"), FileKind::Other);
        assert_eq!([kind(b""), FileKind::of(folder.path())], [FileKind::Unknown; 2]);
    }
}
