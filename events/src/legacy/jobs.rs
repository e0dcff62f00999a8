use std::borrow::Cow;

use crate::{Event, EventKind, Timestamp};

/// The jobs that one record stands for, made one after the other: ten thousand events take much more memory than what
/// they are made of.
#[derive(Debug, Clone)]
pub(crate) struct Jobs<'a> {
    pub(super) source: String,
    /// The record's id, of which those of the jobs are made.
    pub(super) id: String,
    pub(super) tenant: Cow<'a, str>,
    pub(super) user: Cow<'a, str>,
    pub(super) occurred_at: Timestamp,
    /// Of all jobs together.
    pub(super) data_size: u64,
    pub(super) n_jobs: u64,
    pub(super) n_made: u64,
}

impl Jobs<'_> {
    /// When all of them were received.
    #[cfg(feature = "log")]
    pub(crate) fn received_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// How many are still to be made.
    pub(crate) fn n_left(&self) -> u64 {
        self.n_jobs - self.n_made
    }

    #[cfg(feature = "log")]
    pub(crate) fn into_owned(self) -> Jobs<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Jobs { tenant: owned(self.tenant), user: owned(self.user), ..self }
    }
}

impl<'a> Iterator for Jobs<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if self.n_left() == 0 {
            return None;
        }
        self.n_made += 1;
        let (job, jobs) = (self.n_made, self.n_jobs);
        let id = if jobs == 1 { self.id.clone() } else { format!("{}-{job}", self.id) };
        Some(Event {
            source: Cow::Owned(self.source.clone()),
            tenant: self.tenant.clone(),
            occurred_at: self.occurred_at,
            received_at: self.occurred_at,
            kind: EventKind::JobSubmitted {
                job: Cow::Owned(format!("{}#{id}", self.source)),
                user: self.user.clone(),
                servers: 1,
                // The first jobs take what does not divide.
                data_size: self.data_size / jobs + u64::from(job <= self.data_size % jobs),
            },
            id: Cow::Owned(id),
        })
    }
}
