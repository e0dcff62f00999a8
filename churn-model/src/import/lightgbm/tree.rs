//! One tree of LightGBM: columns with an entry per split and per leaf, and bit sets of levels.

use std::rc::Rc;

use churn_features::FeatureSchema;

use super::text::Block;
use super::zero::{self, Side, Sides};
use crate::forest::{SplitRule, Tree};
use crate::import::foreign_file::level_set;
use crate::import::split_value::GoesLeft;
use crate::import::{Foreign, ImportError, numeric_rule, plant};

/// Nodes that a tree may come to have for each of its own, where zeros are missing values.
const MOST_GROWTH: usize = 64;

/// What LightGBM saves of a tree, as far as it is read here.
pub(super) struct SavedTree {
    splits: Vec<Split>,
    leaves: Vec<Leaf>,
    /// The levels that go left, by category split.
    levels: Vec<Vec<u64>>,
}

struct Split {
    feature: usize,
    ask: Ask,
    default_left: bool,
    /// A split behind this one, or a leaf as `-1 - leaf`.
    left: i32,
    right: i32,
    cover: f32,
}

#[derive(Clone, Copy)]
enum Ask {
    AtMost {
        threshold: f64,
        missing: Missing,
    },
    /// Position among the bit sets.
    Levels(usize),
}

/// Which values count as missing at a split.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    /// None were seen in training: NaN counts as 0.
    None,
    Zero,
    NotANumber,
}

struct Leaf {
    value: f64,
    cover: f32,
}

/// A place in the tree while it is walked: a node as LightGBM counts them, and what is known on the way there.
struct Place {
    node: i32,
    sides: Sides,
}

impl SavedTree {
    pub(super) fn read(block: &Block<'_>) -> Result<Self, ImportError> {
        let n_leaves: usize = block.number("num_leaves")?;
        if n_leaves == 0 {
            return Err(block.wrong("num_leaves", "a tree has at least one leaf"));
        }
        if block.get("is_linear").is_some_and(|(_, value)| value != "0") {
            let (what, found) = ("kind of tree", "linear_tree".to_owned());
            return Err(ImportError::Unsupported { what, found, known: "trees with a constant in each leaf" });
        }
        let values: Vec<f64> = block.numbers("leaf_value", n_leaves)?;
        let covers = block.numbers_if_any::<f32>("leaf_count", n_leaves)?.unwrap_or_else(|| vec![0.0; n_leaves]);
        let leaves = values.into_iter().zip(covers).map(|(value, cover)| Leaf { value, cover }).collect();
        let n_splits = n_leaves - 1;
        if n_splits == 0 {
            return Ok(Self { splits: Vec::new(), leaves, levels: Vec::new() });
        }
        let levels = read_levels(block)?;
        let features: Vec<usize> = block.numbers("split_feature", n_splits)?;
        let thresholds: Vec<f64> = block.numbers("threshold", n_splits)?;
        let decision_types: Vec<u8> = block.numbers("decision_type", n_splits)?;
        let left: Vec<i32> = block.numbers("left_child", n_splits)?;
        let right: Vec<i32> = block.numbers("right_child", n_splits)?;
        let covers = block.numbers_if_any::<f32>("internal_count", n_splits)?.unwrap_or_else(|| vec![0.0; n_splits]);
        let mut splits = Vec::with_capacity(n_splits);
        for at in 0..n_splits {
            for (key, child) in [("left_child", left[at]), ("right_child", right[at])] {
                let follows = if child < 0 { !child as usize >= n_leaves } else { child as usize <= at };
                if follows || child >= n_splits as i32 {
                    return Err(block.wrong(key, "a child does not exist, or does not stand behind its parent"));
                }
            }
            let (ask, default_left) = read_ask(block, decision_types[at], thresholds[at], levels.len())?;
            let (left, right) = (left[at], right[at]);
            splits.push(Split { feature: features[at], ask, default_left, left, right, cover: covers[at] });
        }
        Ok(Self { splits, leaves, levels })
    }

    /// The features that are split by their levels, and the number of levels that each split has to know.
    pub(super) fn level_splits(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.splits.iter().filter_map(|split| match split.ask {
            Ask::Levels(set) => {
                let last = self.levels[set].last();
                Some((split.feature, last.map_or(1, |&last| last + 1)))
            }
            Ask::AtMost { .. } => None,
        })
    }

    /// The same tree with our nodes, its leaf values times `scale`, and whether it has become one of more splits.
    pub(super) fn plant(
        &self,
        schema: &FeatureSchema,
        position: usize,
        scale: f64,
    ) -> Result<(Tree, bool), ImportError> {
        let has_zeros = self.splits.iter().any(|split| matches!(split.ask, Ask::AtMost { missing: Missing::Zero, .. }));
        let n_nodes = self.splits.len() + self.leaves.len();
        let most_nodes = if has_zeros { n_nodes.saturating_mul(MOST_GROWTH) } else { n_nodes };
        let mut has_more_splits = false;
        let root = Place { node: if self.splits.is_empty() { -1 } else { 0 }, sides: None };
        let tree = plant(schema, position, root, most_nodes, |place: Place| {
            self.node_at(schema, position, place, scale, &mut has_more_splits)
        })?;
        if !has_more_splits && tree.nodes.len() != n_nodes {
            let problem = "a node is the child of no node, or of more than one";
            return Err(ImportError::Structure { tree: position, problem });
        }
        Ok((tree, has_more_splits))
    }

    fn node_at(
        &self,
        schema: &FeatureSchema,
        position: usize,
        place: Place,
        scale: f64,
        has_more_splits: &mut bool,
    ) -> Result<Foreign<Place>, ImportError> {
        let Place { mut node, sides } = place;
        // Ends, since children stand behind their parents.
        let split = loop {
            let Ok(at) = usize::try_from(node) else {
                let leaf = &self.leaves[!node as usize];
                return Ok(Foreign::Leaf { value: (leaf.value * scale) as f32, cover: leaf.cover });
            };
            let split = &self.splits[at];
            match self.known_child(split, &sides) {
                Some(child) => node = child,
                None => break split,
            }
        };
        let &Split { feature, ask, default_left, left, right, cover } = split;
        let child = |node: i32| Place { node, sides: sides.clone() };
        let (threshold, missing) = match ask {
            Ask::Levels(set) => {
                let set = level_set(schema, feature, self.levels[set].iter().copied())?;
                let (left, right) = (child(left), child(right));
                return Ok(Foreign::Split {
                    feature,
                    rule: SplitRule::Levels(set),
                    missing_left: false,
                    cover,
                    left,
                    right,
                });
            }
            Ask::AtMost { threshold, missing } => (threshold, missing),
        };
        let (goes_left, missing_left) = match (missing, zero::side(&sides, feature)) {
            (Missing::None, _) => (zero::plain(threshold), 0.0 <= threshold),
            (Missing::NotANumber, _) | (Missing::Zero, Some(Side::Below | Side::Above)) => {
                (zero::plain(threshold), default_left)
            }
            (Missing::Zero, side) => match zero::with_zeros(threshold, default_left) {
                Some(goes_left) if side.is_none() => (goes_left, default_left),
                // Asks for the side of zero first, and then comes back to this split.
                _ => {
                    *has_more_splits = true;
                    let know = |side| Place { node, sides: Some(Rc::new(zero::Known::new(feature, side, &sides))) };
                    let (goes_left, missing_left, left, right) = match side {
                        Some(_) => (zero::BELOW, false, Side::Below, Side::Zero),
                        None => (zero::NOT_ABOVE, true, Side::NotAbove, Side::Above),
                    };
                    let rule = numeric_rule(schema, position, feature, goes_left)?;
                    let (left, right) = (know(left), know(right));
                    return Ok(Foreign::Split { feature, rule, missing_left, cover, left, right });
                }
            },
        };
        let (left, right) = (child(left), child(right));
        if goes_left == GoesLeft::AtMost(f64::INFINITY) {
            // Asks only whether the value is missing. Nothing is below the least f32, so ours asks it the other way round.
            let rule = SplitRule::Below(f32::NEG_INFINITY);
            return Ok(Foreign::Split { feature, rule, missing_left: !missing_left, cover, left: right, right: left });
        }
        let rule = numeric_rule(schema, position, feature, goes_left)?;
        Ok(Foreign::Split { feature, rule, missing_left, cover, left, right })
    }

    /// The child that everything goes to which can be there, where zeros are missing and their side is known.
    fn known_child(&self, split: &Split, sides: &Sides) -> Option<i32> {
        let Ask::AtMost { threshold, missing: Missing::Zero } = split.ask else { return None };
        match zero::side(sides, split.feature)? {
            Side::Zero => Some(if split.default_left { split.left } else { split.right }),
            Side::Below if threshold >= -zero::ZERO => Some(split.left),
            Side::Above if threshold <= zero::ZERO => Some(split.right),
            Side::NotAbove | Side::Below | Side::Above => None,
        }
    }
}

/// What a split asks, and whether missing values go left.
fn read_ask(block: &Block<'_>, decision_type: u8, threshold: f64, n_sets: usize) -> Result<(Ask, bool), ImportError> {
    if decision_type & 1 == 1 {
        // The threshold is the position of the bit set; missing values go right.
        let set = threshold as usize;
        if set as f64 != threshold || set >= n_sets {
            return Err(block.wrong("threshold", "a category split points at no bit set"));
        }
        return Ok((Ask::Levels(set), false));
    }
    let missing = match decision_type >> 2 {
        0 => Missing::None,
        1 => Missing::Zero,
        2 => Missing::NotANumber,
        _ => return Err(block.wrong("decision_type", "it is none that LightGBM has")),
    };
    Ok((Ask::AtMost { threshold, missing }, decision_type & 2 != 0))
}

/// The levels of each bit set, ascending.
fn read_levels(block: &Block<'_>) -> Result<Vec<Vec<u64>>, ImportError> {
    let n_sets: usize = if block.get("num_cat").is_some() { block.number("num_cat")? } else { 0 };
    if n_sets == 0 {
        return Ok(Vec::new());
    }
    let n_bounds = n_sets.checked_add(1).ok_or_else(|| block.wrong("num_cat", "it is too large"))?;
    let bounds: Vec<usize> = block.numbers("cat_boundaries", n_bounds)?;
    let words: Vec<u32> = block.numbers("cat_threshold", *bounds.last().unwrap_or(&0))?;
    let problem = || block.wrong("cat_boundaries", "they do not count up from 0");
    if bounds[0] != 0 {
        return Err(problem());
    }
    let codes_of = |pair: &[usize]| {
        let words = words.get(pair[0]..pair[1]).ok_or_else(problem)?;
        let bits = words.iter().zip(0_u64..).flat_map(|(&word, at)| (0..32).map(move |bit| (word, 32 * at + bit)));
        Ok(bits.filter(|(word, code)| word >> (code % 32) & 1 == 1).map(|(_, code)| code).collect())
    };
    bounds.windows(2).map(codes_of).collect()
}
