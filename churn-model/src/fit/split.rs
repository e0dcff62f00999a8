//! The best split of a node, read off histograms.
//!
//! Gini impurity for two classes: with `p` of `c` (weighted) observations in the node churned, and `lp` of `lc` on the
//! left, the impurity falls in proportion to `(lp c - p lc)^2 / (lc rc)`. Sums are whole numbers, so a histogram does
//! not depend on the order of its rows, and two splits are compared without dividing.

use super::bins::{Binning, MISSING_BIN};
use crate::forest::LevelSet;

/// Weights of all and of the churned observations, packed so that one addition counts both.
///
/// The lower half holds all, the upper half the churned ones. Neither overflows: `fit` keeps the total weight of all
/// rows within `2^27`, give or take half a unit per row, and a bootstrap draws no row more than
/// [`MAX_DRAWS`](super::random::MAX_DRAWS) < 16 times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally(u64);

impl Tally {
    /// The tally of one observation with that weight.
    pub(crate) fn of(weight: u32, churned: bool) -> Self {
        Self(u64::from(weight) | u64::from(if churned { weight } else { 0 }) << 32)
    }

    /// Weight of all observations.
    pub(crate) fn all(self) -> u32 {
        self.0 as u32
    }

    /// Weight of the churned ones.
    pub(crate) fn churned(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether all or none have churned.
    pub(crate) fn is_pure(self) -> bool {
        self.churned() == 0 || self.churned() == self.all()
    }

    /// The churn share; 0 of an empty tally.
    pub(crate) fn share(self) -> f64 {
        if self.all() == 0 { 0.0 } else { f64::from(self.churned()) / f64::from(self.all()) }
    }
}

impl std::ops::AddAssign for Tally {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl std::ops::Add for Tally {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl std::ops::Sub for Tally {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

/// One tally per bin; the last one is of missing values.
pub(crate) type Histogram = [Tally; 256];

/// Which bins go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BinRule {
    /// Value bins up to and including this one, and the missing bin if so learned.
    UpTo { bin: u8, missing_left: bool },
    /// The bins in the set, of levels and of missing values alike.
    In(LevelSet),
}

impl BinRule {
    /// Whether an observation in that bin goes left.
    #[inline]
    pub(crate) fn goes_left(&self, bin: u8) -> bool {
        match self {
            Self::UpTo { bin: last, missing_left } => {
                if bin == MISSING_BIN {
                    *missing_left
                } else {
                    bin <= *last
                }
            }
            Self::In(set) => set.contains(bin),
        }
    }
}

/// The best split found so far in one node.
#[derive(Debug, Clone)]
pub(crate) struct BestSplit {
    node: Tally,
    min_leaf: u32,
    /// The impurity decrease as a fraction, of which only the order matters.
    gain: (f64, f64),
    found: Option<(usize, BinRule, Tally)>,
}

impl BestSplit {
    /// No split yet; both sides of one must weigh at least `min_leaf`.
    pub(crate) fn new(node: Tally, min_leaf: u32) -> Self {
        Self { node, min_leaf, gain: (0.0, 1.0), found: None }
    }

    /// The feature, its rule and the tally of the left side.
    pub(crate) fn found(self) -> Option<(usize, BinRule, Tally)> {
        self.found
    }

    /// Tries every split of one feature. Returns whether the feature takes more than one value in the node.
    ///
    /// `bins` lists the value bins that can be occupied, ascending.
    pub(crate) fn try_feature(
        &mut self,
        feature: usize,
        binning: &Binning,
        histogram: &Histogram,
        bins: impl Iterator<Item = u8>,
    ) -> bool {
        match binning {
            Binning::Numeric { .. } => self.try_numeric(feature, histogram, bins),
            Binning::Category { .. } => self.try_category(feature, histogram, bins),
        }
    }

    fn try_numeric(&mut self, feature: usize, histogram: &Histogram, bins: impl Iterator<Item = u8>) -> bool {
        let missing = histogram[usize::from(MISSING_BIN)];
        let mut left = Tally::default();
        let mut n_seen = 0;
        for bin in bins {
            let tally = histogram[usize::from(bin)];
            if tally.all() == 0 {
                continue;
            }
            n_seen += 1;
            left += tally;
            if self.improves(left) {
                let missing_left = missing.all() == 0 && self.outweighs_rest(left);
                self.found = Some((feature, BinRule::UpTo { bin, missing_left }, left));
            }
            if missing.all() > 0 && self.improves(left + missing) {
                self.found = Some((feature, BinRule::UpTo { bin, missing_left: true }, left + missing));
            }
        }
        n_seen > 1 || (n_seen == 1 && missing.all() > 0)
    }

    /// Levels in the order of their churn shares: the best cut of that order is the best of all subsets (Breiman et al.
    /// 1984, after Fisher 1958).
    fn try_category(&mut self, feature: usize, histogram: &Histogram, bins: impl Iterator<Item = u8>) -> bool {
        let mut order = [(0_u8, Tally::default()); 256];
        let mut n = 0;
        for bin in bins.chain([MISSING_BIN]) {
            let tally = histogram[usize::from(bin)];
            if tally.all() > 0 {
                order[n] = (bin, tally);
                n += 1;
            }
        }
        let order = &mut order[..n];
        order.sort_unstable_by(|(a_bin, a), (b_bin, b)| {
            let a_share = u64::from(a.churned()) * u64::from(b.all());
            let b_share = u64::from(b.churned()) * u64::from(a.all());
            a_share.cmp(&b_share).then(a_bin.cmp(b_bin))
        });
        let mut left = Tally::default();
        for cut in 1..n {
            left += order[cut - 1].1;
            if self.improves(left) {
                // Bins that the node has not seen follow its heavier side.
                let (listed, others_left) = (&order[..cut], self.outweighs_rest(left));
                let set = if others_left {
                    let right: LevelSet = order[cut..].iter().map(|(bin, _)| *bin).collect();
                    LevelSet::from_words(right.words().map(|word| !word))
                } else {
                    listed.iter().map(|(bin, _)| *bin).collect()
                };
                self.found = Some((feature, BinRule::In(set), left));
            }
        }
        n > 1
    }

    fn outweighs_rest(&self, left: Tally) -> bool {
        left.all() >= self.node.all() - left.all()
    }

    #[inline]
    fn improves(&mut self, left: Tally) -> bool {
        let (all, left_all) = (self.node.all(), left.all());
        let right_all = all - left_all;
        if left_all < self.min_leaf || right_all < self.min_leaf {
            return false;
        }
        let difference =
            f64::from(left.churned()) * f64::from(all) - f64::from(self.node.churned()) * f64::from(left_all);
        let gain = (difference * difference, f64::from(left_all) * f64::from(right_all));
        let improves = gain.0 * self.gain.1 > self.gain.0 * gain.1;
        if improves {
            self.gain = gain;
        }
        improves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(bins: &[(u8, u32, u32)]) -> (Histogram, Tally) {
        let mut histogram = [Tally::default(); 256];
        let mut node = Tally::default();
        for &(bin, stayed, churned) in bins {
            let tally = Tally::of(stayed, false) + Tally::of(churned, true);
            histogram[usize::from(bin)] = tally;
            node += tally;
        }
        (histogram, node)
    }

    const NUMERIC: Binning = Binning::Numeric { edges: Vec::new() };
    const CATEGORY: Binning = Binning::Category { n_levels: 5 };

    fn best(binning: &Binning, min_leaf: u32, bins: &[(u8, u32, u32)]) -> Option<(usize, BinRule, Tally)> {
        let (histogram, node) = histogram(bins);
        let mut best = BestSplit::new(node, min_leaf);
        best.try_feature(3, binning, &histogram, 0..5);
        best.found()
    }

    #[test]
    fn the_cut_that_separates_the_labels_is_found() {
        let found = best(&NUMERIC, 1, &[(0, 5, 1), (1, 4, 0), (2, 1, 6), (3, 0, 3)]);
        let left = Tally::of(9, false) + Tally::of(1, true);
        assert_eq!(found, Some((3, BinRule::UpTo { bin: 1, missing_left: true }, left)));
    }

    #[test]
    fn missing_values_go_to_the_side_that_they_resemble() {
        let left = best(&NUMERIC, 1, &[(0, 5, 0), (1, 0, 5), (MISSING_BIN, 4, 0)]).expect("a split");
        assert_eq!(left.1, BinRule::UpTo { bin: 0, missing_left: true });
        let right = best(&NUMERIC, 1, &[(0, 5, 0), (1, 0, 5), (MISSING_BIN, 0, 4)]).expect("a split");
        assert_eq!(right.1, BinRule::UpTo { bin: 0, missing_left: false });
    }

    #[test]
    fn missing_against_known_is_a_split_of_its_own() {
        let found = best(&NUMERIC, 1, &[(0, 5, 1), (4, 5, 1), (MISSING_BIN, 0, 4)]).expect("a split");
        assert_eq!(found.1, BinRule::UpTo { bin: 4, missing_left: false });
    }

    #[test]
    fn a_category_is_cut_where_its_sorted_shares_jump() {
        let found = best(&CATEGORY, 1, &[(0, 9, 1), (1, 1, 9), (2, 8, 2), (3, 2, 8)]).expect("a split");
        for (bin, goes_left) in [(0, true), (1, false), (2, true), (3, false)] {
            assert_eq!(found.1.goes_left(bin), goes_left, "bin {bin}");
        }
    }

    #[test]
    fn no_side_is_lighter_than_the_minimum() {
        let bins = [(0, 0, 1), (1, 6, 0), (2, 0, 1)];
        assert_eq!(best(&NUMERIC, 2, &bins), None);
        assert!(best(&NUMERIC, 1, &bins).is_some());
    }
}
