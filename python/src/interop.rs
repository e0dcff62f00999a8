//! Models put together from parts, and taken apart: what every import and export goes through.
//!
//! The parts are a header, the JSON of the model file (`docs/model-format.md`) without its checksums, and for a forest
//! the columns of its nodes. All of it is checked here as a file from a stranger would be.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde_json::{Map, Value, json};

use churn_features::FeatureSchema;
use churn_model::{
    Calibrator, Combine, ForestModel, LevelSet, LinearModel, ModelCard, ModelKind, Node, ReferenceHistogram, SplitRule,
    Threshold, ThresholdRule, Tree,
};

use crate::error::{ChurnError, ColumnError, message};
use crate::model::Model;

/// The nodes of all trees, one tree after the other.
///
/// Children count from the start of their tree, and may stand anywhere in it; a leaf has the feature -1. `value` is the
/// leaf value or the split value; splits of categories have a row of `level_sets` instead, in the order of the nodes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Nodes<'py> {
    tree_starts: PyReadonlyArray1<'py, u32>,
    feature: PyReadonlyArray1<'py, i32>,
    value: PyReadonlyArray1<'py, f32>,
    left: PyReadonlyArray1<'py, u32>,
    right: PyReadonlyArray1<'py, u32>,
    missing_left: PyReadonlyArray1<'py, bool>,
    cover: PyReadonlyArray1<'py, f32>,
    level_sets: PyReadonlyArray2<'py, u64>,
}

/// The model file of a model with these parts; only `features` and `model` have to be there.
#[pyfunction]
pub(crate) fn from_parts<'py>(
    py: Python<'py>,
    header: &str,
    nodes: Option<Nodes<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut header: Map<String, Value> = serde_json::from_str(header).map_err(|error| refused(&error))?;
    let schema: FeatureSchema = part(&mut header, "features")?.ok_or_else(|| missing("features"))?;
    let mut kind: Map<String, Value> = part(&mut header, "model")?.ok_or_else(|| missing("model"))?;
    let forest: Option<Map<String, Value>> = part(&mut kind, "forest")?;
    let linear: Option<Map<String, Value>> = part(&mut kind, "linear")?;
    let kind = match (forest, linear, nodes) {
        (Some(mut forest), None, Some(nodes)) => {
            let combine: Combine = part(&mut forest, "combine")?.ok_or_else(|| missing("combine"))?;
            let trees = nodes.trees(&schema)?;
            ModelKind::Forest(ForestModel::new(&schema, combine, &trees).map_err(|error| refused(&error))?)
        }
        (None, Some(mut linear), None) => {
            let intercept = part(&mut linear, "intercept")?.ok_or_else(|| missing("intercept"))?;
            let terms = part(&mut linear, "terms")?.ok_or_else(|| missing("terms"))?;
            ModelKind::Linear(LinearModel::new(&schema, intercept, terms).map_err(|error| refused(&error))?)
        }
        _ => return Err(ChurnError::new_err("a model is a forest with nodes or linear without")),
    };
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    let model =
        churn_model::Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default())
            .map_err(|error| refused(&error))?;
    file(py, &with_parts(model, header)?)
}

/// The header and the nodes of a model, as [`from_parts`] takes them.
#[pyfunction]
pub(crate) fn parts<'py>(py: Python<'py>, model: &Model) -> PyResult<(String, Option<Bound<'py, PyDict>>)> {
    let model = &model.model;
    let (kind, nodes) = match model.kind() {
        ModelKind::Forest(forest) => (json!({ "forest": { "combine": forest.combine() } }), Some(columns(py, forest)?)),
        ModelKind::Linear(linear) => {
            (json!({ "linear": { "intercept": linear.intercept(), "terms": linear.terms() } }), None)
        }
    };
    let header = json!({
        "features": model.schema(), "model": kind, "calibrator": model.calibrator(), "threshold": model.threshold(),
        "references": model.references(), "card": model.card(),
    });
    Ok((header.to_string(), nodes))
}

/// The model file of the same model with another calibrator, threshold, references or card, those of the header.
///
/// With `rows` of the observations it was fitted on, the references are counted from them, and the cover of nodes where
/// there is none.
#[pyfunction]
#[pyo3(signature = (model, header, rows=None))]
pub(crate) fn revised<'py>(
    py: Python<'py>,
    model: &Model,
    header: &str,
    rows: Option<PyReadonlyArray2<'py, f32>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let header: Map<String, Value> = serde_json::from_str(header).map_err(|error| refused(&error))?;
    let model = match rows {
        Some(rows) => with_rows(&model.model, &rows)?,
        None => model.model.clone(),
    };
    file(py, &with_parts(model, header)?)
}

/// The model file of a model that LightGBM has saved as text; `features` is a schema in JSON, where it knows more.
#[pyfunction]
#[pyo3(signature = (text, features=None))]
pub(crate) fn from_lightgbm<'py>(
    py: Python<'py>,
    text: &[u8],
    features: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let features = schema(features)?;
    let model = py.detach(|| churn_model::Model::from_lightgbm_text(features.as_ref(), text));
    file(py, &model.map_err(|error| refused(&error))?)
}

/// The model file of a model that XGBoost has saved as JSON; `features` is a schema in JSON, where it knows more.
#[pyfunction]
#[pyo3(signature = (text, features=None))]
pub(crate) fn from_xgboost<'py>(py: Python<'py>, text: &[u8], features: Option<&str>) -> PyResult<Bound<'py, PyBytes>> {
    let features = schema(features)?;
    let model = py.detach(|| churn_model::Model::from_xgboost_json(features.as_ref(), text));
    file(py, &model.map_err(|error| refused(&error))?)
}

fn schema(features: Option<&str>) -> PyResult<Option<FeatureSchema>> {
    features.map(|features| serde_json::from_str(features).map_err(|error| refused(&error))).transpose()
}

fn file<'py>(py: Python<'py>, model: &churn_model::Model) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &model.to_bytes().map_err(|error| refused(&error))?))
}

fn with_parts(model: churn_model::Model, mut header: Map<String, Value>) -> PyResult<churn_model::Model> {
    let calibrator = part(&mut header, "calibrator")?.unwrap_or_else(|| model.calibrator().clone());
    let threshold = part(&mut header, "threshold")?.unwrap_or(*model.threshold());
    let references = part(&mut header, "references")?.unwrap_or_else(|| model.references().to_vec());
    let card = part(&mut header, "card")?.unwrap_or_else(|| model.card().clone());
    if let Some(key) = header.keys().next() {
        return Err(ChurnError::new_err(format!("{key:?} is no part of a model")));
    }
    churn_model::Model::new(model.schema().clone(), model.kind().clone(), calibrator, threshold, references, card)
        .map_err(|error| refused(&error))
}

fn with_rows(model: &churn_model::Model, rows: &PyReadonlyArray2<'_, f32>) -> PyResult<churn_model::Model> {
    let rows = rows.as_array();
    let schema = model.schema();
    if rows.ncols() != schema.len() {
        let (found, expected) = (rows.ncols(), schema.len());
        return Err(ColumnError::new_err(format!("x has {found} columns; the model reads {expected} features")));
    }
    let columns = schema.features().iter().zip(rows.columns());
    let references: Vec<_> =
        columns.map(|(feature, column)| ReferenceHistogram::of(feature, column.iter().copied())).collect();
    let kind = match model.kind() {
        ModelKind::Forest(forest)
            if forest.trees().all(|tree| tree.nodes.first().is_none_or(|node| cover(node) == 0.0)) =>
        {
            let rows = rows.as_standard_layout();
            let rows = rows.rows().into_iter().filter_map(|row| row.to_slice());
            ModelKind::Forest(forest.clone().with_counted_cover(rows))
        }
        kind => kind.clone(),
    };
    let (calibrator, threshold) = (model.calibrator().clone(), *model.threshold());
    let card = ModelCard { n_observations: rows.nrows() as u64, ..model.card().clone() };
    churn_model::Model::new(schema.clone(), kind, calibrator, threshold, references, card)
        .map_err(|error| refused(&error))
}

fn cover(node: &Node) -> f32 {
    let (Node::Leaf { cover, .. } | Node::Split { cover, .. }) = node;
    *cover
}

fn part<T: serde::de::DeserializeOwned>(header: &mut Map<String, Value>, key: &'static str) -> PyResult<Option<T>> {
    let Some(value) = header.remove(key) else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|error| ChurnError::new_err(format!("{key}: {error}")))
}

fn missing(key: &'static str) -> PyErr {
    ChurnError::new_err(format!("the parts of a model lack {key:?}"))
}

fn refused(error: &(dyn std::error::Error + 'static)) -> PyErr {
    ChurnError::new_err(message(error))
}

impl Nodes<'_> {
    fn trees(&self, schema: &FeatureSchema) -> PyResult<Vec<Tree>> {
        let columns = Columns {
            feature: self.feature.as_slice()?,
            value: self.value.as_slice()?,
            left: self.left.as_slice()?,
            right: self.right.as_slice()?,
            missing_left: self.missing_left.as_slice()?,
            cover: self.cover.as_slice()?,
        };
        let n_nodes = columns.feature.len();
        let lengths = [columns.value.len(), columns.left.len(), columns.right.len(), columns.cover.len()];
        if lengths.into_iter().chain([columns.missing_left.len()]).any(|length| length != n_nodes) {
            return Err(ChurnError::new_err("the columns of the nodes differ in length"));
        }
        let sets = self.level_sets.as_array();
        let sets: Vec<LevelSet> = match sets.ncols() {
            4 => sets.rows().into_iter().map(|set| LevelSet::from_words([set[0], set[1], set[2], set[3]])).collect(),
            _ => return Err(ChurnError::new_err("a level set has 4 words of 64 bits")),
        };
        let is_category = |feature: i32| {
            usize::try_from(feature).ok().and_then(|at| schema.features().get(at)).is_some_and(|f| f.is_category())
        };
        let mut next = 0..;
        let set_of_node: Vec<Option<LevelSet>> = columns
            .feature
            .iter()
            .map(
                |&feature| {
                    if is_category(feature) { next.next().and_then(|at: usize| sets.get(at).copied()) } else { None }
                },
            )
            .collect();
        if next.next() != Some(sets.len()) {
            return Err(ChurnError::new_err("there is not one level set per split of a category"));
        }
        let starts = self.tree_starts.as_slice()?;
        if starts.first() != Some(&0) || starts.last().map(|&end| end as usize) != Some(n_nodes) {
            return Err(ChurnError::new_err("the trees do not cover the nodes"));
        }
        let tree = |(tree, bounds): (usize, &[u32])| {
            let bounds = bounds[0] as usize..bounds[1] as usize;
            columns.plant(bounds, &set_of_node).ok_or_else(|| {
                ChurnError::new_err(format!(
                    "tree {tree} is no tree: children outside of it, or with no or two parents"
                ))
            })
        };
        starts.windows(2).enumerate().map(tree).collect()
    }
}

struct Columns<'a> {
    feature: &'a [i32],
    value: &'a [f32],
    left: &'a [u32],
    right: &'a [u32],
    missing_left: &'a [bool],
    cover: &'a [f32],
}

impl Columns<'_> {
    /// The tree of these nodes, breadth first, with children side by side as the scorer wants them.
    fn plant(&self, bounds: std::ops::Range<usize>, sets: &[Option<LevelSet>]) -> Option<Tree> {
        let (start, n_nodes) = (bounds.start, bounds.len());
        if bounds.end > self.feature.len() || n_nodes == 0 {
            return None;
        }
        let mut sources = Vec::with_capacity(n_nodes);
        sources.push(start);
        let mut nodes = Vec::with_capacity(n_nodes);
        while let Some(&at) = sources.get(nodes.len()) {
            let cover = self.cover[at];
            nodes.push(match u16::try_from(self.feature[at]) {
                Err(_) if self.feature[at] == -1 => Node::Leaf { value: self.value[at], cover },
                Err(_) => return None,
                Ok(feature) => {
                    let children = [self.left[at], self.right[at]].map(|child| child as usize);
                    if children.iter().any(|&child| child >= n_nodes) || sources.len() + 2 > n_nodes {
                        return None;
                    }
                    let left = sources.len() as u32;
                    sources.extend(children.map(|child| start + child));
                    let rule = sets[at].map_or(SplitRule::Below(self.value[at]), SplitRule::Levels);
                    Node::Split { feature, rule, missing_left: self.missing_left[at], left, cover }
                }
            });
        }
        // As many nodes as there are, so with each of them reached, if none is twice.
        sources.sort_unstable();
        (nodes.len() == n_nodes && sources.windows(2).all(|pair| pair[0] < pair[1])).then_some(Tree { nodes })
    }
}

fn columns<'py>(py: Python<'py>, forest: &ForestModel) -> PyResult<Bound<'py, PyDict>> {
    let n_nodes = forest.n_nodes();
    let mut tree_starts = vec![0_u32];
    let (mut feature, mut value, mut left) = (Vec::<i32>::with_capacity(n_nodes), Vec::new(), Vec::<u32>::new());
    let (mut missing_left, mut covers, mut sets) = (Vec::new(), Vec::<f32>::new(), Vec::<u64>::new());
    for tree in forest.trees() {
        for node in &tree.nodes {
            covers.push(cover(node));
            match *node {
                Node::Leaf { value: share, .. } => {
                    feature.push(-1);
                    value.push(share);
                    left.push(0);
                    missing_left.push(false);
                }
                Node::Split { feature: position, rule, missing_left: goes_left, left: child, .. } => {
                    feature.push(i32::from(position));
                    value.push(match rule {
                        SplitRule::Below(split_value) => split_value,
                        SplitRule::Levels(set) => {
                            sets.extend(set.words());
                            0.0
                        }
                    });
                    left.push(child);
                    missing_left.push(goes_left);
                }
            }
        }
        tree_starts.push(feature.len() as u32);
    }
    let right: Vec<u32> = feature.iter().zip(&left).map(|(&f, &left)| if f < 0 { 0 } else { left + 1 }).collect();
    let nodes = PyDict::new(py);
    nodes.set_item("tree_starts", tree_starts.to_pyarray(py))?;
    nodes.set_item("feature", feature.to_pyarray(py))?;
    nodes.set_item("value", value.to_pyarray(py))?;
    nodes.set_item("left", left.to_pyarray(py))?;
    nodes.set_item("right", right.to_pyarray(py))?;
    nodes.set_item("missing_left", missing_left.to_pyarray(py))?;
    nodes.set_item("cover", covers.to_pyarray(py))?;
    let n_sets = sets.len() / 4;
    nodes.set_item("level_sets", PyArray1::from_vec(py, sets).reshape([n_sets, 4])?)?;
    Ok(nodes)
}
