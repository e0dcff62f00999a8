use std::borrow::Cow;

use crate::TimeError;

/// Why a line is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Malformed {
    /// Which field of the event is wrong: a name of the wire form, or `line` when it is all of it.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub reason: Reason,
}

impl Malformed {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, reason: Reason) -> Self {
        Self { field: field.into(), reason }
    }

    /// About all of the line.
    pub(crate) fn line(reason: Reason) -> Self {
        Self::new("line", reason)
    }

    /// The name of the type, when nothing is wrong with the event but that its type is not known here.
    ///
    /// Such events are counted and passed over; they are no fault.
    pub fn unknown_type(&self) -> Option<&str> {
        match &self.reason {
            Reason::UnknownType { name } => Some(name),
            _ => None,
        }
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The type is none of those of this crate.
    #[error("is {name:?}, a type that is not known here")]
    UnknownType {
        /// The type.
        name: String,
    },
    /// The line is not text.
    #[error("is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// How many bytes are.
        at: usize,
    },
    /// The line is not JSON.
    #[error("is not JSON: {problem} at byte {at}")]
    NotJson {
        /// What the parser says.
        problem: String,
        /// Where in the line, from 1.
        at: usize,
    },
    /// The line holds JSON that is no object.
    #[error("is {found} where an object is expected, one event per line")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// The line is too long to be looked at.
    #[error("is longer than {most_bytes} bytes")]
    TooLong {
        /// What a line may have.
        most_bytes: usize,
    },
    /// The field is not there.
    #[error("is missing")]
    Missing,
    /// The field is there more than once.
    #[error("is given twice")]
    Twice,
    /// The field is there and has nothing in it.
    #[error("is empty")]
    Empty,
    /// The field holds another kind of value.
    #[error("is {found} where {expected} is expected")]
    WrongKind {
        /// What it is, or begins with.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A number cannot be below 0 here.
    #[error("is {found} where a number from 0 is expected")]
    Negative {
        /// The number.
        found: String,
    },
    /// A number has to be whole here.
    #[error("is {found} where a whole number is expected")]
    Fractional {
        /// The number.
        found: String,
    },
    /// A number lies outside of what it can be.
    #[error("is {found} where at most {most} is expected")]
    TooLarge {
        /// The number.
        found: String,
        /// The largest that it can be.
        most: String,
    },
    /// A sentiment lies outside its range.
    #[error("is {found} where a number from -1 to 1 is expected")]
    NoSentiment {
        /// The number.
        found: String,
    },
    /// A word is none of those that can stand here.
    #[error("is {found:?} where {expected} is expected")]
    UnknownWord {
        /// The word.
        found: String,
        /// Those that can stand here.
        expected: &'static str,
    },
    /// The data of an event are not JSON.
    #[error("holds data as bytes where JSON is expected in data")]
    Binary,
    /// A time is wrong.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A record of the original system says nothing of when, and nobody else did.
    #[error("is missing: these records have no time of their own, so the time they were received at has to be given")]
    NoTimeKnown,
    /// A record of the original system stands for more events than one record may.
    #[error("is {found} jobs where at most {most} in one record are expected")]
    TooManyJobs {
        /// How many.
        found: u64,
        /// How many there may be.
        most: u64,
    },
    /// A row of a CSV file has another number of fields than its header.
    #[error("has {found} fields where the header has {expected}")]
    WrongWidth {
        /// Those of the row.
        found: usize,
        /// Those of the header.
        expected: usize,
    },
}
