//! Times and dates as text.
//!
//! Nearly every time in a log is written `2026-03-01T12:30:45Z` or `2026-03-01T12:30:45.123Z`. These are read by position,
//! in a few nanoseconds; everything else that RFC 3339 allows goes through `jiff`, which is also the slow twin in the tests.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{DAY_MS, ObservationDate, Timestamp};

/// The first millisecond of 2101, which no time reaches.
const END_MS: i64 = 4_133_980_800_000;

/// Why a text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// It is something else.
    #[error("is {found:?} where a time such as 2026-03-01T12:30:45Z is expected")]
    NotATime {
        /// The text, or its beginning.
        found: String,
    },
    /// It does not say which zone it is in, so it may be any of 26 hours.
    #[error("is {found:?}, a time without zone, where a Z or an offset such as +01:00 is expected at the end")]
    NoZone {
        /// The text, or its beginning.
        found: String,
    },
    /// It is a time that no event can have.
    #[error("is {found:?} where a year from 1970 to 2100 is expected")]
    OutOfRange {
        /// The text, or its beginning.
        found: String,
    },
    /// It is no date.
    #[error("is {found:?} where a date such as 2026-03-01 is expected")]
    NotADate {
        /// The text, or its beginning.
        found: String,
    },
}

impl Timestamp {
    /// The instant that a text in RFC 3339 names, cut to whole milliseconds.
    ///
    /// # Errors
    /// [`TimeError::NoZone`] when it names no zone, [`TimeError::OutOfRange`] before 1970 and after 2100, otherwise
    /// [`TimeError::NotATime`].
    /// # Example
    /// ```
    /// use churn_events::Timestamp;
    /// let noon = Timestamp::parse("2026-03-01T13:00:00+01:00")?;
    /// assert_eq!(noon.to_string(), "2026-03-01T12:00:00Z");
    /// # Ok::<(), churn_events::TimeError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        match parse_usual(text.as_bytes()) {
            Some(time) => Ok(time),
            None => parse_any(text),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse(text)
    }
}

/// The usual form, by position; `None` says only that it is another one.
pub(crate) fn parse_usual(text: &[u8]) -> Option<Timestamp> {
    let (time, bytes) = usual_time_at(text)?;
    (bytes == text.len()).then_some(time)
}

/// A time in the usual form at the start of a text, and how many bytes it takes.
#[inline(always)]
pub(crate) fn usual_time_at(text: &[u8]) -> Option<(Timestamp, usize)> {
    let head = text.first_chunk::<20>()?;
    let (date, time): ([u8; 8], [u8; 8]) = (*head.first_chunk()?, *head[11..].first_chunk()?);
    let (date, day) = (digits(date, *b"0000-00-")?, number([head[8], head[9]])?);
    let [hour, _, _, minute, _, _, second, _] = digits(time, *b"00:00:00")?.map(u32::from);
    if head[10] != b'T' || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(u32::from(date[0]) * 100 + u32::from(date[2]), u32::from(date[5]), day)?;
    let seconds = i64::from(days) * (DAY_MS / 1000) + i64::from(hour * 3600 + minute * 60 + second);
    let (millis, bytes) = match head[19] {
        b'Z' => (0, 20),
        b'.' => match text.get(20..24)? {
            [a, b, c, b'Z'] => (i64::from(number([*a, *b, *c])?), 24),
            _ => return None,
        },
        _ => return None,
    };
    Some((Timestamp::from_millis(seconds * 1000 + millis), bytes))
}

/// The number that every two neighbouring digits spell, at the place of the first; `None` unless there are digits where
/// the form has zeros, and the same as the form elsewhere.
#[inline(always)]
fn digits(text: [u8; 8], form: [u8; 8]) -> Option<[u8; 8]> {
    // What takes a byte that is too large for its place to 128 or more.
    let limits = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 118 } else { 127 }));
    let word = u64::from_le_bytes(text) ^ u64::from_le_bytes(form);
    // Carries only come from bytes that are too large themselves.
    if (word | word.wrapping_add(limits)) & (u64::from_ne_bytes([0x80; 8])) != 0 {
        return None;
    }
    Some((word * 10 + (word >> 8)).to_le_bytes())
}

/// The number that some digits spell.
#[inline(always)]
fn number<const N: usize>(digits: [u8; N]) -> Option<u32> {
    let mut value = 0;
    let mut bad = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        bad |= u8::from(digit > 9);
        value = value * 10 + u32::from(digit);
    }
    (bad == 0).then_some(value)
}

/// Days since 1970-01-01 of a day of the years 1970 to 2100; `None` when there is no such day.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    const BEFORE_MONTH: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const IN_MONTH: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if !(1970..=2100).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    // Of these years, 2100 is the only one that divides by 4 and is no leap year.
    let leap = year.is_multiple_of(4) && year != 2100;
    let month_at = month as usize - 1;
    if day < 1 || day > IN_MONTH[month_at] + u32::from(leap && month == 2) {
        return None;
    }
    let leap_days = (year - 1969) / 4 + u32::from(leap && month > 2);
    Some(((year - 1970) * 365 + leap_days + BEFORE_MONTH[month_at] + day - 1) as i32)
}

/// Any form that RFC 3339 allows.
pub(crate) fn parse_any(text: &str) -> Result<Timestamp, TimeError> {
    let short = with_short_fraction(text);
    // jiff reads more than RFC 3339: dates without dashes, times without minutes, names of zones in brackets, and offsets
    // of a day and more.
    let plain = short.len() <= 40
        && short.len() >= 19
        && !short.contains('[')
        && short.as_bytes()[4] == b'-'
        && offset_hour(&short).is_none_or(|hour| hour <= *b"23");
    let time = match short.parse::<jiff::Timestamp>() {
        Ok(time) if plain => time,
        _ => {
            let found = beginning(text);
            return Err(match short.parse::<jiff::civil::DateTime>() {
                Ok(_) if plain => TimeError::NoZone { found },
                _ => TimeError::NotATime { found },
            });
        }
    };
    let millis = time.as_millisecond();
    // A negative second cut towards zero would come out as 1970.
    if time.as_nanosecond() < 0 || millis >= END_MS {
        return Err(TimeError::OutOfRange { found: beginning(text) });
    }
    Ok(Timestamp::from_millis(millis))
}

/// The text without the digits of a second's fraction that are beyond nanoseconds, which jiff does not read.
fn with_short_fraction(text: &str) -> Cow<'_, str> {
    const MOST: usize = 9;
    let Some((time, rest)) = text.split_once('.') else { return Cow::Borrowed(text) };
    match rest.bytes().take_while(u8::is_ascii_digit).count() {
        n_digits if n_digits > MOST => Cow::Owned(format!("{time}.{}{}", &rest[..MOST], &rest[n_digits..])),
        _ => Cow::Borrowed(text),
    }
}

/// The two characters after the sign of an offset.
fn offset_hour(text: &str) -> Option<[u8; 2]> {
    let zone = text.as_bytes().get(19..)?;
    let sign = zone.iter().position(|byte| matches!(byte, b'+' | b'-'))?;
    zone[sign + 1..].first_chunk().copied()
}

/// The start of a text of any length, for a message.
pub fn beginning(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// # Source
/// Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, `civil_from_days`.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// RFC 3339 in UTC; milliseconds only where there are any.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(24);
        write_time(*self, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Appends what `Display` shows, ten times as fast.
pub(crate) fn write_time(time: Timestamp, out: &mut Vec<u8>) {
    let day = time.millis().div_euclid(DAY_MS);
    let of_day = time.millis().rem_euclid(DAY_MS) as u32;
    write_day(day, out);
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    let ([a, b], [c, d], [e, f]) = (two(seconds / 3600), two(seconds / 60 % 60), two(seconds % 60));
    out.extend_from_slice(&[b'T', a, b, b':', c, d, b':', e, f]);
    if millis != 0 {
        let [b, c] = two(millis % 100);
        out.extend_from_slice(&[b'.', b'0' + (millis / 100) as u8, b, c]);
    }
    out.push(b'Z');
}

fn write_day(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    if let 0..=9999 = year {
        let digit = |unit: i64| b'0' + (year / unit % 10) as u8;
        out.extend_from_slice(&[digit(1000), digit(100), digit(10), digit(1)]);
    } else {
        out.extend_from_slice(year.to_string().as_bytes());
    }
    let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    let ([a, b], [c, d]) = (two(month), two(day));
    out.extend_from_slice(&[b'-', a, b, b'-', c, d]);
}

/// A date such as `2026-03-01`, of the years 1970 to 2100.
impl FromStr for ObservationDate {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let read = |bytes: &[u8; 10]| {
            let [a, b, c, d, b'-', e, f, b'-', g, h] = *bytes else { return None };
            Some((number([a, b, c, d])?, number([e, f])?, number([g, h])?))
        };
        let found = || beginning(text);
        let parts = text.as_bytes().try_into().ok().and_then(read);
        let (year, month, day) = parts.ok_or_else(|| TimeError::NotADate { found: found() })?;
        match days(year, month, day) {
            Some(days) => Ok(ObservationDate::from_days(days)),
            None if (1970..=2100).contains(&year) => Err(TimeError::NotADate { found: found() }),
            None => Err(TimeError::OutOfRange { found: found() }),
        }
    }
}

/// Year, month and day with dashes.
impl fmt::Display for ObservationDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(10);
        write_day(i64::from(self.days()), &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().millis()
    }

    #[test]
    fn every_day_from_1970_to_2100_is_read_as_jiff_reads_it_and_written_back() {
        for day in 0..(END_MS / DAY_MS) as i32 {
            let date = ObservationDate::from_days(day);
            let text = date.to_string();
            assert_eq!(text.parse::<ObservationDate>(), Ok(date));
            let time = format!("{text}T23:59:59.999Z");
            assert_eq!(parse_usual(time.as_bytes()), parse_any(&time).ok(), "{time}");
            assert_eq!(Timestamp::parse(&time).unwrap().to_string(), time);
        }
    }

    #[test]
    fn offsets_fractions_and_lower_case_are_read() {
        assert_eq!(millis("1970-01-01T01:00:00+01:00"), 0);
        assert_eq!(millis("1970-01-01t00:00:01.5z"), 1500);
        assert_eq!(millis("2026-03-01 00:00:00.123456789-00:30"), millis("2026-03-01T00:30:00.123Z"));
        assert_eq!(
            millis("2026-03-01T00:00:00.1239999999999999999999999999999999999999Z"),
            millis("2026-03-01T00:00:00.123Z")
        );
        assert_eq!(millis("2026-03-01T00:00:00.0000000001+23:59"), millis("2026-02-28T00:01:00Z"));
        assert_eq!(Timestamp::from_millis(1).to_string(), "1970-01-01T00:00:00.001Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn offsets_of_a_day_and_more_are_refused() {
        for offset in ["+24:00", "-24:00", "+25:00", "+23:60", "-99:00"] {
            for fraction in ["", ".5", ".1234567890123"] {
                let text = format!("2026-03-01T00:00:00{fraction}{offset}");
                assert_eq!(Timestamp::parse(&text), Err(TimeError::NotATime { found: text.clone() }), "{text}");
            }
        }
    }

    #[test]
    fn a_time_without_zone_is_refused_for_that() {
        for text in ["2026-03-01T12:30:45", "2026-03-01 12:30:45.5", "2026-03-01T12:30:45.0123456789"] {
            assert_eq!(Timestamp::parse(text), Err(TimeError::NoZone { found: text.into() }));
        }
    }

    #[test]
    fn times_before_1970_and_after_2100_are_refused() {
        for text in
            ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01", "2101-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(text), Err(TimeError::OutOfRange { found: text.into() }));
        }
        assert_eq!(millis("2100-12-31T23:59:59.999Z"), END_MS - 1);
        assert_eq!("1969-12-31".parse::<ObservationDate>(), Err(TimeError::OutOfRange { found: "1969-12-31".into() }));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let long = "x".repeat(10_000);
        let texts =
            ["", "yesterday", "2026-02-30T00:00:00Z", "2026-03-01", "2026-03-01T24:00:00Z", "20260301T000000Z", &long];
        for text in texts {
            assert!(
                matches!(Timestamp::parse(text), Err(TimeError::NotATime { found }) if found.len() < 100),
                "{text}"
            );
        }
        assert!(matches!("2100-02-29".parse::<ObservationDate>(), Err(TimeError::NotADate { .. })));
        assert!(matches!("2026-3-1".parse::<ObservationDate>(), Err(TimeError::NotADate { .. })));
    }
}
