//! [`Event`]s to CloudEvents 1.0 in JSON.

use crate::event_types::{EventType, Field, TYPE_PREFIX};
use crate::rfc3339::write_time;
use crate::{Event, EventKind, JobStatus, Money, TenantAttributes, Timestamp};

/// Appends an event in the JSON form of CloudEvents 1.0, on one line, without its end.
///
/// `recordedtime` is written where it differs from `time`.
///
/// # Missing
/// Attributes that are `None`, and numbers that JSON cannot hold (not finite), are left out.
/// # Cost
/// No allocation beyond the growth of `out`.
/// # Example
/// ```
/// use churn_events::{Event, EventKind, Timestamp, encode};
/// let event = Event {
///     id: "1".into(),
///     source: "/users".into(),
///     tenant: "tenant-7".into(),
///     occurred_at: Timestamp::from_millis(0),
///     received_at: Timestamp::from_millis(0),
///     kind: EventKind::UserAdded { user: "user-3".into() },
/// };
/// let mut line = Vec::new();
/// encode(&event, &mut line);
/// assert_eq!(churn_events::decode(&line)?, event);
/// # Ok::<(), churn_events::Malformed>(())
/// ```
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"specversion":"1.0","id":"#);
    write_text(&event.id, out);
    out.extend_from_slice(br#","source":"#);
    write_text(&event.source, out);
    out.extend_from_slice(br#","type":""#);
    out.extend_from_slice(TYPE_PREFIX.as_bytes());
    out.extend_from_slice(event_type(&event.kind).name().as_bytes());
    out.extend_from_slice(br#"","subject":"#);
    write_text(&event.tenant, out);
    write_instant(br#","time":""#, event.occurred_at, out);
    if event.received_at != event.occurred_at {
        write_instant(br#","recordedtime":""#, event.received_at, out);
    }
    out.extend_from_slice(br#","data":{"#);
    let mut data = DataWriter { out, comma: false };
    data.kind(&event.kind);
    out.extend_from_slice(b"}}");
}

/// The type that says what happened.
pub(crate) const fn event_type(kind: &EventKind<'_>) -> EventType {
    match kind {
        EventKind::TenantCreated(_) => EventType::TenantCreated,
        EventKind::TenantUpdated(_) => EventType::TenantUpdated,
        EventKind::TenantBilled { .. } => EventType::TenantBilled,
        EventKind::TenantCancelled { .. } => EventType::TenantCancelled,
        EventKind::UserAdded { .. } => EventType::UserAdded,
        EventKind::UserDeleted { .. } => EventType::UserDeleted,
        EventKind::UserLogin { .. } => EventType::UserLogin,
        EventKind::UserLogoff { .. } => EventType::UserLogoff,
        EventKind::UserSessionTimeout { .. } => EventType::UserSessionTimeout,
        EventKind::JobSubmitted { .. } => EventType::JobSubmitted,
        EventKind::JobTerminated { .. } => EventType::JobTerminated,
        EventKind::JobCancelled { .. } => EventType::JobCancelled,
    }
}

fn write_instant(name: &[u8], time: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    write_time(time, out);
    out.push(b'"');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    // Without a short cut, so that it is done on many bytes at once.
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("this cannot fail because a vector takes every byte and text is JSON");
    }
}

struct DataWriter<'o> {
    out: &'o mut Vec<u8>,
    comma: bool,
}

impl DataWriter<'_> {
    fn kind(&mut self, kind: &EventKind<'_>) {
        match kind {
            EventKind::TenantCreated(attributes) | EventKind::TenantUpdated(attributes) => self.attributes(attributes),
            EventKind::TenantBilled { amount } => self.money(Field::Amount, *amount),
            EventKind::TenantCancelled { reason } => self.optional_text(Field::Reason, reason.as_deref()),
            EventKind::UserAdded { user } | EventKind::UserDeleted { user } => self.text(Field::UserId, user),
            EventKind::UserLogin { user, session }
            | EventKind::UserLogoff { user, session }
            | EventKind::UserSessionTimeout { user, session } => {
                self.text(Field::UserId, user);
                self.text(Field::SessionId, session);
            }
            EventKind::JobSubmitted { job, user, servers, data_size } => {
                self.text(Field::JobId, job);
                self.text(Field::UserId, user);
                self.whole(Field::Servers, u64::from(*servers));
                self.whole(Field::DataSize, *data_size);
            }
            EventKind::JobTerminated { job, status } => {
                self.text(Field::JobId, job);
                let word = match status {
                    JobStatus::Succeeded => "succeeded",
                    JobStatus::Failed => "failed",
                };
                self.text(Field::Status, word);
            }
            EventKind::JobCancelled { job } => self.text(Field::JobId, job),
        }
    }

    fn attributes(&mut self, attributes: &TenantAttributes<'_>) {
        self.optional_text(Field::Company, attributes.company.as_deref());
        self.optional_text(Field::Industry, attributes.industry.as_deref());
        self.number(Field::Revenue, attributes.revenue);
        if let Some(employees) = attributes.employees {
            self.whole(Field::Employees, u64::from(employees));
        }
        self.number(Field::Sentiment, attributes.sentiment);
        if let Some(charge) = attributes.monthly_charge {
            self.money(Field::MonthlyCharge, charge);
        }
    }

    fn name(&mut self, field: Field) {
        if std::mem::replace(&mut self.comma, true) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(field.name().as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, field: Field, text: &str) {
        self.name(field);
        write_text(text, self.out);
    }

    fn optional_text(&mut self, field: Field, text: Option<&str>) {
        if let Some(text) = text {
            self.text(field, text);
        }
    }

    fn whole(&mut self, field: Field, number: u64) {
        self.name(field);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn number(&mut self, field: Field, number: Option<f64>) {
        let Some(number) = number.filter(|number| number.is_finite()) else { return };
        self.name(field);
        serde_json::to_writer(&mut *self.out, &number)
            .expect("this cannot fail because a vector takes every byte and the number is finite");
    }

    /// Whole dollars without a point, others with two digits behind it.
    fn money(&mut self, field: Field, money: Money) {
        self.name(field);
        if money.cents() < 0 {
            self.out.push(b'-');
        }
        let cents = money.cents().unsigned_abs();
        self.out.extend_from_slice(itoa::Buffer::new().format(cents / 100).as_bytes());
        let rest = (cents % 100) as u8;
        if rest != 0 {
            self.out.extend_from_slice(&[b'.', b'0' + rest / 10, b'0' + rest % 10]);
        }
    }
}
