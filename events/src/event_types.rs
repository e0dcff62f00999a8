//! The one table of event types: what the decoder looks for, what the encoder writes, what the JSON Schemas say.

/// What every type of event begins with.
pub const TYPE_PREFIX: &str = "com.anycompany.bdcp.";

/// A field of the `data` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Company,
    Industry,
    Revenue,
    Employees,
    Sentiment,
    MonthlyCharge,
    Amount,
    Reason,
    UserId,
    SessionId,
    JobId,
    Servers,
    DataSize,
    Status,
}

/// What a field of the data can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// A text; an empty one says nothing.
    Text,
    /// A text that is not empty.
    Id,
    /// A whole number up to that of 32 bits.
    Count,
    /// A whole number up to that of 64 bits.
    Bytes,
    /// A number from 0.
    Amount,
    /// A number from -1 to 1.
    Sentiment,
    /// Dollars from 0.
    Charge,
    /// Dollars.
    Dollars,
    /// `succeeded` or `failed`.
    Status,
}

impl Field {
    pub(crate) const N: usize = 14;

    /// The name in the wire form.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Company => "company",
            Self::Industry => "industry",
            Self::Revenue => "revenue",
            Self::Employees => "employees",
            Self::Sentiment => "sentiment",
            Self::MonthlyCharge => "monthlyCharge",
            Self::Amount => "amount",
            Self::Reason => "reason",
            Self::UserId => "userId",
            Self::SessionId => "sessionId",
            Self::JobId => "jobId",
            Self::Servers => "servers",
            Self::DataSize => "dataSize",
            Self::Status => "status",
        }
    }

    /// The field of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "company" => Self::Company,
            "industry" => Self::Industry,
            "revenue" => Self::Revenue,
            "employees" => Self::Employees,
            "sentiment" => Self::Sentiment,
            "monthlyCharge" => Self::MonthlyCharge,
            "amount" => Self::Amount,
            "reason" => Self::Reason,
            "userId" => Self::UserId,
            "sessionId" => Self::SessionId,
            "jobId" => Self::JobId,
            "servers" => Self::Servers,
            "dataSize" => Self::DataSize,
            "status" => Self::Status,
            _ => return None,
        })
    }

    pub(crate) const fn content(self) -> Content {
        match self {
            Self::Company | Self::Industry | Self::Reason => Content::Text,
            Self::UserId | Self::SessionId | Self::JobId => Content::Id,
            Self::Revenue => Content::Amount,
            Self::Employees | Self::Servers => Content::Count,
            Self::Sentiment => Content::Sentiment,
            Self::MonthlyCharge => Content::Charge,
            Self::Amount => Content::Dollars,
            Self::DataSize => Content::Bytes,
            Self::Status => Content::Status,
        }
    }

    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Company => "The company's name.",
            Self::Industry => "The company's industry.",
            Self::Revenue => "The company's yearly revenue, in million dollars.",
            Self::Employees => "How many people the company employs.",
            Self::Sentiment => "What people say about the company, from -1 to 1.",
            Self::MonthlyCharge => "What the tenant is charged per month, in dollars.",
            Self::Amount => "What was billed, in dollars; a credit is negative.",
            Self::Reason => "Why the tenant cancelled, in its own words.",
            Self::UserId => "Which user.",
            Self::SessionId => "Which session.",
            Self::JobId => "Which job.",
            Self::Servers => "Servers asked for.",
            Self::DataSize => "Data to be processed, in bytes.",
            Self::Status => "How the job ended.",
        }
    }
}

/// A type of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    TenantCreated,
    TenantUpdated,
    TenantBilled,
    TenantCancelled,
    UserAdded,
    UserDeleted,
    UserLogin,
    UserLogoff,
    UserSessionTimeout,
    JobSubmitted,
    JobTerminated,
    JobCancelled,
}

impl EventType {
    pub(crate) const ALL: [Self; 12] = [
        Self::TenantCreated,
        Self::TenantUpdated,
        Self::TenantBilled,
        Self::TenantCancelled,
        Self::UserAdded,
        Self::UserDeleted,
        Self::UserLogin,
        Self::UserLogoff,
        Self::UserSessionTimeout,
        Self::JobSubmitted,
        Self::JobTerminated,
        Self::JobCancelled,
    ];

    /// The name in the wire form, after the prefix.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TenantCreated => "tenant.created",
            Self::TenantUpdated => "tenant.updated",
            Self::TenantBilled => "tenant.billed",
            Self::TenantCancelled => "tenant.cancelled",
            Self::UserAdded => "user.added",
            Self::UserDeleted => "user.deleted",
            Self::UserLogin => "user.login",
            Self::UserLogoff => "user.logoff",
            Self::UserSessionTimeout => "user.sessionTimeout",
            Self::JobSubmitted => "job.submitted",
            Self::JobTerminated => "job.terminated",
            Self::JobCancelled => "job.cancelled",
        }
    }

    /// The type of that full name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::of(name.strip_prefix(TYPE_PREFIX)?)
    }

    /// The type of that name, after the prefix.
    #[inline(always)]
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "tenant.created" => Self::TenantCreated,
            "tenant.updated" => Self::TenantUpdated,
            "tenant.billed" => Self::TenantBilled,
            "tenant.cancelled" => Self::TenantCancelled,
            "user.added" => Self::UserAdded,
            "user.deleted" => Self::UserDeleted,
            "user.login" => Self::UserLogin,
            "user.logoff" => Self::UserLogoff,
            "user.sessionTimeout" => Self::UserSessionTimeout,
            "job.submitted" => Self::JobSubmitted,
            "job.terminated" => Self::JobTerminated,
            "job.cancelled" => Self::JobCancelled,
            _ => return None,
        })
    }

    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::TenantCreated => "A tenant subscribed; also one that had cancelled and is back.",
            Self::TenantUpdated => "Some of a tenant's attributes changed; it carries only those.",
            Self::TenantBilled => "A tenant was billed.",
            Self::TenantCancelled => "A tenant cancelled.",
            Self::UserAdded => "A user got a seat.",
            Self::UserDeleted => "A user lost the seat.",
            Self::UserLogin => "A user logged in.",
            Self::UserLogoff => "A user logged off.",
            Self::UserSessionTimeout => "A session was ended because nothing happened in it.",
            Self::JobSubmitted => "A job was submitted.",
            Self::JobTerminated => "A job ran to its end.",
            Self::JobCancelled => "A job was cancelled.",
        }
    }

    /// The fields of its data, and whether each has to be there.
    pub(crate) const fn fields(self) -> &'static [(Field, bool)] {
        use Field::{
            Amount, Company, DataSize, Employees, Industry, JobId, MonthlyCharge, Reason, Revenue, Sentiment, Servers,
            SessionId, Status, UserId,
        };
        match self {
            Self::TenantCreated | Self::TenantUpdated => &[
                (Company, false),
                (Industry, false),
                (Revenue, false),
                (Employees, false),
                (Sentiment, false),
                (MonthlyCharge, false),
            ],
            Self::TenantBilled => &[(Amount, true)],
            Self::TenantCancelled => &[(Reason, false)],
            Self::UserAdded | Self::UserDeleted => &[(UserId, true)],
            Self::UserLogin | Self::UserLogoff | Self::UserSessionTimeout => &[(UserId, true), (SessionId, true)],
            Self::JobSubmitted => &[(JobId, true), (UserId, true), (Servers, true), (DataSize, true)],
            Self::JobTerminated => &[(JobId, true), (Status, true)],
            Self::JobCancelled => &[(JobId, true)],
        }
    }
}
