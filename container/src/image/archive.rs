//! The archive: blobs named by their digests, an OCI index and Docker's list of images.
//!
//! Source: opencontainers/image-spec (`image-layout.md`, `config.md`, `manifest.md`); `manifest.json` is what
//! `docker load` reads, and names the same blobs.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType};

use crate::layer::{append, layer};
use crate::program::Architecture;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image, packed.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    digest: String,
    layer_bytes: usize,
}

impl Archive {
    /// Packs `program`.
    ///
    /// # Panics
    /// Never: nothing here leaves memory.
    pub(crate) fn new(program: &[u8], architecture: Architecture) -> Self {
        Self::pack(program, architecture).expect("this cannot fail because a vector takes all that is written to it")
    }

    fn pack(program: &[u8], architecture: Architecture) -> io::Result<Self> {
        let layer = layer(program)?;
        // A registry keeps layers compressed. Were this one not, a push would compress it, and change the digest.
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        gzip.write_all(&layer)?;
        let compressed = Blob::new(LAYER_TYPE, gzip.finish()?);
        let configuration = Blob::json(CONFIG_TYPE, &configuration(architecture, &digest(&layer)));
        let manifest = Blob::json(
            MANIFEST_TYPE,
            &json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": configuration.descriptor(),
                "layers": [compressed.descriptor()],
            }),
        );
        let mut entry = manifest.descriptor();
        entry["platform"] = json!({"architecture": architecture.to_string(), "os": "linux"});
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": env!("CARGO_PKG_VERSION")});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        let list = json!([{"Config": configuration.path(), "RepoTags": [tag()], "Layers": [compressed.path()]}]);

        let mut files = vec![
            ("index.json".to_owned(), index.to_string().into_bytes()),
            ("manifest.json".to_owned(), list.to_string().into_bytes()),
            ("oci-layout".to_owned(), json!({"imageLayoutVersion": "1.0.0"}).to_string().into_bytes()),
        ];
        let digest = manifest.digest.clone();
        files.extend([configuration, manifest, compressed].map(|blob| (blob.path(), blob.bytes)));
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut archive = Builder::new(Vec::new());
        for folder in ["blobs/", "blobs/sha256/"] {
            append(&mut archive, EntryType::Directory, folder, 0o755, &[])?;
        }
        for (path, bytes) in files {
            append(&mut archive, EntryType::Regular, &path, 0o644, &bytes)?;
        }
        Ok(Self { bytes: archive.into_inner()?, digest, layer_bytes: layer.len() })
    }

    /// The whole archive.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest that a registry shows: that of the image's manifest.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Bytes of the image as an engine unpacks it.
    pub(crate) fn layer_bytes(&self) -> usize {
        self.layer_bytes
    }

    /// The name that `docker load` gives the image.
    pub(crate) fn tag(&self) -> String {
        tag()
    }
}

fn tag() -> String {
    concat!("churn:", env!("CARGO_PKG_VERSION")).to_owned()
}

/// What an engine is told about the image.
///
/// No user: SageMaker expects root, and writes what it mounts as root. The program runs as any user all the same.
fn configuration(architecture: Architecture, layer_digest: &str) -> Value {
    const YEAR_0: &str = "1970-01-01T00:00:00Z";
    json!({
        "architecture": architecture.to_string(),
        "os": "linux",
        "created": YEAR_0,
        "config": {
            "Entrypoint": ["/usr/local/bin/churn"],
            "Env": ["PATH=/usr/local/bin"],
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {
                "com.amazonaws.sagemaker.capabilities.accept-bind-to-port": "true",
                "com.amazonaws.sagemaker.capabilities.multi-models": "true",
                "org.opencontainers.image.description": env!("CARGO_PKG_DESCRIPTION"),
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                "org.opencontainers.image.title": "churn",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            },
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created": YEAR_0, "created_by": "image"}],
    })
}

/// Bytes that go by their digest.
struct Blob {
    media_type: &'static str,
    bytes: Vec<u8>,
    digest: String,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        Self { media_type, digest: digest(&bytes), bytes }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn files(archive: &Archive) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive.bytes()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), bytes);
        }
        files
    }

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn every_blob_is_named_by_its_digest_and_found_from_both_indices() {
        let archive = Archive::new(b"program", Architecture::Amd64);
        let files = files(&archive);
        let blob = |descriptor: &Value| {
            let named = descriptor["digest"].as_str().unwrap();
            let bytes = &files[&format!("blobs/{}", named.replace(':', "/"))];
            assert_eq!((digest(bytes).as_str(), bytes.len()), (named, descriptor["size"].as_u64().unwrap() as usize));
            bytes.clone()
        };
        let entry = &parsed(&files["index.json"])["manifests"][0];
        assert_eq!(entry["digest"], archive.digest());
        let manifest = parsed(&blob(entry));
        let configuration = parsed(&blob(&manifest["config"]));
        let mut layer = Vec::new();
        GzDecoder::new(blob(&manifest["layers"][0]).as_slice()).read_to_end(&mut layer).unwrap();
        assert_eq!(configuration["rootfs"]["diff_ids"], json!([digest(&layer)]));
        assert_eq!(layer.len(), archive.layer_bytes());

        let list = parsed(&files["manifest.json"]);
        assert_eq!(parsed(&files[list[0]["Config"].as_str().unwrap()]), configuration);
        assert!(files.contains_key(list[0]["Layers"][0].as_str().unwrap()));
    }

    #[test]
    fn the_same_program_gives_the_same_bytes_and_another_one_another_digest() {
        let archive = |program: &[u8]| Archive::new(program, Architecture::Arm64);
        assert_eq!(archive(b"program").bytes(), archive(b"program").bytes());
        assert_ne!(archive(b"program").digest(), archive(b"another").digest());
    }
}
