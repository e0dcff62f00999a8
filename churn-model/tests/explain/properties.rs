use churn_model::{ExplainScratch, Explainer, ForestModel, ModelKind};
use proptest::prelude::*;

use crate::forests::{Dice, dice, model, schema, shapley_values};

fn explainer(forest: &ForestModel) -> Explainer {
    model(schema(forest.n_features()), ModelKind::Forest(forest.clone())).explainer()
}

fn check_additive(explainer: &Explainer, forest: &ForestModel, row: &[f32]) -> Result<(), TestCaseError> {
    for found in [explainer.explain(row), explainer.approximate(row)] {
        let raw_score = forest.raw_score(row);
        let sum = found.base_value + found.contributions.iter().sum::<f64>();
        prop_assert_eq!(found.raw_score.to_bits(), raw_score.to_bits());
        prop_assert!((sum - raw_score).abs() < 1e-9, "{} adds up to {}, not {}", found.base_value, sum, raw_score);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn contributions_are_shapley_values(
        mut dice in dice(), n_features in 1_usize..8, n_trees in 1_usize..4, n_splits in 0_usize..150,
    ) {
        let forest = dice.forest(n_features, n_trees, |dice| dice.tree(n_features, n_splits, 12, false));
        let explainer = explainer(&forest);
        for _ in 0..4 {
            let row = dice.row(n_features);
            let (base_value, values) = shapley_values(&forest, &row);
            let found = explainer.explain(&row);
            prop_assert!((found.base_value - base_value).abs() < 1e-12);
            for (found, value) in found.contributions.iter().zip(&values) {
                prop_assert!((found - value).abs() < 1e-12, "{found} for {value}");
            }
            check_additive(&explainer, &forest, &row)?;
        }
    }

    #[test]
    fn contributions_add_up_in_wide_and_deep_forests(
        mut dice in dice(), n_features in 1_usize..90, n_splits in 0_usize..1500, max_depth in 1_usize..60,
    ) {
        let forest = dice.forest(n_features, 10, |dice| dice.tree(n_features, n_splits, max_depth, false));
        let row = dice.row(n_features);
        check_additive(&explainer(&forest), &forest, &row)?;
    }

    #[test]
    fn contributions_add_up_along_chains(mut dice in dice(), n_features in 1_usize..90, length in 1_usize..200) {
        let forest = dice.forest(n_features, 3, |dice| dice.tree(n_features, length, length, true));
        let row = dice.row(n_features);
        check_additive(&explainer(&forest), &forest, &row)?;
    }

    #[test]
    fn a_batch_is_explained_as_row_after_row_and_scratch_leaves_no_trace(mut dice in dice(), n_rows in 0_usize..60) {
        let forests = [4, 20, 12].map(|n_features| {
            (n_features, dice.forest(n_features, 5, |dice| dice.tree(n_features, 100, 20, false)))
        });
        let mut scratch = ExplainScratch::default();
        for (n_features, forest) in &forests {
            let explainer = explainer(forest);
            let rows: Vec<f32> = (0..n_rows).flat_map(|_| dice.row(*n_features)).collect();
            let batch = explainer.explain_batch(&rows);
            prop_assert_eq!(batch.len(), rows.len());
            for (row, batch) in rows.chunks(*n_features).zip(batch.chunks(*n_features)) {
                let mut contributions = vec![f64::NAN; *n_features];
                explainer.explain_into(row, &mut contributions, &mut scratch);
                prop_assert_eq!(&contributions, batch);
                prop_assert_eq!(explainer.explain(row).contributions, batch);
            }
        }
    }
}

#[test]
fn a_very_long_chain_with_very_small_shares_is_explained() {
    const N_FEATURES: usize = 3000;
    let mut dice = Dice::new(1);
    let forest = dice.forest(N_FEATURES, 1, |dice| dice.tree(N_FEATURES, 20_000, 20_000, true));
    let row = dice.row(N_FEATURES);
    let found = explainer(&forest).explain(&row);
    let sum = found.base_value + found.contributions.iter().sum::<f64>();
    assert!((sum - forest.raw_score(&row)).abs() < 1e-9, "{sum} for {}", forest.raw_score(&row));
}
