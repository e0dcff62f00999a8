//! What XGBoost saves of a model, as far as it is read here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::super::ImportError;
use super::tree::SavedTree;

#[derive(Deserialize)]
pub(super) struct Saved {
    pub(super) learner: Learner,
    pub(super) version: Vec<u32>,
}

#[derive(Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) feature_names: Vec<String>,
    #[serde(default)]
    pub(super) feature_types: Vec<String>,
    pub(super) gradient_booster: Booster,
    pub(super) learner_model_param: LearnerParam,
    pub(super) objective: Objective,
}

#[derive(Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct LearnerParam {
    pub(super) base_score: BaseScore,
    #[serde(default)]
    pub(super) num_class: Count,
    pub(super) num_feature: Count,
    #[serde(default)]
    pub(super) num_target: Count,
}

/// `gbtree` holds its trees itself, `dart` in a `gbtree` within it.
#[derive(Deserialize)]
pub(super) struct Booster {
    pub(super) name: String,
    pub(super) model: Option<TreesOfModel>,
    pub(super) gbtree: Option<BoosterInDart>,
    pub(super) weight_drop: Option<Vec<f32>>,
}

#[derive(Deserialize)]
pub(super) struct BoosterInDart {
    pub(super) model: Option<TreesOfModel>,
}

#[derive(Deserialize)]
pub(super) struct TreesOfModel {
    /// None in the model of a linear booster, which the name of the booster tells.
    #[serde(default)]
    pub(super) trees: Vec<SavedTree>,
    pub(super) cats: Option<Cats>,
}

#[derive(Deserialize)]
pub(super) struct Cats {
    #[serde(default)]
    pub(super) enc: Vec<Levels>,
}

/// The levels of one feature: numbers, or the UTF-8 bytes of all their names and where each one starts.
#[derive(Deserialize)]
pub(super) struct Levels {
    #[serde(default)]
    offsets: Vec<usize>,
    #[serde(default)]
    values: Vec<f64>,
}

impl Levels {
    /// The names; none where there are none, or where they make no sense.
    ///
    /// XGBoost 3.2 counts where a name starts in characters, not in bytes, and drops bytes at the end for it; so names
    /// outside ASCII cannot be trusted.
    pub(super) fn names(&self) -> Vec<String> {
        if self.offsets.is_empty() {
            return self.values.iter().map(f64::to_string).collect();
        }
        let character = |&byte: &f64| Some(byte as u8 as char).filter(|c| c.is_ascii() && f64::from(*c as u8) == byte);
        let Some(text) = self.values.iter().map(character).collect::<Option<String>>() else { return Vec::new() };
        let name = |pair: &[usize]| Some(text.get(pair[0]..pair[1])?.to_owned());
        self.offsets.windows(2).map(name).collect::<Option<_>>().unwrap_or_default()
    }
}

impl Saved {
    pub(super) fn read(json: &[u8]) -> Result<Self, ImportError> {
        // UBJSON starts with `{` too; then comes the type of a length, where JSON has a quote or a space.
        if let [b'{', b'L' | b'l' | b'I' | b'i' | b'U', ..] = json {
            let known = "JSON files, which save_model writes under a name that ends in .json";
            return Err(ImportError::Unsupported { what: "encoding", found: "UBJSON".to_owned(), known });
        }
        serde_json::from_slice(&with_nulls(json)).map_err(ImportError::Serialized)
    }
}

/// The same text with `null` for the NaN and infinities that XGBoost writes bare, where JSON has no word for them.
///
/// XGBoost 1.7 and 2.x give splits on categories a split value of NaN.
fn with_nulls(json: &[u8]) -> Cow<'_, [u8]> {
    let mut changed = Vec::new();
    let (mut copied, mut at, mut in_string) = (0, 0, false);
    while at < json.len() {
        match json[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'N' | b'I' | b'-' if !in_string => {
                let words = [&b"NaN"[..], b"-NaN", b"Infinity", b"-Infinity"];
                if let Some(word) = words.into_iter().find(|word| json[at..].starts_with(word)) {
                    changed.extend_from_slice(&json[copied..at]);
                    changed.extend_from_slice(b"null");
                    copied = at + word.len();
                    at = copied - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    changed.extend_from_slice(&json[copied..]);
    Cow::Owned(changed)
}

/// A count that XGBoost writes as text.
#[derive(Default)]
pub(super) struct Count(pub(super) u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a count in quotes", |text: &str| u32::from_str(text).ok().map(Count)))
    }
}

/// The base score: `5E-1`, or since XGBoost 3.1 a list of one per target, `[5E-1]`; written as text.
pub(super) struct BaseScore(Vec<f32>);

impl BaseScore {
    /// The base score of a model with one target.
    pub(super) fn single(&self) -> Result<f32, ImportError> {
        match self.0[..] {
            [base] => Ok(base),
            _ => {
                let (what, found) = ("number of base scores", self.0.len().to_string());
                Err(ImportError::Unsupported { what, found, known: "models of one output" })
            }
        }
    }
}

impl<'de> Deserialize<'de> for BaseScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text("a number in quotes, or several in brackets", |text: &str| {
            let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            inner.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>().map(BaseScore)
        }))
    }
}

/// Reads a value out of text; first what is expected there, for the message.
struct Text<F>(&'static str, F);

impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_levels_are_trusted_in_ascii_only() {
        let names = |text: &str| serde_json::from_str::<Levels>(text).expect("parses").names();
        assert_eq!(names(r#"{"offsets":[0,1,3],"values":[97,98,98]}"#), ["a", "bb"]);
        assert_eq!(names(r#"{"type":15,"values":[10,20]}"#), ["10", "20"]);
        assert!(names(r#"{"offsets":[0,1,3],"values":[-61,-92,122]}"#).is_empty());
        assert!(names(r#"{"offsets":[0,9],"values":[97]}"#).is_empty());
        assert!(names(r#"{"offsets":[1,0],"values":[97]}"#).is_empty());
        assert!(names(r#"{"offsets":[],"values":[]}"#).is_empty());
    }

    #[test]
    fn only_bare_words_become_null() {
        let text = br#"{"NaN":[NaN,-Infinity,1,-2,Infinity],"a\"NaN":"-Infinity"}"#;
        let expected = br#"{"NaN":[null,null,1,-2,null],"a\"NaN":"-Infinity"}"#;
        assert_eq!(with_nulls(text).as_ref(), expected.as_slice());
        assert!(matches!(with_nulls(br#"{"a":-1}"#), Cow::Borrowed(_)));
    }
}
