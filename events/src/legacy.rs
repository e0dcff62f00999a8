//! What the original system writes.
//!
//! Its records are not events: they say what a company is like, or that a user submitted so many jobs. Each becomes the
//! events that say the same. What it had counted or decided itself (`job30`, `job90`, `totalFee`, `riskOfChurn`, `Churn`)
//! is passed over: features are counted from events here, and a decision is no fact.

mod company_field;
mod jobs;
mod json;
mod record;
#[cfg(feature = "log")]
mod table;

use std::fmt;

pub use company_field::{CompanyField, INDUSTRIES};
pub(crate) use jobs::Jobs;
pub use json::decode_legacy_json;
#[cfg(feature = "log")]
pub(crate) use json::read_legacy_json;
#[cfg(feature = "log")]
pub use table::LegacyTable;

use crate::{Event, Timestamp};

/// The most jobs that one record may stand for.
pub const MAX_JOBS_PER_RECORD: u64 = 10_000;

/// A format of the original system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegacyFormat {
    /// `{"companyID": …, "industry": …, "revenu": …, "employee": …, "monthlyFee": …, …}`
    CompanyJson,
    /// `{"companyID": …, "userID": …, "nbJobs": …, "creationDate": …}`
    JobJson,
    /// `company_id,userid,date,dataSize,jobSubmitted`
    JobCsv,
    /// `Company,Industry,Revenue,Employees,#job30,#job90,MonthlyCharge,TotalCharge,Churn`
    CompanyTable,
}

impl fmt::Display for LegacyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompanyJson => "company JSON",
            Self::JobJson => "job JSON",
            Self::JobCsv => "job CSV",
            Self::CompanyTable => "company table",
        })
    }
}

/// Where a record of the original system comes from, which it does not say itself.
#[derive(Debug, Clone, Copy)]
pub struct RecordOrigin<'a> {
    /// The `source` of its events.
    pub source: &'a str,
    /// What tells it from the other records of the source: a line number, a stream's sequence number. The `id` of its
    /// event; when it stands for several, they are numbered behind it.
    pub id: &'a str,
    /// When it was received; what companies are like has no other time. Jobs have their own.
    pub received_at: Option<Timestamp>,
}

/// What a record says.
pub(crate) enum Told<'a> {
    /// What a tenant is like.
    Company(Event<'a>),
    /// What a user did.
    Jobs(Jobs<'a>),
}

impl<'a> Told<'a> {
    fn into_events(self) -> Vec<Event<'a>> {
        match self {
            Self::Company(event) => vec![event],
            Self::Jobs(jobs) => jobs.collect(),
        }
    }
}
