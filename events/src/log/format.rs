//! From the bytes of a block to events and to lines that are none.

use std::borrow::Cow;
use std::ops::Range;

use super::blocks::Block;
use crate::decode::{as_text, decode_received_in};
use crate::malformed::{Malformed, Reason};
use crate::{Event, LegacyFormat, LegacyTable, MAX_LINE_BYTES, RecordOrigin, Timestamp, decode_legacy_json};

/// About what an event takes in a file, to make room for a block of them at once.
const USUAL_LINE_BYTES: usize = 200;

/// What the lines of a file are.
#[derive(Debug)]
pub(super) enum Format {
    /// An object each: an event or a record of the original system.
    Json,
    /// Rows of one of the original system's tables; its header stands in this line.
    Table { table: LegacyTable, header_line: u64 },
}

/// What is the same for all lines of a file.
pub(super) struct LineContext {
    pub(super) format: Format,
    /// What the events of the original system's records come from.
    pub(super) legacy_source: String,
    /// When records without time were received.
    pub(super) received_at: Option<Timestamp>,
    /// Events of which times of being received are handed on.
    pub(super) period: Range<Timestamp>,
}

/// What a block holds.
#[derive(Default)]
pub(super) struct Decoded<'a> {
    pub(super) events: Vec<Event<'a>>,
    pub(super) faults: Vec<Fault<'a>>,
    pub(super) lines: u64,
    /// Events received outside the period.
    pub(super) outside: u64,
    pub(super) legacy: Vec<(LegacyFormat, u64)>,
}

self_cell::self_cell!(
    /// A block with what it holds, which borrows from it.
    pub(super) struct DecodedBlock {
        owner: Block,
        #[covariant]
        dependent: Decoded,
    }
);

/// A line that is no event.
pub(super) struct Fault<'a> {
    pub(super) line: u64,
    pub(super) text: &'a [u8],
    pub(super) malformed: Malformed,
    /// When `text` is only its beginning: how many bytes it has.
    pub(super) line_bytes: Option<u64>,
}

impl Format {
    /// The format of a file, by its first line that is not blank.
    pub(super) fn of(block: &Block) -> Self {
        if let Some((header_line, at)) = lines(block).next()
            && let Some(table) = LegacyTable::from_header(&block.bytes[at])
        {
            return Self::Table { table, header_line };
        }
        Self::Json
    }
}

/// Where the lines of a block are that are not blank, with their numbers.
fn lines(block: &Block) -> impl Iterator<Item = (u64, Range<usize>)> {
    let bytes = block.bytes.as_slice();
    let mut next = 0;
    let mut number = block.first_line;
    std::iter::from_fn(move || {
        while next < bytes.len() {
            let start = next;
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |length| start + length);
            let line = bytes[start..end].trim_ascii_end();
            next = end + 1;
            number += 1;
            if !matches!(line.trim_ascii_start(), [] | [0xef, 0xbb, 0xbf]) {
                return Some((number - 1, start..start + line.len()));
            }
        }
        None
    })
}

impl LineContext {
    pub(super) fn decode<'a>(&self, block: &'a Block) -> Decoded<'a> {
        let mut decoded = Decoded::default();
        if let Some(length) = block.too_long {
            let malformed = Malformed::line(Reason::TooLong { most_bytes: MAX_LINE_BYTES });
            let fault = Fault { line: block.first_line, text: &block.bytes, malformed, line_bytes: Some(length) };
            decoded.lines = 1;
            decoded.faults.push(fault);
            return decoded;
        }
        decoded.events.reserve(block.bytes.len() / USUAL_LINE_BYTES);
        // One look at a whole block is cheaper than one at each of its lines.
        let whole = simdutf8::basic::from_utf8(&block.bytes).ok();
        for (line, at) in lines(block) {
            let text = &block.bytes[at.clone()];
            if matches!(self.format, Format::Table { header_line, .. } if header_line == line) {
                continue;
            }
            decoded.lines += 1;
            let as_text = whole.map_or_else(|| as_text(text), |whole| Ok(&whole[at]));
            if let Err(malformed) = self.decode_line(line, text, as_text, &mut decoded) {
                decoded.faults.push(Fault { line, text, malformed, line_bytes: None });
            }
        }
        decoded
    }

    fn decode_line<'a>(
        &self,
        line: u64,
        bytes: &'a [u8],
        text: Result<&'a str, Malformed>,
        decoded: &mut Decoded<'a>,
    ) -> Result<(), Malformed> {
        let id;
        let origin = |id| RecordOrigin { source: &self.legacy_source, id, received_at: self.received_at };
        let (format, events) = match &self.format {
            Format::Json => {
                let malformed = match text.and_then(|text| decode_received_in(&self.period, text)) {
                    Ok(Some(event)) => {
                        decoded.events.push(event);
                        return Ok(());
                    }
                    Ok(None) => {
                        decoded.outside += 1;
                        return Ok(());
                    }
                    Err(malformed) => malformed,
                };
                id = format!("line-{line}");
                match decode_legacy_json(bytes, &origin(&id)) {
                    Some(result) => result?,
                    None => return Err(malformed),
                }
            }
            Format::Table { table, .. } => {
                id = format!("line-{line}");
                (table.format(), table.decode(bytes, &origin(&id))?)
            }
        };
        let n_before = decoded.events.len() + events.len();
        decoded.events.extend(events.into_iter().filter(|event| self.period.contains(&event.received_at)));
        decoded.outside += (n_before - decoded.events.len()) as u64;
        match decoded.legacy.iter_mut().find(|(other, _)| *other == format) {
            Some((_, count)) => *count += 1,
            None => decoded.legacy.push((format, 1)),
        }
        Ok(())
    }
}

/// The name of a file as the last part of what its events come from.
pub(super) fn legacy_source(name: &str) -> String {
    let file: Cow<'_, str> = name.rsplit(['/', '\\']).next().unwrap_or(name).into();
    format!("/legacy/{file}")
}
