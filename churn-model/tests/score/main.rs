//! The scorer's kernels against the plain walk, bit for bit.

#[path = "../explain/forests.rs"]
#[allow(dead_code, reason = "the tests of explanations use the rest")]
mod forests;

mod file;

use churn_features::{Feature, FeatureSchema};
use churn_model::{
    Calibrator, Combine, ForestModel, Kernel, LinearModel, Model, ModelKind, Node, Scorer, SplitRule, Standardised,
    Term, Tree,
};
use forests::{Dice, dice, model, schema};
use proptest::prelude::*;

/// A row with all that can stand in one.
fn row(dice: &mut Dice, n_features: usize) -> Vec<f32> {
    let mut row = dice.row(n_features);
    for value in &mut row {
        *value = match dice.below(20) {
            0 => f32::INFINITY,
            1 => f32::NEG_INFINITY,
            2 => -0.0,
            3 => -*value,
            4 => *value + 0.5,
            5 => f32::MAX,
            6 => f32::MIN_POSITIVE,
            _ => *value,
        };
    }
    row
}

/// The forest with its split values moved apart, so that features have hundreds of them; some are infinite or a zero.
fn scattered(dice: &mut Dice, forest: &ForestModel) -> ForestModel {
    let trees: Vec<Tree> = forest
        .trees()
        .map(|mut tree| {
            for node in &mut tree.nodes {
                if let Node::Split { rule: SplitRule::Below(value), .. } = node {
                    *value = match dice.below(40) {
                        0 => f32::INFINITY,
                        1 => f32::NEG_INFINITY,
                        2 => -0.0,
                        _ => *value + dice.share(),
                    };
                }
            }
            tree
        })
        .collect();
    ForestModel::new(&schema(forest.n_features()), forest.combine(), &trees).expect("valid")
}

/// The forest with leaves of both signs, where it may have them.
fn both_signs(forest: &ForestModel) -> ForestModel {
    let mut trees: Vec<Tree> = forest.trees().collect();
    if forest.combine() != Combine::MeanShare {
        for node in trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let Node::Leaf { value, .. } = node {
                *value = (*value - 0.5) / 16.0;
            }
        }
    }
    ForestModel::new(&schema(forest.n_features()), forest.combine(), &trees).expect("valid")
}

fn check(forest: &ForestModel, dice: &mut Dice, n_rows: usize) -> Result<(), TestCaseError> {
    let forest = &both_signs(forest);
    let n_features = forest.n_features();
    let mut model = model(schema(n_features), ModelKind::Forest(forest.clone()));
    if forest.combine() == Combine::MeanShare && dice.below(2) == 0 {
        let calibrator = Calibrator::Isotonic { raw_scores: vec![0.2, 0.6], probabilities: vec![0.1, 0.9] };
        let (threshold, references) = (*model.threshold(), model.references().to_vec());
        let kind = model.kind().clone();
        model = Model::new(schema(n_features), kind, calibrator, threshold, references, model.card().clone())
            .expect("fits");
    }
    let rows: Vec<Vec<f32>> = (0..n_rows).map(|_| row(dice, n_features)).collect();
    let all: Vec<f32> = rows.concat();
    let expected: Vec<u64> = rows.iter().map(|row| model.score(row).to_bits()).collect();
    for kernel in Kernel::available() {
        let scorer = Scorer::new(&model).limited_to(kernel);
        let batch: Vec<u64> = scorer.score_batch(&all).into_iter().map(f64::to_bits).collect();
        prop_assert_eq!(&batch, &expected, "batch, {:?}", scorer.kernel());
        for (row, &expected) in rows.iter().zip(&expected) {
            prop_assert_eq!(scorer.score(row).to_bits(), expected, "{:?} of {:?}", scorer.kernel(), row);
            prop_assert_eq!(scorer.raw_score(row).to_bits(), forest.raw_score(row).to_bits());
            let score = f64::from_bits(expected);
            let near = [score, score.next_up(), score.next_down(), f64::from(dice.share()), 0.0, 1.0, f64::NAN];
            for threshold in near {
                prop_assert_eq!(scorer.decide_at(row, threshold), score >= threshold, "at {}", threshold);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn all_kernels_score_as_the_plain_walk(
        mut dice in dice(), n_features in 1_usize..60, n_trees in 1_usize..150, n_splits in 0_usize..300, depth in 1_usize..14,
    ) {
        let forest = dice.forest(n_features, n_trees, |dice| dice.tree(n_features, n_splits, depth, false));
        check(&forest, &mut dice, 6)?;
    }

    #[test]
    fn hundreds_of_split_values_per_feature_are_told_apart(
        mut dice in dice(), n_features in 1_usize..30, n_splits in 300_usize..2000,
    ) {
        let forest = dice.forest(n_features, 5, |dice| dice.tree(n_features, n_splits, 20, false));
        let forest = scattered(&mut dice, &forest);
        check(&forest, &mut dice, 10)?;
    }

    #[test]
    fn chains_and_more_features_than_slots_are_walked(
        mut dice in dice(), n_features in 1_usize..700, length in 1_usize..200,
    ) {
        let forest = dice.forest(n_features, 40, |dice| {
            let is_chain = dice.below(2) == 0;
            dice.tree(n_features, length, 60, is_chain)
        });
        check(&forest, &mut dice, 4)?;
    }
}

/// A linear model for the [`schema`] of so many features; some of its numbers have no logarithm, some weigh nothing.
fn linear(dice: &mut Dice, n_features: usize) -> LinearModel {
    let schema = schema(n_features);
    let share = |dice: &mut Dice| f64::from(dice.share()) - 0.5;
    let part = |dice: &mut Dice| {
        let weight = if dice.below(5) == 0 { 0.0 } else { share(dice) };
        Standardised { mean: 10.0 * share(dice), scale: 1e-3 + f64::from(dice.share()), weight }
    };
    let has_logs = dice.below(3) > 0;
    let mut term = |feature: &Feature| match feature.levels().len() {
        _ if !feature.is_category() => {
            let signed_log = (has_logs && dice.below(3) > 0).then(|| part(dice));
            Term::Numeric { value: part(dice), signed_log, missing_weight: share(dice) }
        }
        n_levels => {
            Term::Category { level_weights: (0..n_levels).map(|_| share(dice)).collect(), missing_weight: share(dice) }
        }
    };
    let terms = schema.features().iter().map(&mut term).collect();
    LinearModel::new(&schema, 0.3, terms).expect("valid")
}

/// A row with all that can stand in one, very small and very large numbers and codes of no level among it.
fn wide_row(dice: &mut Dice, n_features: usize) -> Vec<f32> {
    let mut row = row(dice, n_features);
    for value in &mut row {
        let share = dice.share();
        *value = match dice.below(12) {
            0 => share * 1e-40,
            1 => share * 1e37,
            2 => -share,
            3 => 300.0,
            _ => *value,
        };
    }
    row
}

proptest! {
    #[test]
    fn all_kernels_score_linear_models_as_the_plain_sum(mut dice in dice(), n_features in 1_usize..200) {
        let linear = linear(&mut dice, n_features);
        let model = model(schema(n_features), ModelKind::Linear(linear.clone()));
        let explainer = model.explainer();
        let rows: Vec<f32> = (0..8).flat_map(|_| wide_row(&mut dice, n_features)).collect();
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            prop_assert_eq!(scorer.kernel(), kernel);
            let batch = scorer.score_batch(&rows);
            for (row, batch) in rows.chunks(n_features).zip(batch) {
                let raw_score = linear.raw_score(row);
                prop_assert_eq!(scorer.raw_score(row).to_bits(), raw_score.to_bits(), "{:?} of {:?}", kernel, row);
                prop_assert_eq!(scorer.score(row).to_bits(), model.score(row).to_bits());
                prop_assert_eq!(batch.to_bits(), model.score(row).to_bits());
                prop_assert_eq!(scorer.decide(row), model.decide(model.score(row)));
                let found = explainer.explain(row);
                let sum = found.base_value + found.contributions.iter().sum::<f64>();
                let size: f64 = found.contributions.iter().map(|contribution| contribution.abs()).sum();
                prop_assert!((sum - raw_score).abs() <= 1e-12 * (1.0 + size), "{} of {}", sum, raw_score);
            }
        }
    }
}

#[test]
fn a_linear_model_scored_portably_is_portable() {
    let model = model(schema(9), ModelKind::Linear(linear(&mut Dice::new(3), 9)));
    assert_eq!(Scorer::new(&model).limited_to(Kernel::Portable).kernel(), Kernel::Portable);
}

#[test]
fn a_batch_on_all_cores_and_part_by_part_is_row_after_row() {
    let mut dice = Dice::new(8);
    // Over 1 MiB of words and values, so that a batch walks the forest in parts.
    let forest = dice.forest(20, 100, |dice| dice.tree(20, 1_000, 14, false));
    let model = model(schema(20), ModelKind::Forest(forest));
    let rows: Vec<f32> = (0..2_500).flat_map(|_| row(&mut dice, 20)).collect();
    let expected: Vec<f64> = rows.chunks(20).map(|row| model.score(row)).collect();
    // Scores of rows that differ, so that no kernel may take one row for another.
    let mut different: Vec<u64> = expected.iter().map(|score| score.to_bits()).collect();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 2_000, "{} different scores", different.len());
    let middle = f64::from_bits(different[different.len() / 2]);
    for kernel in Kernel::available() {
        let scorer = Scorer::new(&model).limited_to(kernel);
        assert!(scorer.n_bytes() > 1 << 20);
        assert_eq!(scorer.score_batch(&rows), expected);
        assert_eq!(scorer.score_batch(&[]), [0.0; 0]);
        let mut asked = 0;
        for (row, score) in rows.chunks(20).zip(&expected) {
            assert_eq!(scorer.decide_at(row, middle), *score >= middle);
            let (acts, n_asked) = scorer.decide_counted(row, 0.9);
            assert_eq!(acts, *score >= 0.9);
            asked += n_asked;
        }
        assert!(asked < 2_500 * 100, "no tree was spared: {asked}");
    }
}

#[test]
#[should_panic(expected = "one value per feature")]
fn a_row_of_another_length_is_refused() {
    let mut dice = Dice::new(1);
    let forest = dice.forest(3, 2, |dice| dice.tree(3, 4, 3, false));
    Scorer::new(&model(schema(3), ModelKind::Forest(forest))).score(&[0.0; 2]);
}

#[test]
fn scorers_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Scorer>();
}

#[test]
fn missing_values_like_zeros_take_no_slot_of_their_own() {
    // 200 features whose missing values go where 0 goes, as in a forest of LightGBM that saw none.
    let mut dice = Dice::new(2);
    let schema = FeatureSchema::new((0..200).map(|i| Feature::numeric(format!("x{i}"))).collect()).expect("valid");
    let tree = |feature: u16| {
        let split_value = f32::from(feature % 5) - 2.0;
        let rule = SplitRule::Below(split_value);
        let split = |left| Node::Split { feature, rule, missing_left: 0.0 < split_value, left, cover: 1.0 };
        let leaf = |value| Node::Leaf { value, cover: 1.0 };
        let other = SplitRule::Below(-split_value - 0.5);
        let below = Node::Split { feature, rule: other, missing_left: split_value < -0.5, left: 3, cover: 1.0 };
        Tree { nodes: vec![split(1), leaf(0.25), below, leaf(0.5), leaf(0.75)] }
    };
    let trees: Vec<Tree> = (0..200).map(tree).collect();
    let forest = ForestModel::new(&schema, Combine::SumLogOdds { base: 0.0 }, &trees).expect("valid");
    let model = model(schema, ModelKind::Forest(forest));
    for kernel in Kernel::available() {
        let scorer = Scorer::new(&model).limited_to(kernel);
        let expected = match kernel {
            Kernel::Avx512 => Kernel::Avx2,
            Kernel::Neon => Kernel::Portable,
            kernel => kernel,
        };
        assert_eq!(scorer.kernel(), expected, "200 slots");
        for _ in 0..50 {
            let row = row(&mut dice, 200);
            assert_eq!(scorer.score(&row).to_bits(), model.score(&row).to_bits());
        }
    }
}

#[test]
fn a_decision_is_that_of_the_score_where_leaves_cancel() {
    let schema = FeatureSchema::new(vec![Feature::numeric("x")]).expect("valid");
    let leaf = |value| Node::Leaf { value, cover: 1.0 };
    let split = Node::Split { feature: 0, rule: SplitRule::Below(0.5), missing_left: true, left: 1, cover: 2.0 };
    for large in [1e6_f32, 1e12, 1e16, 1e30] {
        let tree = |at: usize| match at {
            64 => Tree { nodes: vec![leaf(large)] },
            81 => Tree { nodes: vec![split, leaf(-0.7), leaf(0.7)] },
            96 => Tree { nodes: vec![leaf(-large)] },
            _ => Tree { nodes: vec![leaf(0.0)] },
        };
        let trees: Vec<Tree> = (0..112).map(tree).collect();
        let forest = ForestModel::new(&schema, Combine::SumLogOdds { base: 0.0 }, &trees).expect("valid");
        let model = model(schema.clone(), ModelKind::Forest(forest));
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            for row in [[0.0], [1.0]] {
                let score = model.score(&row);
                for step in [0.0, 1e-12, 1e-8, 1e-4, 0.1] {
                    for threshold in [score - step, score + step] {
                        assert_eq!(scorer.decide_at(&row, threshold), score >= threshold, "{large} at {threshold}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_that_goes_down_a_whole_chain_reaches_its_end() {
    for length in [1_u32, 11, 12, 13, 31, 32, 33, 60, 255, 3_000] {
        let schema = FeatureSchema::new(vec![Feature::numeric("x"), Feature::numeric("y")]).expect("valid");
        let split = |at: u32| Node::Split {
            feature: (at % 2) as u16,
            rule: SplitRule::Below(at as f32),
            missing_left: false,
            left: 2 * at + 1,
            cover: 1.0,
        };
        let leaf = |value| Node::Leaf { value, cover: 1.0 };
        let mut nodes = vec![split(0)];
        for at in 0..length {
            nodes.push(leaf(0.25 / (at + 1) as f32));
            nodes.push(if at + 1 < length { split(at + 1) } else { leaf(0.75) });
        }
        // The right child of a split stands behind its left one, so that split `at` is node `2 at`.
        let forest = ForestModel::new(&schema, Combine::SumLogOdds { base: 0.0 }, &[Tree { nodes }]).expect("valid");
        let model = model(schema, ModelKind::Forest(forest));
        for kernel in Kernel::available() {
            let scorer = Scorer::new(&model).limited_to(kernel);
            for row in [[1e9, 1e9], [f32::NAN, f32::NAN], [1e9, length as f32 / 2.0]] {
                assert_eq!(scorer.raw_score(&row), model.kind().raw_score(&row), "{length}, {:?}", scorer.kernel());
            }
            assert_eq!(scorer.raw_score(&[1e9, 1e9]), 0.75, "{length}, {:?}", scorer.kernel());
        }
    }
}
