//! Names and numbers as people say them.

use churn_features::{Feature, FeatureKind, FeatureSchema};

use super::reason::Trend;

/// Units that count what happens, so that a longer lookback holds what a shorter one does. Users are not among them: the
/// same user comes back every day.
const COUNTED: [&str; 3] = ["jobs", "logins", "GB"];

/// Trends are capped here, as those among the features are.
const LARGEST_RATIO: f32 = 10.0;

/// What a feature is: its name in words, and its lookback.
pub(super) fn of(feature: &Feature) -> String {
    let name = feature.name();
    let Some(days) = feature.lookback_days() else { return spaced(name) };
    match stem(feature) {
        Some(stem) if days == 1 => format!("{}, last day", spaced(stem)),
        Some(stem) => format!("{}, last {days} days", spaced(stem)),
        None => spaced(name),
    }
}

/// The name without the days of the lookback at its end, such as `logins` of `logins_28`, `job` of `job30`.
fn stem(feature: &Feature) -> Option<&str> {
    let days = feature.lookback_days()?.to_string();
    let stem = feature.name().strip_suffix(&days)?.trim_end_matches('_');
    (!stem.is_empty() && !stem.ends_with(|last: char| last.is_ascii_digit())).then_some(stem)
}

fn spaced(name: &str) -> String {
    name.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A number with its unit, to three digits or whole. What is a range rather than a unit, such as `-1..1`, is not said.
pub(super) fn number(value: f32, unit: Option<&str>) -> String {
    let digits = match value.abs() {
        size if value == value.trunc() || size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    match unit {
        Some(unit) if unit != "ratio" && !unit.contains("..") => format!("{value:.digits$} {unit}"),
        _ => format!("{value:.digits$}"),
    }
}

/// How a count changes, where the schema counts the same over a second lookback: the next longer one, or else the next
/// shorter one. `None` when there is nothing to compare.
pub(super) fn trend(schema: &FeatureSchema, position: usize, row: &[f32]) -> Option<Trend> {
    let features = schema.features();
    let count = Count::of(&features[position])?;
    let others = features.iter().enumerate().filter_map(|(at, feature)| Some((at, Count::of(feature)?)));
    let same =
        others.filter(|(_, other)| other.stem == count.stem && other.unit == count.unit && other.days != count.days);
    let (other_position, other) =
        same.min_by_key(|(_, other)| (other.days < count.days, other.days.abs_diff(count.days)))?;
    let [(recent_days, recent), (total_days, total)] = if other.days > count.days {
        [(count.days, row[position]), (other.days, row[other_position])]
    } else {
        [(other.days, row[other_position]), (count.days, row[position])]
    };
    let before = (total - recent) / (total_days - recent_days) as f32;
    let ratio = recent / recent_days as f32 / before;
    (before > 0.0 && ratio.is_finite()).then_some(Trend { recent_days, total_days, ratio: ratio.min(LARGEST_RATIO) })
}

/// A feature that counts what happened in its lookback.
struct Count<'a> {
    stem: &'a str,
    unit: &'a str,
    days: u32,
}

impl<'a> Count<'a> {
    fn of(feature: &'a Feature) -> Option<Self> {
        let unit = feature.unit().filter(|unit| COUNTED.contains(unit))?;
        let days = feature.lookback_days().filter(|&days| days > 0 && *feature.kind() == FeatureKind::Numeric)?;
        let stem = stem(feature)?.trim_end_matches('s'); // `job30` and `jobs_7` count the same
        Some(Self { stem, unit, days })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_said_and_ranges_are_not() {
        assert_eq!(number(0.75, Some("0..1")), "0.75");
        assert_eq!(number(-0.75, Some("-1..1")), "-0.75");
        assert_eq!(number(12.0, Some("jobs")), "12 jobs");
    }
}
