//! Numbers that look random, and are the same for the same seed.

/// # Source
/// SplitMix64, G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dice(u64);

impl Dice {
    #[cfg(any(feature = "aws", test))]
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `[0, 1)`.
    #[cfg(any(feature = "aws", test))]
    pub(crate) const fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rolls_are_those_of_the_published_code() {
        let mut dice = Dice::new(1_234_567);
        assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let shares: Vec<f64> = (0..1_000).map(|_| dice.share()).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        assert!((0.47..0.53).contains(&(shares.iter().sum::<f64>() / 1_000.0)));
    }
}
