//! Numbers for rows that follow from what they hold.

use std::collections::HashMap;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::random::subkey;

/// A number for each row, to be used as its group, by which draws depend on what rows hold and not on where they stand.
///
/// Equal rows with equal labels are told apart by counting them, so that every row is drawn by itself: rows in another
/// order are drawn alike, and so are a row of weight 2 written twice and two equal rows.
///
/// # Shape
/// `features` is `(n_observations, n_features)`, `labels` and the result are `(n_observations,)`.
/// # Cost
/// O(values), on all threads.
/// # Panics
/// When there are more labels than rows.
pub fn groups_by_content(features: ArrayView2<'_, f32>, labels: &[bool]) -> Vec<u64> {
    let content = |row: usize| {
        features.row(row).iter().fold(u64::from(labels[row]), |key, value| {
            // Every NaN is missing, and 0 is -0.
            let bits = if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() };
            subkey(key, u64::from(bits))
        })
    };
    let mut groups: Vec<u64> = (0..labels.len()).into_par_iter().map(content).collect();
    let mut seen: HashMap<u64, u64> = HashMap::with_capacity(labels.len());
    for group in &mut groups {
        let n_before = seen.entry(*group).or_default();
        *n_before += 1;
        *group = subkey(*group, *n_before);
    }
    groups
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn rows_in_another_order_have_the_same_groups_and_equal_rows_have_different_ones() {
        let features = array![[1.0, f32::NAN], [0.0, 2.0], [1.0, f32::NAN], [1.0, 2.0]];
        let labels = [true, false, true, true];
        let groups = groups_by_content(features.view(), &labels);
        let backwards = groups_by_content(
            array![[1.0, 2.0], [1.0, -f32::NAN], [-0.0, 2.0], [1.0, f32::NAN]].view(),
            &[true, true, false, true],
        );
        let sorted = |mut groups: Vec<u64>| {
            groups.sort_unstable();
            groups
        };
        assert_eq!(sorted(groups.clone()), sorted(backwards));
        assert_ne!(groups[0], groups[2]);
        let relabelled = groups_by_content(features.view(), &[false, false, true, true]);
        assert!(!groups.contains(&relabelled[0]));
    }
}
