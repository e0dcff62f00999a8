//! The kernel for any processor: sixteen trees at a time, whose steps do not wait for each other.
#![allow(unsafe_code)] // reads without bounds checks, which took 2.6 times as long

use std::ops::Range;

use super::codes::{Codes, MAX_SLOTS};
use super::compact::{CompactForest, Group, LANES};

/// Levels that are walked without looking whether all trees have arrived; a look in the same loop took 8 % longer.
const SURE_LEVELS: u32 = 12;

/// Adds the leaf values of these groups to the partial sums of each row.
pub(super) fn add_groups(forest: &CompactForest, groups: Range<usize>, rows: &[Codes], sums: &mut [[f64; LANES]]) {
    for (codes, sums) in rows.iter().zip(sums) {
        // Above the slot's number in the lower half of a word stands the bin: one comparison asks for both.
        let codes = codes.0.map(|code| u16::from(code) << 8);
        forest.groups[groups.clone()].iter().for_each(|group| add_group(forest, group, &codes, sums));
    }
}

#[inline(always)]
fn add_group(forest: &CompactForest, group: &Group, codes: &[u16; MAX_SLOTS], sums: &mut [f64; LANES]) {
    let (words, values) = (forest.nodes.words().as_ptr(), forest.nodes.values());
    // SAFETY: every position is that of a word: it starts at one, and a word's step leads to a pair of words of the same
    // tree, or nowhere (`CompactForest::assemble` checks it).
    let word = |at: usize| unsafe { *words.add(at) };
    let step = |word: u32| (word >> 16) as usize;
    let mut at = group.roots.map(|root| root as usize);
    let descend = |at: &mut [usize; LANES]| {
        for at in at {
            let word = word(*at);
            let goes_right = codes[usize::from(word as u8)] > word as u16;
            *at += step(word) + usize::from(goes_right);
        }
    };
    (0..group.depth.min(SURE_LEVELS)).for_each(|_| descend(&mut at));
    for level in SURE_LEVELS..group.depth {
        // Trees of unlimited depth have few deep leaves: look from time to time whether everybody has arrived.
        if level % 4 == 0 && at.iter().all(|&at| step(word(at)) == 0) {
            break;
        }
        descend(&mut at);
    }
    for (sum, at) in sums.iter_mut().zip(at) {
        *sum += f64::from(values[at]);
    }
}
