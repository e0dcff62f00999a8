use std::borrow::Cow;

use crate::{Money, Timestamp};

/// One fact about a tenant.
///
/// Texts are borrowed from whatever the event was decoded from where that is possible.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// With `source`, what tells this event from every other; the same pair again is a duplicate.
    pub id: Cow<'a, str>,
    /// Who emitted it.
    pub source: Cow<'a, str>,
    /// The tenant it is about.
    pub tenant: Cow<'a, str>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When this system could first have known it.
    pub received_at: Timestamp,
    /// What happened.
    pub kind: EventKind<'a>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind<'a> {
    /// A tenant subscribed; also one that had cancelled and is back.
    TenantCreated(TenantAttributes<'a>),
    /// Some of a tenant's attributes changed.
    TenantUpdated(TenantAttributes<'a>),
    /// A tenant was billed.
    TenantBilled {
        /// How much; a credit is negative.
        amount: Money,
    },
    /// A tenant cancelled.
    TenantCancelled {
        /// Why, where they said.
        reason: Option<Cow<'a, str>>,
    },
    /// A user got a seat.
    UserAdded {
        /// Which user.
        user: Cow<'a, str>,
    },
    /// A user lost the seat.
    UserDeleted {
        /// Which user.
        user: Cow<'a, str>,
    },
    /// A user logged in.
    UserLogin {
        /// Which user.
        user: Cow<'a, str>,
        /// The session that began.
        session: Cow<'a, str>,
    },
    /// A user logged off.
    UserLogoff {
        /// Which user.
        user: Cow<'a, str>,
        /// The session that ended.
        session: Cow<'a, str>,
    },
    /// A session was ended because nothing happened in it.
    UserSessionTimeout {
        /// Which user.
        user: Cow<'a, str>,
        /// The session that ended.
        session: Cow<'a, str>,
    },
    /// A job was submitted.
    JobSubmitted {
        /// Which job.
        job: Cow<'a, str>,
        /// Who submitted it.
        user: Cow<'a, str>,
        /// Servers asked for.
        servers: u32,
        /// Data to be processed, in bytes.
        data_size: u64,
    },
    /// A job ran to its end.
    JobTerminated {
        /// Which job.
        job: Cow<'a, str>,
        /// How it ended.
        status: JobStatus,
    },
    /// A job was cancelled.
    JobCancelled {
        /// Which job.
        job: Cow<'a, str>,
    },
}

/// How a job that ran to its end did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// It did what it was for.
    Succeeded,
    /// It did not.
    Failed,
}

/// The tenant attributes that an event carries; `None` is one that it says nothing about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TenantAttributes<'a> {
    /// The company's name.
    pub company: Option<Cow<'a, str>>,
    /// Its industry.
    pub industry: Option<Cow<'a, str>>,
    /// Its yearly revenue, in million dollars.
    pub revenue: Option<f64>,
    /// How many people it employs.
    pub employees: Option<u32>,
    /// What people say about it, from -1 to 1.
    pub sentiment: Option<f64>,
    /// What it is charged per month.
    pub monthly_charge: Option<Money>,
}

/// The same text, borrowed from nothing.
fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

impl Event<'_> {
    /// The same event, borrowing from nothing.
    pub fn into_owned(self) -> Event<'static> {
        Event {
            id: owned(self.id),
            source: owned(self.source),
            tenant: owned(self.tenant),
            occurred_at: self.occurred_at,
            received_at: self.received_at,
            kind: self.kind.into_owned(),
        }
    }
}

impl EventKind<'_> {
    fn into_owned(self) -> EventKind<'static> {
        match self {
            Self::TenantCreated(attributes) => EventKind::TenantCreated(attributes.into_owned()),
            Self::TenantUpdated(attributes) => EventKind::TenantUpdated(attributes.into_owned()),
            Self::TenantBilled { amount } => EventKind::TenantBilled { amount },
            Self::TenantCancelled { reason } => EventKind::TenantCancelled { reason: reason.map(owned) },
            Self::UserAdded { user } => EventKind::UserAdded { user: owned(user) },
            Self::UserDeleted { user } => EventKind::UserDeleted { user: owned(user) },
            Self::UserLogin { user, session } => EventKind::UserLogin { user: owned(user), session: owned(session) },
            Self::UserLogoff { user, session } => EventKind::UserLogoff { user: owned(user), session: owned(session) },
            Self::UserSessionTimeout { user, session } => {
                EventKind::UserSessionTimeout { user: owned(user), session: owned(session) }
            }
            Self::JobSubmitted { job, user, servers, data_size } => {
                EventKind::JobSubmitted { job: owned(job), user: owned(user), servers, data_size }
            }
            Self::JobTerminated { job, status } => EventKind::JobTerminated { job: owned(job), status },
            Self::JobCancelled { job } => EventKind::JobCancelled { job: owned(job) },
        }
    }
}

impl TenantAttributes<'_> {
    fn into_owned(self) -> TenantAttributes<'static> {
        TenantAttributes {
            company: self.company.map(owned),
            industry: self.industry.map(owned),
            revenue: self.revenue,
            employees: self.employees,
            sentiment: self.sentiment,
            monthly_charge: self.monthly_charge,
        }
    }
}
