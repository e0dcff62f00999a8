//! The scorer file: a forest as the kernels walk it, so that a process scores within a millisecond of its start.
//!
//! It is made from a model and says less: how to score, nothing of how the model came about. Its layout follows the
//! kernels and changes with them, so it is not kept for years; the model file is. The container is that of the model
//! file, with a header text of its own and two tensors of whole cache lines: `cuts`, the split values, and `nodes`,
//! words and leaf values. The header is padded so that tensors start on a cache line of a mapped file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use churn_features::FeatureSchema;

use super::codes::Encoder;
use super::compact::{CompactForest, Group, LANES};
use super::nodes::{LINE_BYTES, LINE_WORDS, Nodes};
use super::{Engine, Kernel, Scorer};
use crate::calibrator::Calibrator;
use crate::file::container::{self, Container, Tensor};
use crate::file::density::Density;
use crate::file::{ModelId, ReadError, ReadProblem, WriteError, atomic, read_file, require_file};
use crate::forest::Combine;
use crate::model::Model;

/// The one layout that this build reads and writes; to be raised with every change of words, lines or codes.
const LAYOUT: u32 = 1;

/// The metadata key that holds the header text.
const METADATA_KEY: &str = "churn_scorer";

const CUTS: &str = "cuts";
const NODES: &str = "nodes";

/// What a header text begins with; the digits of the checksum follow.
const BEFORE_CHECKSUM: &str = r#"{"checksum":""#;

/// The header text, field by field in the order they are written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    checksum: String,
    layout: u32,
    model_id: String,
    features: FeatureSchema,
    combine: Combine,
    n_trees: usize,
    calibrator: Calibrator,
    threshold: f64,
    encoder: Encoder,
    groups: Vec<Group>,
}

impl Model {
    /// Writes the scorer file of this model, whole or not at all: what [`Scorer::read`] and [`Scorer::map`] start from,
    /// where reading the model and making a scorer of it takes too long.
    ///
    /// It holds the model's id, feature schema, calibrator and threshold; card, references and what explanations need stay
    /// in the model file. It serves the release that wrote it, on any processor, and others as long as they walk the same
    /// layout: write it again with each upgrade. Of a model that starts as soon from its model file, this is the model
    /// file: linear models, and forests that do not fit words (see [`Scorer::new`]).
    ///
    /// # Errors
    /// When the model has no bytes, or they cannot be put there.
    pub fn write_scorer(&self, path: &Path) -> Result<(), WriteError> {
        atomic::write(path, &self.scorer_bytes()?)
    }

    /// The bytes of this model's scorer file; the same model gives the same bytes.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn scorer_bytes(&self) -> Result<Vec<u8>, WriteError> {
        let model = self.to_bytes()?;
        let scorer = Scorer::new(self);
        match &scorer.engine {
            Engine::Compact(forest) => scorer.to_bytes(forest, ModelId::of_bytes(&model)),
            Engine::Wide(_) | Engine::Linear(_) => Ok(model),
        }
    }
}

impl Scorer {
    /// Reads a scorer file, or a model file, of which a scorer is made as by [`Scorer::new`].
    ///
    /// What kernels rely on is checked, so that no file makes them leave their memory. Two things are believed where the
    /// checksum is right: how deep trees are, and between which bounds their leaves lie.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or was written for another layout; see [`ReadProblem`].
    /// # Cost
    /// O(bytes): a copy, a checksum and a look at each node; for a model file, as [`Model::read`] and [`Scorer::new`].
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let read = || from_parts(&read_file(path)?, Nodes::from_bytes);
        read().map_err(|problem| ReadError::in_scorer_file(path, problem))
    }

    /// Reads a scorer from the bytes of a scorer file or a model file; see [`read`](Self::read).
    ///
    /// # Errors
    /// When the bytes are damaged, or were written for another layout; see [`ReadProblem`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        from_parts(bytes, Nodes::from_bytes).map_err(ReadError::in_scorer_bytes)
    }

    /// Maps a scorer file into memory instead of reading it, and shares that memory with all processes that do the same.
    ///
    /// It starts sooner, but a mapped file has no huge pages: a cold row of a big forest takes longer than after
    /// [`read`](Self::read). Where the nodes cannot be walked as they lie in the file, they are copied.
    ///
    /// # Safety
    /// As long as the scorer or a clone of it lives, nobody changes or shortens the file in place: a shortened one ends the
    /// process, in a changed one kernels may leave its memory. To put another file in its place, as
    /// [`Model::write_scorer`] does, is safe.
    /// # Errors
    /// As [`read`](Self::read).
    /// # Cost
    /// O(bytes): a checksum and a look at each node; no copy.
    #[allow(unsafe_code)] // starts in 0.4 times the time that reading takes
    pub unsafe fn map(path: &Path) -> Result<Self, ReadError> {
        let map = || {
            require_file(path)?;
            let file = File::open(path).map_err(ReadProblem::Io)?;
            // SAFETY: the caller sees to it that the file does not change.
            let file = Arc::new(unsafe { Mmap::map(&file) }.map_err(ReadProblem::Io)?);
            from_parts(&file, |nodes| {
                let start = nodes.as_ptr().addr() - file.as_ptr().addr();
                Nodes::mapped(Arc::clone(&file), start, nodes.len()).or_else(|| Nodes::from_bytes(nodes))
            })
        };
        map().map_err(|problem| ReadError::in_scorer_file(path, problem))
    }

    fn to_bytes(&self, forest: &CompactForest, model_id: ModelId) -> Result<Vec<u8>, WriteError> {
        let header = Header {
            checksum: digits(0),
            layout: LAYOUT,
            model_id: model_id.to_string(),
            features: self.schema.clone(),
            combine: self.combine,
            n_trees: self.n_trees,
            calibrator: self.calibrator.clone(),
            threshold: self.threshold,
            encoder: forest.encoder.clone(),
            groups: forest.groups.clone(),
        };
        let (cuts, nodes) = (forest.encoder.cuts_to_bytes(), forest.nodes.to_bytes());
        let tensors = [(CUTS, Dtype::F32, &cuts), (NODES, Dtype::U32, &nodes)].map(|(name, dtype, bytes)| {
            let shape = vec![bytes.len() / LINE_BYTES, LINE_WORDS];
            Tensor { name: name.to_owned(), dtype, shape, bytes }
        });
        let mut text = serde_json::to_string(&header).map_err(WriteError::from_container)?;
        // Spaces behind the text make the container header as long as whole lines; it is a multiple of eight without them.
        let header_length = container::pack(METADATA_KEY, text.clone(), &tensors)?.len() - cuts.len() - nodes.len();
        text.extend(std::iter::repeat_n(' ', header_length.next_multiple_of(LINE_BYTES) - header_length));
        if !Density::of(text.as_bytes()).fits_header() {
            return Err(WriteError::TooDense);
        }
        let start = BEFORE_CHECKSUM.len();
        let found = checksum(&text, &tensors);
        text.replace_range(start..start + found.len(), &found);
        container::pack(METADATA_KEY, text, &tensors)
    }
}

fn from_parts(file: &[u8], nodes: impl Fn(&[u8]) -> Option<Nodes>) -> Result<Scorer, ReadProblem> {
    let Container { text, tensors } = match Container::open(METADATA_KEY, file) {
        Err(ReadProblem::UnknownMetadata { key, .. }) if key == crate::file::METADATA_KEY => {
            let model = crate::file::read(file)?;
            return Ok(Scorer { model_id: Some(ModelId::of_bytes(file)), ..Scorer::new(&model) });
        }
        container => container?,
    };
    if !Density::of(text.as_bytes()).fits_header() {
        return Err(ReadProblem::TooDense { place: "header" });
    }
    let Layout { layout } = serde_json::from_str(&text).map_err(ReadProblem::Header)?;
    if layout != LAYOUT {
        return Err(ReadProblem::UnknownLayout { found: layout, expected: LAYOUT });
    }
    let header: Header = serde_json::from_str(&text).map_err(ReadProblem::Header)?;
    let expected = text.get(BEFORE_CHECKSUM.len()..BEFORE_CHECKSUM.len() + digits(0).len());
    if !text.starts_with(BEFORE_CHECKSUM) || expected != Some(header.checksum.as_str()) {
        return Err(ReadProblem::HeaderStart);
    }
    let found = checksum(&text, &tensors);
    if found != header.checksum {
        return Err(ReadProblem::Checksum { found, expected: header.checksum });
    }
    let (cuts, nodes) = match tensors.as_slice() {
        [cuts, found] if is_lines(cuts, CUTS, Dtype::F32) && is_lines(found, NODES, Dtype::U32) => {
            (cuts.bytes, nodes(found.bytes))
        }
        _ => return Err(ReadProblem::Scorer { what: "other tensors than \"cuts\" and \"nodes\" in lines of 16" }),
    };
    let unusable = |what| ReadProblem::Scorer { what };
    let Header { features, combine, n_trees, calibrator, threshold, encoder, groups, .. } = header;
    let model_id = ModelId::of_digits(&header.model_id).ok_or(unusable("a model id that is none"))?;
    let encoder = encoder.with_cuts(cuts, &features).map_err(unusable)?;
    let nodes = nodes.ok_or(unusable("more lines of words than of values"))?;
    if n_trees == 0 || groups.len() != n_trees.div_ceil(LANES) {
        return Err(unusable("another number of groups than its trees need"));
    }
    calibrator.check().map_err(|_| unusable("a calibrator that does not rise"))?;
    let forest = CompactForest::assemble(encoder, nodes, groups, combine).map_err(unusable)?;
    let scorer = Scorer {
        model_id: Some(model_id),
        schema: features,
        engine: Engine::Compact(forest),
        kernel: Kernel::Portable,
        combine,
        n_trees,
        calibrator,
        threshold,
    };
    Ok(scorer.limited_to(Kernel::Avx512))
}

fn is_lines(tensor: &Tensor<'_>, name: &str, dtype: Dtype) -> bool {
    tensor.name == name && tensor.dtype == dtype && matches!(tensor.shape.as_slice(), [_, LINE_WORDS])
}

/// What is asked of a header before anything else, as other layouts may have other fields.
#[derive(Debug, Deserialize)]
struct Layout {
    layout: u32,
}

/// The checksum of a header text that begins with a checksum, and of tensors in order of their names. XXH3 is fast enough
/// for a start within a millisecond, which SHA-256 is not.
fn checksum(text: &str, tensors: &[Tensor<'_>]) -> String {
    let mut hasher = Xxh3::new();
    hasher.update(&text.as_bytes()[BEFORE_CHECKSUM.len() + digits(0).len()..]);
    tensors.iter().for_each(|tensor| hasher.update(tensor.bytes));
    digits(hasher.digest())
}

fn digits(checksum: u64) -> String {
    format!("{checksum:016x}")
}
