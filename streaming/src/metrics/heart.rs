//! Whether the loop still goes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use churn_streaming::Retries;

/// How long a turn may take in which no call of a service succeeds, and no object is written. A turn waits for records for
/// less than a second, or makes some thousand scores where a date has come to everybody; a checkpoint waits for what a sink
/// waits for a broker that is away, which can be minutes: whoever looks shall hear of it. But one that puts a hundred
/// thousand objects is at work for minutes, too, and would be for ever if it was killed for that.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// What the loop is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    Records,
    Checkpoint,
}

/// Beats each time that the loop goes round, or a call succeeds that it waits for.
#[derive(Debug)]
pub(super) struct Heart {
    begun: Instant,
    last_ms: AtomicU64,
    stage: AtomicU8,
    retries: Arc<Retries>,
    /// Calls that had succeeded at the last beat.
    successes: AtomicU64,
}

/// The loop stands still.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("has not gone round for {} s; it is {}", silence.as_secs(), if *is_checkpoint { "making a checkpoint" } else { "taking in records" })]
pub(super) struct Silence {
    silence: Duration,
    is_checkpoint: bool,
}

impl Heart {
    /// `retries` is where sources and sinks count.
    pub(super) fn new(now: Instant, retries: Arc<Retries>) -> Self {
        let successes = AtomicU64::new(retries.successes());
        let (last_ms, stage) = (AtomicU64::new(0), AtomicU8::new(Stage::Records as u8));
        Self { begun: now, last_ms, stage, retries, successes }
    }

    pub(super) fn beat(&self, stage: Stage, now: Instant) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        self.has_succeeded();
        self.last_ms.store(self.ms_at(now), Ordering::Relaxed);
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), Silence> {
        if self.has_succeeded() {
            self.last_ms.store(self.ms_at(now), Ordering::Relaxed);
        }
        let silence = Duration::from_millis(self.ms_at(now).saturating_sub(self.last_ms.load(Ordering::Relaxed)));
        let is_checkpoint = self.stage.load(Ordering::Relaxed) == Stage::Checkpoint as u8;
        if silence < LONGEST_TURN { Ok(()) } else { Err(Silence { silence, is_checkpoint }) }
    }

    /// Whether calls have succeeded since this was asked last.
    fn has_succeeded(&self) -> bool {
        let successes = self.retries.successes();
        self.successes.swap(successes, Ordering::Relaxed) != successes
    }

    fn ms_at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_for_a_minute_is_not_alive_and_says_where() {
        let begun = Instant::now();
        let heart = Heart::new(begun, Arc::default());
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(heart.check(at(59)), Ok(()));
        heart.beat(Stage::Checkpoint, at(59));
        assert_eq!(heart.check(at(118)), Ok(()));
        let silence = heart.check(at(125)).expect_err("stands still");
        assert_eq!(silence.to_string(), "has not gone round for 66 s; it is making a checkpoint");
        heart.beat(Stage::Records, at(126));
        assert_eq!(heart.check(at(127)), Ok(()));
        assert!(heart.check(at(200)).expect_err("stands still").to_string().ends_with("taking in records"));
    }

    #[test]
    fn a_checkpoint_is_alive_as_long_as_calls_succeed() {
        let begun = Instant::now();
        let retries = Arc::new(Retries::default());
        let heart = Heart::new(begun, Arc::clone(&retries));
        let at = |seconds| begun + Duration::from_secs(seconds);
        retries.note_success();
        heart.beat(Stage::Checkpoint, at(0));
        for minute in 1..10 {
            retries.note_success();
            assert_eq!(heart.check(at(60 * minute)), Ok(()));
        }
        // What succeeded before the last beat, or the last look, is no sign of life.
        assert!(heart.check(at(600)).is_err());
        assert!(heart.check(at(601)).is_err());
        retries.note_success();
        assert_eq!(heart.check(at(700)), Ok(()));
    }
}
