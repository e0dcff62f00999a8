//! A forest in words of four bytes: what the fast kernels walk.

use std::collections::{BinaryHeap, VecDeque};

use serde::{Deserialize, Serialize};

use super::codes::{Encoder, NumberSlots, RIGHT};
use super::nodes::{LINE_WORDS, Nodes};
use crate::forest::{Combine, ForestModel, LevelSet, Node, SplitRule, Tree};

/// Trees that are walked side by side, and partial sums of a raw score.
pub(super) const LANES: usize = crate::forest::LANES;

/// Levels that every tree has at fixed places; leaves further up are repeated down to there.
pub(super) const TOP_LEVELS: usize = 4;

/// Positions of a tree before its first line of pairs: nothing, the top levels, and the 16 nodes below them.
const TOP_WORDS: usize = 2 << TOP_LEVELS;

/// The top levels of the trees of a group as a vector kernel wants them: the lower halves of the words, lane by lane.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub(super) struct GroupTop {
    pub(super) level_0: [u16; 32],
    pub(super) level_1: [u16; 32],
    pub(super) level_2: [u16; 64],
    pub(super) level_3: [u16; 128],
    /// Position of each tree's first node below the top levels.
    pub(super) below: [u32; LANES],
}

/// A word says which slot is asked (bits 0 to 7), which bin its code has to exceed to go right (8 to 15), and how many
/// words on the left child stands (16 to 31), with the right child behind it. A leaf asks the pad for more than 255, so
/// it stays where it is.
fn word(slot: u8, bin: u8, step: u16) -> u32 {
    u32::from(slot) | u32::from(bin) << 8 | u32::from(step) << 16
}

/// The trees, in groups of [`LANES`]; those that the last group lacks are single leaves of 0.
#[derive(Debug, Clone)]
pub(super) struct CompactForest {
    pub(super) encoder: Encoder,
    pub(super) nodes: Nodes,
    pub(super) groups: Vec<Group>,
    /// Sums of the bounds of each group and all behind it, and nothing at the end.
    pub(super) rest: Vec<[f64; 2]>,
    /// Sum of the sizes of all groups.
    pub(super) size: f64,
    #[cfg(target_arch = "x86_64")]
    pub(super) tops: Vec<GroupTop>,
}

/// What a kernel has to know of a group of trees.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    /// Positions of the roots.
    pub(super) roots: [u32; LANES],
    /// Steps from the roots to the deepest leaf.
    pub(super) depth: u32,
    /// Sums of the least and of the largest leaf values.
    pub(super) bounds: [f64; 2],
    /// Sum of the largest sizes of leaf values, whatever their sign: what rounding is measured by.
    pub(super) size: f64,
}

impl CompactForest {
    /// The forest in words, or `None` where it does not fit them: more slots than a word can name, or a tree whose
    /// children stand too far from their parents.
    pub(super) fn new(forest: &ForestModel) -> Option<Self> {
        let questions = Questions::new(forest)?;
        let pad = word(questions.encoder.pad_slot(), u8::MAX, 0);
        let mut words = Words { words: vec![pad; TOP_WORDS], values: vec![0.0; TOP_WORDS], pad };
        // The tree of those that are not there: its top levels go left to a leaf.
        words.lay_out_top(0, &[None; 1 << TOP_LEVELS]);
        let n_trees = forest.n_trees();
        let mut groups = Vec::with_capacity(n_trees.div_ceil(LANES));
        for first in (0..n_trees).step_by(LANES) {
            let mut group = Group { roots: [1; LANES], depth: TOP_LEVELS as u32, bounds: [0.0; 2], size: 0.0 };
            for (lane, tree) in (first..n_trees.min(first + LANES)).enumerate() {
                let graph = Graph::new(&forest.tree(tree), &questions)?;
                group.roots[lane] = words.lay_out(&graph)?;
                group.depth = group.depth.max(graph.depth());
                let [least, largest] = graph.bounds();
                group.bounds[0] += f64::from(least);
                group.bounds[1] += f64::from(largest);
                group.size += f64::from(least.abs().max(largest.abs()));
            }
            groups.push(group);
        }
        if words.words.len() > i32::MAX as usize {
            return None; // vector kernels take positions as signed numbers
        }
        let compact =
            Self::assemble(questions.encoder, Nodes::new(&words.words, &words.values), groups, forest.combine());
        Some(compact.expect("words are laid out as kernels walk them"))
    }

    /// Puts the parts together, or says what no kernel may walk: they read words and values without looking whether they
    /// are there, so every step has to stay inside, whatever the codes.
    pub(super) fn assemble(
        encoder: Encoder,
        nodes: Nodes,
        groups: Vec<Group>,
        combine: Combine,
    ) -> Result<Self, &'static str> {
        let size = groups.iter().map(|group| group.size).sum();
        let mut rest = vec![[0.0; 2]; groups.len() + 1];
        for (at, group) in groups.iter().enumerate().rev() {
            rest[at] = [0, 1].map(|side| rest[at + 1][side] + group.bounds[side]);
        }
        let (words, pad_slot) = (nodes.words(), u32::from(encoder.pad_slot()));
        let is_sound = |(at, &word): (usize, &u32)| {
            let (slot, stays, step) = (word & 0xff, word >> 8 & 0xff == 0xff, word >> 16);
            let reach = at as u32 + step + u32::from(!stays);
            // Without a step only those that stay: so every walk ends.
            (slot <= pad_slot) & (reach < words.len() as u32) & (stays | (step > 0))
        };
        // Without branches, as this takes part in every start.
        if words.len() > i32::MAX as usize || !words.iter().enumerate().fold(true, |ok, word| ok & is_sound(word)) {
            return Err("words that lead nowhere");
        }
        let most = if combine == Combine::MeanShare { 0.0..=1.0 } else { f32::MIN..=f32::MAX };
        if !nodes.values().iter().fold(true, |ok, &value| ok & (*most.start() <= value) & (value <= *most.end())) {
            return Err("leaf values that are not finite, or no shares between 0 and 1");
        }
        let is_root = |&root: &u32| root >= 1 && root as usize - 1 + TOP_WORDS <= words.len();
        let is_group = |group: &Group| group.roots.iter().all(is_root) && group.depth as usize <= words.len();
        if !groups.iter().all(is_group) {
            return Err("trees that start nowhere");
        }
        #[cfg(target_arch = "x86_64")]
        let tops = groups.iter().map(|group| GroupTop::new(group, words)).collect();
        Ok(Self {
            rest,
            size,
            encoder,
            nodes,
            groups,
            #[cfg(target_arch = "x86_64")]
            tops,
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl GroupTop {
    fn new(group: &Group, words: &[u32]) -> Self {
        let mut top = Self {
            level_0: [0; 32],
            level_1: [0; 32],
            level_2: [0; 64],
            level_3: [0; 128],
            below: group.roots.map(|root| root - 1 + (1 << TOP_LEVELS)),
        };
        for (lane, &root) in group.roots.iter().enumerate() {
            let levels: [&mut [u16]; TOP_LEVELS] =
                [&mut top.level_0, &mut top.level_1, &mut top.level_2, &mut top.level_3];
            for (level, halves) in levels.into_iter().enumerate() {
                for position in 0..1 << level {
                    let at = root as usize - 1 + (1 << level) + position;
                    halves[position * LANES + lane] = words[at] as u16;
                }
            }
        }
        top
    }
}

/// The slots that the splits of a forest ask.
struct Questions {
    encoder: Encoder,
    slots: Vec<Slots>,
}

enum Slots {
    None,
    Number(NumberSlots),
    Category { slot: u8, n_levels: u8 },
}

impl Questions {
    fn new(forest: &ForestModel) -> Option<Self> {
        let levels: Vec<u8> = forest.level_counts().collect();
        let mut numbers: Vec<Vec<(f32, bool)>> = vec![Vec::new(); levels.len()];
        let mut is_asked = vec![false; levels.len()];
        for tree in forest.trees() {
            for node in &tree.nodes {
                if let Node::Split { feature, rule, missing_left, .. } = *node {
                    is_asked[usize::from(feature)] = true;
                    if let SplitRule::Below(split_value) = rule {
                        numbers[usize::from(feature)].push((split_value, missing_left));
                    }
                }
            }
        }
        let mut encoder = Encoder::default();
        let mut slots = Vec::with_capacity(levels.len());
        for (feature, splits) in numbers.into_iter().enumerate() {
            slots.push(if !is_asked[feature] {
                Slots::None
            } else if splits.is_empty() {
                let n_levels = levels[feature];
                Slots::Category { slot: encoder.add_category(feature, n_levels)?, n_levels }
            } else {
                Slots::Number(encoder.add_number(feature, splits)?)
            });
        }
        Some(Self { encoder, slots })
    }
}

/// A tree whose splits ask slots only. A split by category becomes a search in the runs of its level set, whose ends lead
/// to one of two nodes, so that nodes may have several parents.
struct Graph {
    nodes: Vec<GraphNode>,
    root: usize,
}

#[derive(Debug, Clone, Copy)]
enum GraphNode {
    Leaf(f32),
    Split { slot: u8, bin: u8, children: [usize; 2], cover: f32 },
}

impl Graph {
    fn new(tree: &Tree, questions: &Questions) -> Option<Self> {
        let mut nodes = Vec::with_capacity(tree.nodes.len());
        // Children stand behind their parents, so that from the end they are there already.
        let mut made = vec![0; tree.nodes.len()];
        for (at, node) in tree.nodes.iter().enumerate().rev() {
            made[at] = match *node {
                Node::Leaf { value, .. } => {
                    nodes.push(GraphNode::Leaf(value));
                    nodes.len() - 1
                }
                Node::Split { feature, rule, missing_left, left, cover } => {
                    let children = [made[left as usize], made[left as usize + 1]];
                    match (&questions.slots[usize::from(feature)], rule) {
                        (Slots::Number(slots), SplitRule::Below(split_value)) => {
                            let (slot, bin) = slots.question(split_value, missing_left);
                            nodes.push(GraphNode::Split { slot, bin, children, cover });
                            nodes.len() - 1
                        }
                        (&Slots::Category { slot, n_levels }, SplitRule::Levels(levels)) => {
                            search(&mut nodes, slot, &runs(levels, n_levels, missing_left), children, cover)
                        }
                        _ => return None,
                    }
                }
            };
        }
        Some(Self { nodes, root: made[0] })
    }

    /// Steps from the root to the deepest leaf.
    fn depth(&self) -> u32 {
        let mut depths = vec![0_u32; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if let GraphNode::Split { children, .. } = node {
                depths[at] = 1 + children.map(|child| depths[child]).into_iter().max().unwrap_or(0);
            }
        }
        depths[self.root]
    }

    /// The least and the largest leaf value.
    fn bounds(&self) -> [f32; 2] {
        let leaves = self.nodes.iter().filter_map(|node| match node {
            GraphNode::Leaf(value) => Some(*value),
            GraphNode::Split { .. } => None,
        });
        leaves.fold([f32::INFINITY, f32::NEG_INFINITY], |[least, largest], v| [least.min(v), largest.max(v)])
    }

    fn cover(&self, at: usize) -> f32 {
        match self.nodes[at] {
            GraphNode::Leaf(_) => 0.0,
            GraphNode::Split { cover, .. } => cover,
        }
    }
}

/// The codes of a category in order, as runs that go the same way: the last code of each and whether it goes left.
fn runs(levels: LevelSet, n_levels: u8, missing_left: bool) -> Vec<(u8, bool)> {
    let mut runs: Vec<(u8, bool)> = Vec::new();
    let known = (0..n_levels).map(|code| (code, levels.contains(code)));
    for (code, goes_left) in known.chain([(RIGHT, missing_left)]) {
        match runs.last_mut() {
            Some(last) if last.1 == goes_left => last.0 = code,
            _ => runs.push((code, goes_left)),
        }
    }
    runs
}

/// Adds a balanced search for the run of a code, and returns its root.
fn search(nodes: &mut Vec<GraphNode>, slot: u8, runs: &[(u8, bool)], ends: [usize; 2], cover: f32) -> usize {
    if let [(_, goes_left)] = runs {
        return ends[usize::from(!goes_left)];
    }
    let (lower, upper) = runs.split_at(runs.len() / 2);
    let children = [search(nodes, slot, lower, ends, cover), search(nodes, slot, upper, ends, cover)];
    nodes.push(GraphNode::Split { slot, bin: lower[lower.len() - 1].0, children, cover });
    nodes.len() - 1
}

/// Words and values as they are laid out.
struct Words {
    words: Vec<u32>,
    values: Vec<f32>,
    /// A leaf, and what fills up lines.
    pad: u32,
}

/// A node that waits for the place of its children, by how often it is visited.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Waiting {
    cover: f32,
    node: usize,
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.cover.total_cmp(&other.cover).then(other.node.cmp(&self.node))
    }
}

impl Words {
    /// Lays out a tree and returns the position of its root, or `None` where a child stands too far from its parent.
    ///
    /// The top levels stand in the order of a heap. Below, pairs of children are packed into cache lines: eight pairs to
    /// a line, starting from one node and always going on below the one that most observations visit, so that a walk
    /// touches few lines.
    fn lay_out(&mut self, graph: &Graph) -> Option<u32> {
        let start = self.words.len();
        self.words.resize(start + TOP_WORDS, self.pad);
        self.values.resize(start + TOP_WORDS, 0.0);
        let below = self.lay_out_top_of(start, graph);

        // A pair is placed when all its parents have been: steps lead forward only.
        let mut n_parents = vec![0_u32; graph.nodes.len()];
        let mut seen = vec![false; graph.nodes.len()];
        let mut stack: Vec<usize> = below.to_vec();
        while let Some(at) = stack.pop() {
            n_parents[at] += 1;
            if let GraphNode::Split { children, .. } = graph.nodes[at]
                && !std::mem::replace(&mut seen[at], true)
            {
                stack.extend(children);
            }
        }
        let mut parents: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
        let mut starts = VecDeque::new();
        for (position, &node) in below.iter().enumerate() {
            self.place(graph, node, start + TOP_WORDS / 2 + position, &mut parents);
            n_parents[node] -= 1;
            if n_parents[node] == 0 {
                starts.push_back(node);
            }
        }
        while let Some(first) = starts.pop_front() {
            let mut waiting = BinaryHeap::from([Waiting { cover: graph.cover(first), node: first }]);
            let mut line = Vec::with_capacity(LINE_WORDS / 2);
            while line.len() < LINE_WORDS / 2
                && let Some(Waiting { node, .. }) = waiting.pop()
            {
                let GraphNode::Split { children, .. } = graph.nodes[node] else { continue };
                line.push(node);
                for child in children {
                    n_parents[child] -= 1;
                    if n_parents[child] == 0 {
                        waiting.push(Waiting { cover: graph.cover(child), node: child });
                    }
                }
            }
            starts.extend(waiting.into_sorted_vec().into_iter().rev().map(|waiting| waiting.node));
            let room = (LINE_WORDS - self.words.len() % LINE_WORDS) % LINE_WORDS;
            if 2 * line.len() > room && room > 0 {
                self.fill_line();
            }
            for node in line {
                let pair = self.words.len();
                for &parent in &parents[node] {
                    let step = u16::try_from(pair - parent).ok()?;
                    self.words[parent] |= u32::from(step) << 16;
                }
                self.words.resize(pair + 2, self.pad);
                self.values.resize(pair + 2, 0.0);
                let GraphNode::Split { children, .. } = graph.nodes[node] else { continue };
                for (side, child) in children.into_iter().enumerate() {
                    self.place(graph, child, pair + side, &mut parents);
                }
            }
        }
        self.fill_line();
        u32::try_from(start + 1).ok()
    }

    fn fill_line(&mut self) {
        let end = self.words.len().next_multiple_of(LINE_WORDS);
        self.words.resize(end, self.pad);
        self.values.resize(end, 0.0);
    }

    /// Writes the word of a node, without the step to its children.
    fn place(&mut self, graph: &Graph, node: usize, at: usize, parents: &mut [Vec<usize>]) {
        match graph.nodes[node] {
            GraphNode::Leaf(value) => (self.words[at], self.values[at]) = (self.pad, value),
            GraphNode::Split { slot, bin, .. } => {
                self.words[at] = word(slot, bin, 0);
                parents[node].push(at);
            }
        }
    }

    /// Writes the top levels of a tree and returns the nodes below them.
    fn lay_out_top_of(&mut self, start: usize, graph: &Graph) -> Vec<usize> {
        let mut level = vec![graph.root];
        let mut splits = Vec::with_capacity(1 << TOP_LEVELS);
        for _ in 0..TOP_LEVELS {
            let mut next = Vec::with_capacity(2 * level.len());
            for node in level {
                match graph.nodes[node] {
                    GraphNode::Leaf(_) => {
                        splits.push(None);
                        next.extend([node; 2]);
                    }
                    GraphNode::Split { slot, bin, children, .. } => {
                        splits.push(Some((slot, bin)));
                        next.extend(children);
                    }
                }
            }
            level = next;
        }
        self.lay_out_top(start, &splits);
        level
    }

    /// Writes top levels in the order of a heap whose root stands at 1: the children of `h` at `2 h` and behind it.
    fn lay_out_top(&mut self, start: usize, splits: &[Option<(u8, u8)>]) {
        for (heap, split) in (1_u16..1 << TOP_LEVELS).zip(splits) {
            let word = split.map_or(self.pad | u32::from(heap) << 16, |(slot, bin)| word(slot, bin, heap));
            self.words[start + usize::from(heap)] = word;
        }
    }
}
