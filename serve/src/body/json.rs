//! JSON bodies: the forms that SageMaker's algorithms, MLflow and the original system send.
//!
//! Rows are read one after the other and forgotten: a body held as JSON values takes up to a hundred times its size.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Body;
use super::json_row::{is_row, names_company, push, row, rows_of_columns};
use crate::company_answer::MOST_COMPANIES;
use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows};

/// Bytes of JSON that are held as values at once: a row, a company, a record, columns.
const MOST_HELD: usize = 1 << 20;

/// The forms that hold rows; `dataframe_split` holds them in a form of its own.
const LISTS: [&str; 3] = ["instances", "dataframe_records", "inputs"];
const SPLIT: &str = "dataframe_split";

/// Rows of a JSON value: an object with `instances`, `dataframe_split`, `dataframe_records` or `inputs`; a single record
/// with `features` or `data`, or by name; or a bare list of rows. What is left may be a company, or several.
///
/// # Errors
/// When it is no JSON, has none of these forms, or a row cannot be read.
pub(super) fn read(body: &[u8], schema: &RowSchema, rows: RowCollector) -> Result<Body, Problem> {
    let is_held = body.len() <= MOST_HELD;
    let mut document = Document {
        schema,
        rows,
        is_held,
        form: None,
        columns: None,
        rest: Map::new(),
        companies: vec![],
        problem: None,
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = deserializer.deserialize_any(Top(&mut document)).and_then(|()| deserializer.end());
    if let Some(problem) = document.problem.take() {
        return Err(problem);
    }
    read.map_err(|source| Problem::Json { source })?;
    document.finish()
}

/// Rows of JSON Lines; blank lines are passed over.
///
/// # Errors
/// When a line is not JSON, or not a row.
pub(super) fn read_lines(body: &[u8], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    for line in body.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        rows.push(|values| {
            if line.len() > MOST_HELD {
                return Err(TOO_LONG);
            }
            let not_json = |error: serde_json::Error| RowProblem::NotJson { line: error.to_string() };
            row(&serde_json::from_slice(line).map_err(not_json)?, schema, values)
        })?;
    }
    rows.finish()
}

const TOO_LONG: RowProblem = RowProblem::Form { expected: "a row of at most 1 MB" };

/// What was read so far.
struct Document<'s> {
    schema: &'s RowSchema,
    rows: RowCollector,
    /// Whether the body is short enough to hold what is not a list of rows.
    is_held: bool,
    /// The form that holds the rows, once it was there.
    form: Option<&'static str>,
    /// Of a data frame: where each feature stands, among how many columns.
    columns: Option<(Vec<usize>, usize)>,
    /// The fields that are no form.
    rest: Map<String, Value>,
    companies: Vec<Value>,
    /// Why reading stopped.
    problem: Option<Problem>,
}

impl Document<'_> {
    fn finish(self) -> Result<Body, Problem> {
        if !self.companies.is_empty() {
            return Ok(Body::Other(self.companies.into()));
        }
        if self.form.is_some() {
            return self.rows.finish().map(Body::Rows);
        }
        let mut rows = self.rows;
        if is_row(&self.rest, self.schema) {
            let record = Value::Object(self.rest);
            rows.push(|values| row(&record, self.schema, values))?;
            return rows.finish().map(Body::Rows);
        }
        Ok(Body::Other(Value::Object(self.rest)))
    }

    /// Adds a row.
    fn push(&mut self, raw: &RawValue) -> Result<(), Problem> {
        let schema = self.schema;
        match &self.columns {
            None => self.rows.push(|values| row(&value(raw)?, schema, values)),
            Some((columns, n_columns)) => self.rows.push(|values| {
                let item = value(raw)?;
                let items = item.as_array().filter(|items| items.len() == *n_columns);
                let items = items.ok_or(RowProblem::Form { expected: "a list of one value per column" })?;
                push(columns.iter().map(|&column| &items[column]), schema, values)
            }),
        }
    }

    fn begin(&mut self, form: &'static str) -> Result<(), Problem> {
        match self.form.replace(form) {
            None => Ok(()),
            Some(first) => Err(Problem::Form { path: format!("{first} and {form}"), expected: "one of the two" }),
        }
    }

    /// Keeps a problem, and stops reading.
    fn keep<E: Error>(&mut self, result: Result<(), Problem>) -> Result<(), E> {
        result.map_err(|problem| {
            self.problem = Some(problem);
            E::custom("refused")
        })
    }
}

fn value(raw: &RawValue) -> Result<Value, RowProblem> {
    if raw.get().len() > MOST_HELD {
        return Err(TOO_LONG);
    }
    serde_json::from_str(raw.get()).map_err(|error| RowProblem::NotJson { line: error.to_string() })
}

/// The body.
struct Top<'d, 's>(&'d mut Document<'s>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object, or a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(document) = self;
        document.form = Some("the list");
        let mut scalars = Vec::new();
        let mut n_scalars = 0;
        while let Some(raw) = list.next_element::<&RawValue>()? {
            let begins_with = |character| raw.get().starts_with(character);
            if n_scalars > 0 || !(begins_with('[') || begins_with('{')) {
                n_scalars += 1;
                if scalars.len() < document.schema.width() {
                    scalars.extend(value(raw).ok());
                }
                continue;
            }
            let is_first = document.rows.next_number() == 1 && document.companies.is_empty();
            if (is_first && begins_with('{') && value(raw).is_ok_and(|it| names_company(&it)))
                || !document.companies.is_empty()
            {
                let kept = match document.companies.len() {
                    MOST_COMPANIES.. => {
                        Err(Problem::TooManyReasons { n_rows: MOST_COMPANIES + 1, most: MOST_COMPANIES })
                    }
                    _ => value(raw)
                        .map(|company| document.companies.push(company))
                        .map_err(|problem| Problem::Row { row: 1, problem }),
                };
                document.keep(kept)?;
                continue;
            }
            let pushed = document.push(raw);
            document.keep(pushed)?;
        }
        if n_scalars > 0 {
            let schema = document.schema;
            let pushed = document.rows.push(|values| match n_scalars == schema.width() {
                true => row(&Value::Array(scalars), schema, values),
                false => Err(schema.wrong_width(n_scalars)),
            });
            document.keep(pushed)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(document) = self;
        while let Some(key) = object.next_key::<String>()? {
            if let Some(form) = LISTS.into_iter().find(|form| *form == key) {
                let begun = document.begin(form);
                document.keep(begun)?;
                object.next_value_seed(List(document, form))?;
            } else if key == SPLIT {
                let begun = document.begin(SPLIT);
                document.keep(begun)?;
                object.next_value_seed(Split(document))?;
            } else if document.is_held {
                document.rest.insert(key, object.next_value()?);
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// A list of rows, or of `inputs` an object of one list per feature.
struct List<'d, 's>(&'d mut Document<'s>, &'static str);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(document, form) = self;
        while let Some(raw) = list.next_element::<&RawValue>()? {
            let pushed = document.push(raw);
            document.keep(pushed)?;
        }
        if document.rows.next_number() == 1 {
            let problem = Problem::Form { path: form.to_owned(), expected: "at least one row" };
            document.keep(Err(problem))?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(document, form) = self;
        let problem = |expected| Problem::Form { path: form.to_owned(), expected };
        if form != "inputs" {
            return document.keep(Err(problem("a list of rows")));
        }
        if !document.is_held {
            return document.keep(Err(problem("columns of at most 1 MB in all, or a list of rows")));
        }
        let mut lists: Vec<(String, Vec<Value>)> = Vec::new();
        while let Some(entry) = object.next_entry()? {
            lists.push(entry);
        }
        let lists: Vec<(&str, &[Value])> = lists.iter().map(|(name, list)| (name.as_str(), list.as_slice())).collect();
        let filled = rows_of_columns("object of inputs", &lists, document.schema, &mut document.rows);
        document.keep(filled)
    }
}

/// `{"columns": [...], "data": [[...], ...]}`, as pandas splits a frame.
struct Split<'d, 's>(&'d mut Document<'s>);

impl<'de> DeserializeSeed<'de> for Split<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Split<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with columns and data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self(document) = self;
        while let Some(key) = object.next_key::<String>()? {
            let has_rows = document.rows.next_number() > 1;
            match key.as_str() {
                "columns" if has_rows => {
                    let problem = Problem::Form { path: "dataframe_split".to_owned(), expected: "columns before data" };
                    document.keep(Err(problem))?;
                }
                "columns" => {
                    let Some(names) = object.next_value::<Option<Vec<String>>>()? else { continue };
                    let columns = document.schema.columns("data frame", names.iter().map(String::as_str));
                    let kept = columns.map(|columns| document.columns = Some((columns, names.len())));
                    document.keep(kept.map_err(Problem::from))?;
                }
                "data" => object.next_value_seed(List(document, "dataframe_split.data"))?,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
