//! Format version 1: reading it and, as the newest, writing it. Its layout never changes.

use std::collections::BTreeMap;

use safetensors::Dtype;
use serde::{Deserialize, Serialize};

use churn_features::FeatureSchema;

use super::container::{self, Container, Tensor};
use super::density::Density;
use super::digest;
use super::error::{ReadProblem, WriteError};
use crate::calibrator::Calibrator;
use crate::card::ModelCard;
use crate::forest::{Combine, ForestModel, LEAF, LevelSet, Node, SplitRule, Tree, TreeError};
use crate::linear::{LinearModel, Term};
use crate::model::{Model, ModelKind};
use crate::reference::ReferenceHistogram;
use crate::threshold::{Threshold, ThresholdRule};

const TREE_STARTS: &str = "forest.tree_starts";
const FEATURE: &str = "forest.feature";
const VALUE: &str = "forest.value";
const LEFT: &str = "forest.left";
const MISSING_LEFT: &str = "forest.missing_left";
const COVER: &str = "forest.cover";
const LEVEL_SETS: &str = "forest.level_sets";

const FOREST_TENSORS: [&str; 7] = [TREE_STARTS, FEATURE, VALUE, LEFT, MISSING_LEFT, COVER, LEVEL_SETS];

/// The header text, field by field in the order they are written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    checksum: String,
    format_version: u32,
    model: ModelHeader,
    features: FeatureSchema,
    fingerprint: String,
    calibrator: Calibrator,
    threshold: Threshold,
    references: Vec<ReferenceHistogram>,
    card: ModelCard,
}

/// What the header says of the fitted model; the arrays of a forest are tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ModelHeader {
    Forest { combine: Combine },
    Linear { intercept: f64, terms: Vec<Term> },
}

/// Reads a container whose checksum has been checked.
pub(crate) fn read(container: &Container<'_>) -> Result<Model, ReadProblem> {
    if !Density::of(container.text.as_bytes()).fits_header() {
        return Err(ReadProblem::TooDense { place: "header" });
    }
    let header: Header = serde_json::from_str(&container.text).map_err(ReadProblem::Header)?;
    let expected = header.features.fingerprint().to_string();
    if header.fingerprint != expected {
        return Err(ReadProblem::Fingerprint { found: header.fingerprint, expected });
    }
    let tensors = Tensors(&container.tensors);
    let kind = match header.model {
        ModelHeader::Forest { combine } => ModelKind::Forest(read_forest(&header.features, combine, tensors)?),
        ModelHeader::Linear { intercept, terms } => {
            tensors.refuse_others(&[])?;
            ModelKind::Linear(LinearModel::new(&header.features, intercept, terms).map_err(ReadProblem::Terms)?)
        }
    };
    let Header { features, calibrator, threshold, references, card, .. } = header;
    Model::new(features, kind, calibrator, threshold, references, card).map_err(ReadProblem::Model)
}

/// A file's tensors, handed out as rows of bytes once type and shape are as expected.
#[derive(Clone, Copy)]
struct Tensors<'a>(&'a [Tensor<'a>]);

impl<'a> Tensors<'a> {
    fn refuse_others(self, names: &[&str]) -> Result<(), ReadProblem> {
        match self.0.iter().find(|tensor| !names.contains(&tensor.name.as_str())) {
            Some(tensor) => Err(ReadProblem::UnknownTensor { name: tensor.name.clone() }),
            None => Ok(()),
        }
    }

    /// One number per entry; `n_nodes` of them where that is known.
    fn column<const BYTES: usize>(
        self,
        name: &'static str,
        dtype: Dtype,
        n_nodes: Option<usize>,
    ) -> Result<&'a [[u8; BYTES]], ReadProblem> {
        let tensor = self.of_type(name, dtype)?;
        match (tensor.shape.as_slice(), n_nodes) {
            (&[found], Some(expected)) if found != expected => Err(wrong_shape(name, tensor, format!("[{expected}]"))),
            ([_], _) => Ok(tensor.bytes.as_chunks().0),
            (_, _) => Err(wrong_shape(name, tensor, "one dimension".to_owned())),
        }
    }

    fn level_sets(self) -> Result<&'a [[u8; 32]], ReadProblem> {
        let tensor = self.of_type(LEVEL_SETS, Dtype::U64)?;
        match tensor.shape.as_slice() {
            [_, 4] => Ok(tensor.bytes.as_chunks().0),
            _ => Err(wrong_shape(LEVEL_SETS, tensor, "[level sets, 4]".to_owned())),
        }
    }

    fn of_type(self, name: &'static str, expected: Dtype) -> Result<&'a Tensor<'a>, ReadProblem> {
        let tensor = self.0.iter().find(|tensor| tensor.name == name).ok_or(ReadProblem::MissingTensor { name })?;
        if tensor.dtype == expected {
            return Ok(tensor);
        }
        Err(ReadProblem::TensorType { name, found: tensor.dtype.to_string(), expected: expected.to_string() })
    }
}

fn wrong_shape(name: &'static str, tensor: &Tensor<'_>, expected: String) -> ReadProblem {
    ReadProblem::TensorShape { name, found: tensor.shape.clone(), expected }
}

/// Takes the nodes of one tree after the other out of their columns.
struct NodeReader<'a> {
    schema: &'a FeatureSchema,
    feature: &'a [[u8; 2]],
    value: &'a [[u8; 4]],
    left: &'a [[u8; 4]],
    missing_left: &'a [[u8; 1]],
    cover: &'a [[u8; 4]],
    level_sets: &'a [[u8; 32]],
    level_sets_used: usize,
}

fn read_forest(schema: &FeatureSchema, combine: Combine, tensors: Tensors<'_>) -> Result<ForestModel, ReadProblem> {
    tensors.refuse_others(&FOREST_TENSORS)?;
    let tree_starts = tensors.column::<4>(TREE_STARTS, Dtype::U32, None)?;
    let feature = tensors.column(FEATURE, Dtype::U16, None)?;
    let n_nodes = feature.len();
    let mut nodes = NodeReader {
        schema,
        feature,
        value: tensors.column(VALUE, Dtype::F32, Some(n_nodes))?,
        left: tensors.column(LEFT, Dtype::U32, Some(n_nodes))?,
        missing_left: tensors.column(MISSING_LEFT, Dtype::U8, Some(n_nodes))?,
        cover: tensors.column(COVER, Dtype::F32, Some(n_nodes))?,
        level_sets: tensors.level_sets()?,
        level_sets_used: 0,
    };
    let mut forest = ForestModel::without_trees(schema, combine, n_nodes).map_err(ReadProblem::Trees)?;
    let n_trees = tree_starts.len().saturating_sub(1);
    if n_trees == 0 {
        return Err(ReadProblem::Trees(TreeError::NoTrees));
    }
    for (position, pair) in tree_starts.windows(2).enumerate() {
        let (start, end) = (u32::from_le_bytes(pair[0]), u32::from_le_bytes(pair[1]));
        // What was pushed so far says where the next tree has to start.
        let follows = start as usize == forest.n_nodes();
        let is_last = position + 1 == n_trees;
        if !follows || start >= end || end as usize > n_nodes || is_last && end as usize != n_nodes {
            return Err(ReadProblem::TreeStarts { tree: position, start, end, n_nodes });
        }
        // Collecting into a result would grow the vector by doubling, and hold two of them at the end.
        let mut tree = Tree { nodes: Vec::with_capacity((end - start) as usize) };
        for at in start as usize..end as usize {
            tree.nodes.push(nodes.node(at)?);
        }
        forest.push_tree(&tree).map_err(ReadProblem::Trees)?;
    }
    if nodes.level_sets_used != nodes.level_sets.len() {
        return Err(ReadProblem::LevelSetCount { found: nodes.level_sets.len(), expected: nodes.level_sets_used });
    }
    Ok(forest)
}

impl NodeReader<'_> {
    fn node(&mut self, at: usize) -> Result<Node, ReadProblem> {
        let (value, cover) = (f32::from_le_bytes(self.value[at]), f32::from_le_bytes(self.cover[at]));
        let (feature, left) = (u16::from_le_bytes(self.feature[at]), u32::from_le_bytes(self.left[at]));
        let missing_left = match self.missing_left[at] {
            [0] => false,
            [1] => true,
            [found] => return Err(ReadProblem::MissingLeft { node: at, found }),
        };
        if feature == LEAF {
            let goes_on = left != 0 || missing_left;
            return if goes_on { Err(ReadProblem::LeafGoesOn { node: at }) } else { Ok(Node::Leaf { value, cover }) };
        }
        // A feature that the schema does not have is for the forest to refuse.
        let is_category = self.schema.features().get(usize::from(feature)).is_some_and(|f| f.is_category());
        let rule = if is_category { SplitRule::Levels(self.level_set(at, value)?) } else { SplitRule::Below(value) };
        Ok(Node::Split { feature, rule, missing_left, left, cover })
    }

    /// Each category split has its own row, the next one; so a row is a number that cannot lead astray.
    fn level_set(&mut self, node: usize, found: f32) -> Result<LevelSet, ReadProblem> {
        let expected = self.level_sets_used;
        match self.level_sets.get(expected) {
            Some(row) if found == expected as f32 => {
                self.level_sets_used += 1;
                let mut words = [0; 4];
                words.iter_mut().zip(row.as_chunks().0).for_each(|(word, &bytes)| *word = u64::from_le_bytes(bytes));
                Ok(LevelSet::from_words(words))
            }
            Some(_) | None => Err(ReadProblem::LevelSet { node, found, expected, n_sets: self.level_sets.len() }),
        }
    }
}

/// The bytes of a file of this version.
pub(crate) fn write(model: &Model) -> Result<Vec<u8>, WriteError> {
    refuse_numbers_that_json_lacks(model)?;
    let (kind, columns) = match model.kind() {
        ModelKind::Forest(forest) => (ModelHeader::Forest { combine: forest.combine() }, forest_columns(forest)),
        ModelKind::Linear(linear) => {
            (ModelHeader::Linear { intercept: linear.intercept(), terms: linear.terms().to_vec() }, BTreeMap::new())
        }
    };
    let tensors: Vec<Tensor<'_>> = columns
        .iter()
        .map(|(&name, (dtype, shape, bytes))| Tensor { name: name.into(), dtype: *dtype, shape: shape.clone(), bytes })
        .collect();
    let header = Header {
        checksum: "0".repeat(digest::CHECKSUM_DIGITS),
        format_version: 1,
        model: kind,
        features: model.schema().clone(),
        fingerprint: model.schema().fingerprint().to_string(),
        calibrator: model.calibrator().clone(),
        threshold: *model.threshold(),
        references: model.references().to_vec(),
        card: in_order(model.card()),
    };
    let mut text = serde_json::to_string(&header).map_err(WriteError::from_container)?;
    if !Density::of(text.as_bytes()).fits_header() {
        return Err(WriteError::TooDense);
    }
    let start = digest::BEFORE_CHECKSUM.len();
    text.replace_range(start..start + digest::CHECKSUM_DIGITS, &digest::checksum(&text, &tensors));
    container::pack(super::METADATA_KEY, text, &tensors)
}

/// The card with its free objects in byte order, also where another crate has switched on serde_json's insertion order.
fn in_order(card: &ModelCard) -> ModelCard {
    let mut card = card.clone();
    card.hyperparameters.values_mut().for_each(serde_json::Value::sort_all_objects);
    card
}

/// serde_json writes `null` for them. Calibrator, references, base value and terms are checked where they are made.
fn refuse_numbers_that_json_lacks(model: &Model) -> Result<(), WriteError> {
    let threshold = model.threshold();
    let rule: &[(&str, f64)] = match &threshold.rule {
        ThresholdRule::Profit { campaign } => &[
            ("lifetime_value", campaign.lifetime_value),
            ("offer", campaign.offer),
            ("contact", campaign.contact),
            ("accept_alpha", campaign.accept_alpha),
            ("accept_beta", campaign.accept_beta),
        ],
        ThresholdRule::Capacity { share } => &[("share", *share)],
        ThresholdRule::Precision { at_least } | ThresholdRule::Recall { at_least } => &[("at_least", *at_least)],
        ThresholdRule::FScore { beta } => &[("beta", *beta)],
        ThresholdRule::Accuracy | ThresholdRule::Fixed => &[],
    };
    let in_rule = rule.iter().map(|(name, number)| (format!("threshold.{name}"), *number));
    let in_card = model.card().metrics.iter().map(|(name, number)| (format!("card.metrics[{name:?}]"), *number));
    let mut numbers = [("threshold.score".to_owned(), threshold.score)].into_iter().chain(in_rule).chain(in_card);
    match numbers.find(|(_, number)| !number.is_finite()) {
        Some((field, found)) => Err(WriteError::NotFinite { field, found }),
        None => Ok(()),
    }
}

type Column = (Dtype, Vec<usize>, Vec<u8>);

/// A forest's tensors by name, which is the order of the checksum.
fn forest_columns(forest: &ForestModel) -> BTreeMap<&'static str, Column> {
    let arrays = forest.arrays();
    let floats = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let integers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let feature = arrays.feature.iter().flat_map(|feature| feature.to_le_bytes()).collect();
    let missing_left = arrays.missing_left.iter().map(|&left| u8::from(left)).collect();
    let words = arrays.level_sets.iter().flat_map(LevelSet::words);
    let level_sets = words.flat_map(u64::to_le_bytes).collect();
    let n_nodes = vec![forest.n_nodes()];
    BTreeMap::from([
        (TREE_STARTS, (Dtype::U32, vec![arrays.tree_starts.len()], integers(arrays.tree_starts))),
        (FEATURE, (Dtype::U16, n_nodes.clone(), feature)),
        (VALUE, (Dtype::F32, n_nodes.clone(), floats(arrays.value))),
        (LEFT, (Dtype::U32, n_nodes.clone(), integers(arrays.left))),
        (MISSING_LEFT, (Dtype::U8, n_nodes.clone(), missing_left)),
        (COVER, (Dtype::F32, n_nodes, floats(arrays.cover))),
        (LEVEL_SETS, (Dtype::U64, vec![arrays.level_sets.len(), 4], level_sets)),
    ])
}
