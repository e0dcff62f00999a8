//! From the bytes of a block to events and to lines that are none.

use std::borrow::Cow;
use std::ops::Range;

use super::blocks::Block;
use super::queue::Queue;
use crate::decode::{as_text, decode_received_in};
use crate::legacy::{Told, read_legacy_json};
use crate::malformed::{Malformed, Reason};
use crate::{LegacyFormat, LegacyTable, MAX_LINE_BYTES, RecordOrigin, Timestamp};

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
    pub(super) events: Queue<'a>,
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
        let n_usual = if block.too_long.is_some() { 0 } else { block.bytes.len() / USUAL_LINE_BYTES };
        let mut decoded = Decoded { events: Queue::with_capacity(n_usual), ..Decoded::default() };
        if let Some(length) = block.too_long {
            let malformed = Malformed::line(Reason::TooLong { most_bytes: MAX_LINE_BYTES });
            let fault = Fault { line: block.first_line, text: &block.bytes, malformed, line_bytes: Some(length) };
            decoded.lines = 1;
            decoded.faults.push(fault);
            return decoded;
        }
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
        let (format, told) = match &self.format {
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
                match read_legacy_json(bytes, &origin(&id)) {
                    Some(result) => result?,
                    None => return Err(malformed),
                }
            }
            Format::Table { table, .. } => {
                id = format!("line-{line}");
                (table.format(), table.read(bytes, &origin(&id))?)
            }
        };
        match told {
            Told::Company(event) if self.period.contains(&event.received_at) => decoded.events.push(event),
            Told::Jobs(jobs) if self.period.contains(&jobs.received_at()) => decoded.events.push_record(jobs),
            Told::Company(_) => decoded.outside += 1,
            Told::Jobs(jobs) => decoded.outside += jobs.n_left(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogOptions;
    use crate::legacy::MAX_JOBS_PER_RECORD;

    #[test]
    fn a_block_holds_no_more_events_than_lines_whatever_they_stand_for() {
        let line = |day| {
            format!("{{\"companyID\":\"c\",\"userID\":\"u\",\"nbJobs\":10000,\"creationDate\":\"2022-08-{day:02}\"}}\n")
        };
        let lines: String = (1..=30).map(line).collect();
        let context = LineContext {
            format: Format::Json,
            legacy_source: "/legacy/log".into(),
            received_at: None,
            period: LogOptions::default().period,
        };
        let block = Block { bytes: lines.into_bytes(), first_line: 1, too_long: None };
        let decoded = context.decode(&block);
        assert_eq!((decoded.events.n_held(), decoded.events.len()), (0, 30 * MAX_JOBS_PER_RECORD));
        // Nor when they are kept for the next round of a merge.
        let mut kept = Queue::default();
        kept.append(decoded.events);
        let mut kept = kept.into_owned();
        assert_eq!(kept.pop().map(|event| event.id.into_owned()).as_deref(), Some("line-1-1"));
        assert_eq!((kept.n_held(), kept.len()), (0, 30 * MAX_JOBS_PER_RECORD - 1));
    }
}
