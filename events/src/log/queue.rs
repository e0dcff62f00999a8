//! Events in their order, of which some are still to be made.

use std::collections::VecDeque;

use crate::legacy::Jobs;
use crate::{Event, Timestamp};

/// Events handed on at once, where they are not a block's.
pub(super) const BATCH_EVENTS: usize = 8192;

/// The events of some lines. What one record of the original system stands for, up to 10,000 jobs, is made when its turn
/// comes, so that memory follows the number of lines.
#[derive(Default)]
pub(super) struct Queue<'a> {
    events: VecDeque<Event<'a>>,
    /// Records, each with how many events of `events` were pushed before it.
    records: VecDeque<(u64, Jobs<'a>)>,
    n_taken: u64,
}

impl<'a> Queue<'a> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { events: VecDeque::with_capacity(capacity), ..Self::default() }
    }

    #[inline]
    pub(super) fn push(&mut self, event: Event<'a>) {
        self.events.push_back(event);
    }

    pub(super) fn push_record(&mut self, mut jobs: Jobs<'a>) {
        match jobs.n_left() {
            0 => {}
            // Most records are about one job, which takes no more than the record.
            1 => self.events.extend(jobs.next()),
            _ => self.records.push_back((self.n_taken + self.events.len() as u64, jobs)),
        }
    }

    /// How many events there are, also those still to be made.
    pub(super) fn len(&self) -> u64 {
        self.events.len() as u64 + self.records.iter().map(|(_, jobs)| jobs.n_left()).sum::<u64>()
    }

    /// How many events take memory.
    #[cfg(test)]
    pub(super) fn n_held(&self) -> usize {
        self.events.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.records.is_empty()
    }

    /// When the next event was received.
    pub(super) fn next_received_at(&self) -> Option<Timestamp> {
        match self.records.front() {
            Some((position, jobs)) if *position == self.n_taken => Some(jobs.received_at()),
            _ => self.events.front().map(|event| event.received_at),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event<'a>> {
        if let Some((position, jobs)) = self.records.front_mut()
            && *position == self.n_taken
        {
            let event = jobs.next();
            if jobs.n_left() == 0 {
                self.records.pop_front();
            }
            return event;
        }
        let event = self.events.pop_front();
        self.n_taken += u64::from(event.is_some());
        event
    }

    /// Puts others behind these.
    pub(super) fn append(&mut self, other: Queue<'a>) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let n_before = self.n_taken + self.events.len() as u64;
        self.records.extend(other.records.into_iter().map(|(n, jobs)| (n_before + n - other.n_taken, jobs)));
        self.events.extend(other.events);
    }

    /// Hands all of them on: at once where they are held, and otherwise so many as may be held.
    pub(super) fn hand_on(mut self, on_batch: &mut dyn FnMut(&[Event<'_>])) {
        if self.records.is_empty() {
            if !self.events.is_empty() {
                on_batch(self.events.make_contiguous());
            }
            return;
        }
        let mut batch = Vec::new();
        while let Some(event) = self.pop() {
            batch.push(event);
            if batch.len() == BATCH_EVENTS {
                on_batch(&batch);
                batch.clear();
            }
        }
        if !batch.is_empty() {
            on_batch(&batch);
        }
    }

    /// The same, borrowing from nothing.
    pub(super) fn into_owned(self) -> Queue<'static> {
        Queue {
            events: self.events.into_iter().map(Event::into_owned).collect(),
            records: self.records.into_iter().map(|(n, jobs)| (n, jobs.into_owned())).collect(),
            n_taken: self.n_taken,
        }
    }
}
