use churn_events::{Event, EventKind, JobStatus};

use super::attributes::Carried;
use super::hash::{digest, event_digest};
use super::jobs::JobEnd;

/// What is kept of an event: names as digests, and the instant from which it counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) ms: i64,
    pub(crate) id: u64,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Created(Box<Carried>),
    Updated(Box<Carried>),
    Billed { cents: i64 },
    Cancelled,
    UserAdded { user: u64 },
    UserDeleted { user: u64 },
    Login { user: u64, session: u32 },
    SessionEnd { user: u64, session: u32, timeout: bool },
    Submitted { job: u64, user: u64, servers: u32, data_bytes: u64 },
    Ended { job: u64, how: JobEnd },
}

impl Fact {
    /// The fact of an event, from an instant on. `None` for a kind that says nothing about any feature.
    pub(crate) fn new(event: &Event<'_>, ms: i64) -> Option<Self> {
        // Within a user and half a day, half a digest is enough.
        let session_digest = |session: &str| (digest(session) >> 32) as u32;
        let what = match &event.kind {
            EventKind::TenantCreated(attributes) => What::Created(Box::new(Carried::new(attributes))),
            EventKind::TenantUpdated(attributes) => What::Updated(Box::new(Carried::new(attributes))),
            EventKind::TenantBilled { amount } => What::Billed { cents: amount.cents() },
            EventKind::TenantCancelled { .. } => What::Cancelled,
            EventKind::UserAdded { user } => What::UserAdded { user: digest(user) },
            EventKind::UserDeleted { user } => What::UserDeleted { user: digest(user) },
            EventKind::UserLogin { user, session } => {
                What::Login { user: digest(user), session: session_digest(session) }
            }
            EventKind::UserLogoff { user, session } => {
                What::SessionEnd { user: digest(user), session: session_digest(session), timeout: false }
            }
            EventKind::UserSessionTimeout { user, session } => {
                What::SessionEnd { user: digest(user), session: session_digest(session), timeout: true }
            }
            EventKind::JobSubmitted { job, user, servers, data_size } => {
                What::Submitted { job: digest(job), user: digest(user), servers: *servers, data_bytes: *data_size }
            }
            EventKind::JobTerminated { job, status } => What::Ended {
                job: digest(job),
                how: match status {
                    JobStatus::Succeeded => JobEnd::Succeeded,
                    JobStatus::Failed => JobEnd::Failed,
                },
            },
            EventKind::JobCancelled { job } => What::Ended { job: digest(job), how: JobEnd::Cancelled },
            _ => return None,
        };
        Some(Self { ms, id: event_digest(&event.source, &event.id), what })
    }

    /// The order that held-back facts are kept in.
    pub(crate) fn order(&self) -> (i64, u64) {
        (self.ms, self.id)
    }
}

/// Whether an event of that kind is taken however late it is: an import of old tenants must not lose them.
pub(crate) fn is_never_late(kind: &EventKind<'_>) -> bool {
    matches!(kind, EventKind::TenantCreated(_) | EventKind::TenantUpdated(_) | EventKind::TenantCancelled { .. })
}
