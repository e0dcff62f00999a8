//! A tree made ready for exact contributions: what is known of each split before any row is.

use super::question::{Levels, Question};
use crate::forest::{Node, Tree};

/// Most splits of a section: what its walk remembers stays in the first-level cache.
const SECTION_SPLITS: usize = 64;

/// Slot of everything that is no split: its product is never read, its value is 0.
pub(super) const NO_SLOT: u32 = 0;

/// One split of a prepared tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathSplit {
    /// Share of the cover that goes left.
    pub(super) left_share: f64,
    /// Product of the shares on the way here of splits on the same feature.
    pub(super) path_share: f64,
    pub(super) question: Question,
    /// Which answer on the way here was the last about the same feature; [`ALWAYS_MET`] when this is the first split on it.
    pub(super) last_answer: u32,
    /// Where the walk keeps what it knows about this split, and about its children.
    pub(super) slot: u32,
    pub(super) left_slot: u32,
    pub(super) right_slot: u32,
    /// Values of the children that are leaves; 0 for those that are not.
    pub(super) left_value: f32,
    pub(super) right_value: f32,
}

/// The answer that every row has given.
pub(super) const ALWAYS_MET: u32 = 0;

/// The number of an answer: one per side of each split.
pub(super) fn answer(split: usize, is_right: bool) -> u32 {
    (2 * split + 1 + usize::from(is_right)) as u32
}

/// Splits that are walked together; parents stand before children.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub(super) start: usize,
    /// Where those begin whose children are both leaves.
    pub(super) twigs: usize,
    pub(super) end: usize,
}

/// A tree made ready: the top of it, and below that subtrees small enough for the cache.
#[derive(Debug, Clone)]
pub(super) struct PathTree {
    /// Splits, section by section.
    pub(super) splits: Vec<PathSplit>,
    /// Positions of those on categories.
    pub(super) category_splits: Vec<u32>,
    /// The top first, where there is more than one.
    pub(super) sections: Vec<Section>,
    /// Slots that the walk needs.
    pub(super) n_slots: usize,
    /// Most different features between the root and a leaf.
    pub(super) max_features: usize,
}

impl PathTree {
    /// Prepares a tree; its level sets are added to `levels`.
    pub(super) fn new(tree: &Tree, levels: &mut Levels) -> Self {
        let layout = Layout::of(tree);
        let mut splits = vec![None; tree.nodes.len() / 2] /* every split has two children */;
        let mut path = Path::new(levels.n_features());
        let mut steps = vec![Step::Enter(0)];
        while let Some(step) = steps.pop() {
            let at = match step {
                Step::Enter(at) => at,
                Step::Answer(answer) => {
                    path.push(answer);
                    continue;
                }
                Step::Return => {
                    path.pop();
                    continue;
                }
            };
            let Node::Split { feature, rule, missing_left, left, .. } = tree.nodes[at] else { continue };
            let position = layout.position[at];
            let left_share = left_share(tree, left);
            let last = path.last[usize::from(feature)];
            let left = left as usize;
            splits[position] = Some(PathSplit {
                left_share,
                path_share: last.share,
                question: levels.question(feature, rule, missing_left),
                last_answer: last.answer,
                slot: layout.slot[at],
                left_slot: layout.slot[left],
                right_slot: layout.slot[left + 1],
                left_value: leaf_value(tree, left),
                right_value: leaf_value(tree, left + 1),
            });
            for (child, is_right, share) in [(left + 1, true, 1.0 - left_share), (left, false, left_share)] {
                let known = Known { answer: answer(position, is_right), share: last.share * share };
                steps.extend([Step::Return, Step::Enter(child), Step::Answer((feature, known))]);
            }
        }
        let splits: Vec<PathSplit> = splits.into_iter().flatten().collect();
        let is_category = |&position: &u32| splits[position as usize].question.is_category;
        Self {
            category_splits: (0..splits.len() as u32).filter(is_category).collect(),
            splits,
            sections: layout.sections,
            n_slots: layout.n_slots,
            max_features: path.max_features,
        }
    }
}

/// What the way to a node has asked about a feature.
#[derive(Debug, Clone, Copy)]
struct Known {
    answer: u32,
    share: f64,
}

/// A walk through all of a tree, without recursion: trees may be as deep as they like.
#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(usize),
    Answer((u16, Known)),
    Return,
}

/// The way from the root to a node.
struct Path {
    /// By feature.
    last: Vec<Known>,
    /// What `last` held before each answer.
    before: Vec<(u16, Known)>,
    n_features: usize,
    max_features: usize,
}

impl Path {
    fn new(n_features: usize) -> Self {
        let last = vec![Known { answer: ALWAYS_MET, share: 1.0 }; n_features];
        Self { last, before: Vec::new(), n_features: 0, max_features: 0 }
    }

    fn push(&mut self, (feature, known): (u16, Known)) {
        let before = std::mem::replace(&mut self.last[usize::from(feature)], known);
        self.n_features += usize::from(before.answer == ALWAYS_MET);
        self.max_features = self.max_features.max(self.n_features);
        self.before.push((feature, before));
    }

    fn pop(&mut self) {
        if let Some((feature, before)) = self.before.pop() {
            self.n_features -= usize::from(before.answer == ALWAYS_MET);
            self.last[usize::from(feature)] = before;
        }
    }
}

/// Which split stands where.
struct Layout {
    sections: Vec<Section>,
    /// By node: its place among the splits, section by section.
    position: Vec<usize>,
    /// By node.
    slot: Vec<u32>,
    n_slots: usize,
}

impl Layout {
    fn of(tree: &Tree) -> Self {
        let n_below = splits_below(tree);
        let section = sections(tree, &n_below);
        let is_twig = |at: usize| n_below[at] == 1;
        let mut order: Vec<usize> = (0..tree.nodes.len()).filter(|&at| n_below[at] > 0).collect();
        order.sort_by_key(|&at| (section[at], is_twig(at))); // stable: parents stay before children

        let mut layout = Self {
            position: vec![0; tree.nodes.len()],
            slot: vec![NO_SLOT; tree.nodes.len()],
            sections: Vec::new(),
            n_slots: 0,
        };
        let n_top = order.partition_point(|&at| section[at] == TOP);
        let n_kept = 1 + n_top + section.iter().max().map_or(0, |&last| last as usize);
        let mut start = 0;
        for group in order.chunk_by(|&a, &b| section[a] == section[b]) {
            let (id, end) = (section[group[0]], start + group.len());
            layout.sections.push(Section { start, twigs: start + group.partition_point(|&at| !is_twig(at)), end });
            for (place, &at) in group.iter().enumerate() {
                layout.position[at] = start + place;
                layout.slot[at] = match (id, place) {
                    (TOP, place) => 1 + place,
                    (id, 0) => n_top + id as usize, // the root of a section is known to the top, and stays
                    (_, place) => n_kept + place - 1,
                } as u32;
            }
            let passing = if id == TOP { 0 } else { group.len() - 1 };
            layout.n_slots = layout.n_slots.max(n_kept + passing);
            start = end;
        }
        layout
    }
}

/// For each node the number of splits in it and below.
fn splits_below(tree: &Tree) -> Vec<usize> {
    let mut counts = vec![0; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        if let Node::Split { left, .. } = *node {
            let left = left as usize;
            counts[at] = 1 + counts[left] + counts[left + 1];
        }
    }
    counts
}

/// The section of what is above all others.
const TOP: u32 = 0;

/// For each node its section, counted from [`TOP`].
fn sections(tree: &Tree, n_below: &[usize]) -> Vec<u32> {
    let mut last = TOP;
    let mut section = vec![TOP; tree.nodes.len()];
    let mut below = |parent_section: u32, n_below: usize| {
        if parent_section != TOP || n_below > SECTION_SPLITS || n_below == 0 {
            return parent_section;
        }
        last += 1;
        last
    };
    section[0] = below(TOP, n_below[0]);
    for (at, node) in tree.nodes.iter().enumerate() {
        if let Node::Split { left, .. } = *node {
            for child in [left as usize, left as usize + 1] {
                section[child] = below(section[at], n_below[child]);
            }
        }
    }
    section
}

fn leaf_value(tree: &Tree, at: usize) -> f32 {
    match tree.nodes[at] {
        Node::Leaf { value, .. } => value,
        Node::Split { .. } => 0.0,
    }
}

/// The share of a split's cover that goes left; half where nobody knows.
fn left_share(tree: &Tree, left: u32) -> f64 {
    let cover = |at: u32| match tree.nodes[at as usize] {
        Node::Leaf { cover, .. } | Node::Split { cover, .. } => f64::from(cover),
    };
    let (left, right) = (cover(left), cover(left + 1));
    if left + right > 0.0 { left / (left + right) } else { 0.5 }
}

/// For each node the value to expect below it.
pub(super) fn means(tree: &Tree) -> Vec<f64> {
    let mut means = vec![0.0; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        means[at] = match *node {
            Node::Leaf { value, .. } => f64::from(value),
            Node::Split { left, .. } => {
                let (share, left) = (left_share(tree, left), left as usize);
                share * means[left] + (1.0 - share) * means[left + 1]
            }
        };
    }
    means
}
