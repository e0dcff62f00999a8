//! Reads the events that make up nearly all of a log, as [`encode`](crate::encode) and others that write JSON without
//! blanks spell them: by their known order, without a search for names and without slots for values that may come.
//!
//! What stands between two values is compared as a whole. Whatever is not exactly as expected, be it only one blank, is
//! for the other readers, and so is everything that is wrong.

use std::borrow::Cow;

use super::fast::{is_plain, quote_at};
use crate::event_types::{EventType, TYPE_PREFIX};
use crate::rfc3339::usual_time_at;
use crate::{Event, EventKind, JobStatus, Timestamp};

/// The event, when its line is spelt like that; `None` says nothing but that it is not.
///
/// What is made of it is made here, so that an event is written to where it belongs at once. Of an event that is not
/// wanted by when it was received no more is read, and `unwanted` is the answer.
#[inline(always)]
pub(super) fn read<'a, T>(
    text: &'a str,
    arrived_at: Option<Timestamp>,
    is_wanted: impl FnOnce(Timestamp) -> bool,
    unwanted: impl FnOnce() -> T,
    make: impl FnOnce(Event<'a>) -> T,
) -> Option<T> {
    if !is_plain(text.as_bytes()) {
        return None;
    }
    let mut line = Line { text, at: 0 };
    line.expect(br#"{"specversion":"1.0","id":""#)?;
    let id = line.text()?;
    line.expect(br#"","source":""#)?;
    let source = line.text()?;
    line.expect(br#"","type":""#)?;
    line.expect(PREFIX)?;
    let event_type = EventType::of(line.text()?)?;
    line.expect(br#"","subject":""#)?;
    let tenant = line.text()?;
    line.expect(br#"","time":""#)?;
    let occurred_at = line.time()?;
    let received_at =
        if line.skip(br#"","recordedtime":""#) { line.time()? } else { arrived_at.unwrap_or(occurred_at) };
    line.expect(br#"","data":{""#)?;
    if !is_wanted(received_at) {
        return Some(unwanted());
    }
    // Everything is found before anything is made, so that nothing has to be dropped on the way.
    let data = match event_type {
        EventType::UserLogin | EventType::UserLogoff | EventType::UserSessionTimeout => {
            line.expect(br#"userId":""#)?;
            let user = line.text()?;
            line.expect(br#"","sessionId":""#)?;
            Found { first: user, second: line.text()?, ..Found::default() }
        }
        EventType::UserAdded | EventType::UserDeleted => {
            line.expect(br#"userId":""#)?;
            Found { first: line.text()?, ..Found::default() }
        }
        EventType::JobSubmitted => {
            line.expect(br#"jobId":""#)?;
            let job = line.text()?;
            line.expect(br#"","userId":""#)?;
            let user = line.text()?;
            line.expect(br#"","servers":"#)?;
            let servers = u32::try_from(line.whole()?).ok()?;
            line.expect(br#","dataSize":"#)?;
            Found { first: job, second: user, servers, data_size: line.whole()? }
        }
        EventType::JobTerminated => {
            line.expect(br#"jobId":""#)?;
            let job = line.text()?;
            line.expect(br#"","status":""#)?;
            Found { first: job, second: line.text()?, ..Found::default() }
        }
        EventType::JobCancelled => {
            line.expect(br#"jobId":""#)?;
            Found { first: line.text()?, ..Found::default() }
        }
        // Too seldom to be worth more code.
        EventType::TenantCreated | EventType::TenantUpdated | EventType::TenantBilled | EventType::TenantCancelled => {
            return None;
        }
    };
    if event_type != EventType::JobSubmitted {
        line.expect(b"\"")?;
    }
    if line.rest()? != b"}}" {
        return None;
    }
    let (first, second) = (Cow::Borrowed(data.first), Cow::Borrowed(data.second));
    let kind = match event_type {
        EventType::UserLogin => EventKind::UserLogin { user: first, session: second },
        EventType::UserLogoff => EventKind::UserLogoff { user: first, session: second },
        EventType::UserSessionTimeout => EventKind::UserSessionTimeout { user: first, session: second },
        EventType::UserAdded => EventKind::UserAdded { user: first },
        EventType::UserDeleted => EventKind::UserDeleted { user: first },
        EventType::JobSubmitted => {
            EventKind::JobSubmitted { job: first, user: second, servers: data.servers, data_size: data.data_size }
        }
        EventType::JobTerminated => match data.second {
            "succeeded" => EventKind::JobTerminated { job: first, status: JobStatus::Succeeded },
            "failed" => EventKind::JobTerminated { job: first, status: JobStatus::Failed },
            _ => return None,
        },
        EventType::JobCancelled => EventKind::JobCancelled { job: first },
        EventType::TenantCreated | EventType::TenantUpdated | EventType::TenantBilled | EventType::TenantCancelled => {
            return None;
        }
    };
    let (id, source, tenant) = (Cow::Borrowed(id), Cow::Borrowed(source), Cow::Borrowed(tenant));
    Some(make(Event { id, source, tenant, occurred_at, received_at, kind }))
}

/// The values in the data of an event, in their order.
#[derive(Default)]
struct Found<'a> {
    first: &'a str,
    second: &'a str,
    servers: u32,
    data_size: u64,
}

const PREFIX: &[u8; TYPE_PREFIX.len()] = match TYPE_PREFIX.as_bytes().first_chunk() {
    Some(bytes) => bytes,
    None => unreachable!(),
};

/// A line, and how much of it is read.
struct Line<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Line<'a> {
    #[inline(always)]
    fn rest(&self) -> Option<&'a [u8]> {
        self.text.as_bytes().get(self.at..)
    }

    /// Goes behind these bytes, if they are next.
    #[inline(always)]
    fn skip<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        let is_next = self.rest().and_then(|rest| rest.first_chunk()) == Some(bytes);
        self.at += if is_next { N } else { 0 };
        is_next
    }

    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.skip(bytes).then_some(())
    }

    /// A text that is not empty, up to its last quote.
    #[inline(always)]
    fn text(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at = quote_at(self.text.as_bytes(), start)?;
        self.text.get(start..self.at).filter(|text| !text.is_empty())
    }

    #[inline(always)]
    fn time(&mut self) -> Option<Timestamp> {
        let (time, bytes) = usual_time_at(self.rest()?)?;
        self.at += bytes;
        Some(time)
    }

    /// A whole number that surely fits.
    #[inline(always)]
    fn whole(&mut self) -> Option<u64> {
        let rest = self.rest()?;
        let mut number = 0;
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = rest.get(count)
            && count < 19
        {
            number = number * 10 + u64::from(digit - b'0');
            count += 1;
        }
        // JSON has no leading zeros.
        if count == 0 || (count > 1 && rest[0] == b'0') {
            return None;
        }
        self.at += count;
        Some(number)
    }
}
