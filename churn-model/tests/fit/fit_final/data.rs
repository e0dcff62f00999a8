//! Small worlds to fit on, and trees walked by definition.

use churn_features::{Feature, FeatureSchema};
use churn_model::fit::Observations;
use churn_model::{Node, SplitRule, Tree};
use ndarray::{Array2, Axis};
use proptest::prelude::*;

/// Observations with everything that travels with a row.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: FeatureSchema,
    pub(crate) features: Array2<f32>,
    pub(crate) labels: Vec<bool>,
    pub(crate) groups: Vec<u64>,
    pub(crate) weights: Vec<f32>,
}

impl Table {
    /// A table of one numeric feature, every row a group of its own.
    pub(crate) fn of_numbers(values: &[f32], labels: &[bool]) -> Self {
        Self::of_features(vec![Feature::numeric("x")], values, labels)
    }

    /// A table of these features, values row after row, every row a group of its own.
    pub(crate) fn of_features(features: Vec<Feature>, values: &[f32], labels: &[bool]) -> Self {
        let (n, width) = (labels.len(), features.len());
        Self {
            schema: FeatureSchema::new(features).unwrap(),
            features: Array2::from_shape_vec((n, width), values.to_vec()).unwrap(),
            labels: labels.to_vec(),
            groups: (0..n as u64).collect(),
            weights: vec![1.0; n],
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.labels.len()
    }

    pub(crate) fn row(&self, row: usize) -> Vec<f32> {
        self.features.row(row).to_vec()
    }

    /// Labels, groups and weights; weights that are all 1 stay unsaid.
    pub(crate) fn observations(&self) -> Observations<'_> {
        let observations = Observations::new(&self.schema, self.features.view(), &self.labels).unwrap();
        let observations = observations.with_groups(&self.groups).unwrap();
        let are_ones = self.weights.iter().all(|&weight| weight == 1.0);
        if are_ones { observations } else { observations.with_weights(&self.weights).unwrap() }
    }

    /// These rows in this order, each as often as it is named.
    pub(crate) fn pick(&self, rows: &[usize]) -> Self {
        Self {
            schema: self.schema.clone(),
            features: self.features.select(Axis(0), rows),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row]).collect(),
            weights: rows.iter().map(|&row| self.weights[row]).collect(),
        }
    }

    /// Every row as often as its weight says, each time with weight 1.
    pub(crate) fn repeated(&self) -> Self {
        let times = |row: usize| std::iter::repeat_n(row, self.weights[row] as usize);
        let mut repeated = self.pick(&(0..self.n()).flat_map(times).collect::<Vec<usize>>());
        repeated.weights.fill(1.0);
        repeated
    }

    /// The rows in another order; the second part says which row stands where.
    pub(crate) fn shuffled(&self, seed: u64) -> (Self, Vec<usize>) {
        let mut dice = Dice::new(seed);
        let mut order: Vec<usize> = (0..self.n()).collect();
        (1..order.len()).rev().for_each(|last| order.swap(last, dice.below(last + 1)));
        (self.pick(&order), order)
    }
}

/// SplitMix64 with a key of its own: worlds must not depend on the dice of the learners.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x5EED_0F7E_575A_11CE)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    /// In `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1_u64 << 53) as f64
    }

    /// About standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A measurement, a count, a boolean, a category and a constant, some of them missing, on which churn depends.
pub(crate) fn mixed(n: usize, seed: u64) -> Table {
    let mut dice = Dice::new(seed);
    let features = vec![
        Feature::numeric("measure"),
        Feature::numeric("count"),
        Feature::boolean("flag"),
        Feature::category("level", ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec()),
        Feature::numeric("constant"),
    ];
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..n {
        let row = [
            dice.normal().exp() as f32 * 100.0,
            dice.below(12) as f32,
            dice.below(2) as f32,
            dice.below(6) as f32, // 5 is no level
            4.5,
        ]
        .map(|value| if dice.below(8) == 0 { f32::NAN } else { value });
        let known = |value: f32, if_missing: f64| if value.is_nan() { if_missing } else { f64::from(value) };
        let log_odds = known(row[0], 300.0).ln() - 4.5 - 0.3 * (known(row[1], 1.0) - 5.0)
            + if row[3] == 1.0 || row[3] == 4.0 { 1.5 } else { -0.5 };
        labels.push(dice.uniform() < 1.0 / (1.0 + (-log_odds).exp()));
        values.extend(row);
    }
    (labels[0], labels[1]) = (true, false);
    Table::of_features(features, &values, &labels)
}

/// Mixed tables of up to `most` rows, in groups of about two, with whole weights from 0 to 3.
pub(crate) fn tables(most: usize) -> impl Strategy<Value = Table> {
    (20..most, any::<u64>()).prop_map(|(n, seed)| {
        let mut table = mixed(n, seed);
        let mut dice = Dice::new(!seed);
        table.groups = (0..n).map(|_| dice.below(n / 2 + 1) as u64).collect();
        table.weights = (0..n).map(|_| dice.below(4) as f32).collect();
        // Both labels have to be left.
        (table.weights[0], table.weights[1]) = (1.0, 2.0);
        table
    })
}

/// What `work` returns on that many threads.
pub(crate) fn on_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(work)
}

/// Equal, and NaN where the other is NaN.
pub(crate) fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Which way an observation goes, as the documentation of [`Node::Split`] has it.
pub(crate) fn goes_left(schema: &FeatureSchema, node: &Node, row: &[f32]) -> Option<bool> {
    let Node::Split { feature, rule, missing_left, .. } = node else { return None };
    let value = row[usize::from(*feature)];
    let n_levels = schema.features()[usize::from(*feature)].levels().len();
    Some(match rule {
        _ if value.is_nan() => *missing_left,
        SplitRule::Below(split_value) => value < *split_value,
        SplitRule::Levels(_) if value < 0.0 || value.fract() != 0.0 || value >= n_levels as f32 => *missing_left,
        SplitRule::Levels(set) => set.contains(value as u8),
    })
}

/// Positions of the nodes that an observation passes, from the root to its leaf.
pub(crate) fn path(schema: &FeatureSchema, tree: &Tree, row: &[f32]) -> Vec<usize> {
    let mut path = vec![0];
    loop {
        let node = &tree.nodes[path[path.len() - 1]];
        let Node::Split { left, .. } = node else { return path };
        path.push(*left as usize + usize::from(goes_left(schema, node, row) == Some(false)));
    }
}

pub(crate) fn cover(node: &Node) -> f32 {
    match node {
        Node::Leaf { cover, .. } | Node::Split { cover, .. } => *cover,
    }
}

pub(crate) fn leaf_value(node: &Node) -> f32 {
    match node {
        Node::Leaf { value, .. } => *value,
        Node::Split { .. } => panic!("a path ends in a leaf"),
    }
}

/// Splits between the root and each node.
pub(crate) fn depths(tree: &Tree) -> Vec<u32> {
    let mut depths = vec![0; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate() {
        if let Node::Split { left, .. } = node {
            let below = depths[at] + 1;
            depths[*left as usize..][..2].fill(below);
        }
    }
    depths
}
