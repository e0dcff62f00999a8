use std::fmt;
use std::str::FromStr;

use churn_events::Timestamp;

use crate::marks::Mark;

/// When a tenant is scored.
///
/// At an event, the score is of the coming observation date: what the tenant's features would be at the next midnight
/// (UTC) if nothing more came. Only events that count make scores: late, repeated and unknown ones change nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScoreWhen {
    /// Never: only states are kept.
    Never,
    /// At every event.
    Events,
    /// At an event that changes the score by at least so much since the tenant's last score record, or the decision; with
    /// 0, at every event that changes the score at all.
    Changes {
        /// The least change.
        least: f64,
    },
    /// At an event that changes the decision, and at the first one that makes a tenant be at risk.
    Crossings,
    /// At an event received at least so many milliseconds after the one of the tenant's last score record.
    Every {
        /// The interval.
        interval_ms: i64,
    },
    /// On every observation date, with all that was received before it, whether something happened or not.
    Daily,
}

impl ScoreWhen {
    /// Whether an event received then may make a score record at all.
    pub(crate) fn is_due(self, mark: Option<&Mark>, received_at: Timestamp) -> bool {
        match self {
            Self::Never => false,
            Self::Every { interval_ms } => {
                let last = mark.and_then(|mark| mark.scored_ms);
                last.is_none_or(|last| received_at.millis().saturating_sub(last) >= interval_ms)
            }
            Self::Events | Self::Changes { .. } | Self::Crossings | Self::Daily => true,
        }
    }

    /// Whether a score says enough that was not said before.
    pub(crate) fn is_worth_saying(self, mark: Option<&Mark>, score: f64, at_risk: bool) -> bool {
        let said = mark.and_then(|mark| Some((mark.score?, mark.at_risk)));
        match self {
            Self::Changes { least } => said.is_none_or(|(said, was_at_risk)| {
                was_at_risk != at_risk || (said.to_bits() != score.to_bits() && (said - score).abs() >= least)
            }),
            Self::Crossings => said.map_or(at_risk, |(_, was_at_risk)| was_at_risk != at_risk),
            Self::Never | Self::Events | Self::Every { .. } | Self::Daily => true,
        }
    }
}

impl Default for ScoreWhen {
    fn default() -> Self {
        Self::Changes { least: 0.0 }
    }
}

/// A word that names no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "is {found:?} where never, events, changes, changes:0.01, crossings, daily or every:1h (ms, s, m, h, d) is expected"
)]
pub struct NoScoreWhen {
    found: String,
}

/// What follows a number of a unit, and the milliseconds of the unit; the longest first, because `ms` ends with `s`.
const UNITS: [(&str, i64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds of a duration such as `90s`, `1h` or `500ms`; at least one.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let (number, unit_ms) = UNITS.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)))?;
    let ms = number.trim().parse::<u32>().ok().map(|number| i64::from(number) * unit_ms);
    ms.filter(|ms| *ms > 0)
}

impl FromStr for ScoreWhen {
    type Err = NoScoreWhen;

    fn from_str(text: &str) -> Result<Self, NoScoreWhen> {
        let fail = || NoScoreWhen { found: text.to_owned() };
        Ok(match text.split_once(':') {
            None => match text {
                "never" => Self::Never,
                "events" => Self::Events,
                "changes" => Self::Changes { least: 0.0 },
                "crossings" => Self::Crossings,
                "daily" => Self::Daily,
                _ => return Err(fail()),
            },
            Some(("changes", least)) => {
                let least = least.parse().ok().filter(|least| (0.0..=1.0).contains(least));
                Self::Changes { least: least.ok_or_else(fail)? }
            }
            Some(("every", duration)) => Self::Every { interval_ms: parse_duration_ms(duration).ok_or_else(fail)? },
            Some(_) => return Err(fail()),
        })
    }
}

impl fmt::Display for ScoreWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Events => f.write_str("events"),
            Self::Changes { least: 0.0 } => f.write_str("changes"),
            Self::Changes { least } => write!(f, "changes:{least}"),
            Self::Crossings => f.write_str("crossings"),
            Self::Every { interval_ms } => write!(f, "every:{interval_ms}ms"),
            Self::Daily => f.write_str("daily"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_shown() {
        let texts = ["never", "events", "changes", "changes:0.01", "crossings", "daily", "every:1500ms"];
        for text in texts {
            assert_eq!(text.parse::<ScoreWhen>().expect("is one").to_string(), text);
        }
        for (text, interval_ms) in [("2s", 2_000), ("3m", 180_000), ("1h", 3_600_000), ("7d", 604_800_000)] {
            assert_eq!(format!("every:{text}").parse(), Ok(ScoreWhen::Every { interval_ms }));
        }
        for text in ["", "hourly", "every", "every:", "every:0s", "every:-1s", "every:1y", "changes:2", "changes:x"] {
            let error = text.parse::<ScoreWhen>().expect_err(text).to_string();
            assert!(error.starts_with(&format!("is {text:?} where never, events")), "{error}");
        }
    }
}
