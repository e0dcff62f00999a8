use std::borrow::Cow;

use super::record::{Column, Record};
use super::{LegacyFormat, RecordOrigin, Told};
use crate::Event;
use crate::data::Value;
use crate::decode::as_text;
use crate::event_types::Field;
use crate::malformed::{Malformed, Reason};

/// The header of a job CSV or a company table of the original system, by which its rows are read.
///
/// The columns may stand in any order and in any of their spellings, and there may be others.
#[derive(Debug, Clone)]
pub struct LegacyTable {
    format: LegacyFormat,
    columns: Vec<(Option<Column>, String)>,
}

impl LegacyTable {
    /// The table that begins with this line; `None` when it is none of the original system's.
    pub fn from_header(line: &[u8]) -> Option<Self> {
        let names = fields(as_text(line).ok()?)?;
        let columns: Vec<_> = names.into_iter().map(|name| (Column::spelt(&name), name)).collect();
        let has = |column| columns.iter().any(|(other, _)| *other == Some(column));
        let format = if !has(Column::Tenant) {
            return None;
        } else if has(Column::User) && has(Column::Date) {
            LegacyFormat::JobCsv
        } else if columns.iter().any(|(column, _)| matches!(column, Some(Column::Attribute(_)))) {
            LegacyFormat::CompanyTable
        } else {
            return None;
        };
        Some(Self { format, columns })
    }

    /// Which of the two it is.
    pub fn format(&self) -> LegacyFormat {
        self.format
    }

    /// The events that a row stands for: as [`decode_legacy_json`](crate::decode_legacy_json) does, but that the name of
    /// a company table's company is also an attribute.
    ///
    /// # Errors
    /// [`Malformed`] names the column as the header spells it, and what is wrong with it.
    /// # Example
    /// ```
    /// use churn_events::{LegacyTable, RecordOrigin};
    /// let table = LegacyTable::from_header(b"company_id,userid,date,dataSize,jobSubmitted").expect("a job CSV");
    /// let origin = RecordOrigin { source: "/legacy/jobs.csv", id: "line-2", received_at: None };
    /// let events = table.decode(b"comp_4,user_1,2022-08-09,1000,3", &origin)?;
    /// assert_eq!(events.len(), 3);
    /// # Ok::<(), churn_events::Malformed>(())
    /// ```
    pub fn decode(&self, row: &[u8], origin: &RecordOrigin<'_>) -> Result<Vec<Event<'static>>, Malformed> {
        Ok(self.read(row, origin)?.into_events())
    }

    /// The same, with the events of a job record still to be made.
    pub(crate) fn read(&self, row: &[u8], origin: &RecordOrigin<'_>) -> Result<Told<'static>, Malformed> {
        let text = as_text(row)?;
        let values = fields(text).unwrap_or_default();
        if values.len() != self.columns.len() {
            let reason = Reason::WrongWidth { found: values.len(), expected: self.columns.len() };
            return Err(Malformed::line(reason));
        }
        let mut record = Record::default();
        for ((column, name), value) in self.columns.iter().zip(&values) {
            if let Some(column) = column {
                record.push(*column, Cow::Borrowed(name.as_str()), as_value(*column, value.trim()))?;
            }
        }
        Ok(match self.format {
            LegacyFormat::JobCsv => Told::Jobs(record.into_jobs(origin)?.into_owned()),
            _ => Told::Company(record.into_company(origin, true)?.into_owned()),
        })
    }
}

/// The fields of a line of CSV, which ends where the line does; `None` when it holds none.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(line.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(record.iter().map(str::to_owned).collect())
}

/// What JSON would have said: texts where texts belong, numbers where they are some, nothing for a blank.
fn as_value(column: Column, text: &str) -> Value<'_> {
    if text.is_empty() {
        return Value::Absent;
    }
    let is_text = matches!(column, Column::Tenant | Column::User | Column::Date | Column::Attribute(Field::Industry));
    if !is_text && text.parse::<f64>().is_ok_and(f64::is_finite) {
        Value::Number(text)
    } else {
        Value::Text(Cow::Borrowed(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, Timestamp};

    const ORIGIN: RecordOrigin<'_> =
        RecordOrigin { source: "/s", id: "line-2", received_at: Some(Timestamp::from_millis(5)) };

    #[test]
    fn jobs_share_out_the_data_size_of_their_row() {
        let table =
            LegacyTable::from_header("\u{feff}company_id,userid,date,dataSize,jobSubmitted".as_bytes()).unwrap();
        let events = table.decode(b"comp_4,user_1,2022-08-09 10:00:00,1000,3", &ORIGIN).unwrap();
        let sizes: Vec<_> = events
            .iter()
            .map(|event| match event.kind {
                EventKind::JobSubmitted { data_size, .. } => data_size,
                _ => panic!("{event:?}"),
            })
            .collect();
        assert_eq!(sizes, [334, 333, 333]);
    }

    #[test]
    fn a_company_table_is_read_in_any_order_and_spelling() {
        let header = b"#job30,Employee,Revenu,Industry,Company,Churn,MonthlyCharge,Other";
        let table = LegacyTable::from_header(header).unwrap();
        assert_eq!(table.format(), LegacyFormat::CompanyTable);
        let events = table.decode(b"3,120,,\"IT, hardware\",Acme,1,99.90,x", &ORIGIN).unwrap();
        let EventKind::TenantUpdated(attributes) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!(
            (attributes.company.as_deref(), attributes.industry.as_deref()),
            (Some("Acme"), Some("IT, hardware"))
        );
        assert_eq!((attributes.employees, attributes.revenue), (Some(120), None));
        assert_eq!(attributes.monthly_charge.unwrap().cents(), 9990);
    }

    #[test]
    fn rows_that_do_not_fit_are_refused_with_the_column() {
        let table = LegacyTable::from_header(b"Company,Industry,Revenue,Employees").unwrap();
        let message = |row: &[u8]| table.decode(row, &ORIGIN).unwrap_err().to_string();
        assert_eq!(message(b"Acme,IT,1"), "line: has 3 fields where the header has 4");
        assert_eq!(message(b"Acme,IT,much,1"), "Revenue: is the text \"much\" where a number is expected");
        assert_eq!(message(b"Acme,IT,nan,1"), "Revenue: is the text \"nan\" where a number is expected");
        assert_eq!(message(b",IT,1,1"), "Company: is missing");
        let timeless = RecordOrigin { received_at: None, ..ORIGIN };
        assert!(table.decode(b"Acme,IT,1,1", &timeless).unwrap_err().to_string().starts_with("time: is missing"));
    }
}
