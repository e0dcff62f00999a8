//! Explanations.

mod paths;
mod quadrature;
mod question;
mod walk;

use paths::PathTree;
use quadrature::gauss_legendre;
use question::Levels;
use walk::{Memory, Rule, add_tree};

use crate::forest::{Combine, ForestModel};

/// proto
#[derive(Debug)]
pub struct Proto {
    trees: Vec<PathTree>,
    levels: Levels,
    rules: Vec<Vec<Rule<8>>>,
    scale: f64,
    base: f64,
}

impl Proto {
    /// new
    pub fn new(forest: &ForestModel) -> Self {
        let mut levels = Levels::of(forest);
        let mut base = 0.0;
        let trees: Vec<PathTree> = forest
            .trees()
            .map(|tree| {
                base += paths::means(&tree)[0];
                PathTree::new(&tree, &mut levels)
            })
            .collect();
        let (scale, offset) = match forest.combine() {
            Combine::MeanShare => (1.0 / forest.n_trees() as f64, 0.0),
            Combine::SumLogOdds { base } => (1.0, base),
        };
        let most = trees.iter().map(|t| t.max_features.div_ceil(16)).max().unwrap_or(0);
        let rules = (0..=most).map(|n| gauss_legendre(8 * n).chunks(8).map(Rule::new).collect()).collect();
        Self { trees, levels, rules, scale, base: offset + scale * base }
    }
    /// base
    pub fn base(&self) -> f64 {
        self.base
    }
    /// go
    pub fn explain(&self, row: &[f32], memory: &mut Scratch, out: &mut [f64]) {
        memory.1.clear();
        memory.1.resize(row.len(), [0.0; 8]);
        for tree in &self.trees {
            add_tree(
                tree,
                row,
                &self.levels,
                &self.rules[tree.max_features.div_ceil(16)],
                &mut memory.0,
                &mut memory.1,
            );
        }
        for (out, sum) in out.iter_mut().zip(&memory.1) {
            *out = self.scale * sum.iter().sum::<f64>();
        }
    }
}
/// scratch
#[derive(Debug, Default)]
pub struct Scratch(Memory<8>, Vec<[f64; 8]>);
