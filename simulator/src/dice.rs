//! Random streams that are named, not shared: who rolls, what for and how often gives the numbers.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rand_pcg::Pcg64Mcg;

/// What a stream is for. Streams of different purposes have nothing in common, so what decides on churn and what decides
/// on activity can only meet in the hidden health.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Profile = 1,
    Life = 2,
    Activity = 3,
    Outage = 4,
    Oracle = 5,
    Table = 6,
    Validation = 7,
}

/// The generator of one tenant (or region, or row), for one purpose, at one count.
pub(crate) fn dice(seed: u64, who: u32, purpose: Purpose, count: u64) -> Dice {
    let mut state = split_mix(seed ^ 0x6c62_272e_07bb_0142);
    state = split_mix(state ^ (u64::from(who) << 8 | purpose as u64));
    let high = split_mix(state ^ count);
    let low = split_mix(high ^ 0x9e37_79b9_7f4a_7c15);
    Dice(Pcg64Mcg::new(u128::from(high) << 64 | u128::from(low)))
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws, by the names of this crate.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Pcg64Mcg);

impl Dice {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn normal(&mut self) -> f64 {
        self.0.sample(StandardNormal)
    }

    /// Log-normal with this median and standard deviation of the logarithm.
    pub(crate) fn log_normal(&mut self, median: f64, sd_of_ln: f64) -> f64 {
        median * (sd_of_ln * self.normal()).exp()
    }

    /// Exponential with this mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A whole number below `n`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        ((u64::from((self.0.next_u64() >> 32) as u32) * u64::from(n)) >> 32) as u32
    }

    /// Negative binomial: a Poisson count whose mean is gamma distributed with this shape.
    pub(crate) fn negative_binomial(&mut self, mean: f64, shape: f64) -> u32 {
        if mean <= 1e-9 {
            return 0;
        }
        let gamma = rand_distr::Gamma::new(shape, mean / shape).expect("this cannot fail because both are above 0");
        let rate: f64 = self.0.sample(gamma);
        self.poisson(rate)
    }

    /// Poisson by inversion where the mean is small, which it is for a user's week.
    pub(crate) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean < 12.0 {
            let mut left = self.unit();
            let mut probability = (-mean).exp();
            let mut count = 0;
            while left >= probability && count < 200 {
                left -= probability;
                count += 1;
                probability *= mean / f64::from(count);
            }
            return count;
        }
        let poisson =
            rand_distr::Poisson::new(mean.min(1e6)).expect("this cannot fail because the mean is finite and positive");
        let count: f64 = self.0.sample(poisson);
        count as u32
    }
}
