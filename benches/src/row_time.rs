//! What one row costs: with everything in the caches, with nothing in them, and in a batch.

use std::hint::black_box;
use std::time::Instant;

use crate::cpu_seconds;

/// Rows per round, and rounds at most.
const ROUND: usize = 1_000;
const MAX_ROUNDS: usize = 50;

/// No round begins later than this: some libraries take a millisecond per row.
const MAX_SECONDS: f64 = 10.0;

/// More than any cache holds.
const WALKED_BYTES: usize = 512 << 20;

/// Microseconds of processor time per call with hot caches: the median of rounds of 1,000 rows.
///
/// `rows` is row-major, `width` values each.
pub fn row_us<T, S>(rows: &[T], width: usize, score: impl Fn(&[T]) -> S) -> f64 {
    let first = cpu_seconds();
    let rounds = rows.chunks_exact(ROUND * width).take(MAX_ROUNDS);
    median(rounds.take_while(|_| cpu_seconds() - first < MAX_SECONDS).map(|rows| {
        let start = cpu_seconds();
        for row in rows.chunks_exact(width) {
            black_box(score(black_box(row)));
        }
        1e6 * (cpu_seconds() - start) / ROUND as f64
    }))
}

/// Microseconds, by the clock on the wall, of one call after a walk through more memory than caches hold: the median of
/// 60.
pub fn cold_row_us<T: Clone, S>(rows: &[T], width: usize, score: impl Fn(&[T]) -> S) -> f64 {
    let mut other = vec![1_u8; WALKED_BYTES];
    median(rows.chunks_exact(width).take(60).map(|row| {
        for byte in other.iter_mut().step_by(64) {
            *byte = byte.wrapping_add(1);
        }
        let row = row.to_vec();
        let start = Instant::now();
        black_box(score(black_box(&row)));
        1e6 * start.elapsed().as_secs_f64()
    }))
}

/// Microseconds per row of a batch by that clock: the median of `n_times`.
pub fn batch_us<S>(n_rows: usize, n_times: usize, clock: impl Fn() -> f64, mut score: impl FnMut() -> S) -> f64 {
    median((0..n_times).map(|_| {
        let start = clock();
        black_box(score());
        1e6 * (clock() - start) / n_rows as f64
    }))
}

/// The middle value, the upper one of two; `values` is not empty.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn every_row_of_whole_rounds_is_scored_once() {
        let rows: Vec<f32> = (0..2 * 2_500).map(|value| value as f32).collect();
        let sum = Cell::new(0.0);
        row_us(&rows, 2, |row| sum.set(sum.get() + f64::from(row[0])));
        assert_eq!(sum.get(), (0..2_000).map(|row| f64::from(2 * row)).sum::<f64>());
    }

    #[test]
    fn a_batch_takes_what_the_clock_says_per_row() {
        let now = Cell::new(0.0);
        assert_eq!(batch_us(4, 3, || now.get(), || now.set(now.get() + 8e-6)), 2.0);
    }
}
