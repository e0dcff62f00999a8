use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// Most levels a category feature may have.
///
/// A forest keeps one histogram bin per level in a byte, and one byte value is taken by "missing".
pub const MAX_LEVELS: usize = 254;

/// What the values of a feature are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FeatureKind {
    /// A number on an ordered scale.
    Numeric,
    /// Yes or no, held as 1 and 0.
    Boolean,
    /// One of a fixed list of levels, held as the level's position in the list.
    Category {
        /// The levels, in the order that their codes follow.
        levels: Vec<String>,
    },
}

impl FeatureKind {
    /// The word for this kind in messages and tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Numeric => "number",
            Self::Boolean => "boolean",
            Self::Category { .. } => "category",
        }
    }

    /// The word for this kind in fingerprints. Model files hold digests of it, so it never changes.
    fn fingerprint_word(&self) -> &'static str {
        match self {
            Self::Numeric => "number",
            Self::Boolean => "boolean",
            Self::Category { .. } => "category",
        }
    }
}

/// One named, documented number that a model reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    name: Cow<'static, str>,
    #[serde(flatten)]
    kind: FeatureKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Cow<'static, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lookback_days: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_when: Option<Cow<'static, str>>,
}

impl Feature {
    /// A numeric feature of that name.
    pub fn numeric(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, FeatureKind::Numeric)
    }

    /// A yes-or-no feature of that name.
    pub fn boolean(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, FeatureKind::Boolean)
    }

    /// A category feature of that name; codes follow the order of `levels`.
    pub fn category(name: impl Into<Cow<'static, str>>, levels: Vec<String>) -> Self {
        Self::new(name, FeatureKind::Category { levels })
    }

    /// A feature of that name and kind, without unit, lookback or missing rule.
    pub fn new(name: impl Into<Cow<'static, str>>, kind: FeatureKind) -> Self {
        Self { name: name.into(), kind, unit: None, lookback_days: None, missing_when: None }
    }

    /// The same feature with its unit, such as `"jobs / day"`.
    pub fn with_unit(mut self, unit: impl Into<Cow<'static, str>>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The same feature with the length of its lookback.
    pub fn with_lookback_days(mut self, days: u32) -> Self {
        self.lookback_days = Some(days);
        self
    }

    /// The same feature with the sentence that says when it is missing.
    pub fn with_missing_when(mut self, rule: impl Into<Cow<'static, str>>) -> Self {
        self.missing_when = Some(rule.into());
        self
    }

    /// The name that columns and fields are matched by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the values are.
    pub fn kind(&self) -> &FeatureKind {
        &self.kind
    }

    /// The unit of the values, where known.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// Length of the lookback, where the feature has one.
    pub fn lookback_days(&self) -> Option<u32> {
        self.lookback_days
    }

    /// When the feature is missing, where that is known.
    pub fn missing_when(&self) -> Option<&str> {
        self.missing_when.as_deref()
    }

    /// The levels of a category; empty for every other kind.
    pub fn levels(&self) -> &[String] {
        match &self.kind {
            FeatureKind::Category { levels } => levels,
            FeatureKind::Numeric | FeatureKind::Boolean => &[],
        }
    }

    /// Whether this is a category.
    pub fn is_category(&self) -> bool {
        matches!(self.kind, FeatureKind::Category { .. })
    }
}

/// The ordered features of a model.
///
/// Names are unique and not empty, and so are the levels of each category; a value of this type has been checked.
///
/// # Example
/// ```
/// use churn_features::{Feature, FeatureSchema};
///
/// let schema = FeatureSchema::new(vec![
///     Feature::numeric("job30").with_unit("jobs").with_lookback_days(30),
///     Feature::category("industry", vec!["energy".into(), "retail".into()]),
/// ])?;
/// assert_eq!(schema.position("industry"), Some(1));
/// # Ok::<(), churn_features::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Feature>", into = "Vec<Feature>")]
pub struct FeatureSchema {
    features: Vec<Feature>,
}

impl FeatureSchema {
    /// Checks the features and puts them in a schema, in the order given.
    ///
    /// # Errors
    /// When there is no feature, a name is empty or used twice, or a category repeats a level or has more than
    /// [`MAX_LEVELS`].
    pub fn new(features: Vec<Feature>) -> Result<Self, Error> {
        if features.is_empty() {
            return Err(Error::Empty);
        }
        let mut first_position = HashMap::with_capacity(features.len());
        for (position, feature) in features.iter().enumerate() {
            if feature.name().is_empty() {
                return Err(Error::EmptyName { position });
            }
            if let Some(first) = first_position.insert(feature.name(), position) {
                return Err(Error::DuplicateName { name: feature.name().to_owned(), first, second: position });
            }
            check_levels(feature)?;
        }
        Ok(Self { features })
    }

    /// The features in order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// Number of features, which is the width of a feature vector.
    #[expect(clippy::len_without_is_empty, reason = "a schema is never empty")]
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Position of the feature of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| feature.name() == name)
    }

    /// The digest of everything that changes what a feature vector means: order, names, kinds and levels.
    ///
    /// Units and sentences for people are left out, so that rewording them keeps old models usable.
    pub fn fingerprint(&self) -> Fingerprint {
        let meaning: Vec<(&str, &str, &[String])> =
            self.features.iter().map(|f| (f.name(), f.kind.fingerprint_word(), f.levels())).collect();
        let text = serde_json::to_vec(&meaning).expect("this cannot fail because strings and lists always serialize");
        Fingerprint(Sha256::digest(text).into())
    }
}

fn check_levels(feature: &Feature) -> Result<(), Error> {
    let levels = feature.levels();
    if levels.len() > MAX_LEVELS {
        return Err(Error::TooManyLevels { feature: feature.name().to_owned(), found: levels.len() });
    }
    let mut sorted: Vec<&String> = levels.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::DuplicateLevel { feature: feature.name().to_owned(), level: pair[0].clone() }),
        None => Ok(()),
    }
}

impl TryFrom<Vec<Feature>> for FeatureSchema {
    type Error = Error;

    fn try_from(features: Vec<Feature>) -> Result<Self, Error> {
        Self::new(features)
    }
}

impl From<FeatureSchema> for Vec<Feature> {
    fn from(schema: FeatureSchema) -> Self {
        schema.features
    }
}

/// The SHA-256 digest of a feature schema; two sides agree on what a feature vector means when theirs are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_must_be_unique() {
        let error = FeatureSchema::new(vec![Feature::numeric("a"), Feature::boolean("b"), Feature::numeric("a")]);
        assert_eq!(error, Err(Error::DuplicateName { name: "a".into(), first: 0, second: 2 }));
    }

    #[test]
    fn an_empty_schema_and_an_empty_name_are_refused() {
        assert_eq!(FeatureSchema::new(vec![]), Err(Error::Empty));
        assert_eq!(FeatureSchema::new(vec![Feature::numeric("")]), Err(Error::EmptyName { position: 0 }));
    }

    #[test]
    fn levels_must_be_unique_and_few() {
        let twice = FeatureSchema::new(vec![Feature::category("c", levels(&["x", "y", "x"]))]);
        assert_eq!(twice, Err(Error::DuplicateLevel { feature: "c".into(), level: "x".into() }));
        let many = (0..=MAX_LEVELS).map(|i| i.to_string()).collect();
        let many = FeatureSchema::new(vec![Feature::category("c", many)]);
        assert_eq!(many, Err(Error::TooManyLevels { feature: "c".into(), found: MAX_LEVELS + 1 }));
    }

    #[test]
    fn the_fingerprint_follows_meaning_not_wording() {
        let schema = |feature| FeatureSchema::new(vec![feature]).expect("valid").fingerprint();
        let plain = schema(Feature::category("c", levels(&["x", "y"])));
        assert_eq!(plain, schema(Feature::category("c", levels(&["x", "y"])).with_unit("words")));
        assert_ne!(plain, schema(Feature::category("c", levels(&["y", "x"]))));
        assert_ne!(plain, schema(Feature::category("d", levels(&["x", "y"]))));
        assert_ne!(schema(Feature::numeric("n")), schema(Feature::boolean("n")));
    }

    #[test]
    fn a_fingerprint_stays_what_it_was() {
        let schema = FeatureSchema::new(vec![
            Feature::numeric("n"),
            Feature::boolean("b"),
            Feature::category("c", levels(&["x", "y"])),
        ]);
        assert_eq!(
            schema.expect("valid").fingerprint().to_string(),
            "5c3d0fe72ea3b4fd46871f16c95b654563ee1866b7eab71b4a907eb0c1c435d9"
        );
    }

    #[test]
    fn json_round_trips_and_is_checked_on_the_way_in() {
        let schema = FeatureSchema::new(vec![
            Feature::numeric("n").with_unit("jobs").with_lookback_days(30).with_missing_when("never"),
            Feature::category("c", levels(&["x"])),
        ])
        .expect("valid");
        let text = serde_json::to_string(&schema).expect("serializes");
        assert_eq!(serde_json::from_str::<FeatureSchema>(&text).expect("reads"), schema);
        let twice = text.replace("\"c\"", "\"n\"");
        assert!(serde_json::from_str::<FeatureSchema>(&twice).is_err());
    }
}
