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

/// Does both, at the same time if possible; the second here, as it may hold what must not move to another thread.
#[cfg(feature = "rayon")]
pub(super) fn beside<A: Send, B>(a: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    let mut outcome = None;
    let there = &mut outcome;
    let b = rayon::in_place_scope(|scope| {
        scope.spawn(move |_| *there = Some(a()));
        here()
    });
    (outcome.unwrap_or_else(|| unreachable!("a scope ends after what it spawned")), b)
}

/// Does both.
#[cfg(not(feature = "rayon"))]
pub(super) fn beside<A, B>(a: impl FnOnce() -> A, here: impl FnOnce() -> B) -> (A, B) {
    (a(), here())
}

/// What becomes of each item, in their order.
#[cfg(feature = "rayon")]
pub(super) fn map<T: Send, U: Send>(items: Vec<T>, change: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    use rayon::prelude::*;
    items.into_par_iter().with_max_len(1).map(change).collect()
}

/// What becomes of each item, in their order.
#[cfg(not(feature = "rayon"))]
pub(super) fn map<T, U>(items: Vec<T>, change: impl Fn(T) -> U) -> Vec<U> {
    items.into_iter().map(change).collect()
}
