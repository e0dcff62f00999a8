//! Which tenants send most.

use std::collections::HashMap;

use crate::dice::Dice;

/// Tenants that are counted at a time; many times those that are shown, so that the counts of these are nearly right.
const COUNTED: usize = 256;

/// One event of so many is counted, on average, so that counting costs next to nothing.
const SAMPLED: u64 = 16;

/// The tenants with the most events lately, nearly.
///
/// # Source
/// Misra, Gries 1982, "Finding repeated elements". A tenant's count is short by at most one in [`COUNTED`] of all events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hottest {
    counts: HashMap<Box<str>, u64>,
    /// Events that are passed over before the next is counted: so many that nobody can keep in step with it, such as
    /// tenants that take turns.
    passed_over: u64,
    /// What the next distance is drawn from.
    dice: Dice,
}

impl Hottest {
    pub(crate) fn note(&mut self, tenant: &str) {
        match self.passed_over.checked_sub(1) {
            Some(left) => self.passed_over = left,
            None => {
                self.passed_over = self.dice.roll() % (2 * SAMPLED - 1);
                self.count(tenant);
            }
        }
    }

    fn count(&mut self, tenant: &str) {
        if let Some(count) = self.counts.get_mut(tenant) {
            *count += 1;
            return;
        }
        if self.counts.len() < COUNTED {
            self.counts.insert(tenant.into(), 1);
            return;
        }
        // Takes from each what was given before, and so no longer than that took.
        self.counts.retain(|_, count| {
            *count -= 1;
            *count > 0
        });
    }

    /// The `n` hottest with about how many events each, the hottest first, since they were last asked for.
    pub(crate) fn take(&mut self, n: usize) -> Vec<(Box<str>, u64)> {
        let mut hottest: Vec<(Box<str>, u64)> =
            std::mem::take(&mut self.counts).into_iter().map(|(tenant, count)| (tenant, count * SAMPLED)).collect();
        hottest.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        hottest.truncate(n);
        hottest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_are_found_among_many_more_than_are_counted() {
        let mut hottest = Hottest::default();
        for i in 0..160_000_u32 {
            // Two tenants have a quarter and an eighth of the events, thousands of others the rest.
            let tenant = match i / 16 % 8 {
                0 | 1 => "hot".to_owned(),
                2 => "warm".to_owned(),
                _ => format!("t{}", i % 4_999),
            };
            hottest.note(&tenant);
        }
        let found = hottest.take(2);
        assert_eq!(found.iter().map(|(tenant, _)| &**tenant).collect::<Vec<_>>(), ["hot", "warm"]);
        // Short by at most 160,000 / 257, and sampled.
        assert!((38_000..=41_000).contains(&found[0].1), "{found:?}");
        assert!(hottest.take(2).is_empty());
    }

    #[test]
    fn tenants_that_take_turns_are_equally_hot() {
        for n_tenants in [2, 16, 48] {
            let mut hottest = Hottest::default();
            for i in 0..n_tenants * 16_000 {
                hottest.note(&format!("t{}", i % n_tenants));
            }
            let found = hottest.take(256);
            assert_eq!(found.len() as u64, n_tenants);
            assert!(found.iter().all(|(_, count)| (14_000..18_000).contains(count)), "{found:?}");
        }
    }
}
