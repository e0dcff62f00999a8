//! The kernel for processors with AVX-512 and VBMI: sixteen trees in the lanes of a vector.
//!
//! The codes of a row lie in one register or two, so that a lane finds the code it asks for by a permutation of bytes. The
//! top levels of a group lie in registers as well; each level below costs one gather, and the gathers of up to eight
//! groups overlap.
#![allow(unsafe_code)] // vector instructions and gathers; measured at 2.5 times the portable kernel

use std::arch::x86_64::*;

use super::codes::{Codes, Cuts};
use super::compact::{CompactForest, GroupTop, LANES, TOP_LEVELS};

/// Walks whose gathers overlap.
const MOST_WALKS: usize = 8;

/// Slots that the codes of a row may have: what two registers hold.
pub(super) const MOST_SLOTS: usize = 128;

/// Whether this processor has the instructions.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("popcnt")
}

/// Writes the codes of a row.
///
/// # Safety
/// The processor has the instructions of [`is_available`].
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
pub(super) unsafe fn encode(forest: &CompactForest, row: &[f32], codes: &mut Codes) {
    forest.encoder.encode(row, codes, |cuts, value| count(cuts, value));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
#[inline]
fn count(cuts: &Cuts, value: f32) -> usize {
    // SAFETY: an array of 16 f32 is as long as the vector; no alignment is asked for.
    let cuts = unsafe { _mm512_loadu_ps(cuts.values().as_ptr()) };
    _mm512_cmp_ps_mask::<_CMP_LE_OQ>(cuts, _mm512_set1_ps(value)).count_ones() as usize
}

super::walks::add_groups!("avx512f,avx512bw,avx512dq,avx512vbmi,popcnt", slots of narrow walks: 64, walks: 1 2 3 4 5 6 7);

/// Adds the values of sixteen leaves to as many sums.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
#[inline]
fn add(sums: &mut [f64; LANES], values: __m512) {
    let halves = [_mm512_castps512_ps256(values), _mm512_extractf32x8_ps::<1>(values)];
    for (sums, values) in sums.chunks_exact_mut(8).zip(halves) {
        // SAFETY: eight sums are as long as the vector; no alignment is asked for.
        unsafe {
            let sum = _mm512_add_pd(_mm512_loadu_pd(sums.as_ptr()), _mm512_cvtps_pd(values));
            _mm512_storeu_pd(sums.as_mut_ptr(), sum);
        }
    }
}

/// Whether each lane's word sends it right. Only the lower half of a word counts.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
#[inline]
fn goes_right<const NARROW: bool>(words: __m512i, codes: &Codes) -> __mmask16 {
    let byte = _mm512_set1_epi32(0xff);
    let codes = codes.0.as_ptr();
    // SAFETY: codes are as long as four registers.
    let (low, high) = unsafe { (_mm512_loadu_si512(codes.cast()), _mm512_loadu_si512(codes.add(64).cast())) };
    // Byte 0 of a lane is the slot; what the other bytes pick is masked away.
    let codes = if NARROW { _mm512_permutexvar_epi8(words, low) } else { _mm512_permutex2var_epi8(low, words, high) };
    let bins = _mm512_and_si512(_mm512_srli_epi32::<8>(words), byte);
    _mm512_cmpgt_epi32_mask(_mm512_and_si512(codes, byte), bins)
}

/// `base`, and one more in the lanes that go right.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
#[inline]
fn stepped(base: __m512i, right: __mmask16) -> __m512i {
    _mm512_mask_add_epi32(base, right, base, _mm512_set1_epi32(1))
}

/// Where each lane stands below the top levels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
#[inline]
fn below_top<const NARROW: bool>(top: &GroupTop, codes: &Codes) -> __m512i {
    let lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let at = |position: __m512i| _mm512_add_epi32(_mm512_slli_epi32::<4>(position), lane);
    // SAFETY: the arrays are as long as the vectors read from them: 32, 32, 64 and 128 halves, and 16 positions.
    let (level_0, level_1, level_2, level_3, below) = unsafe {
        let load = |halves: *const u16, vector: usize| _mm512_loadu_si512(halves.add(32 * vector).cast());
        let (two, three) = (top.level_2.as_ptr(), top.level_3.as_ptr());
        (
            load(top.level_0.as_ptr(), 0),
            load(top.level_1.as_ptr(), 0),
            [load(two, 0), load(two, 1)],
            [load(three, 0), load(three, 1), load(three, 2), load(three, 3)],
            _mm512_loadu_si512(top.below.as_ptr().cast()),
        )
    };
    let words = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(level_0));
    let position = stepped(_mm512_setzero_si512(), goes_right::<NARROW>(words, codes));
    let words = _mm512_permutexvar_epi16(at(position), level_1);
    let position = stepped(_mm512_add_epi32(position, position), goes_right::<NARROW>(words, codes));
    let words = _mm512_permutex2var_epi16(level_2[0], at(position), level_2[1]);
    let position = stepped(_mm512_add_epi32(position, position), goes_right::<NARROW>(words, codes));
    let index = at(position);
    let lower = _mm512_permutex2var_epi16(level_3[0], index, level_3[1]);
    let upper = _mm512_permutex2var_epi16(level_3[2], index, level_3[3]);
    let is_upper = _mm512_cmpgt_epi32_mask(position, _mm512_set1_epi32(3));
    let words = _mm512_mask_blend_epi32(is_upper, lower, upper);
    let position = stepped(_mm512_add_epi32(position, position), goes_right::<NARROW>(words, codes));
    _mm512_add_epi32(below, position)
}

/// Walks side by side: of as many rows through one group, or of one row through this group and those behind it.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi,popcnt")]
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
    let mut at = [_mm512_setzero_si512(); N];
    let mut depth = 0;
    for (n, at) in at.iter_mut().enumerate() {
        *at = below_top::<NARROW>(&forest.tops[group(n)], &rows[row(n)]);
        depth = depth.max(forest.groups[group(n)].depth);
    }
    for level in TOP_LEVELS as u32..depth {
        let mut steps = _mm512_setzero_si512();
        for (n, at) in at.iter_mut().enumerate() {
            // SAFETY: every position is that of a word: it starts at one, and a word's step leads to a pair of words of the
            // same tree, or nowhere (`CompactForest::assemble` checks it).
            let words = unsafe { _mm512_i32gather_epi32::<4>(*at, words) };
            let step = _mm512_srli_epi32::<16>(words);
            *at = stepped(_mm512_add_epi32(*at, step), goes_right::<NARROW>(words, &rows[row(n)]));
            steps = _mm512_or_si512(steps, step);
        }
        // Trees of unlimited depth have few deep leaves: look from time to time whether everybody has arrived.
        if level % 4 == 3 && _mm512_test_epi32_mask(steps, steps) == 0 {
            break;
        }
    }
    for (n, at) in at.into_iter().enumerate() {
        // SAFETY: there is a value for every word.
        let values = unsafe { _mm512_i32gather_ps::<4>(at, values) };
        add(&mut sums[row(n)], values);
    }
}
