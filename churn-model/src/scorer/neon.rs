//! The kernel for processors with NEON: sixteen trees, whose slots, bins and codes fill one vector of bytes each.
//!
//! NEON has no gather, so words are loaded one by one. What follows costs one instruction for sixteen trees or for four: the
//! codes of a row lie in four registers, or twice four, and are found by a lookup of bytes; one comparison answers for all.
//!
//! Tested in an emulator (qemu) only, timed on no processor. llvm-mca 22 expects these cycles for a level of sixteen trees
//! in the nearest cache, of this kernel and of the portable one: neoverse-n1 31 and 32, neoverse-v1 11 and 16, neoverse-v2
//! 16 and 16, apple-m1 22 and 48. Loads into the lanes of a vector came out slower on all but the last.
#![allow(unsafe_code)] // vector instructions and reads without bounds checks; their gain is a forecast, see above

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::codes::Codes;
use super::compact::{CompactForest, LANES};

/// Walks whose loads overlap.
const MOST_WALKS: usize = 4;

/// Slots that the codes of a row may have: what two tables of four registers hold.
pub(super) const MOST_SLOTS: usize = 2 * TABLE_SLOTS;

/// Codes of one table.
const TABLE_SLOTS: usize = 64;

/// Four trees to a vector.
const VECTORS: usize = LANES / 4;

/// Whether this processor has the instructions, and the order of bytes that [`load`] puts words together in.
pub(super) fn is_available() -> bool {
    cfg!(target_endian = "little") && is_aarch64_feature_detected!("neon")
}

super::walks::add_groups!("neon", slots of narrow walks: TABLE_SLOTS, walks: 1 2 3);

/// The words at four positions.
///
/// # Safety
/// Every lane of `at` is the position of a word.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn load(words: *const u32, at: uint32x4_t) -> uint32x4_t {
    // SAFETY: the caller keeps positions inside the words.
    unsafe {
        let word = |at: u32| u64::from(*words.add(at as usize));
        let low = word(vgetq_lane_u32::<0>(at)) | word(vgetq_lane_u32::<1>(at)) << 32;
        let high = word(vgetq_lane_u32::<2>(at)) | word(vgetq_lane_u32::<3>(at)) << 32;
        vreinterpretq_u32_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)))
    }
}

/// Whether each tree's word sends it right, as 1 or 0. Only the lower half of a word counts.
#[target_feature(enable = "neon")]
#[inline]
fn goes_right<const NARROW: bool>(words: [uint32x4_t; VECTORS], codes: &Codes) -> uint8x16_t {
    let [a, b, c, d] = words;
    let first = vmovn_high_u32(vmovn_u32(a), b);
    let second = vmovn_high_u32(vmovn_u32(c), d);
    let slots = vmovn_high_u16(vmovn_u16(first), second);
    let bins = vshrn_high_n_u16::<8>(vshrn_n_u16::<8>(first), second);
    let codes = codes.0.as_ptr();
    // SAFETY: the codes of a row are longer than two tables.
    let (low, high) = unsafe { (vld1q_u8_x4(codes), vld1q_u8_x4(codes.add(TABLE_SLOTS))) };
    let mut found = vqtbl4q_u8(low, slots);
    if !NARROW {
        // A slot outside the second table, as those of the first one become by wrapping, leaves what was found.
        found = vqtbx4q_u8(found, high, vsubq_u8(slots, vdupq_n_u8(TABLE_SLOTS as u8)));
    }
    vandq_u8(vcgtq_u8(found, bins), vdupq_n_u8(1))
}

/// Walks side by side: of as many rows through one group, or of one row through this group and those behind it.
#[target_feature(enable = "neon")]
#[inline]
fn walk<const N: usize, const NARROW: bool, const BY_ROW: bool>(
    forest: &CompactForest,
    group: usize,
    rows: &[Codes],
    sums: &mut [[f64; LANES]],
) {
    let (words, values) = (forest.nodes.words().as_ptr(), forest.nodes.values().as_ptr());
    let row = |n: usize| if BY_ROW { n } else { 0 };
    let group = |n: usize| if BY_ROW { group } else { group + n };
    let mut at = [[vdupq_n_u32(0); VECTORS]; N];
    let mut depth = 0;
    for (n, at) in at.iter_mut().enumerate() {
        let group = &forest.groups[group(n)];
        for (at, roots) in at.iter_mut().zip(group.roots.chunks_exact(4)) {
            // SAFETY: four positions are as long as the vector.
            *at = unsafe { vld1q_u32(roots.as_ptr()) };
        }
        depth = depth.max(group.depth);
    }
    for level in 0..depth {
        let mut seen = vdupq_n_u32(0);
        for (n, at) in at.iter_mut().enumerate() {
            let mut asked = [vdupq_n_u32(0); VECTORS];
            for (asked, at) in asked.iter_mut().zip(at.iter_mut()) {
                // SAFETY: every position is that of a word: it starts at one, and a word's step leads to a pair of words of
                // the same tree, or nowhere (`CompactForest::assemble` checks it).
                *asked = unsafe { load(words, *at) };
                // A step is the upper half of a word.
                *at = vsraq_n_u32::<16>(*at, *asked);
                seen = vorrq_u32(seen, *asked);
            }
            let right = goes_right::<NARROW>(asked, &rows[row(n)]);
            let [first, second] = [vmovl_u8(vget_low_u8(right)), vmovl_high_u8(right)];
            let [a, b, c, d] = *at;
            *at = [
                vaddw_u16(a, vget_low_u16(first)),
                vaddw_high_u16(b, first),
                vaddw_u16(c, vget_low_u16(second)),
                vaddw_high_u16(d, second),
            ];
        }
        // Trees of unlimited depth have few deep leaves: look from time to time whether everybody has arrived.
        if level % 4 == 3 && vmaxvq_u32(seen) >> 16 == 0 {
            break;
        }
    }
    for (n, at) in at.into_iter().enumerate() {
        for (sums, at) in sums[row(n)].chunks_exact_mut(4).zip(at) {
            let mut positions = [0; 4];
            // SAFETY: four positions are as long as the vector.
            unsafe { vst1q_u32(positions.as_mut_ptr(), at) };
            for (sum, at) in sums.iter_mut().zip(positions) {
                // SAFETY: there is a value for every word.
                *sum += f64::from(unsafe { *values.add(at as usize) });
            }
        }
    }
}
