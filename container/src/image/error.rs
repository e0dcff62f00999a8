//! What can go wrong while an image is packed.

use std::path::PathBuf;

use crate::program::NotForAnImage;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("got {0} arguments, expected two: the program to pack and the archive to write")]
    Usage(usize),
    #[error("cannot read the program {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot pack {path:?}")]
    Program { path: PathBuf, source: NotForAnImage },
    #[error("cannot write the archive {path:?}")]
    Write { path: PathBuf, source: std::io::Error },
}
