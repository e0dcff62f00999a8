//! Splits and folds by label and group: deterministic, and independent of the order of the rows.
//!
//! Both deal **groups** of rows to parts. A row without a group is a group of its own, known by its row number. Groups
//! are dealt one after the other, large ones first and in a random order among those of similar size, each to the part
//! that is furthest behind in the labels the group brings. With single rows this is round-robin: two folds differ by at
//! most one row of each label.
//!
//! The random order is a hash of the seed and the group's number and nothing else, so that a group keeps its place when
//! rows are sorted, and the same rows go to the same part on every machine.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::Error;

/// Splits rows into those to fit on and those to test on; both lists are increasing.
///
/// Each label's share on the test side is `test_share` as nearly as groups allow, and rounded to the next row where
/// every row is a group of its own. A label with very few rows may be missing from the test side.
///
/// # Errors
/// When `test_share` is not between 0 and 1, or there is not one group per row.
/// # Cost
/// O(n log n) in the number of groups.
pub fn stratified_split(
    labels: &[bool],
    groups: Option<&[u64]>,
    test_share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), Error> {
    check_test_share(test_share)?;
    let part_of_row = deal(labels, groups, &[1.0 - test_share, test_share], seed)?;
    Ok((0..labels.len()).partition(|&row| part_of_row[row] == 0))
}

/// Refuses a test share that leaves one side without rows, of splits by label and by time alike.
pub(crate) fn check_test_share(found: f64) -> Result<(), Error> {
    if found > 0.0 && found < 1.0 { Ok(()) } else { Err(Error::TestShare { found }) }
}

/// Deals rows into `k` folds and returns the fold of each row, from 0.
///
/// All rows of a group are in one fold, and each label's rows are spread as evenly as groups allow: within one row
/// where every row is a group of its own.
///
/// # Errors
/// When `k` is less than 2 or more than the number of groups, or there is not one group per row.
/// # Cost
/// O(n log n + n k) in the number of groups n.
pub fn stratified_folds(labels: &[bool], groups: Option<&[u64]>, k: u32, seed: u64) -> Result<Vec<u32>, Error> {
    let n_groups = groups.map_or(labels.len(), |groups| groups.iter().collect::<std::collections::HashSet<_>>().len());
    if k < 2 || k as usize > n_groups {
        return Err(Error::FoldCount { found: k, n_groups });
    }
    deal(labels, groups, &vec![1.0 / f64::from(k); k as usize], seed)
}

/// Rows that stay together.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    number: u64,
    /// Rows by label: stayed, churned.
    n_rows: [u64; 2],
}

/// Deals groups to parts of the given shares, which add up to one.
fn deal(labels: &[bool], groups: Option<&[u64]>, shares: &[f64], seed: u64) -> Result<Vec<u32>, Error> {
    if let Some(groups) = groups.filter(|groups| groups.len() != labels.len()) {
        return Err(Error::GroupCount { groups: groups.len(), labels: labels.len() });
    }
    let number_of = |row: usize| groups.map_or(row as u64, |groups| groups[row]);
    let mut by_number: HashMap<u64, Group> = HashMap::with_capacity(if groups.is_none() { labels.len() } else { 0 });
    let mut total = [0_u64; 2];
    for (row, &label) in labels.iter().enumerate() {
        let group = by_number.entry(number_of(row)).or_default();
        group.number = number_of(row);
        group.n_rows[usize::from(label)] += 1;
        total[usize::from(label)] += 1;
    }
    let mut order: Vec<Group> = by_number.into_values().collect();
    // Sizes are compared by their power of two: exact sizes would leave nothing to the seed where all sizes differ.
    let size = |rows: u64| u64::BITS - rows.leading_zeros();
    order.sort_unstable_by_key(|group| {
        let [stayed, churned] = group.n_rows;
        (Reverse((size(churned), size(stayed))), draw(seed, group.number), group.number)
    });

    let mut dealt = vec![[0_u64; 2]; shares.len()];
    let mut part_of: HashMap<u64, u32> = HashMap::with_capacity(order.len());
    for group in &order {
        let behind = |part: usize| Behind::of(dealt[part], group.n_rows, total, shares[part]);
        let part = (0..shares.len()).min_by(|&a, &b| behind(a).total_cmp(&behind(b))).unwrap_or(0);
        dealt[part][0] += group.n_rows[0];
        dealt[part][1] += group.n_rows[1];
        part_of.insert(group.number, part as u32);
    }
    Ok((0..labels.len()).map(|row| part_of[&number_of(row)]).collect())
}

/// How little a part has, in view of its share: the smallest gets the next group.
struct Behind {
    /// What the group would add to the sum over labels and parts of (share of the label's rows)² / (part's share),
    /// which is smallest when every part has its share of every label. With single rows it is Webster's method of
    /// dealing seats in proportion to votes.
    of_labels: f64,
    of_rows: f64,
}

impl Behind {
    fn of(dealt: [u64; 2], group: [u64; 2], total: [u64; 2], share: f64) -> Self {
        let of_label = |label: usize| match (dealt[label] as f64, group[label] as f64, total[label] as f64) {
            (_, 0.0, _) => 0.0,
            (dealt, group, total) => group * (2.0 * dealt + group) / (total * total),
        };
        let n_rows = (dealt[0] + dealt[1]) as f64;
        Self { of_labels: (of_label(0) + of_label(1)) / share, of_rows: n_rows / share }
    }

    fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.of_labels.total_cmp(&other.of_labels).then_with(|| self.of_rows.total_cmp(&other.of_rows))
    }
}

/// A random number that depends on seed and group only: two rounds of SplitMix64 (Steele, Lea and Flood 2014).
fn draw(seed: u64, group: u64) -> u64 {
    split_mix(split_mix(seed) ^ group)
}

fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_takes_its_share_of_each_label() {
        let labels: Vec<bool> = (0..1000).map(|row| row % 4 == 0).collect();
        let (fit, test) = stratified_split(&labels, None, 0.2, 7).expect("valid");
        let churned = |rows: &[usize]| rows.iter().filter(|&&row| labels[row]).count();
        assert_eq!((fit.len(), test.len(), churned(&fit), churned(&test)), (800, 200, 200, 50));
        assert!(fit.is_sorted() && test.is_sorted());
        assert_eq!(stratified_split(&labels, None, 0.2, 7).expect("valid").1, test);
        assert_ne!(stratified_split(&labels, None, 0.2, 8).expect("valid").1, test);
    }

    #[test]
    fn groups_of_different_sizes_are_spread_evenly() {
        // 60 tenants with 1 to 20 rows; every third one churns in its last rows.
        let rows: Vec<(u64, bool)> = (0..60_u64)
            .flat_map(|tenant| {
                let n = 1 + tenant * 7 % 20;
                (0..n).map(move |i| (tenant, tenant % 3 == 0 && i + 2 >= n))
            })
            .collect();
        let (groups, labels): (Vec<u64>, Vec<bool>) = rows.into_iter().unzip();
        for seed in 0..20 {
            let folds = stratified_folds(&labels, Some(&groups), 5, seed).expect("valid");
            for fold in 0..5 {
                let here = || (0..labels.len()).filter(|&row| folds[row] == fold);
                let (n, n_churned) = (here().count(), here().filter(|&row| labels[row]).count());
                let n_all_churned = labels.iter().filter(|&&label| label).count();
                assert!(n.abs_diff(labels.len() / 5) <= 10, "seed {seed}: fold {fold} has {n} of {}", labels.len());
                assert!(n_churned.abs_diff(n_all_churned / 5) <= 2, "seed {seed}: {n_churned} of {n_all_churned}");
            }
        }
    }

    #[test]
    fn the_seed_decides_even_when_all_groups_differ_in_size() {
        let groups: Vec<u64> = (0..40_u64).flat_map(|group| vec![group; group as usize + 1]).collect();
        let labels: Vec<bool> = groups.iter().map(|group| group % 2 == 0).collect();
        let test = |seed| stratified_split(&labels, Some(&groups), 0.25, seed).expect("valid").1;
        assert_ne!(test(1), test(2));
    }

    #[test]
    fn impossible_parts_are_refused() {
        let message = |result: Result<Vec<u32>, Error>| result.expect_err("refused").to_string();
        let labels = [true, false, true];
        let two = message(stratified_folds(&labels, Some(&[1, 2, 1]), 3, 0));
        assert_eq!(two, "cannot deal 2 groups of rows into 3 folds; expected 2 to 2");
        let one = message(stratified_folds(&labels, None, 1, 0));
        assert_eq!(one, "cannot deal 3 groups of rows into 1 folds; expected 2 to 3");
        let lengths = message(stratified_folds(&labels, Some(&[1, 2]), 2, 0));
        assert_eq!(lengths, "found 2 groups for 3 labels; expected one per row");
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            let text = stratified_split(&labels, None, share, 0).expect_err("refused").to_string();
            assert_eq!(text, format!("the test share is {share}; expected a number between 0 and 1, without either"));
        }
    }
}
