//! The dice: counter-based, so that no draw depends on the order of rows or on the number of threads.

/// A stream of draws, split off a key (SplitMix64: Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream that belongs to `key`.
    pub(crate) fn new(key: u64) -> Self {
        Self(key)
    }

    /// The next 64 random bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number in `0..n`; its bias is below `n / 2^32` (Lemire 2019, without the rejection step).
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (((self.next_u64() >> 32) * n as u64) >> 32) as usize
    }
}

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The key of one part (a tree, a fold, a repetition) of what `key` stands for.
pub(crate) fn subkey(key: u64, part: u64) -> u64 {
    mix(key.wrapping_add(GAMMA).wrapping_add(mix(part.wrapping_mul(GAMMA) ^ key.rotate_left(32))))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// How often a bootstrap with key `key` draws the group with that number: Poisson with mean 1.
///
/// Drawing every group on its own (Oza and Russell 2001) replaces drawing with replacement: for many groups the two are
/// the same, and only this one lets the draw follow the group's number instead of its place in the table.
pub(crate) fn poisson_draws(key: u64, group: u64) -> u32 {
    let uniform = mix(key ^ mix(group.wrapping_add(GAMMA)));
    POISSON_CUMULATIVE.iter().take_while(|&&limit| uniform >= limit).count() as u32
}

/// Largest number of times that one group can be drawn.
pub(crate) const MAX_DRAWS: u32 = POISSON_CUMULATIVE.len() as u32;

// The packed sums of a histogram have room for fewer than 16 draws of a row.
const _: () = assert!(MAX_DRAWS < 16);

/// `P(X <= k) 2^64` for X Poisson with mean 1, k = 0 to 11; beyond lie 6e-11 of all draws.
const POISSON_CUMULATIVE: [u64; 12] = poisson_cumulative();

const fn poisson_cumulative() -> [u64; 12] {
    let mut limits = [0; 12];
    let mut term = 0.367_879_441_171_442_33_f64; // 1 / e
    let mut sum = 0.0;
    let mut k = 0;
    while k < limits.len() {
        sum += term;
        limits[k] = (sum * 18_446_744_073_709_551_616.0) as u64;
        k += 1;
        term /= k as f64;
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_poisson_distribution() {
        let n = 1_000_000;
        let mut counts = [0_u32; MAX_DRAWS as usize + 1];
        (0..n).for_each(|group| counts[poisson_draws(42, group) as usize] += 1);
        let mut expected = n as f64 / std::f64::consts::E;
        for (k, &count) in counts.iter().take(6).enumerate() {
            assert!((f64::from(count) - expected).abs() < 5.0 * expected.sqrt(), "{k}: {count} of {expected}");
            expected /= (k + 1) as f64;
        }
    }

    #[test]
    fn draws_of_two_keys_are_independent() {
        let both = (0..100_000).filter(|&g| poisson_draws(1, g) == 0 && poisson_draws(2, g) == 0).count();
        assert!((both as f64 - 100_000.0 * (-2.0_f64).exp()).abs() < 600.0, "{both}");
    }

    #[test]
    fn below_reaches_every_number_equally() {
        let mut random = Random::new(7);
        let mut counts = [0; 5];
        (0..50_000).for_each(|_| counts[random.below(5)] += 1);
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
