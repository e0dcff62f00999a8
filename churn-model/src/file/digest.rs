//! Digests of a model file: the checksum inside it and the id of the whole of it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::container::Tensor;

/// What a header text begins with; the digits of the checksum follow.
pub(crate) const BEFORE_CHECKSUM: &str = r#"{"checksum":""#;

/// Digits of the checksum.
pub(crate) const CHECKSUM_DIGITS: usize = 64;

/// The checksum of a header text that begins with a checksum, and of tensors in order of their names.
///
/// It follows what the file says, not how the container lays it out, so that a container written anew by another tool
/// still holds the same model. Every part has its length before it, so that no two files feed the digest the same.
pub(crate) fn checksum(text: &str, tensors: &[Tensor<'_>]) -> String {
    let mut sha = Sha256::new();
    sha.update(length(text.len()));
    sha.update(BEFORE_CHECKSUM);
    sha.update([b'0'; CHECKSUM_DIGITS]);
    sha.update(&text.as_bytes()[BEFORE_CHECKSUM.len() + CHECKSUM_DIGITS..]);
    sha.update(length(tensors.len()));
    for tensor in tensors {
        update_sized(&mut sha, tensor.name.as_bytes());
        update_sized(&mut sha, tensor.dtype.to_string().as_bytes());
        sha.update(length(tensor.shape.len()));
        tensor.shape.iter().for_each(|&dimension| sha.update(length(dimension)));
        update_sized(&mut sha, tensor.bytes);
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn update_sized(sha: &mut Sha256, bytes: &[u8]) {
    sha.update(length(bytes.len()));
    sha.update(bytes);
}

fn length(n: usize) -> [u8; 8] {
    (n as u64).to_le_bytes()
}

/// Names a model file by its bytes: the first 12 hexadecimal digits of their SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId([u8; 6]);

impl ModelId {
    /// The id of the model file with these bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let [a, b, c, d, e, f, ..] = digest;
        Self([a, b, c, d, e, f])
    }
}

impl ModelId {
    /// Reads the digits that an id is shown as; `None` when these are others.
    pub(crate) fn of_digits(digits: &str) -> Option<Self> {
        let number = u64::from_str_radix(digits, 16).ok()?.to_be_bytes();
        let [0, 0, a, b, c, d, e, f] = number else { return None };
        let id = Self([a, b, c, d, e, f]);
        (id.to_string() == digits).then_some(id)
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ModelId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_start_of_the_digest_of_the_bytes() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(ModelId::of_bytes(b"abc").to_string(), "ba7816bf8f01");
    }
}
