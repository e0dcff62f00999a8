//! Text to feature values: the one rule for tables, request bodies and training channels.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::cell::{Cell, yes_or_no};
use crate::schema::{Feature, FeatureKind};

/// Reads the values of one feature from text.
///
/// # Example
/// ```
/// use churn_features::{Feature, TextValue, ValueReader};
///
/// let industry = ValueReader::new(&Feature::category("industry", vec!["energy".into(), "retail".into()]));
/// assert_eq!(industry.read("retail"), Ok(TextValue::Known(1.0)));
/// assert_eq!(industry.read("farming"), Ok(TextValue::UnknownLevel));
/// assert_eq!(industry.read("n/a"), Ok(TextValue::Missing));
/// ```
#[derive(Debug, Clone)]
pub struct ValueReader(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Number,
    Boolean,
    Category(HashMap<String, f32>),
}

/// What a text says of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TextValue {
    /// The value, as feature vectors hold it.
    Known(f32),
    /// Nothing.
    Missing,
    /// A level that the schema does not have; it counts as missing.
    UnknownLevel,
}

impl TextValue {
    /// The value in a feature vector; NaN where it is not known.
    pub fn or_nan(self) -> f32 {
        match self {
            Self::Known(value) => value,
            Self::Missing | Self::UnknownLevel => f32::NAN,
        }
    }
}

/// What a text should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct TextError {
    /// What the feature takes, such as `"a finite number or a blank"`.
    pub expected: &'static str,
}

impl ValueReader {
    /// A reader for this feature.
    pub fn new(feature: &Feature) -> Self {
        Self(match feature.kind() {
            FeatureKind::Numeric => Kind::Number,
            FeatureKind::Boolean => Kind::Boolean,
            FeatureKind::Category { levels } => {
                Kind::Category(levels.iter().cloned().zip((0_u16..).map(f32::from)).collect())
            }
        })
    }

    /// The value that trimmed text says.
    ///
    /// # Errors
    /// When it is neither blank nor what the feature takes; every text is a level of a category, if an unknown one.
    pub fn read(&self, text: &str) -> Result<TextValue, TextError> {
        // A level is known by its exact text, before anything else is made of it.
        if let Kind::Category(code_of) = &self.0
            && let Some(&code) = code_of.get(text).or_else(|| code_of.get(&*other_spelling(text)?))
        {
            return Ok(TextValue::Known(code));
        }
        match (&self.0, Cell::read(text)) {
            (_, Cell::Missing) => Ok(TextValue::Missing),
            (Kind::Number, Cell::Number(number)) => Ok(TextValue::Known(number)),
            (Kind::Number, _) => Err(TextError { expected: "a finite number or a blank" }),
            (Kind::Boolean, Cell::Number(number)) if number == 0.0 || number == 1.0 => Ok(TextValue::Known(number)),
            (Kind::Boolean, _) => match yes_or_no(text) {
                Some(value) => Ok(TextValue::Known(f32::from(u8::from(value)))),
                None => Err(TextError { expected: "yes, no, true, false, 1, 0 or a blank" }),
            },
            (Kind::Category(_), _) => Ok(TextValue::UnknownLevel),
        }
    }
}

/// A whole number with its decimal point, or without: levels are numbered in one way and sent in another, as where
/// a column with a blank becomes floats.
fn other_spelling(text: &str) -> Option<Cow<'_, str>> {
    let is_whole = |text: &str| !text.is_empty() && text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit());
    match text.strip_suffix(".0") {
        Some(whole) => is_whole(whole).then_some(Cow::Borrowed(whole)),
        None => is_whole(text).then(|| Cow::Owned(format!("{text}.0"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_known_by_its_text_before_it_is_taken_for_a_missing_word() {
        let reader = ValueReader::new(&Feature::category("c", vec!["None".into(), "7".into()]));
        assert_eq!([reader.read("None"), reader.read("7")], [Ok(TextValue::Known(0.0)), Ok(TextValue::Known(1.0))]);
        assert_eq!([reader.read("none"), reader.read("8")], [Ok(TextValue::Missing), Ok(TextValue::UnknownLevel)]);
    }

    #[test]
    fn a_level_that_is_a_number_is_known_however_the_number_is_written() {
        let reader = ValueReader::new(&Feature::category("c", vec!["7".into(), "8.0".into(), "0.5".into()]));
        let values = ["7", "7.0", "8", "8.0", "0.5"].map(|text| reader.read(text).unwrap().or_nan());
        assert_eq!(values, [0.0, 0.0, 1.0, 1.0, 2.0]);
        assert_eq!(reader.read("9"), Ok(TextValue::UnknownLevel));
    }

    #[test]
    fn numbers_and_booleans_say_what_they_take() {
        let (number, boolean) = (ValueReader::new(&Feature::numeric("n")), ValueReader::new(&Feature::boolean("b")));
        assert_eq!(number.read("1e3"), Ok(TextValue::Known(1000.0)));
        assert_eq!(boolean.read("YES"), Ok(TextValue::Known(1.0)));
        assert!(number.read("inf").is_err() && number.read("many").is_err() && boolean.read("2").is_err());
        assert!(boolean.read("").is_ok_and(|value| value.or_nan().is_nan()));
    }
}
