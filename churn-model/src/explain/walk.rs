//! The walk over a prepared tree that finds the exact contributions of a row.

use super::paths::{ALWAYS_MET, NO_SLOT, PathSplit, PathTree, answer};
use super::question::Levels;

/// One quantity at `N` quadrature nodes: a vector register or two.
type Lanes<const N: usize> = [f64; N];

/// Where a split looks for what is still unknown of its feature, when nothing was asked of it before. Place 0 is for
/// features whose answers were not met: all is unknown, and stays so. Further places are for features that were met.
const FIRST: u32 = 1;

/// `N` nodes of a quadrature rule, with what all splits need of them.
#[derive(Debug, Clone)]
pub(super) struct Rule<const N: usize> {
    node: Lanes<N>,
    /// `1 - node`.
    rest: Lanes<N>,
    weight: Lanes<N>,
}

impl<const N: usize> Rule<N> {
    /// A rule of `N` of a quadrature's nodes.
    pub(super) fn new(nodes: &[(f64, f64)]) -> Self {
        let lanes = |of: &dyn Fn(&(f64, f64)) -> f64| std::array::from_fn(|lane| nodes.get(lane).map_or(0.0, of));
        Self { node: lanes(&|n| n.0), rest: lanes(&|n| 1.0 - n.0), weight: lanes(&|n| n.1) }
    }
}

/// Memory of a walk, used again for every tree and row.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory<const N: usize> {
    /// By answer: 1 where the row gives it, and gave all answers about the same feature further up.
    met: Vec<u8>,
    /// By split: 1 when the row goes left.
    goes_left: Vec<f64>,
    /// By split: where in `unknown` and `slope` it looks.
    known: Vec<u32>,
    /// Splits on features that were asked for and met further up.
    repeated: Vec<u32>,
    /// Where each section's part of `repeated` ends.
    repeated_ends: Vec<usize>,
    /// By slot: the product of all factors on the way to a split, then that times the weight of its answer.
    product: Vec<Lanes<N>>,
    /// By slot: the factor of going left, then the value to expect below.
    value: Vec<Lanes<N>>,
    /// The share of a feature's probability that is still open, and its slope.
    unknown: Vec<Lanes<N>>,
    slope: Vec<Lanes<N>>,
    sums: Vec<Lanes<N>>,
}

impl<const N: usize> Memory<N> {
    /// A list of zeros, to be given back with [`keep_sums`](Self::keep_sums).
    pub(super) fn take_sums(&mut self, len: usize) -> Vec<Lanes<N>> {
        let mut sums = std::mem::take(&mut self.sums);
        sums.clear();
        sums.resize(len, [0.0; N]);
        sums
    }

    pub(super) fn keep_sums(&mut self, sums: Vec<Lanes<N>>) {
        self.sums = sums;
    }

    fn fit(&mut self, tree: &PathTree) {
        let n_splits = tree.splits.len();
        let widest = tree.sections.iter().map(|section| section.end - section.start).max().unwrap_or(0);
        grow(&mut self.met, 2 * n_splits + 1, 1);
        grow(&mut self.goes_left, n_splits, 0.0);
        grow(&mut self.known, n_splits, 0);
        grow(&mut self.repeated, n_splits + 1, 0);
        grow(&mut self.product, tree.n_slots, [0.0; N]);
        grow(&mut self.value, tree.n_slots, [0.0; N]);
        grow(&mut self.unknown, widest + 2, [1.0; N]);
        grow(&mut self.slope, widest + 2, [0.0; N]);
        self.slope[FIRST as usize] = [1.0; N];
        self.repeated_ends.clear();
    }
}

fn grow<T: Clone>(list: &mut Vec<T>, len: usize, with: T) {
    if list.len() < len {
        list.resize(len, with);
    }
}

/// Adds to `sums`, by feature, what a tree contributes at each quadrature node.
///
/// `rules` cover one quadrature that is exact for the tree.
#[inline(always)]
pub(super) fn add_tree<const N: usize>(
    tree: &PathTree,
    row: &[f32],
    levels: &Levels,
    rules: &[Rule<N>],
    memory: &mut Memory<N>,
    sums: &mut [Lanes<N>],
) {
    memory.fit(tree);
    answer_all(tree, row, levels, memory);
    for rule in rules {
        add_nodes(tree, rule, memory, sums);
    }
}

/// Asks every split, and notes what was known about its feature.
///
/// Without a branch that depends on the row: no processor would guess it.
#[inline(always)]
fn answer_all<const N: usize>(tree: &PathTree, row: &[f32], levels: &Levels, memory: &mut Memory<N>) {
    let Memory { met, goes_left, known, repeated, repeated_ends, .. } = memory;
    let goes_left = &mut goes_left[..tree.splits.len()];
    for (goes_left, split) in goes_left.iter_mut().zip(&tree.splits) {
        *goes_left = f64::from(u8::from(split.question.is_below(row)));
    }
    for &position in &tree.category_splits {
        let question = tree.splits[position as usize].question;
        goes_left[position as usize] = f64::from(u8::from(levels.goes_left(question, row)));
    }
    met[0] = 1;
    let mut n_repeated = 0;
    for section in &tree.sections {
        let places = section.start..section.end;
        let before = n_repeated;
        let splits = tree.splits[places.clone()].iter().zip(&goes_left[places.clone()]).zip(&mut known[places.clone()]);
        for (((split, &goes_left), known), position) in splits.zip(places) {
            let goes_left = goes_left as u8;
            let is_met = met[split.last_answer as usize];
            met[answer(position, false) as usize] = is_met & goes_left;
            met[answer(position, true) as usize] = is_met & !goes_left;
            let is_first = u32::from(split.last_answer == ALWAYS_MET);
            let is_repeated = u32::from(is_met) & (1 - is_first);
            repeated[n_repeated] = position as u32;
            *known = is_first * FIRST + is_repeated * ((n_repeated - before) as u32 + FIRST + 1);
            n_repeated += is_repeated as usize;
        }
        repeated_ends.push(n_repeated);
    }
}

/// What the nodes of one rule contribute, answers being known.
#[inline(always)]
fn add_nodes<const N: usize>(tree: &PathTree, rule: &Rule<N>, memory: &mut Memory<N>, sums: &mut [Lanes<N>]) {
    memory.unknown[FIRST as usize] = rule.rest;
    memory.value[NO_SLOT as usize] = [0.0; N];
    if let Some(root) = tree.sections.iter().find(|s| s.end > s.start).map(|s| &tree.splits[s.start]) {
        memory.product[root.slot as usize] = rule.weight;
    }
    let mut repeated_start = 0;
    for (number, section) in tree.sections.iter().enumerate() {
        let repeated_end = memory.repeated_ends[number];
        for place in repeated_start..repeated_end {
            let share = tree.splits[memory.repeated[place] as usize].path_share;
            let at = place - repeated_start + 2;
            let (unknown, slope) = (&mut memory.unknown[at], &mut memory.slope[at]);
            for k in 0..N {
                let inverse = 1.0 / (share * rule.rest[k] + rule.node[k]);
                unknown[k] = share * rule.rest[k] * inverse;
                slope[k] = share * inverse * inverse;
            }
        }
        repeated_start = repeated_end;
        for position in section.start..section.twigs {
            go_down(&tree.splits[position], memory.goes_left[position], memory.known[position], memory);
        }
        for position in section.twigs..section.end {
            turn(&tree.splits[position], memory.goes_left[position], memory.known[position], memory, sums);
        }
        if number > 0 || tree.sections.len() == 1 {
            for position in (section.start..section.twigs).rev() {
                go_up(&tree.splits[position], memory, sums);
            }
        }
    }
    if tree.sections.len() > 1 {
        let top = tree.sections[0];
        for position in (top.start..top.twigs).rev() {
            go_up(&tree.splits[position], memory, sums);
        }
    }
}

#[inline(always)]
fn go_down<const N: usize>(split: &PathSplit, goes_left: f64, known: u32, memory: &mut Memory<N>) {
    let unknown = memory.unknown[known as usize];
    let slope = memory.slope[known as usize];
    let product = memory.product[split.slot as usize];
    let miss = split.left_share - goes_left;
    let mut factor = [0.0; N];
    let mut left = [0.0; N];
    let mut right = [0.0; N];
    let mut weighted = [0.0; N];
    for k in 0..N {
        factor[k] = goes_left + unknown[k] * miss;
        left[k] = product[k] * factor[k];
        right[k] = product[k] - left[k];
        weighted[k] = product[k] * slope[k] * -miss;
    }
    memory.product[split.left_slot as usize] = left;
    memory.product[split.right_slot as usize] = right;
    memory.product[split.slot as usize] = weighted;
    memory.value[split.slot as usize] = factor;
}

#[inline(always)]
fn turn<const N: usize>(split: &PathSplit, goes_left: f64, known: u32, memory: &mut Memory<N>, sums: &mut [Lanes<N>]) {
    let unknown = memory.unknown[known as usize];
    let slope = memory.slope[known as usize];
    let product = memory.product[split.slot as usize];
    let right = f64::from(split.right_value);
    let step = f64::from(split.left_value) - right;
    let miss = split.left_share - goes_left;
    let weight = -miss * step;
    let base = right + goes_left * step;
    let slant = miss * step;
    let mut value = [0.0; N];
    let sum = &mut sums[usize::from(split.question.feature)];
    for k in 0..N {
        value[k] = base + unknown[k] * slant;
        sum[k] += product[k] * slope[k] * weight;
    }
    memory.value[split.slot as usize] = value;
}

#[inline(always)]
fn go_up<const N: usize>(split: &PathSplit, memory: &mut Memory<N>, sums: &mut [Lanes<N>]) {
    let left = memory.value[split.left_slot as usize];
    let right = memory.value[split.right_slot as usize];
    let (left_value, right_value) = (f64::from(split.left_value), f64::from(split.right_value));
    let weighted = memory.product[split.slot as usize];
    let factor = memory.value[split.slot as usize];
    let sum = &mut sums[usize::from(split.question.feature)];
    let mut value = [0.0; N];
    for k in 0..N {
        let right = right[k] + right_value;
        let step = left[k] + left_value - right;
        value[k] = right + factor[k] * step;
        sum[k] += weighted[k] * step;
    }
    memory.value[split.slot as usize] = value;
}
