//! The image's only layer: the program under its three names, and the folders that a container finds.

use std::io;

use tar::{Builder, EntryType, Header};

/// Folders with their modes; those of a path stand before the path.
const FOLDERS: [(&str, u32); 6] = [
    ("opt/", 0o755),
    ("opt/ml/", 0o755),
    ("tmp/", 0o1777), // anybody's, as everywhere
    ("usr/", 0o755),
    ("usr/local/", 0o755),
    ("usr/local/bin/", 0o755),
];

const PROGRAM: &str = "usr/local/bin/churn";

/// SageMaker starts an image with one of these words, which are therefore names of the program too.
const LINKS: [&str; 2] = ["usr/local/bin/serve", "usr/local/bin/train"];

/// The layer as a tar archive: sorted entries, owned by root, of the year 1970.
pub(crate) fn layer(program: &[u8]) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (path, mode) in FOLDERS {
        append(&mut layer, EntryType::Directory, path, mode, &[])?;
    }
    append(&mut layer, EntryType::Regular, PROGRAM, 0o755, program)?;
    for path in LINKS {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        layer.append_link(&mut header, path, "churn")?;
    }
    layer.into_inner()
}

/// Appends an entry with everything in its header decided here, so that it is the same on every machine.
pub(crate) fn append(
    archive: &mut Builder<Vec<u8>>,
    kind: EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    archive.append_data(&mut header(kind, mode, content.len()), path, content)
}

fn header(kind: EntryType, mode: u32, bytes: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes as u64);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_answers_to_its_three_names_and_finds_its_folders() {
        let layer = layer(b"program").unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let entries: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
                let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
                format!("{:04o} {}{link}", header.mode().unwrap(), entry.path().unwrap().display())
            })
            .collect();
        let expected = [
            "0755 opt/",
            "0755 opt/ml/",
            "1777 tmp/",
            "0755 usr/",
            "0755 usr/local/",
            "0755 usr/local/bin/",
            "0755 usr/local/bin/churn",
            "0777 usr/local/bin/serve -> churn",
            "0777 usr/local/bin/train -> churn",
        ];
        assert_eq!(entries, expected);
    }
}
