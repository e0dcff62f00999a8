//! Events in compact form: numbers for names, until somebody wants to read them.

use std::borrow::Cow;
use std::fmt::Write as _;

use churn_events::{Event, EventKind, JobStatus, Money, TenantAttributes, Timestamp};

use crate::profile::Profile;

/// Who emits what is about tenants and users.
const TENANT_MANAGER: &str = "/tenant-manager";
/// Who emits what is about jobs.
const JOB_MANAGER: &str = "/job-manager";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// `of` is the index of the change in the tenant's list.
    Created,
    Updated,
    /// `amount` is the bill, in cents.
    Billed,
    /// `of` is the index of the reason in the tenant's list, or none.
    Cancelled,
    UserAdded,
    UserDeleted,
    /// Its own `seq` is the number of the session or job; in those that end it, `of` is.
    Login,
    Logoff,
    SessionTimeout,
    /// `amount` is the data size, in bytes.
    Submitted,
    Succeeded,
    Failed,
    JobCancelled,
}

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Milliseconds since 1970.
    pub(crate) received: i64,
    pub(crate) occurred: i64,
    pub(crate) amount: u64,
    pub(crate) tenant: u32,
    /// The number of the event among the tenant's; a duplicate has the same.
    pub(crate) seq: u32,
    pub(crate) user: u32,
    pub(crate) of: u32,
    pub(crate) servers: u16,
    pub(crate) what: What,
    pub(crate) is_duplicate: bool,
}

impl Record {
    /// Received order: by time, then by tenant and number.
    pub(crate) fn order(&self) -> (i64, u32, u32, bool) {
        (self.received, self.tenant, self.seq, self.is_duplicate)
    }

    fn is_of_session(&self) -> bool {
        matches!(self.what, What::Login | What::Logoff | What::SessionTimeout)
    }

    fn is_of_job(&self) -> bool {
        matches!(self.what, What::Submitted | What::Succeeded | What::Failed | What::JobCancelled)
    }
}

/// What a `tenant.created` or `tenant.updated` says, or why a tenant cancelled.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Attributes {
        with_name: bool,
        revenue: Option<f64>,
        employees: Option<u32>,
        sentiment: Option<f64>,
        charge: Option<Money>,
    },
    Reason(Option<&'static str>),
}

/// The texts of one record. The room is used again, so that reading records allocates nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Texts {
    id: String,
    user: String,
    of: String,
}

impl Texts {
    pub(crate) fn event<'a>(&'a mut self, record: &Record, profile: &'a Profile, changes: &[Change]) -> Event<'a> {
        self.id.clear();
        self.id.push_str(&profile.id);
        self.id.push('-');
        push_number(&mut self.id, record.seq);
        self.user.clear();
        self.user.push('u');
        push_number(&mut self.user, record.user);
        self.of.clear();
        if record.is_of_session() {
            self.of.push('s');
        } else if record.is_of_job() {
            self.of.push('j');
        }
        push_number(
            &mut self.of,
            if matches!(record.what, What::Login | What::Submitted) { record.seq } else { record.of },
        );
        event(record, profile, changes, &self.id, &self.user, &self.of)
    }
}

fn push_number(text: &mut String, number: u32) {
    write!(text, "{number}").expect("this cannot fail because a string takes all");
}

fn event<'a>(
    record: &Record,
    profile: &'a Profile,
    changes: &[Change],
    id: &'a str,
    user: &'a str,
    of: &'a str,
) -> Event<'a> {
    let user = Cow::Borrowed(user);
    let of = Cow::Borrowed(of);
    let attributes = || match changes.get(record.of as usize) {
        Some(Change::Attributes { with_name, revenue, employees, sentiment, charge }) => TenantAttributes {
            company: with_name.then(|| Cow::Borrowed(profile.company.as_str())),
            industry: with_name.then_some(Cow::Borrowed(profile.industry)),
            revenue: *revenue,
            employees: *employees,
            sentiment: *sentiment,
            monthly_charge: *charge,
        },
        _ => TenantAttributes::default(),
    };
    let kind = match record.what {
        What::Created => EventKind::TenantCreated(attributes()),
        What::Updated => EventKind::TenantUpdated(attributes()),
        What::Billed => EventKind::TenantBilled { amount: Money::from_cents(record.amount as i64) },
        What::Cancelled => EventKind::TenantCancelled {
            reason: match changes.get(record.of as usize) {
                Some(Change::Reason(reason)) => reason.map(Cow::Borrowed),
                _ => None,
            },
        },
        What::UserAdded => EventKind::UserAdded { user },
        What::UserDeleted => EventKind::UserDeleted { user },
        What::Login => EventKind::UserLogin { user, session: of },
        What::Logoff => EventKind::UserLogoff { user, session: of },
        What::SessionTimeout => EventKind::UserSessionTimeout { user, session: of },
        What::Submitted => {
            EventKind::JobSubmitted { job: of, user, servers: u32::from(record.servers), data_size: record.amount }
        }
        What::Succeeded => EventKind::JobTerminated { job: of, status: JobStatus::Succeeded },
        What::Failed => EventKind::JobTerminated { job: of, status: JobStatus::Failed },
        What::JobCancelled => EventKind::JobCancelled { job: of },
    };
    Event {
        id: Cow::Borrowed(id),
        source: Cow::Borrowed(if record.is_of_job() { JOB_MANAGER } else { TENANT_MANAGER }),
        tenant: Cow::Borrowed(&profile.id),
        occurred_at: Timestamp::from_millis(record.occurred),
        received_at: Timestamp::from_millis(record.received),
        kind,
    }
}

/// The texts of many records, made once so that events can borrow them.
#[derive(Debug, Default)]
pub(crate) struct TextTable {
    text: String,
    /// Per record, where id, user and session or job end.
    ends: Vec<[u32; 3]>,
}

impl TextTable {
    pub(crate) fn of(records: &[Record], profile: &Profile) -> Self {
        let mut table =
            Self { text: String::with_capacity(records.len() * 24), ends: Vec::with_capacity(records.len()) };
        let mut texts = Texts::default();
        for record in records {
            texts.event(record, profile, &[]);
            let mut ends = [0; 3];
            for (end, text) in ends.iter_mut().zip([&texts.id, &texts.user, &texts.of]) {
                table.text.push_str(text);
                *end = table.text.len() as u32;
            }
            table.ends.push(ends);
        }
        table
    }

    pub(crate) fn event<'a>(
        &'a self,
        index: usize,
        record: &Record,
        profile: &'a Profile,
        changes: &[Change],
    ) -> Event<'a> {
        let start = if index == 0 { 0 } else { self.ends[index - 1][2] };
        let [id, user, of] = self.ends[index];
        let text = |from: u32, to: u32| &self.text[from as usize..to as usize];
        event(record, profile, changes, text(start, id), text(id, user), text(user, of))
    }
}
