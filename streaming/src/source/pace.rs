//! When what is replayed is due.

use std::time::{Duration, Instant};

use churn_events::{DAY_MS, Timestamp};

/// Hands out events as fast as they were received, or so many times as fast.
///
/// From one event to the next, more than a day is passed over at once, forwards or backwards: one clock that was wrong
/// would have everybody wait for years.
pub(super) struct Pace {
    speed: f64,
    clock: Option<Clock>,
}

/// The log's clock.
struct Clock {
    begun: Instant,
    /// What it showed when replaying began; with every leap, the leap further.
    began_ms: i64,
    /// When the event was received that was asked for last.
    last_ms: i64,
}

impl Pace {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, clock: None }
    }

    /// Whether the next event may be handed out, or how long to wait for it; asking again changes nothing.
    pub(super) fn due(&mut self, received_at: Timestamp, now: Instant) -> Result<(), Duration> {
        let at_ms = received_at.millis();
        let clock = self.clock.get_or_insert(Clock { begun: now, began_ms: at_ms, last_ms: at_ms });
        let gap_ms = at_ms.saturating_sub(std::mem::replace(&mut clock.last_ms, at_ms));
        if gap_ms.unsigned_abs() > DAY_MS.unsigned_abs() {
            clock.began_ms = clock.began_ms.saturating_add(gap_ms);
        }
        let passed_ms = now.saturating_duration_since(clock.begun).as_secs_f64() * 1e3 * self.speed;
        let left_ms = at_ms.saturating_sub(clock.began_ms.saturating_add(passed_ms as i64));
        if left_ms > 0 {
            Err(Duration::try_from_secs_f64(left_ms as f64 / 1e3 / self.speed).unwrap_or(Duration::MAX))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_as_they_happened_and_leaps_take_no_time() {
        let (begun, day) = (Instant::now(), DAY_MS / 1_000);
        let mut pace = Pace::new(10.0);
        let mut left = |seconds: i64, passed: u64| {
            let due = pace.due(Timestamp::from_millis(seconds * 1_000), begun + Duration::from_secs(passed));
            due.err().map(|left| left.as_secs())
        };
        assert_eq!(left(0, 0), None, "the first is due at once");
        assert_eq!((left(50, 0), left(50, 3), left(50, 5)), (Some(5), Some(2), None));
        assert_eq!(left(40, 5), None, "what was received before is late");
        assert_eq!(left(40 + day, 5), Some(8_639), "a day is waited for");
        // A clock that is wrong, and the right one after it.
        for wrong in [900 * day, -20_000 * day] {
            assert_eq!((left(wrong, 8_644), left(50 + day, 8_644)), (None, None));
        }
        assert_eq!(left(110 + day, 8_644), Some(6), "ten seconds went by with the leaps");
    }
}
