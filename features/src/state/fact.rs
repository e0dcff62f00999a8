use churn_events::{Event, EventKind, JobStatus};

use super::attributes::Carried;
use super::hash::{digest, event_digest};
use super::jobs::JobEnd;
use super::marks::SESSION_BITS;
use crate::Kept;

/// What is kept of an event: names as digests, and the instant from which it counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) ms: i64,
    pub(crate) id: u64,
    pub(crate) what: What,
}

/// What an event says; of one that is not kept, only that there was one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Created(Box<Carried>),
    Updated(Box<Carried>),
    Billed {
        cents: i64,
    },
    Cancelled,
    UserAdded {
        user: u64,
    },
    UserDeleted {
        user: u64,
    },
    Login {
        user: u64,
        session: u32,
    },
    SessionEnd {
        user: u64,
        session: u32,
        timeout: bool,
    },
    Submitted {
        job: u64,
        user: u64,
        servers: u32,
        data_bytes: u64,
    },
    Ended {
        job: u64,
        how: JobEnd,
    },
    /// Nothing is kept of it but that there was an event.
    NotKept,
}

impl Fact {
    /// The fact of an event, from an instant on. `None` for a kind that says nothing about any feature.
    pub(crate) fn new(event: &Event<'_>, ms: i64, kept: Kept) -> Option<Self> {
        if !is_kept(&event.kind, kept) {
            return Some(Self { ms, id: event_digest(&event.source, &event.id), what: What::NotKept });
        }
        // Within a user and half a day, part of a digest is enough.
        let session_digest = |session: &str| (digest(session) >> (64 - SESSION_BITS)) as u32;
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

    /// Whether nothing but its digest tells a copy of this event.
    ///
    /// What logins, sessions' ends, jobs and seats leave behind in the state tells a copy by itself, and there is hardly
    /// anything else. An early event does not: a copy received later counts from another instant.
    pub(crate) fn is_told_by_id(&self, kept: Kept) -> bool {
        match self.what {
            What::Created(_) | What::Updated(_) | What::Billed { .. } | What::Cancelled => true,
            What::Login { .. } => !kept.contains(Kept::SESSIONS),
            What::Submitted { .. } => !kept.intersects(Kept::JOBS.union(Kept::RUNS)),
            _ => false,
        }
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

/// Whether anything of an event of that kind is kept, but that there was one.
pub(crate) fn is_kept(kind: &EventKind<'_>, kept: Kept) -> bool {
    let jobs = Kept::JOBS.union(Kept::RUNS);
    kept.intersects(match kind {
        EventKind::TenantUpdated(_) => Kept::TENANT.union(Kept::CHARGE),
        EventKind::TenantBilled { .. } => Kept::CHARGE,
        EventKind::UserAdded { .. } | EventKind::UserDeleted { .. } => Kept::SEATS,
        EventKind::UserLogin { .. } => Kept::LOGINS.union(Kept::SESSIONS).union(Kept::USERS),
        EventKind::UserLogoff { .. } | EventKind::UserSessionTimeout { .. } => Kept::SESSIONS,
        EventKind::JobSubmitted { .. } => jobs.union(Kept::USERS),
        // A job that is submitted again is known for as long as it has not ended, and some days more.
        EventKind::JobTerminated { .. } | EventKind::JobCancelled { .. } => jobs,
        // Tenure counts from creations and cancellations.
        _ => return true,
    })
}
