//! The `data` of an event: values as they stood in the JSON, and what they become once the type is known.
//!
//! Both decoders end here, so that they differ only in how they find the values.

use std::borrow::Cow;

use crate::event_types::{Content, EventType, Field};
use crate::malformed::{Malformed, Reason};
use crate::rfc3339::beginning;
use crate::{EventKind, JobStatus, Money, TenantAttributes};

/// A JSON value, looked at as little as possible.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value<'a> {
    /// Not there, or `null`, which says the same.
    #[default]
    Absent,
    /// A text without its quotes and escapes.
    Text(Cow<'a, str>),
    /// A number as it is written.
    Number(&'a str),
    /// Something that is neither: its name, with its article.
    Other(&'static str),
}

impl Value<'_> {
    /// What a message says that it is.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Absent => "nothing".to_owned(),
            Self::Text(text) => format!("the text {:?}", beginning(text)),
            Self::Number(number) => format!("the number {}", beginning(number)),
            Self::Other(name) => (*name).to_owned(),
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The values of all fields that any type has.
#[derive(Debug, Default)]
pub(crate) struct Data<'a> {
    values: [Value<'a>; Field::N],
}

impl<'a> Data<'a> {
    pub(crate) fn get_mut(&mut self, field: Field) -> &mut Value<'a> {
        &mut self.values[field as usize]
    }

    fn take(&mut self, field: Field) -> Value<'a> {
        std::mem::take(self.get_mut(field))
    }

    /// What happened, said by an event of this type with these data.
    pub(crate) fn into_kind(mut self, event_type: EventType) -> Result<EventKind<'a>, Malformed> {
        Ok(match event_type {
            EventType::TenantCreated => EventKind::TenantCreated(self.attributes()?),
            EventType::TenantUpdated => EventKind::TenantUpdated(self.attributes()?),
            EventType::TenantBilled => {
                EventKind::TenantBilled { amount: self.money(Field::Amount).and_then(|it| there(it, Field::Amount))? }
            }
            EventType::TenantCancelled => EventKind::TenantCancelled { reason: self.text(Field::Reason)? },
            EventType::UserAdded => EventKind::UserAdded { user: self.id(Field::UserId)? },
            EventType::UserDeleted => EventKind::UserDeleted { user: self.id(Field::UserId)? },
            EventType::UserLogin => {
                EventKind::UserLogin { user: self.id(Field::UserId)?, session: self.id(Field::SessionId)? }
            }
            EventType::UserLogoff => {
                EventKind::UserLogoff { user: self.id(Field::UserId)?, session: self.id(Field::SessionId)? }
            }
            EventType::UserSessionTimeout => {
                EventKind::UserSessionTimeout { user: self.id(Field::UserId)?, session: self.id(Field::SessionId)? }
            }
            EventType::JobSubmitted => EventKind::JobSubmitted {
                job: self.id(Field::JobId)?,
                user: self.id(Field::UserId)?,
                servers: self.count(Field::Servers).and_then(|it| there(it, Field::Servers))?,
                data_size: self.whole(Field::DataSize, u64::MAX).and_then(|it| there(it, Field::DataSize))?,
            },
            EventType::JobTerminated => {
                EventKind::JobTerminated { job: self.id(Field::JobId)?, status: self.status()? }
            }
            EventType::JobCancelled => EventKind::JobCancelled { job: self.id(Field::JobId)? },
        })
    }

    pub(crate) fn attributes(&mut self) -> Result<TenantAttributes<'a>, Malformed> {
        Ok(TenantAttributes {
            company: self.text(Field::Company)?,
            industry: self.text(Field::Industry)?,
            revenue: self.number(Field::Revenue)?,
            employees: self.count(Field::Employees)?,
            sentiment: self.number(Field::Sentiment)?,
            monthly_charge: self.money(Field::MonthlyCharge)?,
        })
    }

    fn text(&mut self, field: Field) -> Result<Option<Cow<'a, str>>, Malformed> {
        match self.take(field) {
            Value::Absent => Ok(None),
            Value::Text(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            other => Err(wrong_kind(field, &other)),
        }
    }

    fn id(&mut self, field: Field) -> Result<Cow<'a, str>, Malformed> {
        match self.take(field) {
            Value::Absent => Err(Malformed::new(field.name(), Reason::Missing)),
            Value::Text(text) if text.is_empty() => Err(Malformed::new(field.name(), Reason::Empty)),
            Value::Text(text) => Ok(text),
            other => Err(wrong_kind(field, &other)),
        }
    }

    fn status(&mut self) -> Result<JobStatus, Malformed> {
        match self.id(Field::Status)?.as_ref() {
            "succeeded" => Ok(JobStatus::Succeeded),
            "failed" => Ok(JobStatus::Failed),
            word => {
                let reason = Reason::UnknownWord { found: beginning(word), expected: "succeeded or failed" };
                Err(Malformed::new(Field::Status.name(), reason))
            }
        }
    }

    fn number_text(&mut self, field: Field) -> Result<Option<&'a str>, Malformed> {
        match self.take(field) {
            Value::Absent => Ok(None),
            Value::Number(number) => Ok(Some(number)),
            other => Err(wrong_kind(field, &other)),
        }
    }

    fn whole(&mut self, field: Field, most: u64) -> Result<Option<u64>, Malformed> {
        let Some(text) = self.number_text(field)? else { return Ok(None) };
        whole_number(text, most).map(Some).map_err(|reason| Malformed::new(field.name(), reason))
    }

    fn count(&mut self, field: Field) -> Result<Option<u32>, Malformed> {
        Ok(self.whole(field, u64::from(u32::MAX))?.map(|number| number as u32))
    }

    /// A revenue or a sentiment, in its range.
    fn number(&mut self, field: Field) -> Result<Option<f64>, Malformed> {
        let Some(text) = self.number_text(field)? else { return Ok(None) };
        let number = float(text);
        let found = || beginning(text);
        match field.content() {
            Content::Sentiment if !(-1.0..=1.0).contains(&number) => Err(Reason::NoSentiment { found: found() }),
            Content::Amount if number < 0.0 => Err(Reason::Negative { found: found() }),
            _ if !number.is_finite() => Err(Reason::TooLarge { found: found(), most: f64::MAX.to_string() }),
            _ => Ok(Some(number)),
        }
        .map_err(|reason| Malformed::new(field.name(), reason))
    }

    fn money(&mut self, field: Field) -> Result<Option<Money>, Malformed> {
        let Some(text) = self.number_text(field)? else { return Ok(None) };
        let found = || beginning(text);
        let reason = match dollars(text) {
            None => Reason::TooLarge { found: found(), most: "90 trillion dollars".to_owned() },
            Some(money) if field.content() == Content::Charge && money.cents() < 0 => {
                Reason::Negative { found: found() }
            }
            Some(money) => return Ok(Some(money)),
        };
        Err(Malformed::new(field.name(), reason))
    }
}

fn there<T>(value: Option<T>, field: Field) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::new(field.name(), Reason::Missing))
}

fn wrong_kind(field: Field, found: &Value<'_>) -> Malformed {
    let expected = match field.content() {
        Content::Text | Content::Id => "a text",
        Content::Status => "succeeded or failed",
        Content::Count | Content::Bytes => "a whole number",
        Content::Amount | Content::Sentiment | Content::Charge | Content::Dollars => "a number",
    };
    Malformed::new(field.name(), Reason::WrongKind { found: found.shown(), expected })
}

/// A number in JSON's spelling as a float; infinite when it is too large for one.
fn float(text: &str) -> f64 {
    text.parse().expect("this cannot fail because every JSON number is one that Rust reads")
}

/// A whole number in JSON's spelling, which may have an exponent or zeros after its point.
pub(crate) fn whole_number(text: &str, most: u64) -> Result<u64, Reason> {
    let found = || beginning(text);
    let number = match text.parse::<u64>() {
        Ok(number) => number,
        Err(_) => {
            let number = float(text);
            if number < 0.0 {
                return Err(Reason::Negative { found: found() });
            }
            // 2^64, from which on no whole number fits.
            if number >= 18_446_744_073_709_551_616.0 {
                return Err(Reason::TooLarge { found: found(), most: most.to_string() });
            }
            if number.fract() != 0.0 {
                return Err(Reason::Fractional { found: found() });
            }
            number as u64
        }
    };
    if number > most { Err(Reason::TooLarge { found: found(), most: most.to_string() }) } else { Ok(number) }
}

/// Dollars in JSON's spelling; `None` when there are too many of them.
///
/// The usual spelling, with at most two digits after the point, never becomes a float on the way to cents.
pub(crate) fn dollars(text: &str) -> Option<Money> {
    exact_dollars(text).or_else(|| Money::from_dollars(float(text)))
}

fn exact_dollars(text: &str) -> Option<Money> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, cents) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() > 14 || cents.len() > 2 {
        return None;
    }
    let mut number = 0_i64;
    for digit in whole.bytes().chain(cents.bytes()) {
        number = number * 10 + i64::from(char::from(digit).to_digit(10)?);
    }
    number *= [100, 10, 1][cents.len()];
    // Larger ones are refused by `Money::from_dollars`.
    if number > 1 << 53 {
        return None;
    }
    Some(Money::from_cents(if negative { -number } else { number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_be_spelt_as_floats_but_not_be_fractions() {
        assert_eq!(whole_number("3", 10), Ok(3));
        assert_eq!(whole_number("3.0", 10), Ok(3));
        assert_eq!(whole_number("1e3", 1000), Ok(1000));
        assert_eq!(whole_number("18446744073709551615", u64::MAX), Ok(u64::MAX));
        assert!(matches!(whole_number("2.5", 10), Err(Reason::Fractional { .. })));
        assert!(matches!(whole_number("-1", 10), Err(Reason::Negative { .. })));
        assert!(matches!(whole_number("11", 10), Err(Reason::TooLarge { .. })));
        assert!(matches!(whole_number("1e400", u64::MAX), Err(Reason::TooLarge { .. })));
        assert!(matches!(whole_number("18446744073709551616", u64::MAX), Err(Reason::TooLarge { .. })));
    }

    #[test]
    fn dollars_are_read_to_the_cent() {
        let cents = |text| dollars(text).map(Money::cents);
        assert_eq!(cents("12"), Some(1200));
        assert_eq!(cents("-12.3"), Some(-1230));
        assert_eq!(cents("0.29"), Some(29));
        assert_eq!(cents("-71011652634205.57"), Some(-7_101_165_263_420_557));
        assert_eq!(cents("90071992547409.92"), Some(1 << 53));
        assert_eq!(cents("99999999999999"), None);
        assert_eq!(cents("12.345"), Some(1235));
        assert_eq!(cents("1.5e3"), Some(150_000));
        assert_eq!(cents("1e300"), None);
    }
}
