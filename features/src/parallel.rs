//! Loops that run on all threads with the feature `rayon`, and one after the other without it, to the same effect.

use std::cmp::Ordering;

#[cfg(feature = "rayon")]
use rayon::prelude::*;

/// Items of which a thread takes no fewer when each is soon done.
#[cfg(feature = "rayon")]
const FEW: usize = 512;

/// Calls `f` for each item.
pub(crate) fn each_mut<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Send + Sync) {
    #[cfg(feature = "rayon")]
    items.par_iter_mut().for_each(f);
    #[cfg(not(feature = "rayon"))]
    items.iter_mut().for_each(f);
}

/// Makes `out` what `f` says of each item.
pub(crate) fn map_into<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Send + Sync, out: &mut Vec<R>) {
    #[cfg(feature = "rayon")]
    items.par_iter().with_min_len(FEW).map(f).collect_into_vec(out);
    #[cfg(not(feature = "rayon"))]
    {
        out.clear();
        out.extend(items.iter().map(f));
    }
}

/// Sorts; equal items may change places.
pub(crate) fn sort_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Send + Sync) {
    #[cfg(feature = "rayon")]
    items.par_sort_unstable_by(compare);
    #[cfg(not(feature = "rayon"))]
    items.sort_unstable_by(compare);
}

/// Calls `f` with each row of a matrix and its number, and returns the error of the first row that has one.
pub(crate) fn fill_rows<E: Send>(
    matrix: &mut [f32],
    width: usize,
    f: impl Fn(usize, &mut [f32]) -> Result<(), E> + Send + Sync,
) -> Result<(), E> {
    let width = width.max(1);
    #[cfg(feature = "rayon")]
    let error = matrix.par_chunks_exact_mut(width).enumerate().find_map_first(|(row, features)| f(row, features).err());
    #[cfg(not(feature = "rayon"))]
    let error = matrix.chunks_exact_mut(width).enumerate().find_map(|(row, features)| f(row, features).err());
    error.map_or(Ok(()), Err)
}
