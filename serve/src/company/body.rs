//! The fields of a company JSON, by what they say.

use std::collections::BTreeMap;

use churn_events::{CompanyField, beginning};
use churn_features::Cell;
use serde_json::{Map, Value};

use super::Unknown;

/// Why companies cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompanyError {
    /// A value of the wrong kind.
    #[error("{field}: is {found} where {expected} is expected")]
    WrongValue {
        /// The field as the body spells it.
        field: String,
        /// The value, shortened.
        found: String,
        /// What the field takes.
        expected: &'static str,
    },
    /// One fact in two spellings.
    #[error("{field}: says the same as {first}; send one of the two")]
    Twice {
        /// The later one.
        field: String,
        /// The earlier one.
        first: String,
    },
    /// What is no JSON object that names every field once.
    #[error("{why}")]
    Json {
        /// Why.
        why: String,
    },
    /// Another JSON value.
    #[error("the body is {found}; send a company as JSON object, or a list of companies")]
    NotACompany {
        /// What it is.
        found: &'static str,
    },
    /// An empty list.
    #[error("the list is empty; send at least one company")]
    NoCompany,
    /// A list longer than is answered at once.
    #[error("the body holds more than {most} companies, which is as many as are answered at once; send it in parts")]
    TooMany {
        /// The most companies.
        most: usize,
    },
    /// One of a list cannot be scored.
    #[error("company {position} of {n_companies}")]
    OfList {
        /// Its number, from 1.
        position: usize,
        /// How many there are.
        n_companies: usize,
        /// Why.
        source: Box<CompanyError>,
    },
    /// There is nothing to score.
    #[error("nothing that the model reads is known of the company; send at least one of {facts}")]
    NothingKnown {
        /// The facts that the model reads.
        facts: String,
    },
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a Value,
}

impl Field<'_> {
    pub(super) fn wrong(self, expected: &'static str) -> CompanyError {
        CompanyError::WrongValue { field: self.name.to_owned(), found: beginning(&self.value.to_string()), expected }
    }

    pub(super) fn unknown(self) -> Unknown {
        Unknown { field: beginning(self.name), level: None }
    }

    pub(super) fn unknown_level(self) -> Unknown {
        let level = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
        Unknown { field: self.name.to_owned(), level: Some(beginning(level.trim())) }
    }
}

/// The facts of a company, and its other fields by name. Who it is and what was decided about it is left out.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    pub(super) facts: BTreeMap<CompanyField, Field<'a>>,
    pub(super) others: BTreeMap<&'a str, Field<'a>>,
}

impl<'a> Body<'a> {
    pub(super) fn read(body: &'a Map<String, Value>) -> Result<Self, CompanyError> {
        let mut read = Self::default();
        for (name, value) in body {
            let field = Field { name, value };
            match CompanyField::spelt(name) {
                Some(CompanyField::Id | CompanyField::RiskOfChurn) => {}
                Some(CompanyField::Industry) if !value.is_string() && !value.is_null() => {
                    return Err(field.wrong("a text"));
                }
                Some(fact) => {
                    if let Some(first) = read.facts.insert(fact, field) {
                        return Err(CompanyError::Twice { field: name.clone(), first: first.name.to_owned() });
                    }
                }
                None => {
                    read.others.insert(name, field);
                }
            }
        }
        Ok(read)
    }

    /// The industry, and the field that tells it.
    pub(super) fn industry(&self) -> Option<(Field<'a>, &'a str)> {
        let field = *self.facts.get(&CompanyField::Industry)?;
        let text = field.value.as_str()?.trim();
        (Cell::read(text) != Cell::Missing).then_some((field, text))
    }
}
