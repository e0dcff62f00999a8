//! Taking model files apart and putting changed ones together, after `docs/model-format.md` and without the reader's code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

/// Header text and tensors of a model file.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) text: String,
    pub(crate) tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
}

/// Where a golden file lies.
pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/1").join(name).with_extension("safetensors")
}

impl Parts {
    /// The parts of a golden file.
    pub(crate) fn of_golden(name: &str) -> Self {
        Self::of(&std::fs::read(golden(name)).expect("reads")).expect("is a container with a header")
    }

    /// The parts of a file, if it is a container with a header.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
        let text = metadata.metadata().as_ref()?.get("churn_model")?.clone();
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let parts = |(name, view): (&str, TensorView<'_>)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        };
        Some(Self { text, tensors: tensors.iter().map(parts).collect() })
    }

    /// Replaces the one place in the header text where `from` stands.
    pub(crate) fn edit(mut self, from: &str, to: &str) -> Self {
        assert_eq!(self.text.matches(from).count(), 1, "{from:?} in {}", self.text);
        self.text = self.text.replace(from, to);
        self
    }

    /// Overwrites bytes of a tensor.
    pub(crate) fn poke(mut self, tensor: &str, at: usize, bytes: &[u8]) -> Self {
        self.tensors.get_mut(tensor).expect("is there").2[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Puts the right checksum into the header text, when there is room for one.
    pub(crate) fn sealed(mut self) -> Self {
        if self.text.get(13..77).is_some() {
            self.text.replace_range(13..77, &"0".repeat(64));
            let digest = self.checksum();
            self.text.replace_range(13..77, &digest);
        }
        self
    }

    /// The bytes of a file with these parts, as they are.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).expect("shape and bytes agree"))
        });
        let metadata = [("churn_model".to_owned(), self.text.clone())].into_iter().collect();
        safetensors::serialize(views, Some(metadata)).expect("packs")
    }

    fn checksum(&self) -> String {
        let mut sha = Sha256::new();
        let mut sized = |bytes: &[u8]| {
            sha.update((bytes.len() as u64).to_le_bytes());
            sha.update(bytes);
        };
        sized(self.text.as_bytes());
        let mut rest = (self.tensors.len() as u64).to_le_bytes().to_vec();
        for (name, (dtype, shape, bytes)) in &self.tensors {
            for part in [name.as_bytes(), dtype.to_string().as_bytes()] {
                rest.extend((part.len() as u64).to_le_bytes());
                rest.extend(part);
            }
            let numbers = [shape.len()].into_iter().chain(shape.iter().copied()).chain([bytes.len()]);
            rest.extend(numbers.flat_map(|number| (number as u64).to_le_bytes()));
            rest.extend(bytes);
        }
        sha.update(rest);
        sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
