//! The obvious way to grow a tree: every split of every feature tried is weighed by looking at every row of the node.
//!
//! It shares the draws and the bins with the fast grower and nothing else: no histograms, no packed sums, no copies of
//! rows, exact arithmetic. The tests below hold the two equal, node by node.

use super::Progress;
use super::bins::{BinnedFeatures, Binning, MISSING_BIN};
use super::grow::Growth;
use super::random::Random;

/// One row that takes part.
#[derive(Debug, Clone, Copy)]
struct Sample {
    row: usize,
    weight: u32,
    churned: bool,
}

/// Weight of all and of the churned rows.
type Counts = (u128, u128);

#[derive(Debug, Clone, PartialEq)]
struct ReferenceNode {
    all: u32,
    churned: u32,
    /// Feature, whether each bin goes left, and position of the left child.
    split: Option<(usize, Vec<bool>, usize)>,
}

struct Reference<'a> {
    binned: &'a BinnedFeatures,
    growth: Growth,
    random: Random,
    features: Vec<usize>,
    nodes: Vec<ReferenceNode>,
}

impl Reference<'_> {
    fn grow(binned: &BinnedFeatures, samples: &[Sample], growth: &Growth, random: Random) -> Vec<ReferenceNode> {
        let features = (0..binned.width()).collect();
        let mut reference = Reference { binned, growth: *growth, random, features, nodes: vec![node_of(samples)] };
        reference.descend(0, samples, 0);
        reference.nodes
    }

    fn descend(&mut self, at: usize, samples: &[Sample], depth: u32) {
        let ReferenceNode { all, churned, .. } = self.nodes[at];
        if depth == self.growth.max_depth || churned == 0 || churned == all {
            return;
        }
        // Two sides of the minimum weight need that much together; a node without draws keeps the dice in step.
        if u64::from(all) < 2 * u64::from(self.growth.min_leaf) {
            return;
        }
        let Some((feature, goes_left)) = self.best_split(samples) else { return };
        let side = |wanted: bool| -> Vec<Sample> {
            samples.iter().copied().filter(|s| goes_left[usize::from(self.bin(s.row, feature))] == wanted).collect()
        };
        let (left, right) = (side(true), side(false));
        let position = self.nodes.len();
        self.nodes.extend([node_of(&left), node_of(&right)]);
        self.nodes[at].split = Some((feature, goes_left, position));
        self.descend(position, &left, depth + 1);
        self.descend(position + 1, &right, depth + 1);
    }

    fn bin(&self, row: usize, feature: usize) -> u8 {
        self.binned.rows()[row * self.binned.width() + feature]
    }

    /// Draws features one by one, until enough of them are not constant here.
    fn best_split(&mut self, samples: &[Sample]) -> Option<(usize, Vec<bool>)> {
        let width = self.features.len();
        let node = counts(samples.iter());
        // A gain of nothing, as a fraction.
        let mut best_gain = (0_u128, 1_u128);
        let mut best = None;
        let mut n_tried = 0;
        for n_drawn in 0..width {
            if n_tried == self.growth.features_per_split {
                break;
            }
            self.features.swap(n_drawn, n_drawn + self.random.below(width - n_drawn));
            let feature = self.features[n_drawn];
            let mut occupied: Vec<u8> = samples.iter().map(|s| self.bin(s.row, feature)).collect();
            occupied.sort_unstable();
            occupied.dedup();
            if occupied.len() < 2 {
                continue;
            }
            n_tried += 1;
            for goes_left in self.candidates(samples, feature, &occupied) {
                let left = counts(samples.iter().filter(|s| goes_left[usize::from(self.bin(s.row, feature))]));
                let Some(gain) = self.gain(node, left) else { continue };
                if gain.0 * best_gain.1 > best_gain.0 * gain.1 {
                    best_gain = gain;
                    best = Some((feature, goes_left));
                }
            }
        }
        best
    }

    /// The impurity decrease, up to a factor that all splits of the node share; `None` when a side is too light.
    fn gain(&self, node: Counts, left: Counts) -> Option<(u128, u128)> {
        let right = (node.0 - left.0, node.1 - left.1);
        let least = u128::from(self.growth.min_leaf);
        // p (1 - p) summed over both sides falls by (left churned x right all - right churned x left all)^2 over this.
        let difference = (left.1 * right.0).abs_diff(right.1 * left.0);
        (left.0 >= least && right.0 >= least).then_some((difference * difference, left.0 * right.0))
    }

    /// Which bins each split sends left, in the order in which ties are decided.
    fn candidates(&self, samples: &[Sample], feature: usize, occupied: &[u8]) -> Vec<Vec<bool>> {
        match &self.binned.binnings()[feature] {
            Binning::Numeric { .. } => self.numeric_candidates(samples, feature, occupied),
            Binning::Category { .. } => self.category_candidates(samples, feature, occupied),
        }
    }

    fn numeric_candidates(&self, samples: &[Sample], feature: usize, occupied: &[u8]) -> Vec<Vec<bool>> {
        let has_missing = occupied.contains(&MISSING_BIN);
        let up_to = |last: u8, missing_left: bool| -> Vec<bool> {
            (0..=u8::MAX).map(|bin| if bin == MISSING_BIN { missing_left } else { bin <= last }).collect()
        };
        let mut candidates = Vec::new();
        for &last in occupied.iter().filter(|&&bin| bin != MISSING_BIN) {
            if has_missing {
                candidates.extend([up_to(last, false), up_to(last, true)]);
            } else {
                candidates.push(up_to(last, self.is_heavier_left(samples, feature, &up_to(last, false))));
            }
        }
        candidates
    }

    /// Levels by rising churn share, cut everywhere.
    fn category_candidates(&self, samples: &[Sample], feature: usize, occupied: &[u8]) -> Vec<Vec<bool>> {
        let of_bin = |bin: u8| counts(samples.iter().filter(|s| self.bin(s.row, feature) == bin));
        let mut order = occupied.to_vec();
        order.sort_by(|&a, &b| {
            let ((a_all, a_churned), (b_all, b_churned)) = (of_bin(a), of_bin(b));
            (a_churned * b_all).cmp(&(b_churned * a_all)).then(a.cmp(&b))
        });
        let cuts = (1..order.len()).map(|cut| {
            let mut goes_left = vec![false; 256];
            order[..cut].iter().for_each(|&bin| goes_left[usize::from(bin)] = true);
            let heavier_left = self.is_heavier_left(samples, feature, &goes_left);
            (0..=u8::MAX).filter(|bin| !occupied.contains(bin)).for_each(|b| goes_left[usize::from(b)] = heavier_left);
            goes_left
        });
        let cuts: Vec<Vec<bool>> = cuts.collect();
        self.assert_no_other_set_is_better(samples, feature, occupied, &cuts);
        cuts
    }

    fn is_heavier_left(&self, samples: &[Sample], feature: usize, goes_left: &[bool]) -> bool {
        let left = counts(samples.iter().filter(|s| goes_left[usize::from(self.bin(s.row, feature))]));
        left.0 * 2 >= counts(samples.iter()).0
    }

    /// Cuts of the order by churn share hold the best of all sets of levels (Breiman et al. 1984, theorem 4.5).
    fn assert_no_other_set_is_better(&self, samples: &[Sample], feature: usize, occupied: &[u8], cuts: &[Vec<bool>]) {
        if self.growth.min_leaf > 1 || occupied.len() > 7 || samples.len() > 200 {
            return;
        }
        let node = counts(samples.iter());
        let left_of =
            |goes_left: &dyn Fn(u8) -> bool| counts(samples.iter().filter(|s| goes_left(self.bin(s.row, feature))));
        let gains = cuts.iter().filter_map(|cut| self.gain(node, left_of(&|bin| cut[usize::from(bin)])));
        let best = gains.fold((0, 1), |best, gain| if gain.0 * best.1 > best.0 * gain.1 { gain } else { best });
        for set in 1..(1_u32 << occupied.len()) - 1 {
            let is_in = |bin: u8| occupied.iter().position(|&b| b == bin).is_some_and(|place| set >> place & 1 == 1);
            let gain = self.gain(node, left_of(&is_in)).expect("both sides weigh at least 1");
            assert!(gain.0 * best.1 <= best.0 * gain.1, "levels {set:b} of {occupied:?} beat every cut");
        }
    }
}

fn counts<'s>(samples: impl Iterator<Item = &'s Sample>) -> Counts {
    samples.fold((0, 0), |(all, churned), s| {
        let weight = u128::from(s.weight);
        (all + weight, churned + if s.churned { weight } else { 0 })
    })
}

fn node_of(samples: &[Sample]) -> ReferenceNode {
    let (all, churned) = counts(samples.iter());
    ReferenceNode { all: all as u32, churned: churned as u32, split: None }
}

mod tests {
    use churn_features::{Feature, FeatureSchema};
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::super::Observations;
    use super::super::grow::{Grower, GrownNode, Item};
    use super::super::random::{poisson_draws, subkey};
    use super::*;

    /// A table of counts, measurements and categories in turn, a tenth of them missing.
    struct Table {
        schema: FeatureSchema,
        features: Array2<f32>,
        labels: Vec<bool>,
    }

    fn table(n: usize, width: usize, seed: u64) -> Table {
        let category = |i: usize| Feature::category(format!("f{i}"), (0..3 + i).map(|l| l.to_string()).collect());
        let kind = |i: usize| if i % 3 == 2 { category(i) } else { Feature::numeric(format!("f{i}")) };
        let schema = FeatureSchema::new((0..width).map(kind).collect()).expect("valid");
        let mut random = Random::new(seed);
        let features = Array2::from_shape_fn((n, width), |(_, column)| match column {
            _ if random.below(10) == 0 => f32::NAN,
            // One column is nearly constant, so that nodes run out of values.
            0 => f32::from(u8::from(random.below(50) == 0)),
            c if c % 3 == 0 => random.below(4 + c) as f32,
            c if c % 3 == 1 => random.below(1 << 20) as f32 / 7.0,
            c => random.below(4 + c) as f32, // the last code is no level
        });
        let churn_of = |row: usize| {
            let known = |column: usize| features[[row, column % width]];
            let rises = if known(1).is_nan() { 3.0 } else { known(1) / 30_000.0 };
            rises + if known(2) < 2.0 { 2.0 } else { 0.0 }
        };
        let mut labels: Vec<bool> = (0..n).map(|row| random.below(9) < 2 + churn_of(row) as usize).collect();
        (labels[0], labels[n - 1]) = (true, false);
        Table { schema, features, labels }
    }

    fn assert_same_tree(table: &Table, growth: &Growth, key: u64) -> Vec<GrownNode> {
        let observations = Observations::new(&table.schema, table.features.view(), &table.labels).expect("valid");
        let binned = BinnedFeatures::new(&observations);
        let drawn = (0..table.labels.len()).map(|row| (row, poisson_draws(key, row as u64) * (1 + row as u32 % 3)));
        let drawn: Vec<(usize, u32)> = drawn.filter(|&(_, weight)| weight > 0).collect();
        let samples: Vec<Sample> =
            drawn.iter().map(|&(row, weight)| Sample { row, weight, churned: table.labels[row] }).collect();
        let items = || -> Vec<Item> {
            drawn.iter().map(|&(row, weight)| Item::new(row as u32, weight, table.labels[row])).collect()
        };
        let mut grower = Grower::new(&binned, Progress::silent());
        let grown = grower.grow(&mut items(), growth, &mut Random::new(key));
        let again = grower.grow(&mut items(), growth, &mut Random::new(key));
        let reference = Reference::grow(&binned, &samples, growth, Random::new(key));
        assert_eq!(grown.nodes.len(), reference.len());
        assert_eq!(again.nodes.len(), reference.len(), "a tree depends on the one before it");
        for (at, ((node, again), expected)) in grown.nodes.iter().zip(&again.nodes).zip(&reference).enumerate() {
            assert_eq!((node.tally, node.split), (again.tally, again.split), "node {at}, second tree");
            assert_eq!((node.tally.all(), node.tally.churned()), (expected.all, expected.churned), "node {at}");
            let split = node.split.map(|(feature, rule, left)| {
                (usize::from(feature), (0..=u8::MAX).map(|bin| rule.goes_left(bin)).collect(), left as usize)
            });
            // Codes that no level has are never asked about.
            let asked = |(feature, bins, left): (usize, Vec<bool>, usize)| {
                let n_bins = binned.binnings()[feature].n_value_bins();
                (feature, bins[..n_bins].to_vec(), bins[usize::from(MISSING_BIN)], left)
            };
            assert_eq!(split.map(asked), expected.split.clone().map(asked), "node {at}");
        }
        grown.nodes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn small_trees_equal_those_grown_by_definition(
            seed: u64,
            n in 2_usize..300,
            width in 1_usize..9,
            features_per_split in 1_usize..9,
            min_leaf in 1_u32..6,
            max_depth in 1_u32..20,
        ) {
            let features_per_split = features_per_split.min(width);
            let growth = Growth { max_depth, min_leaf, features_per_split };
            assert_same_tree(&table(n, width, seed), &growth, subkey(seed, 1));
        }
    }

    #[test]
    fn a_tree_whose_rows_are_copied_twice_equals_the_one_grown_by_definition() {
        // Nodes are copied from half of the 2.4 MB of rows on, and once more from a quarter of the copies on.
        let growth = Growth { max_depth: 14, min_leaf: 3, features_per_split: 5 };
        let nodes = assert_same_tree(&table(40_000, 60, 7), &growth, 11);
        assert!(nodes.len() > 1_000, "{} nodes", nodes.len());
    }
}
