//! The words and leaf values of a forest, in memory of their own or where a mapped file has them.
//!
//! Big forests lie in huge pages where the system has them: what a walk touches lies all over them, and with pages of 4 KiB
//! looking up where those are takes a third of a cold call, and a quarter of a hot one without limit of depth.
#![allow(unsafe_code)] // views of one memory as words, values and bytes; mapping starts a scorer in 0.4 times the time

use std::sync::Arc;

use memmap2::{Mmap, MmapMut};

/// Words of a cache line.
pub(super) const LINE_WORDS: usize = 16;

/// Bytes of a cache line.
pub(super) const LINE_BYTES: usize = 4 * LINE_WORDS;

/// One cache line of words or of the bits of values.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LINE_WORDS]);

/// Whole lines of words, and behind them as many of leaf values, one to each word.
#[derive(Debug, Clone)]
pub(super) struct Nodes(Memory);

#[derive(Debug, Clone)]
enum Memory {
    Owned(Vec<Line>),
    Huge { memory: Arc<MmapMut>, start: usize, n_lines: usize },
    Mapped { file: Arc<Mmap>, start: usize, n_lines: usize },
}

impl Nodes {
    /// Copies words and values, whole lines of as many each.
    pub(super) fn new(words: &[u32], values: &[f32]) -> Self {
        assert!(
            words.len() == values.len() && words.len().is_multiple_of(LINE_WORDS),
            "whole lines of words and values"
        );
        let n_lines = (words.len() + values.len()) / LINE_WORDS;
        let words = words.as_chunks().0.iter().copied();
        let values = values.as_chunks().0.iter().map(|line: &[f32; LINE_WORDS]| line.map(f32::to_bits));
        Self::copied(n_lines, words.chain(values))
    }

    /// Copies what [`to_bytes`](Self::to_bytes) gave; `None` when these are not as many lines of words as of values.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (lines, rest) = bytes.as_chunks::<LINE_BYTES>();
        let line = |bytes: &[u8; LINE_BYTES]| {
            let mut line = [0; LINE_WORDS];
            line.iter_mut().zip(bytes.as_chunks().0).for_each(|(word, &bytes)| *word = u32::from_le_bytes(bytes));
            line
        };
        let is_whole = rest.is_empty() && lines.len().is_multiple_of(2);
        is_whole.then(|| Self::copied(lines.len(), lines.iter().map(line)))
    }

    fn copied(n_lines: usize, lines: impl Iterator<Item = [u32; LINE_WORDS]>) -> Self {
        match huge_pages(n_lines * LINE_BYTES) {
            Some((mut memory, start)) => {
                for (bytes, line) in memory[start..].as_chunks_mut::<LINE_BYTES>().0.iter_mut().zip(lines) {
                    bytes.as_chunks_mut().0.iter_mut().zip(line).for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
                }
                Self(Memory::Huge { memory: Arc::new(memory), start, n_lines })
            }
            None => Self(Memory::Owned(lines.map(Line).collect())),
        }
    }

    /// Takes bytes of a mapped file where they are; `None` when [`from_bytes`](Self::from_bytes) would not take them,
    /// they do not start a line, or this processor has other numbers than the file.
    pub(super) fn mapped(file: Arc<Mmap>, start: usize, n_bytes: usize) -> Option<Self> {
        let bytes = file.get(start..start.checked_add(n_bytes)?)?;
        let is_whole = n_bytes.is_multiple_of(2 * LINE_BYTES) && bytes.as_ptr().addr().is_multiple_of(LINE_BYTES);
        let fits = is_whole && cfg!(target_endian = "little");
        fits.then_some(Self(Memory::Mapped { file, start, n_lines: n_bytes / LINE_BYTES }))
    }

    /// Words and values, little-endian.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let values = self.values().iter().map(|value| value.to_bits());
        self.words().iter().copied().chain(values).flat_map(u32::to_le_bytes).collect()
    }

    /// All words.
    #[inline]
    pub(super) fn words(&self) -> &[u32] {
        let (lines, n_lines) = self.lines();
        // SAFETY: a line is sixteen words without gaps, and half of the lines are words.
        unsafe { std::slice::from_raw_parts(lines.cast(), n_lines / 2 * LINE_WORDS) }
    }

    /// The values of leaves, at the positions of their words.
    #[inline]
    pub(super) fn values(&self) -> &[f32] {
        let (lines, n_lines) = self.lines();
        // SAFETY: the other half of the lines are the bits of values, of which all are numbers or NaN.
        unsafe { std::slice::from_raw_parts(lines.add(n_lines / 2).cast(), n_lines / 2 * LINE_WORDS) }
    }

    /// Bytes of words and values.
    pub(super) fn n_bytes(&self) -> usize {
        self.lines().1 * LINE_BYTES
    }

    #[inline]
    fn lines(&self) -> (*const Line, usize) {
        match &self.0 {
            Memory::Owned(lines) => (lines.as_ptr(), lines.len()),
            // SAFETY: `copied` has written these lines there.
            Memory::Huge { memory, start, n_lines } => (unsafe { memory.as_ptr().add(*start) }.cast(), *n_lines),
            // SAFETY: `mapped` has found these lines inside the file.
            Memory::Mapped { file, start, n_lines } => (unsafe { file.as_ptr().add(*start) }.cast(), *n_lines),
        }
    }
}

/// Bytes of a huge page.
const HUGE_BYTES: usize = 2 << 20;

/// Memory in huge pages for as many bytes, and where in it they start; `None` where that does not pay or cannot be had.
#[cfg(target_os = "linux")]
fn huge_pages(n_bytes: usize) -> Option<(MmapMut, usize)> {
    if n_bytes < HUGE_BYTES / 2 {
        return None;
    }
    // One page more, so that whole ones can be found in it; what is not touched takes no memory.
    let memory = MmapMut::map_anon(n_bytes.next_multiple_of(HUGE_BYTES).checked_add(HUGE_BYTES)?).ok()?;
    memory.advise(memmap2::Advice::HugePage).ok()?;
    let start = memory.as_ptr().align_offset(HUGE_BYTES);
    (start < HUGE_BYTES).then_some((memory, start))
}

#[cfg(not(target_os = "linux"))]
fn huge_pages(_: usize) -> Option<(MmapMut, usize)> {
    None
}
