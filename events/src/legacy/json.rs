use super::record::{Column, Record};
use super::{LegacyFormat, RecordOrigin, Told};
use crate::Event;
use crate::decode::{as_text, object, value};
use crate::malformed::Malformed;

/// Reads a company or a job of the original system from one JSON object; `None` when it is neither.
///
/// A company becomes one `tenant.updated` with the attributes that it has, at the time it was received; a job record as
/// many `job.submitted` as it stands for, on one server each, received when they occurred.
///
/// # Errors
/// [`Malformed`] names the field as the record spells it, and what is wrong with it.
/// # Example
/// ```
/// use churn_events::{RecordOrigin, decode_legacy_json};
/// let line = br#"{"companyID": "comp_4", "userID": "user_1", "nbJobs": 3, "creationDate": "2022-08-09"}"#;
/// let origin = RecordOrigin { source: "/bigdatajobs", id: "49590338", received_at: None };
/// let (format, events) = decode_legacy_json(line, &origin).expect("a record of the original system")?;
/// assert_eq!((format.to_string(), events.len()), ("job JSON".to_owned(), 3));
/// # Ok::<(), churn_events::Malformed>(())
/// ```
pub fn decode_legacy_json<'a>(
    line: &'a [u8],
    origin: &RecordOrigin<'_>,
) -> Option<Result<(LegacyFormat, Vec<Event<'a>>), Malformed>> {
    read_legacy_json(line, origin).map(|read| read.map(|(format, told)| (format, told.into_events())))
}

/// The same, with the events of a job record still to be made.
pub(crate) fn read_legacy_json<'a>(
    line: &'a [u8],
    origin: &RecordOrigin<'_>,
) -> Option<Result<(LegacyFormat, Told<'a>), Malformed>> {
    let fields = object(as_text(line).ok()?).ok()?;
    let columns: Vec<_> = fields.iter().map(|(name, _)| Column::spelt(name)).collect();
    let has = |column| columns.contains(&Some(column));
    let is_event = fields.iter().any(|(name, _)| name == "specversion");
    if is_event || !has(Column::Tenant) {
        return None;
    }
    let is_job = has(Column::User) || has(Column::Jobs) || has(Column::Date);
    if !is_job && !columns.iter().any(|column| matches!(column, Some(Column::Attribute(_)))) {
        return None;
    }
    let read = || {
        let mut record = Record::default();
        for ((name, raw), column) in fields.into_iter().zip(columns) {
            if let Some(column) = column {
                let value = value(raw, &name)?;
                record.push(column, name, value)?;
            }
        }
        Ok(if is_job {
            (LegacyFormat::JobJson, Told::Jobs(record.into_jobs(origin)?))
        } else {
            (LegacyFormat::CompanyJson, Told::Company(record.into_company(origin, false)?))
        })
    };
    Some(read())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::{EventKind, Money, TenantAttributes, Timestamp};

    fn read(line: &str) -> Result<Vec<Event<'_>>, Malformed> {
        let origin = RecordOrigin { source: "/s", id: "7", received_at: Some(Timestamp::from_millis(5)) };
        decode_legacy_json(line.as_bytes(), &origin).unwrap().map(|(_, events)| events)
    }

    #[test]
    fn a_company_is_read_in_both_spellings() {
        let attributes = TenantAttributes {
            industry: Some(Cow::Borrowed("retail")),
            revenue: Some(99420.0),
            employees: Some(4635),
            monthly_charge: Some(Money::from_cents(40_000)),
            ..TenantAttributes::default()
        };
        for (revenue, employees) in [("revenu", "employee"), ("revenue", "employees")] {
            let line = format!(
                r#"{{"companyID": "comp_4", "{revenue}": 99420, "industry": "retail", "{employees}": 4635, "job30": 10,
                "job90": 100, "monthlyFee": 400, "totalFee": 1200, "riskOfChurn": false}}"#
            );
            let events = read(&line).unwrap();
            assert_eq!(events.len(), 1);
            assert_eq!((events[0].tenant.as_ref(), events[0].received_at.millis()), ("comp_4", 5));
            assert_eq!(events[0].kind, EventKind::TenantUpdated(attributes.clone()));
        }
    }

    #[test]
    fn a_job_record_becomes_as_many_jobs_as_it_says() {
        let events = read(r#"{"companyID":4,"userID":"u","nbJobs":2,"creationDate":"2022-08-09T10:00:00"}"#).unwrap();
        assert_eq!(events.iter().map(|event| event.id.as_ref()).collect::<Vec<_>>(), ["7-1", "7-2"]);
        assert!(
            events.iter().all(|event| event.tenant == "4" && event.occurred_at.to_string() == "2022-08-09T10:00:00Z")
        );
    }

    #[test]
    fn errors_name_the_field_as_the_record_spells_it() {
        let message = |line| read(line).unwrap_err().to_string();
        assert_eq!(message(r#"{"companyID":"c","employee":2.5}"#), "employee: is 2.5 where a whole number is expected");
        assert_eq!(message(r#"{"companyID":"c","revenu":1,"revenue":2}"#), "revenue: is given twice");
        assert_eq!(message(r#"{"companyID":"c","userID":"u","nbJobs":1}"#), "creationDate: is missing");
        assert_eq!(
            message(r#"{"companyID":"c","userID":"u","nbJobs":1000000000,"creationDate":"2022-08-09"}"#),
            "nbJobs: is 1000000000 jobs where at most 10000 in one record are expected"
        );
    }

    #[test]
    fn what_is_no_record_of_the_original_system_is_left_alone() {
        let origin = RecordOrigin { source: "/s", id: "7", received_at: None };
        for line in ["{}", "[]", "x", r#"{"specversion":"1.0","companyID":"c","industry":"i"}"#, r#"{"companyID":"c"}"#]
        {
            assert!(decode_legacy_json(line.as_bytes(), &origin).is_none(), "{line}");
        }
    }
}
