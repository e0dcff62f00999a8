//! Whether a program can run in an image that holds nothing else, and on which machine.
//!
//! Source: the ELF-64 header and program header, `elf(5)`.

use std::fmt;

/// What the program's file was found to be, instead of a static Linux program of a known machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotForAnImage {
    #[error("it is not a 64-bit little-endian ELF program")]
    NotElf,
    #[error("it is for the ELF machine {0}; images are made for 62 (x86-64) and 183 (AArch64)")]
    Machine(u16),
    #[error("it needs a dynamic loader, which the image does not have; build it for a `-linux-musl` target")]
    Dynamic,
}

/// A machine, by the name that container images use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// The machine that `program` runs on.
///
/// Read from the file rather than asked for: a label that says something else would fail only where it is deployed.
pub(crate) fn architecture(program: &[u8]) -> Result<Architecture, NotForAnImage> {
    const ELF_64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
    const NAMES_A_LOADER: u32 = 3;
    if !program.starts_with(ELF_64_LITTLE_ENDIAN) {
        return Err(NotForAnImage::NotElf);
    }
    let short = |at: usize| bytes_at(program, at).map(u16::from_le_bytes);
    let headers = bytes_at(program, 32).map(u64::from_le_bytes)?;
    let headers = usize::try_from(headers).map_err(|_| NotForAnImage::NotElf)?;
    let (header_bytes, n_headers) = (usize::from(short(54)?), usize::from(short(56)?));
    for header in 0..n_headers {
        let at = headers.checked_add(header * header_bytes).ok_or(NotForAnImage::NotElf)?;
        if bytes_at(program, at).map(u32::from_le_bytes)? == NAMES_A_LOADER {
            return Err(NotForAnImage::Dynamic);
        }
    }
    match short(18)? {
        62 => Ok(Architecture::Amd64),
        183 => Ok(Architecture::Arm64),
        other => Err(NotForAnImage::Machine(other)),
    }
}

fn bytes_at<const N: usize>(program: &[u8], at: usize) -> Result<[u8; N], NotForAnImage> {
    program.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(NotForAnImage::NotElf)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An ELF file of nothing but its header and one program header of the kind `segment`.
    pub(crate) fn elf(machine: u16, segment: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        bytes.extend(segment.to_le_bytes());
        bytes.resize(64 + 56, 0);
        bytes
    }

    #[test]
    fn a_static_program_tells_its_machine() {
        assert_eq!(architecture(&elf(62, 1)), Ok(Architecture::Amd64));
        assert_eq!(architecture(&elf(183, 1)), Ok(Architecture::Arm64));
        assert_eq!(architecture(&elf(40, 1)), Err(NotForAnImage::Machine(40)));
    }

    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        assert_eq!(architecture(&elf(62, 3)), Err(NotForAnImage::Dynamic));
    }

    #[test]
    fn cut_off_files_are_refused() {
        let whole = elf(62, 1);
        for length in 0..68 {
            assert_eq!(architecture(&whole[..length]), Err(NotForAnImage::NotElf), "{length} bytes");
        }
        let mut far = whole;
        far[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(architecture(&far), Err(NotForAnImage::NotElf));
    }
}
