//! The kernel for processors with AVX2: sixteen trees in the lanes of two vectors.
//!
//! Each level costs a gather of words. Up to 32 codes lie in two registers and are found by shuffles of bytes; more are
//! gathered.
#![allow(unsafe_code)] // vector instructions and gathers; measured at 1.3 times the portable kernel, 1.4 times in batches

use std::arch::x86_64::*;

use super::codes::{Codes, Cuts, MAX_SLOTS};
use super::compact::{CompactForest, LANES};

/// Walks whose gathers overlap.
const MOST_WALKS: usize = 4;

/// Slots that the codes of a row may have: a gather reads four bytes from each.
pub(super) const MOST_SLOTS: usize = MAX_SLOTS - 4;

/// Whether this processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

/// Writes the codes of a row.
///
/// # Safety
/// The processor has the instructions of [`is_available`].
#[target_feature(enable = "avx2,popcnt")]
pub(super) unsafe fn encode(forest: &CompactForest, row: &[f32], codes: &mut Codes) {
    forest.encoder.encode(row, codes, |cuts, value| count(cuts, value));
}

#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn count(cuts: &Cuts, value: f32) -> usize {
    let (cuts, value) = (cuts.values().as_ptr(), _mm256_set1_ps(value));
    // SAFETY: sixteen f32 are as long as two vectors; no alignment is asked for.
    let (low, high) = unsafe { (_mm256_loadu_ps(cuts), _mm256_loadu_ps(cuts.add(8))) };
    let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(low, value)) as u32;
    let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LE_OQ>(high, value)) as u32;
    (low | high << 8).count_ones() as usize
}

super::walks::add_groups!("avx2,popcnt", slots of narrow walks: 32, walks: 1 2 3);

/// Adds the values of eight leaves to as many sums.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn add(sums: &mut [f64], values: __m256) {
    let halves = [_mm256_castps256_ps128(values), _mm256_extractf128_ps::<1>(values)];
    for (sums, values) in sums.chunks_exact_mut(4).zip(halves) {
        // SAFETY: four sums are as long as the vector; no alignment is asked for.
        unsafe {
            let sum = _mm256_add_pd(_mm256_loadu_pd(sums.as_ptr()), _mm256_cvtps_pd(values));
            _mm256_storeu_pd(sums.as_mut_ptr(), sum);
        }
    }
}

/// Whether each lane's word sends it right, as -1 or 0. Only the lower half of a word counts.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn goes_right<const NARROW: bool>(words: __m256i, codes: &Codes) -> __m256i {
    let byte = _mm256_set1_epi32(0xff);
    let codes: *const u8 = codes.0.as_ptr();
    let found = if NARROW {
        // SAFETY: the codes of a row are longer than twice sixteen bytes.
        let (low, high) = unsafe { (_mm_loadu_si128(codes.cast()), _mm_loadu_si128(codes.add(16).cast())) };
        let low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(low), words);
        let high = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), words);
        // A slot above 15 has bit 4, which is brought to where a blend of bytes looks.
        _mm256_blendv_epi8(low, high, _mm256_slli_epi32::<3>(words))
    } else {
        // SAFETY: slots are few enough for four bytes from each to lie in the codes.
        unsafe { _mm256_i32gather_epi32::<1>(codes.cast(), _mm256_and_si256(words, byte)) }
    };
    let bins = _mm256_and_si256(_mm256_srli_epi32::<8>(words), byte);
    // Of what was found only byte 0 is the code.
    _mm256_cmpgt_epi32(_mm256_and_si256(found, byte), bins)
}

/// Walks side by side: of as many rows through one group, or of one row through this group and those behind it.
#[target_feature(enable = "avx2,popcnt")]
#[inline]
fn walk<const N: usize, const NARROW: bool, const BY_ROW: bool>(
    forest: &CompactForest,
    group: usize,
    rows: &[Codes],
    sums: &mut [[f64; LANES]],
) {
    let (words, values) = (forest.nodes.words().as_ptr().cast(), forest.nodes.values().as_ptr());
    let row = |n: usize| if BY_ROW { n } else { 0 };
    let group = |n: usize| if BY_ROW { group } else { group + n };
    let mut at = [[_mm256_setzero_si256(); 2]; N];
    let mut depth = 0;
    for (n, at) in at.iter_mut().enumerate() {
        let group = &forest.groups[group(n)];
        for (at, roots) in at.iter_mut().zip(group.roots.chunks_exact(LANES / 2)) {
            // SAFETY: eight positions are as long as the vector.
            *at = unsafe { _mm256_loadu_si256(roots.as_ptr().cast()) };
        }
        depth = depth.max(group.depth);
    }
    for level in 0..depth {
        let mut steps = _mm256_setzero_si256();
        for (n, at) in at.iter_mut().enumerate() {
            for at in at {
                // SAFETY: every position is that of a word: it starts at one, and a word's step leads to a pair of words of
                // the same tree, or nowhere (`CompactForest::assemble` checks it).
                let words = unsafe { _mm256_i32gather_epi32::<4>(words, *at) };
                let step = _mm256_srli_epi32::<16>(words);
                // Right is -1.
                *at = _mm256_sub_epi32(_mm256_add_epi32(*at, step), goes_right::<NARROW>(words, &rows[row(n)]));
                steps = _mm256_or_si256(steps, step);
            }
        }
        // Trees of unlimited depth have few deep leaves: look from time to time whether everybody has arrived.
        if level % 4 == 3 && _mm256_testz_si256(steps, steps) == 1 {
            break;
        }
    }
    for (n, at) in at.into_iter().enumerate() {
        for (sums, at) in sums[row(n)].chunks_exact_mut(LANES / 2).zip(at) {
            // SAFETY: there is a value for every word.
            add(sums, unsafe { _mm256_i32gather_ps::<4>(values, at) });
        }
    }
}
