//! Trying again: how often it happened, and how long to wait before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
#[cfg(any(feature = "aws", test))]
use std::time::Duration;

#[cfg(any(feature = "aws", test))]
use crate::dice::Dice;

/// Why something was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// The service said that it was asked too often, or for too much.
    Throttled,
    /// The service failed, did not answer in time, or could not be reached.
    Failed,
    /// An iterator was too old, or no longer taken, and another was asked for.
    ExpiredIterator,
    /// Part of a request was not accepted.
    RefusedEntry,
}

impl Retry {
    /// As a metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Failed => "failed",
            Self::ExpiredIterator => "expired_iterator",
            Self::RefusedEntry => "refused_entry",
        }
    }
}

/// How often each operation was tried again, and why; shared by everything that talks to a service.
///
/// # Cost
/// A lock, taken only when something went wrong.
#[derive(Debug, Default)]
pub struct Retries {
    counts: Mutex<BTreeMap<(&'static str, Retry), u64>>,
    successes: AtomicU64,
    trimmed: AtomicU64,
}

impl Retries {
    /// Counts so many more of them.
    pub fn count(&self, operation: &'static str, why: Retry, times: u64) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry((operation, why)).or_default() += times;
    }

    /// What was counted, by operation and reason.
    pub fn counts(&self) -> BTreeMap<(&'static str, Retry), u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note that a stream had trimmed the record where reading stopped: those behind it may be lost. Nothing is tried
    /// again, because there is nothing any more.
    pub fn note_trimmed(&self) {
        self.trimmed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was so.
    pub fn trimmed(&self) -> u64 {
        self.trimmed.load(Ordering::Relaxed)
    }

    /// Takes note of a call that did what it should, and that somebody waited for; a file that was written is one, too.
    pub fn note_success(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that did what they should. Whoever waits for many of them, as a large checkpoint does, is alive while this
    /// grows.
    pub fn successes(&self) -> u64 {
        self.successes.load(Ordering::Relaxed)
    }
}

/// Waits that grow from failure to failure, each of a random length, so that those who failed together do not come back
/// together.
///
/// # Source
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
#[cfg(any(feature = "aws", test))]
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    dice: Dice,
}

#[cfg(any(feature = "aws", test))]
impl Backoff {
    /// Waits of at most `first`, then of at most twice as long each time, up to `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, failures: 0, dice: Dice::new(seed) }
    }

    /// How long to wait after one more failure.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let most = self.first.saturating_mul(1 << self.failures.min(30)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        most.mul_f64(self.dice.share())
    }

    /// Something succeeded: the next failure is the first again.
    #[cfg(any(feature = "kinesis", feature = "dynamodb", test))]
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_begin_anew_after_a_success() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        let mut backoff = Backoff::new(first, longest, 7);
        let mut most = first;
        for _ in 0..100 {
            assert!(backoff.after_failure() <= most);
            most = (most * 2).min(longest);
        }
        let late: Vec<Duration> = (0..1000).map(|_| backoff.after_failure()).collect();
        let mean = late.iter().sum::<Duration>() / 1000;
        assert!((4500..5500).contains(&mean.as_millis()), "{mean:?}");
        assert_eq!(backoff.failures(), 1_100);
        backoff.reset();
        assert!(backoff.after_failure() <= first);
    }

    #[test]
    fn those_who_failed_together_wait_for_different_times() {
        let wait = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(1), seed).after_failure();
        let waits: std::collections::BTreeSet<Duration> = (0..100).map(wait).collect();
        assert_eq!(waits.len(), 100);
    }

    #[test]
    fn retries_are_counted_by_operation_and_reason() {
        let retries = Retries::default();
        retries.count("GetRecords", Retry::Throttled, 1);
        retries.count("GetRecords", Retry::Throttled, 2);
        retries.count("PutRecords", Retry::Failed, 1);
        let expected = [(("GetRecords", Retry::Throttled), 3), (("PutRecords", Retry::Failed), 1)];
        assert_eq!(retries.counts(), BTreeMap::from(expected));
    }
}
