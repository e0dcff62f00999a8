//! One tree, grown from binned features.
//!
//! **Time.** O(rows x depth x features per split) for the histograms, and as much per node as it has occupied bins.
//! **Memory.** Eight bytes per in-bag row, twice (partition), and copies of at most all rows (half, a quarter, ...).
//!
//! What makes it fast (`benches/fit.rs` and `benches/peers/` measure it):
//! - a bootstrap is a weight per row, not a list of repeated rows;
//! - partitions are stable, so every node reads its rows in ascending order; they are branch-free;
//! - four histograms are filled in one pass, so that their additions overlap;
//! - a node that reads at most every second of the rows it chooses from copies them next to each other, so that its
//!   subtree reads without gaps (1,000,000 rows x 20: 5.5 CPU s instead of 8.2 for 100 trees of depth 12);
//! - a node with few rows notes which bins it touched, and reads and clears only those.
//!
//! Tried and dropped: copying once, when a node is small (8 to 10 CPU s); copying only nodes four or eight
//! times sparser than their rows (6.1, 7.8). Building the larger child's histogram by subtraction does not pay here:
//! each node looks at features of its own.

use super::Progress;
use super::bins::{BinnedFeatures, Binning};
use super::random::Random;
use super::split::{BestSplit, BinRule, Histogram, Tally};
use crate::forest::{Node, SplitRule, Tree};

/// A row that takes part in growing a tree.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Item {
    row: u32,
    /// Weight times two, plus one if the row is labelled churn.
    weight_and_label: u32,
}

impl Item {
    /// The row of that number, with a weight below `2^31`.
    pub(crate) fn new(row: u32, weight: u32, churned: bool) -> Self {
        Self { row, weight_and_label: weight << 1 | u32::from(churned) }
    }

    #[inline]
    fn tally(self) -> Tally {
        Tally::of(self.weight_and_label >> 1, self.weight_and_label & 1 == 1)
    }
}

/// When growth stops and what each node may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// Splits between the root and a leaf, at most.
    pub(crate) max_depth: u32,
    /// Weight of each side of a split, at least; at least 1.
    pub(crate) min_leaf: u32,
    /// Features tried per node, not counting those that are constant in it.
    pub(crate) features_per_split: usize,
}

/// A node that still speaks of bins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrownNode {
    /// What reached the node.
    pub(crate) tally: Tally,
    /// Feature, rule and position of the left child, unless this is a leaf.
    pub(crate) split: Option<(u16, BinRule, u32)>,
}

/// A tree that still speaks of bins.
#[derive(Debug, Clone)]
pub(crate) struct GrownTree {
    /// Root first, children behind their parents, siblings side by side.
    pub(crate) nodes: Vec<GrownNode>,
}

impl GrownTree {
    /// Position of the leaf that an observation reaches.
    pub(crate) fn leaf(&self, bins: &[u8]) -> usize {
        let mut at = 0;
        while let Some((feature, rule, left)) = &self.nodes[at].split {
            at = *left as usize + usize::from(!rule.goes_left(bins[usize::from(*feature)]));
        }
        at
    }

    /// The same tree over feature values; `unit` is what a weight of 1 stands for.
    pub(crate) fn to_tree(&self, binnings: &[Binning], unit: f64) -> Tree {
        let nodes = self.nodes.iter().map(|node| {
            // Weights may be as large as f32 allows, each of them.
            let cover = (f64::from(node.tally.all()) * unit).min(f64::from(f32::MAX)) as f32;
            match node.split {
                None => Node::Leaf { value: node.tally.share() as f32, cover },
                Some((feature, rule, left)) => {
                    let (rule, missing_left) = value_rule(&binnings[usize::from(feature)], rule);
                    Node::Split { feature, rule, missing_left, left, cover }
                }
            }
        });
        Tree { nodes: nodes.collect() }
    }
}

fn value_rule(binning: &Binning, rule: BinRule) -> (SplitRule, bool) {
    let missing_left = rule.goes_left(super::bins::MISSING_BIN);
    match (binning, rule) {
        (Binning::Numeric { edges }, BinRule::UpTo { bin, .. }) => {
            // Beyond the last edge lies everything that is known: such a split asks whether the value is missing.
            let split_value = edges.get(usize::from(bin)).copied().unwrap_or(f32::INFINITY);
            (SplitRule::Below(split_value), missing_left)
        }
        (Binning::Category { n_levels }, rule) => {
            (SplitRule::Levels((0..*n_levels).filter(|&code| rule.goes_left(code)).collect()), missing_left)
        }
        (Binning::Numeric { .. }, BinRule::In(_)) => unreachable!("numeric features are only split by UpTo"),
    }
}

/// A node that reads at most one in this many of the rows it chooses from gets a copy of its own, read without gaps.
const SPARSITY: usize = 2;

/// Bytes of rows that stay in cache anyway and are not worth copying.
const CACHED_BYTES: usize = 512 << 10;

/// Rows of a node below which only the bins it touched are read and cleared.
const SPARSE_ROWS: usize = 96;

/// Histograms filled in one pass over the rows of a node.
const LANES: usize = 4;

/// Grows trees; keeps its memory from one to the next.
pub(crate) struct Grower<'a> {
    binned: &'a BinnedFeatures,
    progress: Progress<'a>,
    right: Vec<Item>,
    blocks: Vec<Vec<u8>>,
    features: Vec<u16>,
    histograms: Box<[Histogram; LANES]>,
    nodes: Vec<GrownNode>,
}

/// A node that waits for its split.
#[derive(Clone, Copy)]
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: u32,
}

impl<'a> Grower<'a> {
    /// A grower over these features; when stopped it leaves nodes as they are.
    pub(crate) fn new(binned: &'a BinnedFeatures, progress: Progress<'a>) -> Self {
        Self {
            binned,
            progress,
            right: Vec::new(),
            blocks: Vec::new(),
            features: (0..binned.width() as u16).collect(),
            histograms: Box::new([[Tally::default(); 256]; LANES]),
            nodes: Vec::new(),
        }
    }

    /// Grows one tree on `items`, whose order it changes.
    pub(crate) fn grow(&mut self, items: &mut [Item], growth: &Growth, random: &mut Random) -> GrownTree {
        self.right.resize(items.len(), Item::default());
        // A tree must not depend on the one before it.
        self.features.iter_mut().enumerate().for_each(|(position, feature)| *feature = position as u16);
        let mut tally = Tally::default();
        items.iter().for_each(|item| tally += item.tally());
        self.nodes.push(GrownNode { tally, split: None });
        let root = Open { node: 0, start: 0, end: items.len(), depth: 0 };
        self.descend(self.binned.rows(), items, root, growth, random);
        GrownTree { nodes: std::mem::take(&mut self.nodes) }
    }

    fn descend(&mut self, rows: &[u8], items: &mut [Item], root: Open, growth: &Growth, random: &mut Random) {
        let n_sparse = rows.len() / self.binned.width() / SPARSITY;
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            let Open { node, start, end, depth } = at;
            let tally = self.nodes[node].tally;
            if self.progress.is_stopped() {
                break;
            }
            if depth >= growth.max_depth || tally.is_pure() || tally.all() < growth.min_leaf.saturating_mul(2) {
                continue;
            }
            if end - start <= n_sparse && rows.len() > CACHED_BYTES {
                let block = self.copy_rows(rows, &mut items[start..end]);
                self.descend(&block, items, at, growth, random);
                self.blocks.push(block);
                continue;
            }
            let items = &mut items[start..end];
            let Some((feature, rule, left_tally)) = self.best_split(rows, items, tally, growth, random) else {
                continue;
            };
            let n_left = self.partition(rows, items, feature, rule);
            let left = self.nodes.len();
            self.nodes[node].split = Some((feature as u16, rule, left as u32));
            self.nodes.push(GrownNode { tally: left_tally, split: None });
            self.nodes.push(GrownNode { tally: tally - left_tally, split: None });
            let middle = start + n_left;
            open.push(Open { node: left + 1, start: middle, end, depth: depth + 1 });
            open.push(Open { node: left, start, end: middle, depth: depth + 1 });
        }
    }

    /// Copies the rows of `items` next to each other and lets the items point into the copy.
    fn copy_rows(&mut self, rows: &[u8], items: &mut [Item]) -> Vec<u8> {
        let width = self.binned.width();
        let mut block = self.blocks.pop().unwrap_or_default();
        block.clear();
        for (position, item) in items.iter_mut().enumerate() {
            block.extend_from_slice(row_of(rows, width, item.row));
            item.row = position as u32;
        }
        block
    }

    fn best_split(
        &mut self,
        rows: &[u8],
        items: &[Item],
        tally: Tally,
        growth: &Growth,
        random: &mut Random,
    ) -> Option<(usize, BinRule, Tally)> {
        let width = self.binned.width();
        let mut best = BestSplit::new(tally, growth.min_leaf);
        let (mut n_drawn, mut n_tried) = (0, 0);
        while n_tried < growth.features_per_split && n_drawn < width {
            let n_lanes = LANES.min(growth.features_per_split - n_tried).min(width - n_drawn);
            let mut lanes = [0_usize; LANES];
            for lane in &mut lanes[..n_lanes] {
                let drawn = n_drawn + random.below(width - n_drawn);
                self.features.swap(n_drawn, drawn);
                *lane = usize::from(self.features[n_drawn]);
                n_drawn += 1;
            }
            let unused = lanes[0];
            lanes[n_lanes..].fill(unused);
            n_tried += if items.len() < SPARSE_ROWS {
                self.try_touched_bins(rows, items, lanes, n_lanes, &mut best)
            } else {
                self.try_all_bins(rows, items, lanes, n_lanes, &mut best)
            };
        }
        best.found()
    }

    /// Returns how many of the features are not constant in the node.
    fn try_all_bins(
        &mut self,
        rows: &[u8],
        items: &[Item],
        lanes: [usize; LANES],
        n_lanes: usize,
        best: &mut BestSplit,
    ) -> usize {
        let width = self.binned.width();
        let [a, b, c, d] = &mut *self.histograms;
        for item in items {
            let (row, tally) = (row_of(rows, width, item.row), item.tally());
            a[usize::from(row[lanes[0]])] += tally;
            b[usize::from(row[lanes[1]])] += tally;
            c[usize::from(row[lanes[2]])] += tally;
            d[usize::from(row[lanes[3]])] += tally;
        }
        let mut n_tried = 0;
        for (histogram, &feature) in self.histograms.iter_mut().zip(&lanes).take(n_lanes) {
            let binning = &self.binned.binnings()[feature];
            let bins = 0..binning.n_value_bins() as u8;
            n_tried += usize::from(best.try_feature(feature, binning, histogram, bins));
        }
        self.histograms.iter_mut().for_each(|histogram| histogram.fill(Tally::default()));
        n_tried
    }

    /// The same as [`try_all_bins`](Self::try_all_bins), at a cost that follows the rows and not the bins.
    fn try_touched_bins(
        &mut self,
        rows: &[u8],
        items: &[Item],
        lanes: [usize; LANES],
        n_lanes: usize,
        best: &mut BestSplit,
    ) -> usize {
        let width = self.binned.width();
        let mut touched = [BinSet::default(); LANES];
        for item in items {
            let (row, tally) = (row_of(rows, width, item.row), item.tally());
            for lane in 0..LANES {
                let bin = row[lanes[lane]];
                self.histograms[lane][usize::from(bin)] += tally;
                touched[lane].insert(bin);
            }
        }
        let mut n_tried = 0;
        for (lane, &feature) in lanes.iter().enumerate().take(n_lanes) {
            let binning = &self.binned.binnings()[feature];
            let bins = touched[lane].iter().take_while(|&bin| bin != super::bins::MISSING_BIN);
            n_tried += usize::from(best.try_feature(feature, binning, &self.histograms[lane], bins));
        }
        for (histogram, touched) in self.histograms.iter_mut().zip(&touched) {
            touched.iter().for_each(|bin| histogram[usize::from(bin)] = Tally::default());
        }
        n_tried
    }

    /// Moves the items that go left to the front, keeping the order on both sides; returns how many do.
    fn partition(&mut self, rows: &[u8], items: &mut [Item], feature: usize, rule: BinRule) -> usize {
        match rule {
            BinRule::UpTo { bin, missing_left } => {
                // One step up takes the missing bin from above all others to below them.
                let shift = u8::from(missing_left);
                let last = bin + shift;
                self.partition_by(rows, items, feature, |bin| bin.wrapping_add(shift) <= last)
            }
            BinRule::In(set) => self.partition_by(rows, items, feature, |bin| set.contains(bin)),
        }
    }

    fn partition_by(
        &mut self,
        rows: &[u8],
        items: &mut [Item],
        feature: usize,
        goes_left: impl Fn(u8) -> bool,
    ) -> usize {
        let width = self.binned.width();
        let right = &mut self.right[..items.len()];
        let (mut n_left, mut n_right) = (0, 0);
        for at in 0..items.len() {
            let item = items[at];
            let is_left = goes_left(row_of(rows, width, item.row)[feature]);
            // Both are written and one counts, which costs less than a branch that nobody can predict.
            items[n_left] = item;
            right[n_right] = item;
            n_left += usize::from(is_left);
            n_right += usize::from(!is_left);
        }
        items[n_left..].copy_from_slice(&right[..n_right]);
        n_left
    }
}

#[inline]
fn row_of(rows: &[u8], width: usize, row: u32) -> &[u8] {
    let start = row as usize * width;
    &rows[start..start + width]
}

/// The bins that the rows of a small node fall into.
#[derive(Debug, Clone, Copy, Default)]
struct BinSet([u64; 4]);

impl BinSet {
    #[inline]
    fn insert(&mut self, bin: u8) {
        self.0[usize::from(bin >> 6)] |= 1 << (bin & 63);
    }

    /// The bins, ascending.
    fn iter(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().enumerate().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    (word as u32 * 64 + bit) as u8
                })
            })
        })
    }
}
