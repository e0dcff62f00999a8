//! Explanations are exact: they are Shapley values, and they add up.

mod forests;
use churn_model::{Proto, Scratch};
use forests::{dice, shapley_values, Dice};
use proptest::prelude::*;

proptest! {
    #[test]
    fn proto(mut dice in dice(), n_features in 1_usize..8, n_trees in 1_usize..4, n_splits in 0_usize..40) {
        let forest = dice.forest(n_features, n_trees, |dice| dice.tree(n_features, n_splits, 12, false));
        let p = Proto::new(&forest);
        let mut s = Scratch::default();
        for _ in 0..4 {
            let row = dice.row(n_features);
            let mut out = vec![0.0; n_features];
            p.explain(&row, &mut s, &mut out);
            let (base, values) = shapley_values(&forest, &row);
            prop_assert!((base - p.base()).abs() < 1e-12);
            for (a, b) in out.iter().zip(&values) {
                prop_assert!((a - b).abs() < 1e-12, "{out:?} {values:?}");
            }
        }
    }
}

#[test]
fn speed() {
    let mut dice = Dice::new(1);
    let forest = dice.forest(20, 100, |dice| dice.tree(19, 1420, 12, false));
    let p = Proto::new(&forest);
    let mut s = Scratch::default();
    let mut out = vec![0.0; 20];
    let rows: Vec<Vec<f32>> = (0..40).map(|_| dice.row(20)).collect();
    for row in &rows {
        p.explain(row, &mut s, &mut out);
        let d = (p.base() + out.iter().sum::<f64>() - forest.raw_score(row)).abs();
        assert!(d < 1e-12, "{d}");
    }
    let t = std::time::Instant::now();
    for row in &rows {
        p.explain(row, &mut s, &mut out);
    }
    panic!("{} nodes, {:?} per row", forest.n_nodes(), t.elapsed() / 40);
}
