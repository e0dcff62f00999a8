//! The decision tree: grown deep, cut back by cost and complexity.

use churn_model::Tree;
use churn_model::fit::{DecisionTreeLearner, FittedTree, Progress};
use churn_model::{ForestModel, Node};
use proptest::prelude::*;

use super::data::{Dice, Table, cover, depths, leaf_value, mixed, same_bits, tables};

fn learner(complexity: f64) -> DecisionTreeLearner {
    DecisionTreeLearner { complexity: Some(complexity), min_leaf: 2, max_depth: 12, ..DecisionTreeLearner::default() }
}

fn fit(complexity: f64, table: &Table) -> ForestModel {
    learner(complexity).fit(&table.observations()).unwrap()
}

fn fit_chosen(table: &Table) -> FittedTree {
    DecisionTreeLearner::default().fit_out_of_fold(&table.observations(), &Progress::silent()).unwrap()
}

fn n_leaves(model: &ForestModel) -> usize {
    model.n_nodes().div_ceil(2)
}

/// Weight of all and of the churned observations per node, counted up from the leaves.
fn tallies(tree: &Tree) -> Vec<(f64, f64)> {
    let mut tallies = vec![(0.0, 0.0); tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        tallies[at] = match node {
            Node::Leaf { value, cover } => (f64::from(*cover), (f64::from(*value) * f64::from(*cover)).round()),
            Node::Split { left, .. } => {
                let (left, right) = (tallies[*left as usize], tallies[*left as usize + 1]);
                (left.0 + right.0, left.1 + right.1)
            }
        };
    }
    tallies
}

/// The definition (Breiman et al. 1984, 3.6): of all subtrees with the same root, the smallest that has the least
/// impurity plus complexity per leaf. A node stays split where both sides at their best cost less than it as a leaf.
fn stays_split(tree: &Tree, complexity: f64) -> Vec<bool> {
    let tallies = tallies(tree);
    let total = tallies[0].0;
    let mut cost = vec![0.0; tree.nodes.len()];
    let mut stays = vec![false; tree.nodes.len()];
    for (at, node) in tree.nodes.iter().enumerate().rev() {
        let (all, churned) = tallies[at];
        let as_leaf = 2.0 * churned * (all - churned) / all / total + complexity;
        cost[at] = as_leaf;
        if let Node::Split { left, .. } = node {
            let as_split = cost[*left as usize] + cost[*left as usize + 1];
            stays[at] = as_split < as_leaf;
            cost[at] = as_leaf.min(as_split);
        }
    }
    stays
}

/// Whether the smaller tree is the larger one with some nodes cut to leaves; `is_cut` says which.
fn assert_is_cut(larger: &Tree, smaller: &Tree, is_cut: impl Fn(usize) -> bool) {
    let (counted, mut open) = (tallies(larger), vec![(0_usize, 0_usize)]);
    let mut n_seen = 0;
    while let Some((at, small)) = open.pop() {
        n_seen += 1;
        assert_eq!(cover(&larger.nodes[at]), cover(&smaller.nodes[small]));
        match (&larger.nodes[at], &smaller.nodes[small]) {
            (
                Node::Split { feature, rule, missing_left, left, .. },
                Node::Split {
                    feature: same_feature,
                    rule: same_rule,
                    missing_left: same_missing,
                    left: small_left,
                    ..
                },
            ) => {
                assert_eq!((feature, rule, missing_left), (same_feature, same_rule, same_missing));
                assert!(!is_cut(at), "node {at} should be a leaf");
                let (left, small_left) = (*left as usize, *small_left as usize);
                open.extend([(left, small_left), (left + 1, small_left + 1)]);
            }
            (Node::Leaf { value, .. }, Node::Leaf { value: same, .. }) => assert_eq!(value, same),
            (Node::Split { .. }, leaf @ Node::Leaf { .. }) => {
                assert!(is_cut(at), "node {at} should be split");
                assert_eq!(leaf_value(leaf), (counted[at].1 / counted[at].0) as f32);
            }
            (Node::Leaf { .. }, Node::Split { .. }) => panic!("node {at} is a leaf and was split"),
        }
    }
    assert_eq!(n_seen, smaller.nodes.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_pruned_tree_is_the_cheapest_of_all_subtrees(table in tables(300), exponent in -5.0..-1.0_f64) {
        let complexity = 10_f64.powf(exponent);
        let (whole, pruned) = (fit(0.0, &table).tree(0), fit(complexity, &table).tree(0));
        let stays = stays_split(&whole, complexity);
        assert_is_cut(&whole, &pruned, |at| !stays[at]);
    }

    #[test]
    fn more_complexity_cuts_further_and_never_elsewhere(table in tables(300)) {
        let trees: Vec<ForestModel> = [0.0, 1e-4, 1e-3, 3e-3, 1e-2, 0.1, 1e9].map(|c| fit(c, &table)).to_vec();
        for pair in trees.windows(2) {
            let (larger, smaller) = (pair[0].tree(0), pair[1].tree(0));
            prop_assert!(n_leaves(&pair[0]) >= n_leaves(&pair[1]));
            let mut open = vec![(0_usize, 0_usize)];
            while let Some((at, small)) = open.pop() {
                if let Node::Split { left: small_left, rule: small_rule, .. } = smaller.nodes[small] {
                    let Node::Split { left, rule, .. } = larger.nodes[at] else {
                        panic!("the smaller tree splits more")
                    };
                    prop_assert_eq!(rule, small_rule);
                    open.extend((0..2).map(|side| (left as usize + side, small_left as usize + side)));
                }
            }
        }
        prop_assert_eq!(n_leaves(&trees[6]), 1);
    }

    #[test]
    fn a_tree_does_not_depend_on_the_order_of_rows(table in tables(300), seed: u64) {
        let (shuffled, order) = table.shuffled(seed);
        let (one, other) = (fit_chosen(&table), fit_chosen(&shuffled));
        prop_assert_eq!(&one.model, &other.model);
        let moved: Vec<f64> = order.iter().map(|&row| one.out_of_fold[row]).collect();
        prop_assert!(same_bits(&moved, &other.out_of_fold));
    }

    #[test]
    fn a_weight_counts_like_as_many_rows(table in tables(300)) {
        let (weighted, repeated) = (fit_chosen(&table), fit_chosen(&table.repeated()));
        prop_assert_eq!(&weighted.model, &repeated.model);
    }

    #[test]
    fn leaves_are_heavy_enough_and_not_too_deep(table in tables(300), min_leaf in 1_u32..20, max_depth in 1_u32..9) {
        let tree = DecisionTreeLearner { min_leaf, max_depth, ..learner(0.0) };
        let tree = tree.fit(&table.observations()).unwrap().tree(0);
        prop_assert!(depths(&tree).into_iter().all(|depth| depth <= max_depth));
        prop_assert!(tree.nodes.iter().skip(1).all(|node| cover(node) >= min_leaf as f32));
    }
}

#[test]
fn without_complexity_the_tree_is_grown_until_its_leaves_are_pure() {
    let mut dice = Dice::new(1);
    let values: Vec<f32> = (0..200).map(|row| row as f32).collect();
    let labels: Vec<bool> = (0..200).map(|_| dice.flip()).collect();
    let table = Table::of_numbers(&values, &labels);
    let tree = DecisionTreeLearner { min_leaf: 1, max_depth: 64, ..learner(0.0) }.fit(&table.observations()).unwrap();
    (0..200).for_each(|row| assert_eq!(tree.raw_score(&[row as f32]) == 1.0, labels[row]));
}

#[test]
fn splits_that_gain_nothing_are_not_made() {
    // Neither feature alone says anything (exclusive or, as often on each side).
    let values: Vec<f32> = (0..40).flat_map(|row| [(row & 1) as f32, (row >> 1 & 1) as f32]).collect();
    let labels: Vec<bool> = (0..40).map(|row| (row & 1) ^ (row >> 1 & 1) == 1).collect();
    let features = ["x", "y"].map(churn_features::Feature::numeric).to_vec();
    assert_eq!(fit(0.0, &Table::of_features(features, &values, &labels)).n_nodes(), 1);
}

#[test]
fn of_noise_hardly_any_tree_is_left() {
    for seed in 0..8 {
        let mut table = mixed(1_000, seed);
        let mut dice = Dice::new(seed + 100);
        table.labels = (0..1_000).map(|_| dice.below(3) == 0).collect();
        let fitted = fit_chosen(&table);
        assert!(n_leaves(&fitted.model) <= 4, "seed {seed}: {} leaves", n_leaves(&fitted.model));
    }
}

#[test]
fn what_can_be_learned_survives_pruning() {
    let fitted = fit_chosen(&mixed(3_000, 5));
    assert!((5..80).contains(&n_leaves(&fitted.model)), "{} leaves", n_leaves(&fitted.model));
    let best = fitted.trials.iter().map(|trial| trial.brier).fold(f64::INFINITY, f64::min);
    let chosen = fitted.trials.iter().find(|trial| trial.complexity == fitted.complexity).unwrap();
    assert_eq!(chosen.brier, best);
    assert!(fitted.trials.windows(2).all(|pair| pair[0].complexity < pair[1].complexity));
    assert_eq!(fitted.model, fit_chosen(&mixed(3_000, 5)).model);
}

#[test]
fn noise_in_a_deep_tree_is_pruned_in_good_time() {
    // 30,000 leaves before pruning; cutting them one by one over a list of all would look at 10^9.
    let mut dice = Dice::new(3);
    let values: Vec<f32> = (0..200_000).map(|_| dice.normal() as f32).collect();
    let labels: Vec<bool> = (0..100_000).map(|_| dice.flip()).collect();
    let features = ["x", "y"].map(churn_features::Feature::numeric).to_vec();
    let table = Table::of_features(features, &values, &labels);
    let deep = DecisionTreeLearner { min_leaf: 1, max_depth: 64, n_folds: 2, ..learner(1e-3) };
    assert!(deep.fit(&table.observations()).unwrap().n_nodes() < 20);
}
