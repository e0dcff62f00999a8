//! What holds for every labelling, grouping and table.

use std::collections::HashMap;

use churn_training_data::{
    ScoringOptions, TableOptions, TrainingSet, read_features, read_folds, read_table, stratified_folds,
    stratified_split, write_folds,
};
use proptest::prelude::*;

fn labelled_groups() -> impl Strategy<Value = (Vec<bool>, Vec<u64>)> {
    prop::collection::vec((any::<bool>(), 0_u64..40), 40..300).prop_map(|rows| rows.into_iter().unzip())
}

fn n_groups(groups: &[u64]) -> usize {
    groups.iter().collect::<std::collections::HashSet<_>>().len()
}

/// Rows of a table: a number or blank, a word or blank, and a label.
fn cells() -> impl Strategy<Value = Vec<(Option<f32>, Option<String>, bool)>> {
    let number = prop::option::of(-1e6_f32..1e6);
    let word = prop::option::of("[a-e ,\"é\n]{1,4}x");
    prop::collection::vec((number, word, any::<bool>()), 2..60)
}

fn to_csv(rows: &[(Option<f32>, Option<String>, bool)]) -> String {
    let number = |value: &Option<f32>| value.map_or_else(String::new, |value| value.to_string());
    let word = |value: &Option<String>| format!("\"{}\"", value.clone().unwrap_or_default().replace('"', "\"\""));
    let row = |(x, w, label): &(Option<f32>, Option<String>, bool)| format!("{},{},{label}\n", number(x), word(w));
    format!("x,word,churn\n{}", rows.iter().map(row).collect::<String>())
}

proptest! {
    #[test]
    fn a_split_has_every_row_once_and_no_group_twice((labels, groups) in labelled_groups(), seed: u64) {
        let (fit, test) = stratified_split(&labels, Some(&groups), 0.3, seed).expect("valid");
        let mut all: Vec<usize> = fit.iter().chain(&test).copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        prop_assert!(!fit.iter().any(|&a| test.iter().any(|&b| groups[a] == groups[b])));
    }

    #[test]
    fn folds_hold_whole_groups((labels, groups) in labelled_groups(), k in 2_u32..8, seed: u64) {
        prop_assume!(n_groups(&groups) >= k as usize);
        let folds = stratified_folds(&labels, Some(&groups), k, seed).expect("valid");
        prop_assert!(folds.len() == labels.len() && folds.iter().all(|&fold| fold < k));
        let mut fold_of = HashMap::new();
        for (group, fold) in groups.iter().zip(&folds) {
            prop_assert_eq!(fold_of.entry(group).or_insert(fold), &fold);
        }
    }

    #[test]
    fn folds_of_single_rows_share_each_label_within_one_row(
        labels in prop::collection::vec(any::<bool>(), 8..300), k in 2_u32..8, seed: u64,
    ) {
        let folds = stratified_folds(&labels, None, k, seed).expect("valid");
        for label in [false, true] {
            let count = |fold| folds.iter().zip(&labels).filter(|&(&f, &l)| f == fold && l == label).count();
            let counts: Vec<usize> = (0..k).map(count).collect();
            prop_assert!(counts.iter().max().expect("folds") - counts.iter().min().expect("folds") <= 1, "{counts:?}");
        }
    }

    #[test]
    fn a_split_of_single_rows_rounds_its_share_of_each_label(
        labels in prop::collection::vec(any::<bool>(), 1..300), share in 0.05_f64..0.95, seed: u64,
    ) {
        let (_, test) = stratified_split(&labels, None, share, seed).expect("valid");
        for label in [false, true] {
            let wanted = labels.iter().filter(|&&l| l == label).count() as f64 * share;
            let found = test.iter().filter(|&&row| labels[row] == label).count() as f64;
            prop_assert!((found - wanted).abs() <= 0.5 + 1e-6, "{found} of {wanted}");
        }
    }

    #[test]
    fn a_group_keeps_its_fold_when_rows_change_places(
        (rows, mixed) in labelled_groups().prop_flat_map(|(labels, groups)| {
            let rows: Vec<(bool, u64)> = labels.into_iter().zip(groups).collect();
            (Just(rows.clone()), Just(rows).prop_shuffle())
        }),
        seed: u64,
    ) {
        let fold_of_group = |rows: &[(bool, u64)]| -> HashMap<u64, u32> {
            let (labels, groups): (Vec<bool>, Vec<u64>) = rows.iter().copied().unzip();
            let folds = stratified_folds(&labels, Some(&groups), 4, seed).expect("valid");
            groups.into_iter().zip(folds).collect()
        };
        prop_assume!(fold_of_group(&rows).len() >= 4);
        prop_assert_eq!(fold_of_group(&rows), fold_of_group(&mixed));
    }

    #[test]
    fn folds_are_read_as_they_were_written(labels in prop::collection::vec(any::<bool>(), 6..100), seed: u64) {
        let folds = stratified_folds(&labels, None, 3, seed).expect("valid");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        write_folds(file.path(), &folds).expect("writes");
        prop_assert_eq!(read_folds(file.path(), labels.len()).expect("reads"), folds);
    }

    #[test]
    fn cells_are_read_as_they_were_written(rows in cells()) {
        prop_assume!(rows.iter().any(|row| row.0.is_some()) && rows.iter().any(|row| row.1.is_some()));
        prop_assume!(rows.iter().any(|row| row.2) && rows.iter().any(|row| !row.2));
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), to_csv(&rows)).expect("writes");
        let set = TrainingSet::from_table(read_table(file.path(), &TableOptions::new("churn")).expect("reads"));
        let set = set.expect("a training set");
        let levels = set.schema().features()[1].levels();
        let features = set.features();
        for ((x, word, label), (row, read_label)) in rows.iter().zip(features.rows().into_iter().zip(set.labels())) {
            prop_assert_eq!(label, read_label);
            prop_assert_eq!(x.map(f32::to_bits), (!row[0].is_nan()).then_some(row[0].to_bits()));
            let level = (!row[1].is_nan()).then(|| levels[row[1] as usize].as_str());
            prop_assert_eq!(word.as_deref().map(str::trim), level);
        }
        let scored = read_features(file.path(), set.schema(), &ScoringOptions::default()).expect("reads");
        let bits = |features: ndarray::ArrayView2<f32>| features.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(scored.features()), bits(set.features()));
    }
}
