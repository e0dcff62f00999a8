//! JSON bodies: the forms that SageMaker's algorithms, MLflow and the original system send.
//!
//! Rows and companies are read one after the other and forgotten, because values take up to a hundred times the size of
//! their JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::json_row::{is_row, names_company, push, row, rows_of_columns};
use super::{Body, lines};
use crate::companies::{Companies, MOST_COMPANIES};
use crate::company::CompanyMapping;
use crate::json_value::{MOST_HELD, insert, read_value};
use crate::problem::Problem;
use crate::row::{RowCollector, RowProblem, RowSchema, Rows};
use crate::served_model::ServedModel;

/// The forms that hold rows; `dataframe_split` holds them in a form of its own.
const LISTS: [&str; 3] = ["instances", "dataframe_records", "inputs"];
const SPLIT: &str = "dataframe_split";

/// Rows of a JSON value: an object with `instances`, `dataframe_split`, `dataframe_records` or `inputs`; a single record
/// with `features` or `data`, or by name; or a bare list of rows. Or a company, or a list of them.
///
/// # Errors
/// When it is no JSON, has none of these forms, or a row or a company cannot be read.
pub(super) fn read(body: &[u8], model: &ServedModel, rows: RowCollector) -> Result<Body, Problem> {
    let is_held = body.len() <= MOST_HELD;
    let mut document =
        Document { model, rows, is_held, form: None, columns: None, rest: Map::new(), companies: None, problem: None };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let read = deserializer.deserialize_any(Top(&mut document)).and_then(|()| deserializer.end());
    if let Some(problem) = document.problem.take() {
        return Err(problem);
    }
    // Of what is no JSON, that is said, wherever its form is wrong as well.
    let is_json = || serde_json::from_slice::<IgnoredAny>(body);
    read.map_err(|source| Problem::Json { source: is_json().err().unwrap_or(source) })?;
    document.finish()
}

/// Rows of JSON Lines.
///
/// # Errors
/// When a line is not JSON, or not a row.
pub(super) fn read_lines(body: &[u8], schema: &RowSchema, mut rows: RowCollector) -> Result<Rows, Problem> {
    for line in lines(body) {
        if line.is_empty() {
            rows.blank_line()?;
            continue;
        }
        rows.push(|values| row(&value(line)?, schema, values))?;
    }
    rows.finish()
}

fn value(text: &[u8]) -> Result<Value, RowProblem> {
    read_value(text).map_err(|why| RowProblem::Unreadable { why })
}

/// What was read so far.
struct Document<'s> {
    model: &'s ServedModel,
    rows: RowCollector,
    /// Whether the body is short enough to hold what is not a list.
    is_held: bool,
    /// The form that holds the rows, once it was there.
    form: Option<&'static str>,
    /// Of a data frame: where each feature stands, among how many columns.
    columns: Option<(Vec<usize>, usize)>,
    /// The fields that are no form.
    rest: Map<String, Value>,
    companies: Option<Companies>,
    /// Why reading stopped.
    problem: Option<Problem>,
}

impl Document<'_> {
    fn finish(mut self) -> Result<Body, Problem> {
        if let Some(companies) = self.companies {
            return Ok(Body::Companies(companies));
        }
        if let Some(form) = self.form {
            let none = |_| Problem::Form { path: form.to_owned(), expected: "at least one row" };
            return self.rows.finish().map(Body::Rows).map_err(none);
        }
        if !self.is_held {
            let expected = "one of instances, dataframe_split, dataframe_records or inputs, a list of rows, or one row or \
                            company of at most 1 MB";
            return Err(Problem::Form { path: "the JSON".to_owned(), expected });
        }
        let schema = self.model.rows();
        if is_row(&self.rest, schema) {
            let record = Value::Object(self.rest);
            self.rows.push(|values| row(&record, schema, values))?;
            return self.rows.finish().map(Body::Rows);
        }
        if !CompanyMapping::is_company(&self.rest) {
            return Err(Problem::NoRows { company: None });
        }
        let rows = vec![mapping(self.model)?.row(&self.rest)?];
        Ok(Body::Companies(Companies { rows, is_list: false }))
    }

    /// Adds a row.
    fn push(&mut self, raw: &RawValue) -> Result<(), Problem> {
        let schema = self.model.rows();
        let read = || value(raw.get().as_bytes());
        match &self.columns {
            None => self.rows.push(|values| row(&read()?, schema, values)),
            Some((columns, n_columns)) => self.rows.push(|values| {
                let item = read()?;
                let items = item.as_array().filter(|items| items.len() == *n_columns);
                let items = items.ok_or(RowProblem::Form { expected: "a list of one value per column" })?;
                push(columns.iter().map(|&column| &items[column]), schema, values)
            }),
        }
    }

    /// Adds the rows of a list, whose first element was read already.
    fn push_all<'de, A: SeqAccess<'de>>(&mut self, first: Option<&RawValue>, mut list: A) -> Result<(), A::Error> {
        let mut next = first;
        while let Some(raw) = next {
            let pushed = self.push(raw);
            self.keep(pushed)?;
            next = list.next_element::<&RawValue>()?;
        }
        Ok(())
    }

    /// Adds a list of values as one row.
    fn push_one<'de, A: SeqAccess<'de>>(&mut self, first: &'de RawValue, mut list: A) -> Result<(), A::Error> {
        let schema = self.model.rows();
        let (mut items, mut n_items) = (vec![first], 1);
        while let Some(item) = list.next_element()? {
            n_items += 1;
            if n_items <= schema.width() {
                items.push(item);
            }
        }
        let pushed = self.rows.push(|values| {
            if n_items != schema.width() {
                return Err(schema.wrong_width(n_items));
            }
            let items: Vec<Value> = items.iter().map(|item| value(item.get().as_bytes())).collect::<Result<_, _>>()?;
            push(items.iter(), schema, values)
        });
        self.keep(pushed)
    }

    /// Reads a list of companies, as far as it may be long.
    fn read_companies<'de, A: SeqAccess<'de>>(&mut self, first: &'de RawValue, mut list: A) -> Result<(), A::Error> {
        let mut companies = vec![first];
        while companies.len() <= MOST_COMPANIES
            && let Some(company) = list.next_element()?
        {
            companies.push(company);
        }
        let read = mapping(self.model).and_then(|mapping| Ok(Companies::of_list(&companies, mapping)?));
        let read = read.map(|companies| self.companies = Some(companies));
        self.keep(read)
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

fn mapping(model: &ServedModel) -> Result<&CompanyMapping, Problem> {
    model.companies().map_err(|why| Problem::NoRows { company: Some(why.to_string()) })
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
        let first: Option<&RawValue> = list.next_element()?;
        match first {
            Some(item) if !item.get().starts_with(['[', '{']) => document.push_one(item, list),
            Some(item) if value(item.get().as_bytes()).is_ok_and(|item| names_company(&item)) => {
                document.read_companies(item, list)
            }
            _ => document.push_all(first, list),
        }
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
                insert(&mut document.rest, key, &mut object)?;
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
        let first = list.next_element()?;
        self.0.push_all(first, list)
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
        let filled = rows_of_columns("object of inputs", &lists, document.model.rows(), &mut document.rows);
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
        let wrong = |expected| Err(Problem::Form { path: SPLIT.to_owned(), expected });
        while let Some(key) = object.next_key::<String>()? {
            let has_rows = document.rows.next_number() > 1;
            match key.as_str() {
                "columns" if has_rows || document.columns.is_some() => {
                    document.keep(wrong("columns once, and before data"))?;
                }
                "columns" => {
                    let Some(names) = object.next_value::<Option<Vec<String>>>()? else { continue };
                    let columns = document.model.rows().columns("data frame", names.iter().map(String::as_str));
                    let kept = columns.map(|columns| document.columns = Some((columns, names.len())));
                    document.keep(kept.map_err(Problem::from))?;
                }
                "data" if has_rows => document.keep(wrong("data once"))?,
                "data" => object.next_value_seed(List(document, SPLIT))?,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
