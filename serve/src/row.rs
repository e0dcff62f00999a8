//! Rows of feature values, read one by one, and what can be wrong with one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use churn_events::beginning;
use churn_features::{Feature, FeatureKind, FeatureSchema, IndexBase, ValueReader};
use serde_json::Value;

use crate::problem::Problem;

/// Values of one request, at most, unless its body has more bytes: a sparse row of two bytes takes as much room as any.
const MOST_VALUES: usize = 1 << 24;

/// A row counts as so many values, if it has fewer: its answer takes as much.
const LEAST_WIDTH: usize = 16;

/// Rows of a request that a placeholder may answer: what is wrong with each is kept.
const MOST_BAD_ROWS: usize = 100_000;

/// Features named in one message.
const MOST_NAMES: usize = 20;

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowProblem {
    /// Too few or too many values.
    #[error(
        "{found} column{} where the model takes {expected}{hint}; the model's features in order: {names}",
        if *found == 1 { "" } else { "s" }
    )]
    Width {
        /// Values in the row.
        found: usize,
        /// Features of the model.
        expected: usize,
        /// What may be the reason.
        hint: &'static str,
        /// The names of the features, or of the first of them.
        names: Arc<str>,
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
    /// A named row whose names are not those of the features.
    #[error(transparent)]
    Match(#[from] MatchProblem),
    /// A sparse row names a feature that is none.
    #[error("there is a value for feature {key}, counted from 0, which the model does not have")]
    Key {
        /// Its number.
        key: u64,
    },
    /// A sparse row names a feature twice.
    #[error("there are two values for feature {key}, counted from 0")]
    KeyTwice {
        /// Its number.
        key: u64,
    },
    /// A record or a JSON value that cannot be read.
    #[error("{why}")]
    Unreadable {
        /// Why.
        why: String,
    },
    /// Text that is not UTF-8.
    #[error("column {column}: is not UTF-8")]
    NotUtf8 {
        /// Number of the column, from 1.
        column: usize,
    },
    /// A row that is not in a form that rows have.
    #[error("expected {expected}")]
    Form {
        /// What should stand there.
        expected: &'static str,
    },
}

/// Names that do not fit those of the features.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatchProblem {
    /// Features that are not named.
    #[error("the {what} lacks {names}; a value that is not known is left blank, or null{hint}")]
    Lacks {
        /// What names them: the header, the row.
        what: &'static str,
        /// The features, with commas between them.
        names: String,
        /// What else may be the reason.
        hint: &'static str,
    },
    /// A feature that is named twice.
    #[error("the {what} names {name:?} twice, or in two spellings; name it once")]
    Twice {
        /// What names it.
        what: &'static str,
        /// The second name.
        name: String,
    },
}

/// How the model's features are found in requests.
#[derive(Debug)]
pub(crate) struct RowSchema {
    schema: FeatureSchema,
    readers: Vec<ValueReader>,
    positions: HashMap<String, usize>,
    numbering: Numbering,
    /// The names of the features in order, or of the first of them, for messages.
    names: Arc<str>,
}

/// How features are numbered where a row is sparse: as the training's columns were, which only names tell.
#[derive(Debug)]
enum Numbering {
    /// In the order of the schema.
    Order,
    /// By what stands in their names, `column_1` or `f0`: columns that the training dropped leave gaps.
    Names { position_of: HashMap<u64, usize>, base: IndexBase },
}

impl Numbering {
    fn of(schema: &FeatureSchema) -> Self {
        for (prefix, base, first) in [("column_", IndexBase::One, 1), ("f", IndexBase::Zero, 0)] {
            let number = |feature: &Feature| {
                let number: u64 = feature.name().strip_prefix(prefix)?.parse().ok()?;
                number.checked_sub(first)
            };
            let keys: Option<Vec<u64>> = schema.features().iter().map(number).collect();
            if let Some(keys) = keys {
                return Self::Names { position_of: keys.into_iter().zip(0..).collect(), base };
            }
        }
        Self::Order
    }
}

impl RowSchema {
    /// For models with this schema.
    ///
    /// Features of a table without header are called `column_1`, `column_2`, ...; `f0`, `f1`, ..., as XGBoost calls
    /// them, are understood as well.
    pub(crate) fn new(schema: &FeatureSchema) -> Self {
        let names = schema.features().iter().map(|feature| feature.name().to_owned());
        let mut positions: HashMap<String, usize> = names.zip(0..).collect();
        let numbering = Numbering::of(schema);
        if let Numbering::Names { position_of, base: IndexBase::One } = &numbering {
            positions.extend(position_of.iter().map(|(key, &position)| (format!("f{key}"), position)));
        }
        let readers = schema.features().iter().map(ValueReader::new).collect();
        Self { schema: schema.clone(), readers, positions, numbering, names: shown_names(schema).into() }
    }

    /// What is wrong with a row of so many values.
    pub(crate) fn wrong_width(&self, found: usize) -> RowProblem {
        let expected = self.width();
        let hint = match &self.numbering {
            Numbering::Names { position_of, .. } if (0..expected as u64).any(|key| !position_of.contains_key(&key)) => {
                "; columns that the training dropped are not among them"
            }
            _ if found == expected + 1 => {
                "; is the label still in the row? Content-Type: text/csv; label_size=1 passes over it"
            }
            _ => "",
        };
        RowProblem::Width { found, expected, hint, names: self.names.clone() }
    }

    /// Whether a sparse row of this width has the features of the model; the training may have had more of them.
    fn fits_shape(&self, shape: u64) -> bool {
        let width = self.width() as u64;
        match &self.numbering {
            Numbering::Names { position_of, .. } => position_of.keys().all(|&key| key < shape),
            Numbering::Order => shape == width,
        }
    }

    /// How LIBSVM lines number the features.
    pub(crate) fn index_base(&self) -> IndexBase {
        match self.numbering {
            Numbering::Names { base, .. } => base,
            Numbering::Order => IndexBase::One,
        }
    }

    /// The feature vector of a sparse row of this shape, whose keys count from 0: what it does not name is 0.
    pub(crate) fn sparse_row<'a, V>(
        &self,
        shape: Option<u64>,
        entries: impl Iterator<Item = (u64, &'a V)>,
        value: impl Fn(usize, &V) -> Result<f32, RowProblem>,
        values: &mut Vec<f32>,
    ) -> Result<(), RowProblem>
    where
        V: 'a,
    {
        if let Some(shape) = shape.filter(|&shape| !self.fits_shape(shape)) {
            return Err(self.wrong_width(usize::try_from(shape).unwrap_or(usize::MAX)));
        }
        let start = values.len();
        for position in 0..self.width() {
            values.push(self.float_value(position, 0.0, position + 1)?);
        }
        let mut keys = HashSet::new();
        for (key, given) in entries {
            if !keys.insert(key) {
                return Err(RowProblem::KeyTwice { key });
            }
            let position = match &self.numbering {
                Numbering::Order => usize::try_from(key).ok().filter(|&key| key < self.width()),
                Numbering::Names { position_of, .. } => position_of.get(&key).copied(),
            };
            let Some(position) = position else {
                match &self.numbering {
                    // One that the training dropped.
                    Numbering::Names { position_of, .. } if position_of.keys().any(|&other| other > key) => continue,
                    _ => return Err(RowProblem::Key { key }),
                }
            };
            values[start + position] = value(position, given)?;
        }
        Ok(())
    }

    /// Number of features.
    pub(crate) fn width(&self) -> usize {
        self.readers.len()
    }

    /// The position of the feature of that name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    /// The value that text says; `column` is the number of its column, from 1.
    pub(crate) fn text_value(&self, position: usize, text: &str, column: usize) -> Result<f32, RowProblem> {
        let wrong = |expected| self.wrong_value(position, column, format!("{:?}", beginning(text)), expected);
        let value = self.readers[position].read(text.trim()).map_err(|error| wrong(error.expected))?;
        Ok(value.or_nan())
    }

    /// The value that JSON says: a number, a text as it would stand in a CSV body, `true`, `false` or `null`.
    pub(crate) fn json_value(&self, position: usize, value: &Value, column: usize) -> Result<f32, RowProblem> {
        match value {
            Value::Null => Ok(f32::NAN),
            Value::String(text) => self.text_value(position, text, column),
            Value::Number(number) if self.is_category(position) => {
                self.text_value(position, &number.to_string(), column)
            }
            Value::Number(number) => {
                // What no float holds becomes infinite, and is refused.
                let value = number.as_f64().map_or(f32::INFINITY, |number| number as f32);
                self.float_value(position, value, column)
            }
            Value::Bool(yes) if self.is_category(position) => {
                self.text_value(position, if *yes { "true" } else { "false" }, column)
            }
            Value::Bool(yes) => Ok(f32::from(u8::from(*yes))),
            Value::Array(_) | Value::Object(_) => {
                let expected = "a number, a text, true, false or null";
                Err(self.wrong_value(position, column, beginning(&value.to_string()), expected))
            }
        }
    }

    /// The value that a number says; NaN is missing, and of a category it is the number that is a level's name.
    pub(crate) fn float_value(&self, position: usize, value: f32, column: usize) -> Result<f32, RowProblem> {
        let wrong = |expected| self.wrong_value(position, column, value.to_string(), expected);
        match self.schema.features()[position].kind() {
            _ if value.is_nan() => Ok(value),
            _ if value.is_infinite() => Err(wrong("a number that 32 bits hold")),
            FeatureKind::Category { .. } => self.text_value(position, &value.to_string(), column),
            FeatureKind::Boolean if value != 0.0 && value != 1.0 => Err(wrong("true, false, 1, 0 or null")),
            FeatureKind::Boolean | FeatureKind::Numeric => Ok(value),
        }
    }

    /// Where each feature stands among these names; names that the model does not know are passed over.
    pub(crate) fn columns<'a>(
        &self,
        what: &'static str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<usize>, MatchProblem> {
        let mut columns = vec![None; self.width()];
        for (column, name) in names.into_iter().enumerate() {
            if let Some(position) = self.position(name)
                && columns[position].replace(column).is_some()
            {
                return Err(MatchProblem::Twice { what, name: beginning(name) });
            }
        }
        let missing = (0..self.width()).filter(|&position| columns[position].is_none());
        let names: Vec<&str> = missing.map(|at| self.schema.features()[at].name()).collect();
        match names.is_empty() {
            true => Ok(columns.into_iter().flatten().collect()),
            false => Err(MatchProblem::Lacks { what, names: names.join(", "), hint: "" }),
        }
    }

    fn is_category(&self, position: usize) -> bool {
        self.schema.features()[position].is_category()
    }

    fn wrong_value(&self, position: usize, column: usize, found: String, expected: &'static str) -> RowProblem {
        let name = self.schema.features()[position].name().to_owned();
        RowProblem::Value { column, name, found, expected }
    }
}

fn shown_names(schema: &FeatureSchema) -> String {
    let features = schema.features();
    let mut names: Vec<String> = features.iter().take(MOST_NAMES).map(|feature| beginning(feature.name())).collect();
    if features.len() > MOST_NAMES {
        names.push(format!("and {} more", features.len() - MOST_NAMES));
    }
    names.join(", ")
}

/// What becomes of a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "http", derive(clap::ValueEnum))]
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
    most_rows: usize,
}

impl RowCollector {
    /// No rows yet of a body of so many bytes.
    pub(crate) fn new(width: usize, bad_rows: BadRows, n_bytes: usize) -> Self {
        let most_rows = MOST_VALUES.max(n_bytes) / width.max(LEAST_WIDTH);
        Self { rows: Rows::default(), width, bad_rows, most_rows }
    }

    /// Number of the next row, from 1.
    pub(crate) fn next_number(&self) -> usize {
        self.rows.n_rows + 1
    }

    /// Adds the row that `fill` pushes, one value per feature.
    ///
    /// # Errors
    /// With what is wrong with the row, unless bad rows are answered by a placeholder; and when there are too many.
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut Vec<f32>) -> Result<(), RowProblem>) -> Result<(), Problem> {
        if self.rows.n_rows == self.most_rows {
            return Err(Problem::TooManyRows { most: self.most_rows });
        }
        let (start, end) = (self.rows.values.len(), self.rows.values.len() + self.width);
        if let Err(problem) = fill(&mut self.rows.values) {
            if self.bad_rows == BadRows::Refuse || self.rows.bad.len() == MOST_BAD_ROWS {
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

    /// Counts a blank line: where bad rows are answered in their place, it is one, or the answers behind it would move
    /// up; elsewhere it is nothing.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) fn blank_line(&mut self) -> Result<(), Problem> {
        match self.bad_rows {
            BadRows::Refuse => Ok(()),
            BadRows::Placeholder => self.push(|_| Err(RowProblem::Form { expected: "a row, found a blank line" })),
        }
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
        assert_eq!(message(0, 1e39.into()), r#"column 1 ("n"): found inf, expected a number that 32 bits hold"#);
    }

    #[test]
    fn features_without_names_go_by_position() {
        let features = (1..=12).map(|i| Feature::numeric(format!("column_{i}"))).collect();
        let schema = RowSchema::new(&FeatureSchema::new(features).unwrap());
        assert_eq!((schema.position("f10"), schema.position("column_11")), (Some(10), Some(10)));
        assert_eq!(super::tests::schema().position("f0"), None);
    }

    #[test]
    fn sparse_rows_are_numbered_as_the_training_s_columns_were() {
        let names = ["column_1", "column_3"].map(|name| Feature::numeric(name.to_owned())).to_vec();
        let schema = RowSchema::new(&FeatureSchema::new(names).unwrap());
        let row = |entries: &[(u64, f32)]| {
            let mut values = Vec::new();
            let entries = entries.iter().map(|(key, value)| (*key, value));
            schema.sparse_row(None, entries, |_, value| Ok(*value), &mut values).map(|()| values)
        };
        assert_eq!(row(&[(2, 5.0), (1, 7.0)]), Ok(vec![0.0, 5.0])); // the second column was dropped
        assert_eq!(row(&[(3, 5.0)]), Err(RowProblem::Key { key: 3 }));
        for key in [0, 1] {
            assert_eq!(row(&[(key, 5.0), (key, 6.0)]), Err(RowProblem::KeyTwice { key }));
        }
        assert!(schema.wrong_width(3).to_string().contains("dropped") && schema.position("f2") == Some(1));
    }

    #[test]
    fn a_message_names_no_more_features_than_can_be_read() {
        let features = (0..25).map(|i| Feature::numeric(format!("x{i}"))).collect();
        let message = RowSchema::new(&FeatureSchema::new(features).unwrap()).wrong_width(1).to_string();
        assert!(message.starts_with("1 column where the model takes 25; the model's features in order: x0, x1,"));
        assert!(message.ends_with("x19, and 5 more"), "{message}");
    }

    #[test]
    fn lines_count_as_those_of_the_training_did() {
        let base = |first: &str| {
            let features = [first].map(|name| Feature::numeric(name.to_owned())).to_vec();
            RowSchema::new(&FeatureSchema::new(features).unwrap()).index_base()
        };
        assert_eq!([base("f0"), base("column_1"), base("job30")], [IndexBase::Zero, IndexBase::One, IndexBase::One]);
    }

    #[test]
    fn a_bad_row_keeps_its_place() {
        let mut rows = RowCollector::new(2, BadRows::Placeholder, 0);
        rows.push(|row| {
            row.extend([1.0, 2.0]);
            Ok(())
        })
        .unwrap();
        rows.push(|row| {
            row.push(1.0);
            Err(RowProblem::Form { expected: "two columns" })
        })
        .unwrap();
        let rows = rows.finish().unwrap();
        assert!(rows.n_rows == 2 && rows.values.len() == 4 && rows.values[2].is_nan() && rows.bad[0].0 == 1);
    }

    #[test]
    fn a_request_has_so_many_rows_that_their_values_fit_and_no_more_than_its_bytes() {
        let most_rows = |width, n_bytes| RowCollector::new(width, BadRows::Refuse, n_bytes).most_rows;
        assert_eq!([most_rows(48, 100), most_rows(7, 100)], [349_525, 1 << 20]);
        assert_eq!(most_rows(48, 48 << 20), 1 << 20);
        let mut rows = RowCollector::new(MOST_VALUES / 2, BadRows::Placeholder, 0);
        let mut push = || rows.push(|_| Err(RowProblem::Form { expected: "nothing" }));
        assert!(push().is_ok() && push().is_ok());
        let problem = push().unwrap_err();
        assert_eq!((problem.status(), problem.kind()), (413, "TooManyRows"));
    }

    #[test]
    fn placeholders_end_where_too_many_rows_are_bad() {
        let mut rows = RowCollector::new(1, BadRows::Placeholder, 0);
        let mut push = || rows.push(|_| Err(RowProblem::Form { expected: "a row" }));
        assert!((0..MOST_BAD_ROWS).all(|_| push().is_ok()));
        assert_eq!(push().unwrap_err().to_string(), "row 100001: expected a row");
    }
}
