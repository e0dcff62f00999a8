use crate::encode::event_type;
use crate::{EventKind, JobStatus, TenantAttributes};

/// What happened as flat fields, for tables of events: each type fills in its own, and leaves the others out.
///
/// # Units
/// `data_size` in bytes, `amount` in dollars.
/// # Example
/// ```
/// use churn_events::{EventKind, FlatEvent};
///
/// let login = EventKind::UserLogin { user: "ada".into(), session: "s-1".into() };
/// let flat = FlatEvent::of(&login);
/// assert_eq!((flat.event_type, flat.user, flat.session, flat.job), ("user.login", Some("ada"), Some("s-1"), None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct FlatEvent<'a> {
    /// The type without the prefix that all types share.
    pub event_type: &'static str,
    /// Which user.
    pub user: Option<&'a str>,
    /// Which session.
    pub session: Option<&'a str>,
    /// Which job.
    pub job: Option<&'a str>,
    /// How the job ended: `succeeded` or `failed`.
    pub status: Option<&'static str>,
    /// Servers asked for.
    pub servers: Option<i64>,
    /// Data to be processed; left out where a signed number cannot hold it.
    pub data_size: Option<i64>,
    /// What was billed.
    pub amount: Option<f64>,
    /// Why the tenant cancelled.
    pub reason: Option<&'a str>,
    /// What is known of the tenant, or has changed.
    pub attributes: Option<&'a TenantAttributes<'a>>,
}

impl<'a> FlatEvent<'a> {
    /// The fields of what happened.
    pub fn of(kind: &'a EventKind<'a>) -> Self {
        let none = Self { event_type: event_type(kind).name(), ..Self::default() };
        match kind {
            EventKind::TenantCreated(attributes) | EventKind::TenantUpdated(attributes) => {
                Self { attributes: Some(attributes), ..none }
            }
            EventKind::TenantBilled { amount } => Self { amount: Some(amount.dollars()), ..none },
            EventKind::TenantCancelled { reason } => Self { reason: reason.as_deref(), ..none },
            EventKind::UserAdded { user } | EventKind::UserDeleted { user } => Self { user: Some(user), ..none },
            EventKind::UserLogin { user, session }
            | EventKind::UserLogoff { user, session }
            | EventKind::UserSessionTimeout { user, session } => {
                Self { user: Some(user), session: Some(session), ..none }
            }
            EventKind::JobSubmitted { job, user, servers, data_size } => Self {
                user: Some(user),
                job: Some(job),
                servers: Some(i64::from(*servers)),
                data_size: i64::try_from(*data_size).ok(),
                ..none
            },
            EventKind::JobTerminated { job, status } => {
                let status = if *status == JobStatus::Failed { "failed" } else { "succeeded" };
                Self { job: Some(job), status: Some(status), ..none }
            }
            EventKind::JobCancelled { job } => Self { job: Some(job), ..none },
        }
    }
}
