//! A table like ours to fit other libraries' learners on, and rows that stand exactly at their split values.

use churn_features::{Feature, FeatureSchema};
use churn_model::{ForestModel, Node, SplitRule, Tree};

pub(crate) const N_FEATURES: usize = 20;

/// Rows with ties, counts, one-hot columns, heavy tails, and neighbouring floats that have no f32 between them.
pub(crate) struct Table {
    pub(crate) rows: Vec<[f32; N_FEATURES]>,
    pub(crate) churned: Vec<bool>,
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    fn unit(&mut self) -> f32 {
        self.below(1 << 24) as f32 / (1 << 24) as f32
    }
}

impl Table {
    /// 600 rows of which about `base_rate` churned.
    pub(crate) fn new(seed: u64, base_rate: f32) -> Self {
        let mut dice = Dice(seed);
        let mut table = Self { rows: Vec::new(), churned: Vec::new() };
        for _ in 0..600 {
            let mut row = [0.0; N_FEATURES];
            let health = dice.unit();
            for count in &mut row[..6] {
                *count = (health * dice.below(30) as f32).floor();
            }
            row[6 + dice.below(5) as usize] = 1.0; // one industry of five
            row[11] = if dice.unit() < health { 1.0 } else { 0.0 };
            row[12] = if dice.unit() < 0.5 { 0.0 } else { -0.0 };
            row[13] = 1.0 + dice.below(40) as f32 * f32::EPSILON;
            row[14] = dice.below(40) as f32 * f32::from_bits(1); // subnormal
            row[15] = dice.unit() - health;
            row[16] = 0.01 / (dice.unit() + 0.01);
            row[17] = -dice.unit() * health;
            row[18] = (dice.unit() * 10.0).floor() / 10.0;
            row[19] = dice.unit();
            let step = if row[13] > 1.0 + 20.0 * f32::EPSILON { 0.15 } else { -0.15 };
            let step = step + if row[14] > 20.0 * f32::from_bits(1) { 0.1 } else { -0.1 };
            table.churned.push(dice.unit() + 0.9 * (0.5 - health) + step < base_rate);
            table.rows.push(row);
        }
        table
    }

    /// The values row by row, as another library wants them.
    pub(crate) fn values<F: From<f32>>(rows: &[[f32; N_FEATURES]]) -> Vec<F> {
        rows.iter().flatten().map(|&value| F::from(value)).collect()
    }

    /// Rows that reach each split of `forest` and stand at its split value, just below, just above, or miss the value.
    pub(crate) fn rows_at_splits(&self, forest: &ForestModel) -> Vec<[f32; N_FEATURES]> {
        let mut probes = Vec::new();
        for tree in forest.trees() {
            for (at, node) in tree.nodes.iter().enumerate() {
                let Node::Split { feature, rule: SplitRule::Below(split_value), .. } = *node else { continue };
                let Some(row) = self.rows.iter().find(|row| path(&tree, row.as_slice()).contains(&at)) else {
                    continue;
                };
                for value in [split_value.next_down(), split_value, split_value.next_up(), f32::NAN] {
                    let mut probe = *row;
                    probe[usize::from(feature)] = value;
                    probes.push(probe);
                }
            }
        }
        probes
    }
}

/// The nodes of a tree that a row passes; the last is its leaf.
pub(crate) fn path(tree: &Tree, row: &[f32]) -> Vec<usize> {
    let mut path = vec![0];
    while let Node::Split { feature, rule: SplitRule::Below(split_value), left, .. } = tree.nodes[path[path.len() - 1]]
    {
        path.push(left as usize + usize::from(row[usize::from(feature)] >= split_value));
    }
    path
}

/// Twenty numeric features, `f0` to `f19`.
pub(crate) fn schema() -> FeatureSchema {
    schema_of((0..N_FEATURES).map(|column| Feature::numeric(format!("f{column}"))).collect())
}

pub(crate) fn schema_of(features: Vec<Feature>) -> FeatureSchema {
    FeatureSchema::new(features).expect("valid")
}

/// As [`schema`], with a category in the third column.
pub(crate) fn schema_with_category() -> FeatureSchema {
    let mut features = schema().features().to_vec();
    features[2] = Feature::category("industry", vec!["energy".into(), "retail".into()]);
    schema_of(features)
}
