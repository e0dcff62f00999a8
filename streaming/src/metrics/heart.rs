//! Whether the loop still goes round.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a turn may take. A turn waits for records for less than a second, and a checkpoint for what a sink waits for a
/// broker that is away, which can be minutes: whoever looks shall hear of it.
const LONGEST_TURN: Duration = Duration::from_secs(60);

/// What the loop is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    Records,
    Checkpoint,
}

/// Beats each time that the loop goes round.
#[derive(Debug)]
pub(super) struct Heart {
    begun: Instant,
    last_ms: AtomicU64,
    stage: AtomicU8,
}

/// The loop stands still.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("has not gone round for {} s; it is {}", silence.as_secs(), if *is_checkpoint { "making a checkpoint" } else { "taking in records" })]
pub(super) struct Silence {
    silence: Duration,
    is_checkpoint: bool,
}

impl Heart {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, last_ms: AtomicU64::new(0), stage: AtomicU8::new(Stage::Records as u8) }
    }

    pub(super) fn beat(&self, stage: Stage, now: Instant) {
        self.stage.store(stage as u8, Ordering::Relaxed);
        self.last_ms.store(self.ms_at(now), Ordering::Relaxed);
    }

    pub(super) fn check(&self, now: Instant) -> Result<(), Silence> {
        let silence = Duration::from_millis(self.ms_at(now).saturating_sub(self.last_ms.load(Ordering::Relaxed)));
        let is_checkpoint = self.stage.load(Ordering::Relaxed) == Stage::Checkpoint as u8;
        if silence < LONGEST_TURN { Ok(()) } else { Err(Silence { silence, is_checkpoint }) }
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
        let heart = Heart::new(begun);
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
}
