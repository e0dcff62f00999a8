//! What can go wrong between a model and its file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::forest::TreeError;
use crate::linear::TermError;
use crate::model::ModelError;

/// Why a model file or a scorer file cannot be read: which file, and what is wrong with it.
#[derive(Debug)]
pub struct ReadError {
    kind: &'static str,
    path: Option<PathBuf>,
    problem: ReadProblem,
}

impl ReadError {
    pub(crate) fn in_file(path: &Path, problem: ReadProblem) -> Self {
        Self { kind: "model", path: Some(path.to_owned()), problem }
    }

    pub(crate) fn in_scorer_file(path: &Path, problem: ReadProblem) -> Self {
        Self { kind: "scorer", ..Self::in_file(path, problem) }
    }

    pub(crate) fn in_bytes(problem: ReadProblem) -> Self {
        Self { kind: "model", path: None, problem }
    }

    pub(crate) fn in_scorer_bytes(problem: ReadProblem) -> Self {
        Self { kind: "scorer", ..Self::in_bytes(problem) }
    }

    /// The file, unless the model was read from bytes in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &ReadProblem {
        &self.problem
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} file {path:?} {}", self.kind, self.problem),
            None => write!(f, "the {} file's content {}", self.kind, self.problem),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.problem.source() // the problem itself is in the message already
    }
}

/// What can be wrong with a model file or a scorer file; each is said of the file, as in "the file is no regular file".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProblem {
    /// The operating system does not give it out.
    #[error("cannot be read")]
    Io(#[source] io::Error),
    /// A folder, a pipe or a device.
    #[error("is not a regular file; name the file itself, such as model.safetensors")]
    NotAFile,
    /// It ends inside its container header.
    #[error("ends after {found} bytes, inside its container header; it was cut short, or is another kind of file")]
    TooShort {
        /// Bytes found.
        found: usize,
    },
    /// The length of the container header is beyond every container.
    #[error("begins with a header length of {found} where at most {most} is expected; it is another kind of file")]
    HeaderLength {
        /// Length found.
        found: u64,
        /// Longest container header.
        most: usize,
    },
    /// JSON that would take much more memory than its text.
    #[error("packs more values into its {place} than any model does; it was not written as one")]
    TooDense {
        /// Which JSON text.
        place: &'static str,
    },
    /// The container header is no container header.
    #[error("is not a sound safetensors container; it is damaged, or is no model file")]
    Container(#[source] Box<dyn Error + Send + Sync>),
    /// More or fewer bytes than the tensors need.
    #[error("has {found} bytes of tensors where its header announces {expected}; it was cut short, or written over")]
    DataLength {
        /// Bytes found.
        found: usize,
        /// Bytes that the tensors need.
        expected: usize,
    },
    /// A safetensors file that holds something else.
    #[error("lacks the metadata key {key:?}; it was written by another program")]
    NoHeader {
        /// The key.
        key: &'static str,
    },
    /// Metadata that the checksum does not cover.
    #[error("has the metadata key {key:?} where only {expected:?} is expected; name a file of the right kind")]
    UnknownMetadata {
        /// The key.
        key: String,
        /// The only key that such files have.
        expected: &'static str,
    },
    /// The header text does not begin as in every format version.
    #[error("has a header that does not begin with its checksum and version; it was not written by this library")]
    HeaderStart,
    /// A layout that this build does not know.
    #[error("has format version {found}; this build reads {oldest} to {newest}: use a newer release of churn-model")]
    UnknownVersion {
        /// Format version found.
        found: u32,
        /// Oldest one read.
        oldest: u32,
        /// Newest one read.
        newest: u32,
    },
    /// Content and checksum do not belong together.
    #[error("is damaged: its content has the checksum {found}, its header says {expected}; copy it again")]
    Checksum {
        /// Checksum of the content.
        found: String,
        /// Checksum in the header.
        expected: String,
    },
    /// The header is no JSON, or a field is missing, unknown or of the wrong type.
    #[error("has a header that does not follow its format")]
    Header(#[source] serde_json::Error),
    /// The fingerprint in the header is not the one of the features.
    #[error("says its feature schema has the fingerprint {found}; its features have {expected}")]
    Fingerprint {
        /// Fingerprint in the header.
        found: String,
        /// Fingerprint of the features.
        expected: String,
    },
    /// A tensor that the model needs is not there.
    #[error("lacks the tensor {name:?}")]
    MissingTensor {
        /// Name of the tensor.
        name: &'static str,
    },
    /// A tensor that the model does not need is there.
    #[error("holds the tensor {name:?}, which no model of its kind has")]
    UnknownTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A tensor of another type.
    #[error("holds the tensor {name:?} with type {found} where {expected} is expected")]
    TensorType {
        /// Name of the tensor.
        name: &'static str,
        /// Type found.
        found: String,
        /// Type expected.
        expected: String,
    },
    /// A tensor of another shape.
    #[error("holds the tensor {name:?} with shape {found:?} where {expected} is expected")]
    TensorShape {
        /// Name of the tensor.
        name: &'static str,
        /// Shape found.
        found: Vec<usize>,
        /// Shape expected, in words.
        expected: String,
    },
    /// Trees that do not follow each other from the first node to the last.
    #[error("has a tree {tree} that starts at node {start} and ends before node {end}, of {n_nodes} nodes")]
    TreeStarts {
        /// Zero-based position of the tree.
        tree: usize,
        /// Where it starts.
        start: u32,
        /// Where the next one starts.
        end: u32,
        /// Nodes of all trees.
        n_nodes: usize,
    },
    /// A category split that names another row of the level sets than the next one.
    #[error("has a category split, node {node}, with level set {found} where row {expected} of {n_sets} is its own")]
    LevelSet {
        /// Zero-based position among the nodes of all trees.
        node: usize,
        /// Row found, as it stands in the file.
        found: f32,
        /// Row expected.
        expected: usize,
        /// Rows there are.
        n_sets: usize,
    },
    /// Level sets that no split names.
    #[error("holds {found} level sets for {expected} category splits")]
    LevelSetCount {
        /// Level sets found.
        found: usize,
        /// Category splits.
        expected: usize,
    },
    /// A byte that is neither yes nor no.
    #[error("has {found} in \"forest.missing_left\", node {node}, where 0 or 1 is expected")]
    MissingLeft {
        /// Zero-based position among the nodes of all trees.
        node: usize,
        /// Byte found.
        found: u8,
    },
    /// A leaf that says where to go on.
    #[error("has a leaf, node {node}, with a child or a direction for missing values")]
    LeafGoesOn {
        /// Zero-based position among the nodes of all trees.
        node: usize,
    },
    /// The trees are no forest.
    #[error("holds a forest that cannot be used")]
    Trees(#[source] TreeError),
    /// The terms are no linear model.
    #[error("holds a linear model that cannot be used")]
    Terms(#[source] TermError),
    /// The parts do not fit together.
    #[error("holds parts that do not fit together")]
    Model(#[source] ModelError),
    /// A scorer file for other kernels.
    #[error("is a scorer file of layout {found}; this build reads {expected}: write it again from the model file")]
    UnknownLayout {
        /// Layout found.
        found: u32,
        /// Layout read.
        expected: u32,
    },
    /// A scorer file that no kernel may walk.
    #[error("holds {what}; write it again from the model file")]
    Scorer {
        /// What it holds.
        what: &'static str,
    },
}

/// Why a model or its scorer cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// JSON has no word for it, and a reader no use.
    #[error("the model's {field} is {found}; a model file holds finite numbers only: leave it out or mend it")]
    NotFinite {
        /// Where it stands in the model.
        field: String,
        /// The number.
        found: f64,
    },
    /// More header than a container can hold.
    #[error("the model's header takes more than the {most} bytes that a container can hold; use fewer features")]
    HeaderTooLarge {
        /// Longest container header.
        most: usize,
    },
    /// A header that readers would refuse to parse.
    #[error("the model's header packs more values into its text than a reader accepts; shorten the hyperparameters")]
    TooDense,
    /// The parts of the model cannot be put into a container.
    #[error("the model cannot be put into a safetensors container")]
    Container(#[source] Box<dyn Error + Send + Sync>),
    /// The path leads to a folder or a device, or names nothing.
    #[error("cannot write {path:?}: the path does not name a regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The operating system does not take it.
    #[error("cannot write {path:?}: {step} failed; what was there before is unchanged")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl WriteError {
    pub(crate) fn from_container(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Container(Box::new(error))
    }
}
