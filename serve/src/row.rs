//! Rows of feature values, read one by one, and what can be wrong with one.

use std::collections::HashMap;

use churn_features::{FeatureSchema, IndexBase, ValueReader};
use serde_json::Value;

use crate::problem::Problem;

/// Characters of a value that an error shows.
const MOST_SHOWN: usize = 40;

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// Too few or too many values.
    #[error("{found} columns where the model takes {expected}{}", if *found == expected + 1 {
        "; is the label still in the row? Content-Type: text/csv; label_size=1 passes over it"
    } else { "" })]
    Width {
        /// Values in the row.
        found: usize,
        /// Features of the model.
        expected: usize,
    },
    /// A value that is not what its feature takes.
    #[error("column {column} ({name:?}): found {found}, expected {expected}")]
    Value {
        /// Number of the column, from 1.
        column: usize,
        /// Name of the feature.
        name: String,
        /// What stands there.
        found: String,
        /// What the feature takes.
        expected: &'static str,
    },
    /// Features that a named row does not have.
    #[error("lacks {}; give null where a value is not known", names.join(", "))]
    Lacks {
        /// Their names.
        names: Vec<String>,
    },
    /// A row that is not in a form that rows have.
    #[error("expected {expected}")]
    Form {
        /// What should stand there.
        expected: &'static str,
    },
    /// What another reader says.
    #[error("{0}")]
    Other(String),
}

/// How the model's features are found in requests.
#[derive(Debug)]
pub struct RowSchema {
    schema: FeatureSchema,
    readers: Vec<ValueReader>,
    positions: HashMap<String, usize>,
}

impl RowSchema {
    /// For models with this schema.
    ///
    /// Features of a table without header are called `column_1`, `column_2`, ...; `f0`, `f1`, ..., as XGBoost calls
    /// them, are understood as well.
    pub fn new(schema: &FeatureSchema) -> Self {
        let names = || schema.features().iter().map(|feature| feature.name());
        let mut positions: HashMap<String, usize> = names().map(str::to_owned).zip(0..).collect();
        if names().zip(1..).all(|(name, number)| name == format!("column_{number}")) {
            positions.extend((0..schema.len()).map(|position| (format!("f{position}"), position)));
        }
        Self { schema: schema.clone(), readers: schema.features().iter().map(ValueReader::new).collect(), positions }
    }

    /// Number of features.
    pub fn width(&self) -> usize {
        self.readers.len()
    }

    /// How LIBSVM lines number the features: from 0 where the training's lines did, which its names tell.
    pub fn index_base(&self) -> IndexBase {
        match self.schema.features()[0].name() {
            "f0" => IndexBase::Zero,
            _ => IndexBase::One,
        }
    }

    /// The features.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The position of the feature of that name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The names of these features.
    pub fn names(&self, positions: impl IntoIterator<Item = usize>) -> Vec<String> {
        positions.into_iter().map(|position| self.schema.features()[position].name().to_owned()).collect()
    }

    /// The value that text says; `column` is the number of its column, from 1.
    pub fn text_value(&self, position: usize, text: &str, column: usize) -> Result<f32, RowProblem> {
        let wrong = |expected| self.wrong_value(position, column, format!("{:?}", shown(text)), expected);
        let value = self.readers[position].read(text.trim()).map_err(|error| wrong(error.expected))?;
        Ok(value.or_nan())
    }

    /// The value that JSON says: a number, a text as it would stand in a CSV body, `true`, `false` or `null`.
    pub fn json_value(&self, position: usize, value: &Value, column: usize) -> Result<f32, RowProblem> {
        let wrong = |expected| self.wrong_value(position, column, shown(&value.to_string()), expected);
        match value {
            Value::Null => Ok(f32::NAN),
            Value::String(text) => self.text_value(position, text, column),
            Value::Number(number) if !self.schema.features()[position].is_category() => {
                let value = number.as_f64().map_or(f32::NAN, |number| number as f32);
                let is_boolean =
                    matches!(self.schema.features()[position].kind(), churn_features::FeatureKind::Boolean);
                match value {
                    _ if !value.is_finite() => Err(wrong("a number that 32 bits hold")),
                    _ if is_boolean && value != 0.0 && value != 1.0 => Err(wrong("true, false, 1, 0 or null")),
                    _ => Ok(value),
                }
            }
            Value::Number(number) => self.text_value(position, &number.to_string(), column),
            Value::Bool(yes) if self.schema.features()[position].is_category() => {
                self.text_value(position, if *yes { "true" } else { "false" }, column)
            }
            Value::Bool(yes) => Ok(f32::from(u8::from(*yes))),
            Value::Array(_) | Value::Object(_) => Err(wrong("a number, a text, true, false or null")),
        }
    }

    fn wrong_value(&self, position: usize, column: usize, found: String, expected: &'static str) -> RowProblem {
        let name = self.schema.features()[position].name().to_owned();
        RowProblem::Value { column, name, found, expected }
    }
}

/// The beginning of a text that may be long.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// What becomes of a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRows {
    /// The request is refused, and nothing is scored.
    #[default]
    Refuse,
    /// The row is answered by `ERROR`, and the others are scored: a batch job then loses one row and not the file.
    Placeholder,
}

/// Feature vectors of a request.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Row-major `(n_rows, n_features)`, in schema order; NaN where a value is missing.
    pub(crate) values: Vec<f32>,
    /// Number of rows.
    pub(crate) n_rows: usize,
    /// Rows that could not be read, by position, in order; their values are NaN.
    pub(crate) bad: Vec<(usize, RowProblem)>,
}

/// Collects rows.
#[derive(Debug)]
pub(crate) struct RowCollector {
    rows: Rows,
    width: usize,
    bad_rows: BadRows,
}

impl RowCollector {
    /// No rows yet.
    pub(crate) fn new(width: usize, bad_rows: BadRows) -> Self {
        Self { rows: Rows::default(), width, bad_rows }
    }

    /// Number of the next row, from 1.
    pub(crate) fn next_number(&self) -> usize {
        self.rows.n_rows + 1
    }

    /// Adds the row that `fill` pushes, one value per feature.
    ///
    /// # Errors
    /// With what is wrong with the row, unless bad rows are answered by a placeholder.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut Vec<f32>) -> Result<(), RowProblem>) -> Result<(), Problem> {
        let (start, end) = (self.rows.values.len(), self.rows.values.len() + self.width);
        if let Err(problem) = fill(&mut self.rows.values) {
            if self.bad_rows == BadRows::Refuse {
                return Err(Problem::Row { row: self.next_number(), problem });
            }
            self.rows.values.truncate(start);
            self.rows.values.resize(end, f32::NAN);
            self.rows.bad.push((self.rows.n_rows, problem));
        }
        debug_assert_eq!(self.rows.values.len(), end, "a row has one value per feature");
        self.rows.n_rows += 1;
        Ok(())
    }

    /// All rows.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn finish(self) -> Result<Rows, Problem> {
        if self.rows.n_rows == 0 { Err(Problem::EmptyBody) } else { Ok(self.rows) }
    }
}

#[cfg(test)]
mod tests {
    use churn_features::Feature;

    use super::*;

    fn schema() -> RowSchema {
        let features = vec![
            Feature::numeric("n"),
            Feature::boolean("b"),
            Feature::category("c", vec!["7".into(), "true".into(), "x".into()]),
        ];
        RowSchema::new(&FeatureSchema::new(features).unwrap())
    }

    #[test]
    fn json_says_the_same_as_text() {
        let schema = schema();
        for (position, json, text) in [(0, "1.5", "1.5"), (1, "true", "yes"), (2, "7", "7"), (2, "true", "true")] {
            let json: Value = serde_json::from_str(json).unwrap();
            assert_eq!(schema.json_value(position, &json, 1), schema.text_value(position, text, 1));
        }
        assert!(schema.json_value(0, &Value::Null, 1).unwrap().is_nan());
        assert!(schema.json_value(2, &Value::from("unheard of"), 1).unwrap().is_nan());
    }

    #[test]
    fn wrong_values_are_shown_with_their_column() {
        let message =
            |position, value: Value| schema().json_value(position, &value, position + 1).unwrap_err().to_string();
        assert_eq!(message(1, 2.into()), r#"column 2 ("b"): found 2, expected true, false, 1, 0 or null"#);
        assert_eq!(message(0, "forty".into()), r#"column 1 ("n"): found "forty", expected a finite number or a blank"#);
        assert_eq!(message(0, 1e39.into()), r#"column 1 ("n"): found 1e+39, expected a number that 32 bits hold"#);
    }

    #[test]
    fn features_without_names_go_by_position() {
        let features = (1..=12).map(|i| Feature::numeric(format!("column_{i}"))).collect();
        let schema = RowSchema::new(&FeatureSchema::new(features).unwrap());
        assert_eq!((schema.position("f10"), schema.position("column_11")), (Some(10), Some(10)));
        assert_eq!(super::tests::schema().position("f0"), None);
    }

    #[test]
    fn lines_count_as_those_of_the_training_did() {
        let base = |first: &str| {
            let features = [first, "second"].map(|name| Feature::numeric(name.to_owned())).to_vec();
            RowSchema::new(&FeatureSchema::new(features).unwrap()).index_base()
        };
        assert_eq!([base("f0"), base("column_1"), base("job30")], [IndexBase::Zero, IndexBase::One, IndexBase::One]);
    }

    #[test]
    fn a_bad_row_keeps_its_place() {
        let mut rows = RowCollector::new(2, BadRows::Placeholder);
        rows.push(|row| {
            row.extend([1.0, 2.0]);
            Ok(())
        })
        .unwrap();
        rows.push(|row| {
            row.push(1.0);
            Err(RowProblem::Width { found: 1, expected: 2 })
        })
        .unwrap();
        let rows = rows.finish().unwrap();
        assert!(rows.n_rows == 2 && rows.values.len() == 4 && rows.values[2].is_nan() && rows.bad[0].0 == 1);
    }
}
