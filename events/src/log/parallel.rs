//! All cores, where they may be used.

/// Does both, at the same time if possible.
#[cfg(feature = "rayon")]
pub(super) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}

/// Does both.
#[cfg(not(feature = "rayon"))]
pub(super) fn join<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// What becomes of each item, in their order.
#[cfg(feature = "rayon")]
pub(super) fn map<'i, T: Sync, U: Send>(items: &'i [T], change: impl Fn(&'i T) -> U + Sync + Send) -> Vec<U> {
    use rayon::prelude::*;
    items.par_iter().with_max_len(1).map(change).collect()
}

/// What becomes of each item, in their order.
#[cfg(not(feature = "rayon"))]
pub(super) fn map<'i, T, U>(items: &'i [T], change: impl Fn(&'i T) -> U) -> Vec<U> {
    items.iter().map(change).collect()
}
