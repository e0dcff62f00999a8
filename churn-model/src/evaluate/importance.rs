//! Permutation importance: what scores lose when a feature is dealt out to the wrong tenants.

use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;

use churn_features::FeatureSchema;

use super::error::EvaluateError;
use super::probability::mean_log_loss;
use super::ranking::Ranking;
use super::roc::area;

/// Rows scored at once: enough to keep a batch scorer busy, few enough to stay in cache.
const BATCH_ROWS: usize = 1024;

/// Columns that are permuted together, such as one feature or one family of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnGroup {
    /// Name of the feature or family.
    pub name: String,
    /// Positions in the feature matrix.
    pub columns: Vec<usize>,
}

impl ColumnGroup {
    /// One group per feature, in schema order.
    pub fn per_feature(schema: &FeatureSchema) -> Vec<Self> {
        let named = schema.features().iter().enumerate();
        named.map(|(column, feature)| Self { name: feature.name().to_owned(), columns: vec![column] }).collect()
    }
}

/// How much a metric changed, over repeated permutations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanChange {
    /// Mean over repeats.
    pub mean: f64,
    /// Standard deviation over repeats (of a sample, `n - 1`); `None` for a single repeat.
    pub sd: Option<f64>,
}

impl MeanChange {
    fn of(changes: &[f64]) -> Self {
        let n = changes.len() as f64;
        let mean = changes.iter().sum::<f64>() / n;
        let squares: f64 = changes.iter().map(|change| (change - mean).powi(2)).sum();
        Self { mean, sd: (changes.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) }
    }
}

/// The importance of one group of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// Name of the group.
    pub name: String,
    /// By how much ROC-AUC falls.
    pub roc_auc_decrease: MeanChange,
    /// By how much log loss rises.
    pub log_loss_increase: MeanChange,
}

/// How much worse the scores get when a group of columns is permuted over the rows, the rest left alone.
///
/// The columns of a group move together, so that what they say to each other stays true. Features that carry the same
/// news stand in for each other: permute them as one group, or each looks unimportant. A value below zero is chance.
/// The permutation follows from `seed`, the first column of the group and the repeat alone, so the result is the same on
/// any number of threads and for any selection of groups.
///
/// `score` gives the churn probability of each row of a matrix; it is called for batches of rows, from several threads.
///
/// # Shape
/// `features` is `(n, n_features)`, `labels` is `(n,)`. The result has one entry per group, in their order.
/// # Errors
/// When lengths differ, there are no rows, `n_repeats` is 0, a group is empty or names a column that does not exist, only
/// one label is present, or `score` returns a wrong number of scores, NaN or what is no probability.
/// # Cost
/// `n * (1 + groups * n_repeats)` scores, in parallel over groups and repeats. Each thread holds a permutation, the scores
/// and one batch of rows: the matrix is never copied.
/// # Source
/// Breiman, Machine Learning 45 (2001) 5-32; grouped: Gregorutti, Michel and Saint-Pierre, Computational Statistics and
/// Data Analysis 90 (2015) 15-35.
pub fn permutation_importance(
    features: ArrayView2<'_, f32>,
    labels: &[bool],
    groups: &[ColumnGroup],
    n_repeats: usize,
    seed: u64,
    score: impl Fn(ArrayView2<'_, f32>) -> Vec<f64> + Sync,
) -> Result<Vec<Importance>, EvaluateError> {
    check(features, labels, groups, n_repeats)?;
    let baseline = Loss::of(&score_batches(features, |_, _| (), &score)?, labels)?;
    let changes = (0..groups.len() * n_repeats)
        .into_par_iter()
        .map(|task| {
            let (columns, repeat) = (&groups[task / n_repeats].columns, task % n_repeats);
            let order = permutation(features.nrows(), seed, columns[0], repeat);
            let swap = |first_row: usize, batch: &mut Array2<f32>| {
                for (mut row, &source) in batch.rows_mut().into_iter().zip(&order[first_row..]) {
                    columns.iter().for_each(|&column| row[column] = features[[source, column]]);
                }
            };
            let permuted = Loss::of(&score_batches(features, swap, &score)?, labels)?;
            Ok((baseline.roc_auc - permuted.roc_auc, permuted.log_loss - baseline.log_loss))
        })
        .collect::<Result<Vec<(f64, f64)>, EvaluateError>>()?;
    let importances = groups.iter().zip(changes.chunks(n_repeats)).map(|(group, repeats)| {
        let (decreases, increases): (Vec<f64>, Vec<f64>) = repeats.iter().copied().unzip();
        Importance {
            name: group.name.clone(),
            roc_auc_decrease: MeanChange::of(&decreases),
            log_loss_increase: MeanChange::of(&increases),
        }
    });
    Ok(importances.collect())
}

fn check(
    features: ArrayView2<'_, f32>,
    labels: &[bool],
    groups: &[ColumnGroup],
    n_repeats: usize,
) -> Result<(), EvaluateError> {
    if labels.len() != features.nrows() {
        return Err(EvaluateError::Length { what: "labels", found: labels.len(), expected: features.nrows() });
    }
    if labels.is_empty() {
        return Err(EvaluateError::Empty);
    }
    if n_repeats == 0 {
        return Err(EvaluateError::Argument { name: "n_repeats", found: "0".to_owned(), expected: "at least 1" });
    }
    for group in groups {
        if group.columns.is_empty() {
            return Err(EvaluateError::EmptyGroup { group: group.name.clone() });
        }
        if let Some(&column) = group.columns.iter().find(|&&column| column >= features.ncols()) {
            return Err(EvaluateError::UnknownColumn {
                group: group.name.clone(),
                column,
                n_columns: features.ncols(),
            });
        }
    }
    Ok(())
}

struct Loss {
    roc_auc: f64,
    log_loss: f64,
}

impl Loss {
    fn of(scores: &[f64], labels: &[bool]) -> Result<Self, EvaluateError> {
        let ranking = Ranking::of_probabilities(scores, labels)?;
        ranking.needs_both_labels()?;
        Ok(Self { roc_auc: area(&ranking), log_loss: mean_log_loss(&ranking) })
    }
}

/// Scores all rows batch by batch; `change` may write into the copy of a batch before it is scored.
fn score_batches(
    features: ArrayView2<'_, f32>,
    change: impl Fn(usize, &mut Array2<f32>),
    score: impl Fn(ArrayView2<'_, f32>) -> Vec<f64>,
) -> Result<Vec<f64>, EvaluateError> {
    let n_rows = features.nrows();
    let mut scores = Vec::with_capacity(n_rows);
    for first_row in (0..n_rows).step_by(BATCH_ROWS) {
        let mut batch = features.slice(s![first_row..n_rows.min(first_row + BATCH_ROWS), ..]).to_owned();
        change(first_row, &mut batch);
        let batch_scores = score(batch.view());
        if batch_scores.len() != batch.nrows() {
            let (found, expected) = (batch_scores.len(), batch.nrows());
            return Err(EvaluateError::Length { what: "the result of `score`", found, expected });
        }
        scores.extend(batch_scores);
    }
    Ok(scores)
}

/// The rows `0..n_rows` in an order that only the other arguments decide: sorted by a hash of each row's number.
///
/// A sort by hashes has no state to hand from row to row, and no draw has to be cut to a range without bias.
fn permutation(n_rows: usize, seed: u64, column: usize, repeat: usize) -> Vec<usize> {
    let stream = mix(mix(mix(seed) ^ column as u64) ^ repeat as u64);
    let mut keyed: Vec<(u64, usize)> =
        (0..n_rows).map(|row| (mix(stream.wrapping_add((row as u64).wrapping_mul(GOLDEN_GAMMA))), row)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Odd number nearest to 2^64 / golden ratio, the step of SplitMix64.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// One output of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the input reaches every bit of the result.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(GOLDEN_GAMMA);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Column 0 decides churn, column 1 says the same again, column 2 is never read. More rows than one batch.
    fn world() -> (Array2<f32>, Vec<bool>) {
        let n = 2 * BATCH_ROWS + 100;
        let features = Array2::from_shape_fn((n, 3), |(row, column)| match column {
            2 => (row % 7) as f32,
            _ => (mix(row as u64) % 1000) as f32 / 1000.0,
        });
        let labels = features.column(0).iter().enumerate().map(|(i, &x)| x > 0.7 || i % 10 == 0).collect();
        (features, labels)
    }

    fn score(batch: ArrayView2<'_, f32>) -> Vec<f64> {
        batch.rows().into_iter().map(|row| f64::from(row[0] + row[1]).mul_add(0.4, 0.1)).collect()
    }

    fn groups() -> Vec<ColumnGroup> {
        let group = |name: &str, columns: &[usize]| ColumnGroup { name: name.to_owned(), columns: columns.to_vec() };
        vec![group("first", &[0]), group("unread", &[2]), group("both", &[0, 1])]
    }

    #[test]
    fn a_column_that_is_never_read_has_no_importance_and_a_group_more_than_its_part() {
        let (features, labels) = world();
        let found = permutation_importance(features.view(), &labels, &groups(), 3, 7, score).unwrap();
        assert_eq!(found[1].roc_auc_decrease, MeanChange { mean: 0.0, sd: Some(0.0) });
        assert_eq!(found[1].log_loss_increase, MeanChange { mean: 0.0, sd: Some(0.0) });
        assert!(found[0].roc_auc_decrease.mean > 0.05, "{found:?}");
        assert!(found[0].roc_auc_decrease.sd > Some(0.0) && found[0].log_loss_increase.sd > Some(0.0), "{found:?}");
        assert!(found[2].roc_auc_decrease.mean > found[0].roc_auc_decrease.mean + 0.05, "{found:?}");
        assert!(found[2].log_loss_increase.mean > found[0].log_loss_increase.mean, "{found:?}");
        // With both columns dealt out, nothing is left that knows the label.
        let auc = Loss::of(&score(features.view()), &labels).unwrap().roc_auc;
        assert!((auc - found[2].roc_auc_decrease.mean - 0.5).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn batches_give_what_a_permuted_copy_of_the_whole_matrix_gives() {
        let (features, labels) = world();
        let found = permutation_importance(features.view(), &labels, &groups()[2..], 1, 7, score).unwrap();
        let mut copy = features.clone();
        for (row, source) in permutation(features.nrows(), 7, 0, 0).into_iter().enumerate() {
            for column in [0, 1] {
                copy[[row, column]] = features[[source, column]];
            }
        }
        let before = Loss::of(&score(features.view()), &labels).unwrap();
        let after = Loss::of(&score(copy.view()), &labels).unwrap();
        assert_eq!(found[0].roc_auc_decrease, MeanChange { mean: before.roc_auc - after.roc_auc, sd: None });
        assert_eq!(found[0].log_loss_increase, MeanChange { mean: after.log_loss - before.log_loss, sd: None });
    }

    #[test]
    fn the_number_of_threads_and_the_other_groups_change_nothing() {
        let (features, labels) = world();
        let on = |n_threads, groups: &[ColumnGroup]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| permutation_importance(features.view(), &labels, groups, 4, 7, score).unwrap())
        };
        let one = on(1, &groups());
        assert_eq!(one, on(3, &groups()));
        assert_eq!(one[2..], on(2, &groups()[2..]));
    }

    #[test]
    fn permutations_hold_every_row_once_and_differ_by_seed_column_and_repeat() {
        let orders = [permutation(500, 1, 0, 0), permutation(500, 2, 0, 0), permutation(500, 1, 1, 0)];
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..500).collect::<Vec<_>>());
        }
        assert!(orders[0] != orders[1] && orders[0] != orders[2] && orders[0] != permutation(500, 1, 0, 1));
    }

    #[test]
    fn inputs_that_do_not_fit_together_are_refused() {
        let (features, labels) = world();
        let run = |labels: &[bool], groups: &[ColumnGroup], n_repeats| {
            permutation_importance(features.view(), labels, groups, n_repeats, 7, score).unwrap_err()
        };
        assert!(matches!(run(&labels[1..], &groups(), 1), EvaluateError::Length { what: "labels", .. }));
        assert!(matches!(run(&labels, &groups(), 0), EvaluateError::Argument { name: "n_repeats", .. }));
        let lost = ColumnGroup { name: "lost".to_owned(), columns: vec![0, 3] };
        let error = run(&labels, &[lost], 1);
        assert_eq!(error, EvaluateError::UnknownColumn { group: "lost".to_owned(), column: 3, n_columns: 3 });
        let empty = ColumnGroup { name: "empty".to_owned(), columns: vec![] };
        assert_eq!(run(&labels, &[empty], 1), EvaluateError::EmptyGroup { group: "empty".to_owned() });
        let all_stayed = vec![false; labels.len()];
        assert!(matches!(run(&all_stayed, &groups(), 1), EvaluateError::OneLabel { .. }));
        let short = permutation_importance(features.view(), &labels, &groups(), 1, 7, |_| vec![0.5]).unwrap_err();
        assert_eq!(short, EvaluateError::Length { what: "the result of `score`", found: 1, expected: BATCH_ROWS });
    }
}
