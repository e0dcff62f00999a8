//! Exact contributions of a forest: all its trees, made ready, and the quadrature that fits the deepest of them.

use super::paths::PathTree;
use super::quadrature::gauss_legendre;
use super::question::Levels;
use super::walk::{Memory, Rule, add_tree};
use crate::forest::ForestModel;

/// A forest made ready for exact contributions.
#[derive(Debug, Clone)]
pub(super) struct ExactForest {
    trees: Vec<PathTree>,
    levels: Levels,
    rules: Rules,
}

/// Quadrature rules at the width that the forest needs: no wider, as every node costs time.
#[derive(Debug, Clone)]
enum Rules {
    Four(RuleBook<4>),
    Six(RuleBook<6>),
    Eight(RuleBook<8>),
}

/// For each number of walks the rules of one quadrature, `N` nodes a walk.
type RuleBook<const N: usize> = Vec<Vec<Rule<N>>>;

/// Memory that explanations use again and again, one per thread; see
/// [`Explainer::explain_into`](super::Explainer::explain_into).
#[derive(Debug, Clone, Default)]
pub struct ExplainScratch {
    four: Memory<4>,
    six: Memory<6>,
    eight: Memory<8>,
}

impl ExactForest {
    pub(super) fn new(forest: &ForestModel) -> Self {
        let mut levels = Levels::of(forest);
        let trees: Vec<PathTree> = forest.trees().map(|tree| PathTree::new(&tree, &mut levels)).collect();
        let most = trees.iter().map(|tree| tree.max_features).max().unwrap_or(0);
        let rules = match most {
            0..=8 => Rules::Four(rule_book(most)),
            9..=12 => Rules::Six(rule_book(most)),
            _ => Rules::Eight(rule_book(most)),
        };
        Self { trees, levels, rules }
    }

    /// Writes the sums of all trees' contributions, `rows` and `contributions` being row-major `(n_rows, n_features)`.
    ///
    /// Each tree is walked for all rows before the next one is: keep them so few that what they need stays in the cache.
    pub(super) fn sum_into(&self, rows: &[f32], contributions: &mut [f64], scratch: &mut ExplainScratch) {
        match &self.rules {
            Rules::Four(rules) => self.walk(rules, rows, contributions, &mut scratch.four),
            Rules::Six(rules) => self.walk(rules, rows, contributions, &mut scratch.six),
            Rules::Eight(rules) => self.walk(rules, rows, contributions, &mut scratch.eight),
        }
    }

    fn walk<const N: usize>(
        &self,
        rules: &RuleBook<N>,
        rows: &[f32],
        contributions: &mut [f64],
        memory: &mut Memory<N>,
    ) {
        let width = self.levels.n_features();
        let mut sums = memory.take_sums(rows.len());
        for tree in &self.trees {
            let rules = &rules[n_walks::<N>(tree.max_features)];
            for (row, sums) in rows.chunks_exact(width).zip(sums.chunks_exact_mut(width)) {
                add_tree(tree, row, &self.levels, rules, memory, sums);
            }
        }
        for (contribution, sum) in contributions.iter_mut().zip(&sums) {
            *contribution = sum.iter().sum();
        }
        memory.keep_sums(sums);
    }
}

/// Walks that a tree takes whose paths meet up to `n_features`: `n` nodes are exact up to degree `2 n - 1`, and the
/// polynomials have one degree less than a path has features.
fn n_walks<const N: usize>(n_features: usize) -> usize {
    n_features.div_ceil(2 * N)
}

fn rule_book<const N: usize>(most_features: usize) -> RuleBook<N> {
    let rules = |walks: usize| gauss_legendre(N * walks).chunks(N).map(Rule::new).collect();
    (0..=n_walks::<N>(most_features)).map(rules).collect()
}
