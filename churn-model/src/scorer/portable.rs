//! The kernel for any processor: sixteen trees at a time, whose steps do not wait for each other.
#![allow(unsafe_code)] // reads without bounds checks, which took 2.6 times as long

use super::codes::Codes;
use super::compact::{CompactForest, Group, LANES};

/// Adds the leaf values of these groups to the partial sums.
pub(super) fn add_groups(forest: &CompactForest, groups: &[Group], codes: &Codes, sums: &mut [f64; LANES]) {
    let words: *const u32 = forest.words().as_ptr().cast();
    let values = forest.values();
    let codes = codes.0.map(|code| u16::from(code) << 8);
    for group in groups {
        let mut at = group.roots.map(|root| root as usize);
        for _ in 0..group.depth {
            for at in &mut at {
                // SAFETY: every position is that of a word: it starts at one, and a word's step leads to a pair of words of
                // the same tree, or nowhere (`CompactForest::new` checks it).
                let word = unsafe { *words.add(*at) };
                let code = codes[usize::from(word as u8)];
                *at += (word >> 16) as usize + usize::from(code > word as u16);
            }
        }
        for (sum, at) in sums.iter_mut().zip(at) {
            *sum += f64::from(values[at]);
        }
    }
}
