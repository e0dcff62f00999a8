//! The companies of a request: one of them, or a list, each forgotten when its row is made.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::company::{CompanyError, CompanyMapping, CompanyRow};
use crate::json_value::read_value;

/// Companies answered at once; their answers stay far below what a Lambda function may return.
pub(crate) const MOST_COMPANIES: usize = 1000;

/// What a request tells of companies.
#[derive(Debug, Clone, PartialEq)]
pub struct Companies {
    /// Their rows; at least one.
    pub rows: Vec<CompanyRow>,
    /// Whether they are a list, and so is the answer.
    pub is_list: bool,
}

impl Companies {
    /// Reads a body: a JSON object, or a list of them.
    ///
    /// # Errors
    /// When it is neither, or one of the companies cannot be read; which one, where it is a list.
    pub fn read(body: &[u8], mapping: &CompanyMapping) -> Result<Self, CompanyError> {
        let not_json = |error| CompanyError::Json { why: format!("the body is not JSON: {error}") };
        let raw: &RawValue = serde_json::from_slice(body).map_err(not_json)?;
        if raw.get().starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(not_json)?;
            return Self::of_list(&list, mapping);
        }
        Ok(Self { rows: vec![row(raw, mapping)?], is_list: false })
    }

    /// Reads a list.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when there is none or are too many.
    pub(crate) fn of_list(list: &[&RawValue], mapping: &CompanyMapping) -> Result<Self, CompanyError> {
        let n_companies = list.len();
        match n_companies {
            0 => return Err(CompanyError::NoCompany),
            1..=MOST_COMPANIES => {}
            _ => return Err(CompanyError::TooMany { most: MOST_COMPANIES }),
        }
        let rows = list.iter().zip(1..).map(|(raw, position)| {
            row(raw, mapping).map_err(|source| CompanyError::OfList { position, n_companies, source: Box::new(source) })
        });
        Ok(Self { rows: rows.collect::<Result<_, _>>()?, is_list: true })
    }
}

fn row(raw: &RawValue, mapping: &CompanyMapping) -> Result<CompanyRow, CompanyError> {
    let found = match read_value(raw.get().as_bytes()).map_err(|why| CompanyError::Json { why })? {
        Value::Object(company) => return mapping.row(&company),
        Value::Array(_) => "a list",
        Value::Null => "null",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value",
    };
    Err(CompanyError::NotACompany { found })
}
