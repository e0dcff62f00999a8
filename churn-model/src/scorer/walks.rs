//! How kernels share out rows and groups: the same for every set of instructions.

/// Defines `add_groups` for a kernel that has `walk`, `MOST_WALKS` and `MOST_SLOTS`: walks side by side overlap their loads,
/// and a constant number of them keeps all positions in registers.
macro_rules! add_groups {
    ($features:literal, slots of narrow walks: $narrow:expr, walks: $($n:literal)*) => {
        /// Adds the leaf values of these groups to the partial sums of each row.
        ///
        /// # Safety
        /// The processor has the instructions of [`is_available`], and the forest has at most [`MOST_SLOTS`] slots with
        /// the pad.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn add_groups(
            forest: &CompactForest,
            groups: std::ops::Range<usize>,
            rows: &[Codes],
            sums: &mut [[f64; LANES]],
        ) {
            if forest.encoder.n_slots() < $narrow {
                add_groups_to_rows::<true>(forest, groups, rows, sums);
            } else {
                add_groups_to_rows::<false>(forest, groups, rows, sums);
            }
        }

        #[target_feature(enable = $features)]
        fn add_groups_to_rows<const NARROW: bool>(
            forest: &CompactForest,
            groups: std::ops::Range<usize>,
            rows: &[Codes],
            sums: &mut [[f64; LANES]],
        ) {
            // One row meets several groups at a time; several rows meet one, whose words stay in the nearest cache.
            if rows.len() == 1 {
                for first in groups.clone().step_by(MOST_WALKS) {
                    walk_some::<NARROW, false>(groups.end - first, forest, first, rows, sums);
                }
            } else {
                for group in groups {
                    for (rows, sums) in rows.chunks(MOST_WALKS).zip(sums.chunks_mut(MOST_WALKS)) {
                        walk_some::<NARROW, true>(rows.len(), forest, group, rows, sums);
                    }
                }
            }
        }

        /// Takes `n` walks, or [`MOST_WALKS`] of them.
        #[target_feature(enable = $features)]
        fn walk_some<const NARROW: bool, const BY_ROW: bool>(
            n: usize,
            forest: &CompactForest,
            group: usize,
            rows: &[Codes],
            sums: &mut [[f64; LANES]],
        ) {
            match n {
                $($n => walk::<$n, NARROW, BY_ROW>(forest, group, rows, sums),)*
                _ => walk::<MOST_WALKS, NARROW, BY_ROW>(forest, group, rows, sums),
            }
        }
    };
}

pub(super) use add_groups;
