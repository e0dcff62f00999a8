//! The model file: one safetensors container for arrays and a JSON header, specified in `docs/model-format.md`.
//!
//! This file finds the header and picks the layout by its format version. Each layout has a file of its own that never
//! changes once released; only the newest one writes. A reader trusts nothing: whatever the bytes, it hands out a checked
//! model or an error, in time and memory that follow the number of bytes.

pub(crate) mod atomic;
pub(crate) mod container;
pub(crate) mod density;
mod digest;
mod error;
mod v1;

use std::path::Path;

pub use digest::ModelId;
pub use error::{ReadError, ReadProblem, WriteError};

use crate::model::Model;
use container::Container;

/// The metadata key that holds the header text.
pub(crate) const METADATA_KEY: &str = "churn_model";

/// The oldest format version that this build reads.
const OLDEST_VERSION: u32 = 1;

/// The newest format version that this build reads, and the one it writes.
const NEWEST_VERSION: u32 = 1;

impl Model {
    /// Reads a model file, of any format version ever released.
    ///
    /// # Errors
    /// When the file cannot be read or anything in it is not as `docs/model-format.md` says; see [`ReadProblem`].
    /// # Cost
    /// Time in proportion to the size of the file; memory for the file, the model, and a small multiple of the header.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let bytes = read_file(path).map_err(|problem| ReadError::in_file(path, problem))?;
        read(&bytes).map_err(|problem| ReadError::in_file(path, problem))
    }

    /// Reads a model from the bytes of a model file.
    ///
    /// # Errors
    /// When anything is not as `docs/model-format.md` says; see [`ReadProblem`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        read(bytes).map_err(ReadError::in_bytes)
    }

    /// The bytes of this model's file; the same model gives the same bytes.
    ///
    /// # Errors
    /// When the model holds what no model file can hold, such as a metric that is not a number; see [`WriteError`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, WriteError> {
        v1::write(self)
    }

    /// Writes the model file, whole or not at all.
    ///
    /// The bytes go to a temporary file in the same folder, which takes the place of `path` once they are on disk. Until
    /// then a file that was there before stays as it was; a symbolic link is replaced, not followed.
    ///
    /// # Errors
    /// When the model has no bytes, or they cannot be put there; no temporary file is left behind.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        atomic::write(path, &self.to_bytes()?)
    }

    /// The id of the file that this model is written to.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn id(&self) -> Result<ModelId, WriteError> {
        self.to_bytes().map(|bytes| ModelId::of_bytes(&bytes))
    }
}

/// The bytes of a regular file.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, ReadProblem> {
    require_file(path)?;
    std::fs::read(path).map_err(ReadProblem::Io)
}

/// Opening a pipe may wait for ever, and a device may never end.
pub(crate) fn require_file(path: &Path) -> Result<(), ReadProblem> {
    if std::fs::metadata(path).map_err(ReadProblem::Io)?.is_file() { Ok(()) } else { Err(ReadProblem::NotAFile) }
}

/// Reads a model from the bytes of a model file.
pub(crate) fn read(bytes: &[u8]) -> Result<Model, ReadProblem> {
    let container = Container::open(METADATA_KEY, bytes)?;
    let start = HeaderStart::of(&container.text).ok_or(ReadProblem::HeaderStart)?;
    // Which version it is decides what its checksum is taken over, so it is asked first.
    let read_layout = match start.format_version {
        1 => v1::read,
        found => return Err(ReadProblem::UnknownVersion { found, oldest: OLDEST_VERSION, newest: NEWEST_VERSION }),
    };
    let digest = digest::checksum(&container.text, &container.tensors);
    if digest != start.checksum {
        return Err(ReadProblem::Checksum { found: digest, expected: start.checksum.to_owned() });
    }
    read_layout(&container)
}

/// What every header text begins with, whatever its version; found without parsing.
struct HeaderStart<'a> {
    checksum: &'a str,
    format_version: u32,
}

impl<'a> HeaderStart<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(digest::BEFORE_CHECKSUM)?;
        let (checksum, rest) = rest.split_at_checked(digest::CHECKSUM_DIGITS)?;
        let rest = rest.strip_prefix(r#"","format_version":"#)?;
        let (digits, _) = rest.split_at(rest.find([',', '}'])?);
        let is_hex = checksum.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
        let format_version = digits.parse().ok()?;
        (is_hex && is_plain).then_some(Self { checksum, format_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_start_is_found_only_where_it_is_spelled_exactly() {
        let zeros = "0".repeat(64);
        let version = |text: &str| HeaderStart::of(text).map(|start| start.format_version);
        assert_eq!(version(&format!(r#"{{"checksum":"{zeros}","format_version":12,"#)), Some(12));
        assert_eq!(version(&format!(r#"{{"checksum":"{zeros}","format_version":1}}"#)), Some(1));
        for wrong in ["", "01", "-1", "+1", "1.0", "4294967296", " 1", "\"1\""] {
            assert_eq!(version(&format!(r#"{{"checksum":"{zeros}","format_version":{wrong},"#)), None, "{wrong}");
        }
        assert_eq!(version(&format!(r#"{{"checksum":"{}","format_version":1,"#, "A".repeat(64))), None);
        assert_eq!(version(&format!(r#"{{"checksum":"{}","format_version":1,"#, "é".repeat(32))), None);
        assert_eq!(version(r#"{"checksum":"é"#), None);
    }
}
