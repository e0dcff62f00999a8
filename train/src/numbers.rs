//! Numbers as people read them: grouped digits, few decimals, no-break spaces, and a dash for what is not a number.

use serde_json::Value;

/// Keeps a number and its unit on one line.
const NO_BREAK_SPACE: char = '\u{a0}';
const MINUS: char = '\u{2212}';
const NOTHING: &str = "–";

/// A count with its thousands apart: `7,043`.
pub(crate) fn count(n: usize) -> String {
    grouped(&n.to_string())
}

/// A share with one decimal: `26.5 %`. Shares that would round to none or to all of it say so.
pub(crate) fn percent(share: f64) -> String {
    let text = if share > 0.0 && share < 0.0005 {
        "< 0.1".to_owned()
    } else if (0.9995..1.0).contains(&share) {
        "> 99.9".to_owned()
    } else {
        decimals(100.0 * share, 1)
    };
    if text == NOTHING { text } else { format!("{text}{NO_BREAK_SPACE}%") }
}

/// A share for a sentence: whole percents from 10 % up, else with one decimal.
pub(crate) fn round_percent(share: f64) -> String {
    if !(0.095..=0.99).contains(&share) {
        return percent(share).replace(".0", "");
    }
    format!("{}{NO_BREAK_SPACE}%", decimals(100.0 * share, 0))
}

/// A number with so many decimals.
pub(crate) fn decimals(number: f64, places: usize) -> String {
    if !number.is_finite() {
        return NOTHING.to_owned();
    }
    let text = format!("{:.places$}", number.abs());
    let is_zero = text.bytes().all(|digit| matches!(digit, b'0' | b'.'));
    let sign = if number < 0.0 && !is_zero { MINUS.to_string() } else { String::new() };
    sign + &grouped(&text)
}

/// A measured value of any size with four significant digits, or all digits of a whole number.
pub(crate) fn value(number: f64) -> String {
    if number == 0.0 || (number.fract() == 0.0 && number.abs() < 1e9) {
        return decimals(number, 0);
    }
    let magnitude = number.abs().log10().floor();
    if !(-4.0..9.0).contains(&magnitude) && number.is_finite() {
        return format!("{number:.3e}").replace('-', &MINUS.to_string());
    }
    let text = decimals(number, (3.0 - magnitude).max(0.0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// From one number to another, never broken over two lines.
pub(crate) fn range(low: f64, high: f64, places: usize) -> String {
    format!("{}\u{2060}–\u{2060}{}", decimals(low, places), decimals(high, places))
}

/// A number that may not be there.
pub(crate) fn or_dash(number: Option<f64>, show: impl Fn(f64) -> String) -> String {
    number.map_or_else(|| NOTHING.to_owned(), show)
}

/// Seconds of wall time: `0.42 s`, `12 s`, `3 min 20 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        format!("{}{NO_BREAK_SPACE}s", decimals(seconds, if seconds < 0.995 { 2 } else { 1 }))
    } else if seconds < 119.5 || !seconds.is_finite() {
        format!("{}{NO_BREAK_SPACE}s", decimals(seconds, 0))
    } else {
        let (minutes, rest) = (seconds.round() as u64 / 60, seconds.round() as u64 % 60);
        format!("{minutes}{NO_BREAK_SPACE}min {rest}{NO_BREAK_SPACE}s")
    }
}

/// A hyperparameter: text without its quotes, everything else as JSON.
pub(crate) fn setting(setting: &Value) -> String {
    match setting {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

/// One thing or several: `1 tenant`, `2 tenants`.
pub(crate) fn counted(n: usize, one: &str, several: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { several })
}

/// A clause as a sentence: it begins with a capital and ends with a full stop.
pub(crate) fn sentence(clause: &str) -> String {
    let clause = clause.trim();
    let mut letters = clause.chars();
    let capital: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let stop = if clause.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{capital}{}{stop}", letters.as_str())
}

fn grouped(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::with_capacity(digits.len() + whole.len() / 3);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart_and_decimals_do_not() {
        assert_eq!([count(0), count(999), count(7_043), count(1_000_000)], ["0", "999", "7,043", "1,000,000"]);
        assert_eq!(decimals(-1234.5678, 3), "−1,234.568");
        assert_eq!(decimals(-0.0001, 2), "0.00");
    }

    #[test]
    fn a_share_never_rounds_to_none_or_to_all() {
        assert_eq!(percent(0.265), "26.5\u{a0}%");
        assert_eq!([percent(0.0), percent(0.0002)], ["0.0\u{a0}%", "< 0.1\u{a0}%"]);
        assert_eq!([percent(0.9999), percent(1.0)], ["> 99.9\u{a0}%", "100.0\u{a0}%"]);
        assert_eq!([round_percent(0.7361), round_percent(0.034)], ["74\u{a0}%", "3.4\u{a0}%"]);
        assert_eq!([round_percent(0.05), round_percent(1.0)], ["5\u{a0}%", "100\u{a0}%"]);
    }

    #[test]
    fn a_clause_becomes_a_sentence() {
        assert_eq!(sentence("not point-in-time: see above"), "Not point-in-time: see above.");
        assert_eq!(sentence("Done."), "Done.");
    }

    #[test]
    fn what_is_not_a_number_is_a_dash() {
        assert_eq!([decimals(f64::NAN, 2), percent(f64::NAN), value(f64::INFINITY)], ["–"; 3]);
        assert_eq!(or_dash(None, percent), "–");
    }

    #[test]
    fn values_keep_four_digits_of_any_size() {
        assert_eq!([value(18.25), value(8684.8), value(0.001_234_5)], ["18.25", "8,685", "0.001234"]);
        assert_eq!([value(1_234_567.0), value(-3.0), value(2.5e12)], ["1,234,567", "−3", "2.500e12"]);
        assert_eq!(value(118.75), "118.8");
    }

    #[test]
    fn seconds_get_coarser_as_they_grow() {
        let texts = [0.421, 3.25, 12.3, 200.4].map(|seconds| duration(seconds).replace('\u{a0}', " "));
        assert_eq!(texts, ["0.42 s", "3.2 s", "12 s", "3 min 20 s"]);
    }
}
