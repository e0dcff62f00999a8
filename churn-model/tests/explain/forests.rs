//! Random forests, rows, and Shapley values by their definition.

use churn_features::{Feature, FeatureSchema};
use churn_model::{
    Calibrator, Combine, ForestModel, LevelSet, Model, ModelCard, ModelKind, Node, ReferenceHistogram, SplitRule,
    Threshold, ThresholdRule, Tree,
};
use proptest::prelude::*;

/// Levels of every category.
pub(crate) const N_LEVELS: u8 = 5;

/// A schema of numbers, every third feature a category.
pub(crate) fn schema(n_features: usize) -> FeatureSchema {
    let levels = || (0..N_LEVELS).map(|level| format!("level {level}")).collect();
    let feature = |i: usize| match i % 3 {
        2 => Feature::category(format!("c{i}"), levels()),
        _ => Feature::numeric(format!("x{i}")),
    };
    FeatureSchema::new((0..n_features).map(feature).collect()).expect("valid")
}

/// A stream of dice, so that a forest of any size comes from one number.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Between 0 and 1.
    pub(crate) fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// One value per feature of [`schema`]: some missing, some equal to split values, some codes that are no level.
    pub(crate) fn row(&mut self, n_features: usize) -> Vec<f32> {
        let mut value = |i: usize| match (self.below(8), i % 3) {
            (0, _) => f32::NAN,
            (_, 2) => self.below(usize::from(N_LEVELS) + 1) as f32,
            _ => self.below(10) as f32,
        };
        (0..n_features).map(&mut value).collect()
    }

    /// A tree with about `n_splits` splits; `depth` wins when both cannot be had. A chain splits one node per level.
    pub(crate) fn tree(&mut self, n_features: usize, n_splits: usize, max_depth: usize, is_chain: bool) -> Tree {
        let mut nodes = vec![Node::Leaf { value: self.share(), cover: 1000.0 * self.share() }];
        let mut open = vec![(0, 0)];
        for _ in 0..n_splits {
            if open.is_empty() {
                break;
            }
            let (at, depth) = open.swap_remove(self.below(open.len()));
            let cover = match nodes[at] {
                Node::Leaf { cover, .. } | Node::Split { cover, .. } => cover,
            };
            let share = match self.below(12) {
                0 => 0.0, // nobody went that way when the tree was fitted
                _ => self.share(),
            };
            let feature = self.below(n_features);
            let rule = match feature % 3 {
                2 => SplitRule::Levels((0..N_LEVELS).filter(|_| self.below(2) == 0).collect::<LevelSet>()),
                _ => SplitRule::Below(self.below(10) as f32),
            };
            let left = nodes.len();
            nodes[at] = Node::Split {
                feature: feature as u16,
                rule,
                missing_left: self.below(2) == 0,
                left: left as u32,
                cover,
            };
            for (child, cover) in [cover * share, cover * (1.0 - share)].into_iter().enumerate() {
                nodes.push(Node::Leaf { value: self.share(), cover });
                if depth + 1 < max_depth && !(is_chain && child == 1) {
                    open.push((left + child, depth + 1));
                }
            }
        }
        Tree { nodes }
    }

    /// A forest of such trees, averaged or summed.
    pub(crate) fn forest(
        &mut self,
        n_features: usize,
        n_trees: usize,
        tree: impl Fn(&mut Self) -> Tree,
    ) -> ForestModel {
        let combine = match self.below(2) {
            0 => Combine::MeanShare,
            _ => Combine::SumLogOdds { base: f64::from(self.share()) },
        };
        let trees: Vec<Tree> = (0..n_trees).map(|_| tree(self)).collect();
        ForestModel::new(&schema(n_features), combine, &trees).expect("valid")
    }
}

/// Dice that fell in any way.
pub(crate) fn dice() -> impl Strategy<Value = Dice> {
    any::<u64>().prop_map(Dice::new)
}

/// What a tree gives when only the features in `known` are: where another is asked for, both ways by their cover.
fn expected(tree: &Tree, at: usize, row: &[f32], known: usize) -> f64 {
    let (feature, rule, missing_left, left) = match tree.nodes[at] {
        Node::Leaf { value, .. } => return f64::from(value),
        Node::Split { feature, rule, missing_left, left, .. } => (feature, rule, missing_left, left as usize),
    };
    let [on_left, on_right] = [left, left + 1].map(|child| expected(tree, child, row, known));
    if known >> feature & 1 == 1 {
        let value = row[usize::from(feature)];
        let goes_left = match rule {
            _ if value.is_nan() => missing_left,
            SplitRule::Below(split_value) => value < split_value,
            SplitRule::Levels(_) if value >= f32::from(N_LEVELS) => missing_left,
            SplitRule::Levels(set) => set.contains(value as u8),
        };
        return if goes_left { on_left } else { on_right };
    }
    let [left, right] = [left, left + 1].map(|child| match tree.nodes[child] {
        Node::Leaf { cover, .. } | Node::Split { cover, .. } => f64::from(cover),
    });
    let share = if left + right > 0.0 { left / (left + right) } else { 0.5 };
    share * on_left + (1.0 - share) * on_right
}

/// Base value and Shapley values by their definition: over all sets of features, what one more of them changes.
pub(crate) fn shapley_values(forest: &ForestModel, row: &[f32]) -> (f64, Vec<f64>) {
    let n = row.len();
    let trees: Vec<Tree> = forest.trees().collect();
    let score = |known: usize| {
        let sum: f64 = trees.iter().map(|tree| expected(tree, 0, row, known)).sum();
        match forest.combine() {
            Combine::MeanShare => sum / trees.len() as f64,
            Combine::SumLogOdds { base } => base + sum,
        }
    };
    let scores: Vec<f64> = (0..1 << n).map(score).collect();
    let factorial = |k: usize| (1..=k).map(|i| i as f64).product::<f64>();
    let weight = |size: usize| factorial(size) * factorial(n - size - 1) / factorial(n);
    let value = |feature: usize| {
        let without = (0..1_usize << n).filter(|known| known >> feature & 1 == 0);
        without.map(|known| weight(known.count_ones() as usize) * (scores[known | 1 << feature] - scores[known])).sum()
    };
    (scores[0], (0..n).map(value).collect())
}

/// A model with nothing but a schema and trees or terms that matters.
pub(crate) fn model(schema: FeatureSchema, kind: ModelKind) -> Model {
    let references = schema.features().iter().map(|feature| ReferenceHistogram::of(feature, [])).collect();
    model_with(schema, kind, references)
}

/// The same with reference histograms.
pub(crate) fn model_with(schema: FeatureSchema, kind: ModelKind, references: Vec<ReferenceHistogram>) -> Model {
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).expect("valid")
}
