//! One record of the original system, wherever its fields came from.

use std::borrow::Cow;

use super::{CompanyField, Jobs, MAX_JOBS_PER_RECORD, RecordOrigin};
use crate::data::{Data, Value, whole_number};
use crate::event_types::Field;
use crate::malformed::{Malformed, Reason};
use crate::{Event, EventKind, ObservationDate, TimeError, Timestamp};

/// What a field of a record is, however it is spelt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Tenant,
    User,
    Date,
    Jobs,
    DataSize,
    /// A tenant attribute.
    Attribute(Field),
    /// Counted or decided by the original system.
    PassedOver,
}

impl Column {
    /// Every spelling seen, without regard to case, blanks and signs.
    pub(super) fn spelt(name: &str) -> Option<Self> {
        if let Some(field) = CompanyField::spelt(name) {
            return Some(match field {
                CompanyField::Id => Self::Tenant,
                CompanyField::Industry => Self::Attribute(Field::Industry),
                CompanyField::Revenue => Self::Attribute(Field::Revenue),
                CompanyField::Employees => Self::Attribute(Field::Employees),
                CompanyField::MonthlyFee => Self::Attribute(Field::MonthlyCharge),
                CompanyField::Job30 | CompanyField::Job90 | CompanyField::TotalFee | CompanyField::RiskOfChurn => {
                    Self::PassedOver
                }
            });
        }
        Some(match CompanyField::plain(name).as_str() {
            "userid" | "user" => Self::User,
            "creationdate" | "date" => Self::Date,
            "nbjobs" | "nbjob" | "jobsubmitted" | "jobssubmitted" => Self::Jobs,
            "datasize" => Self::DataSize,
            _ => return None,
        })
    }
}

/// The fields of a record that are there, each with its name as spelt in it.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    fields: Vec<(Column, Cow<'a, str>, Value<'a>)>,
}

impl<'a> Record<'a> {
    pub(super) fn push(&mut self, column: Column, name: Cow<'a, str>, value: Value<'a>) -> Result<(), Malformed> {
        if self.name(column).is_some() && column != Column::PassedOver {
            return Err(Malformed::new(name.into_owned(), Reason::Twice));
        }
        self.fields.push((column, name, value));
        Ok(())
    }

    /// How a field is spelt, when it is there.
    pub(super) fn name(&self, column: Column) -> Option<&str> {
        self.fields.iter().find(|(other, ..)| *other == column).map(|(_, name, _)| name.as_ref())
    }

    fn take(&mut self, column: Column) -> Value<'a> {
        let field = self.fields.iter_mut().find(|(other, ..)| *other == column);
        field.map(|(.., value)| std::mem::take(value)).unwrap_or_default()
    }

    fn fault(&self, column: Column, usual: &'static str, reason: Reason) -> Malformed {
        let name = self.name(column).map(|name| Cow::Owned(name.to_owned()));
        Malformed::new(name.unwrap_or(Cow::Borrowed(usual)), reason)
    }

    /// A name; some systems number their tenants and users.
    fn id(&mut self, column: Column, usual: &'static str) -> Result<Cow<'a, str>, Malformed> {
        let reason = match self.take(column) {
            Value::Text(text) if !text.is_empty() => return Ok(text),
            Value::Number(number) => return Ok(Cow::Borrowed(number)),
            Value::Text(_) => Reason::Empty,
            Value::Absent => Reason::Missing,
            other => Reason::WrongKind { found: other.shown(), expected: "a text" },
        };
        Err(self.fault(column, usual, reason))
    }

    /// A company: what a tenant is like.
    pub(super) fn into_company(mut self, origin: &RecordOrigin<'_>, named: bool) -> Result<Event<'a>, Malformed> {
        let tenant = self.id(Column::Tenant, "companyID")?;
        let received_at = origin.received_at.ok_or_else(|| Malformed::new("time", Reason::NoTimeKnown))?;
        let mut data = Data::default();
        if named {
            *data.get_mut(Field::Company) = Value::Text(tenant.clone());
        }
        for (column, _, value) in &mut self.fields {
            if let Column::Attribute(field) = column {
                *data.get_mut(*field) = std::mem::take(value);
            }
        }
        // The record's own spelling, where it differs.
        let respelt = |malformed: Malformed| match Field::named(&malformed.field) {
            Some(field) => self.fault(Column::Attribute(field), field.name(), malformed.reason),
            None => malformed,
        };
        let attributes = data.attributes().map_err(respelt)?;
        Ok(Event {
            id: Cow::Owned(origin.id.to_owned()),
            source: Cow::Owned(origin.source.to_owned()),
            tenant,
            occurred_at: received_at,
            received_at,
            kind: EventKind::TenantUpdated(attributes),
        })
    }

    /// Jobs that a user submitted, which share out the data size among them.
    pub(super) fn into_jobs(mut self, origin: &RecordOrigin<'_>) -> Result<Jobs<'a>, Malformed> {
        let tenant = self.id(Column::Tenant, "companyID")?;
        let user = self.id(Column::User, "userID")?;
        let date = self.id(Column::Date, "creationDate")?;
        let occurred_at = time(&date).map_err(|error| self.fault(Column::Date, "creationDate", error.into()))?;
        let n_jobs = self.jobs()?;
        let data_size = self.data_size()?;
        let (source, id) = (origin.source.to_owned(), origin.id.to_owned());
        Ok(Jobs { source, id, tenant, user, occurred_at, data_size, n_jobs, n_made: 0 })
    }

    /// How many jobs; a record that does not say is about one.
    fn jobs(&mut self) -> Result<u64, Malformed> {
        let reason = match self.take(Column::Jobs) {
            Value::Absent => return Ok(1),
            Value::Number(text) => match whole_number(text, u64::MAX) {
                Ok(found) if found <= MAX_JOBS_PER_RECORD => return Ok(found),
                Ok(found) => Reason::TooManyJobs { found, most: MAX_JOBS_PER_RECORD },
                Err(reason) => reason,
            },
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "yes") => return Ok(1),
            Value::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "no") => return Ok(0),
            other => Reason::WrongKind { found: other.shown(), expected: "a number of jobs" },
        };
        Err(self.fault(Column::Jobs, "nbJobs", reason))
    }

    fn data_size(&mut self) -> Result<u64, Malformed> {
        let reason = match self.take(Column::DataSize) {
            Value::Absent => return Ok(0),
            Value::Number(text) => match whole_number(text, u64::MAX) {
                Ok(bytes) => return Ok(bytes),
                Err(reason) => reason,
            },
            other => Reason::WrongKind { found: other.shown(), expected: "a whole number" },
        };
        Err(self.fault(Column::DataSize, "dataSize", reason))
    }
}

/// A time or a date; the original system writes them in UTC and without zone.
fn time(text: &str) -> Result<Timestamp, TimeError> {
    if let Ok(date) = text.parse::<ObservationDate>() {
        return Ok(date.start());
    }
    match Timestamp::parse(text) {
        Err(TimeError::NoZone { .. }) => Timestamp::parse(&format!("{text}Z")),
        result => result,
    }
}
