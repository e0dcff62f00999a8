//! Reads an event as nearly everybody writes it.
//!
//! One look at all bytes for what is out of the ordinary, many at a time, and then one pass over the text. Texts end at
//! their first quote, which is looked for eight bytes at a time. Values go into the same slots as those of the slow
//! reader, and from there on the code is shared.

use std::borrow::Cow;

use super::Envelope;
use crate::data::{Data, Value};
use crate::event_types::Field;
use crate::{Event, Timestamp};

/// The event, when the text is one in the usual form; `None` says nothing but that it is not.
pub(super) fn read(text: &str, arrived_at: Option<Timestamp>) -> Option<Event<'_>> {
    if !is_plain(text.as_bytes()) {
        return None;
    }
    let mut cursor = Cursor { text, bytes: text.as_bytes(), at: 0 };
    let mut envelope = Envelope::default();
    let mut data = Data::default();
    let mut has_data = false;

    cursor.expect(b'{')?;
    let mut has_attributes = read_usual_attributes(&mut cursor, &mut envelope)?;
    loop {
        if std::mem::replace(&mut has_attributes, true) {
            match cursor.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        cursor.expect(b'"')?;
        let name = cursor.text()?;
        cursor.expect(b':')?;
        if name == "data" {
            if std::mem::replace(&mut has_data, true) {
                return None;
            }
            read_data(&mut cursor, &mut data)?;
            continue;
        }
        let value = cursor.value()?;
        match envelope.slot(name) {
            Some(slot) if slot.is_absent() => *slot = value,
            Some(_) => return None,
            None if name == "data_base64" => return None,
            None => {}
        }
    }
    cursor.skip_blanks();
    if cursor.at != text.len() {
        return None;
    }
    envelope.into_event(&mut data, arrived_at).ok()
}

/// Whether there is neither an escape nor a control character anywhere, so that texts end at the next quote.
///
/// It looks at all bytes even after it knows, which lets the compiler do many at a time.
#[inline(always)]
pub(super) fn is_plain(line: &[u8]) -> bool {
    line.iter().fold(true, |plain, byte| plain & (*byte >= 0x20) & (*byte != b'\\'))
}

/// The first attributes, as long as they are spelt and ordered as [`encode`](crate::encode) does: that needs no search
/// for the ends of their names. Says whether there was any.
fn read_usual_attributes<'a>(cursor: &mut Cursor<'a>, envelope: &mut Envelope<'a>) -> Option<bool> {
    if !cursor.skip(br#""specversion":"1.0","id":""#) {
        return Some(false);
    }
    envelope.specversion = Value::Text(Cow::Borrowed("1.0"));
    envelope.id = cursor.text_value()?;
    let others: [(&[u8], _); 5] = [
        (br#","source":""#, &mut envelope.source),
        (br#","type":""#, &mut envelope.event_type),
        (br#","subject":""#, &mut envelope.subject),
        (br#","time":""#, &mut envelope.time),
        (br#","recordedtime":""#, &mut envelope.recordedtime),
    ];
    for (name, slot) in others {
        if !cursor.skip(name) {
            break;
        }
        *slot = cursor.text_value()?;
    }
    Some(true)
}

fn read_data<'a>(cursor: &mut Cursor<'a>, data: &mut Data<'a>) -> Option<()> {
    cursor.expect(b'{')?;
    if cursor.peek()? == b'}' {
        cursor.at += 1;
        return Some(());
    }
    loop {
        cursor.expect(b'"')?;
        let name = cursor.text()?;
        cursor.expect(b':')?;
        let value = cursor.value()?;
        if let Some(field) = Field::named(name) {
            let slot = data.get_mut(field);
            if !slot.is_absent() {
                return None;
            }
            *slot = value;
        }
        match cursor.next()? {
            b',' => {}
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        self.skip_blanks();
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Goes behind these bytes, if they are next.
    fn skip(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(bytes));
        self.at += if is_next { bytes.len() } else { 0 };
        is_next
    }

    fn text_value(&mut self) -> Option<Value<'a>> {
        Some(Value::Text(Cow::Borrowed(self.text()?)))
    }

    /// A text or a number.
    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.text_value()
            }
            _ => Some(Value::Number(self.number()?)),
        }
    }

    /// A text without escapes, from behind its first quote to behind its last.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        let start = self.at;
        let end = quote_at(self.bytes, start)?;
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// A number without exponent.
    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        // JSON has no leading zeros.
        if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
            return None;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits().is_empty() {
                return None;
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            return None;
        }
        self.text.get(start..self.at)
    }

    fn digits(&mut self) -> &'a [u8] {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        &self.bytes[start..self.at]
    }
}

/// Where the first quote from there on is.
#[inline(always)]
pub(super) fn quote_at(bytes: &[u8], start: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut at = start;
    loop {
        let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            return Some(at + bytes.get(at..)?.iter().position(|byte| *byte == b'"')?);
        };
        let word = u64::from_le_bytes(*chunk) ^ (ONES * u64::from(b'"'));
        // The lowest bit set is right; those above it may come from its borrow.
        let quotes = word.wrapping_sub(ONES) & !word & HIGH;
        if quotes != 0 {
            return Some(at + quotes.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
}
