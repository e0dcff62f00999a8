//! `image`: packs the program into a container image, without an engine and without a registry.
//!
//! `image PROGRAM ARCHIVE` writes a tar archive that is a `docker save` archive and an OCI image layout at once, so
//! `docker load`, `podman load`, skopeo and umoci all take it. The same program gives the same bytes, hence the same
//! digest, on any machine.

mod archive;
mod error;
mod layer;
mod program;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::archive::Archive;
use crate::error::Error;

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(summary) => {
            // Whoever closed standard output has the archive all the same.
            let _ = writeln!(std::io::stdout(), "{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "error: {error}{source}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<String, Error> {
    let [program, archive] = <[OsString; 2]>::try_from(arguments).map_err(|found| Error::Usage(found.len()))?;
    let (program, path) = (PathBuf::from(program), PathBuf::from(archive));
    let program_bytes = std::fs::read(&program).map_err(|source| Error::Read { path: program.clone(), source })?;
    let architecture =
        program::architecture(&program_bytes).map_err(|source| Error::Program { path: program, source })?;
    let archive = Archive::new(&program_bytes, architecture);
    std::fs::write(&path, archive.bytes()).map_err(|source| Error::Write { path: path.clone(), source })?;
    Ok(format!(
        "{}\n  tag      {}\n  digest   {}\n  platform linux/{architecture}\n  size     {:.2} MB, compressed {:.2} MB",
        path.display(),
        archive.tag(),
        archive.digest(),
        megabytes(archive.layer_bytes()),
        megabytes(archive.bytes().len()),
    ))
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
