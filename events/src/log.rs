//! Files of events.
//!
//! A file is cut into blocks of whole lines, which are decoded on all cores while the next ones are read and
//! decompressed. What is held at any time is a few such blocks, their events, and nothing of what came before.

mod blocks;
mod dead_letters;
mod format;
mod input;
mod merge;
mod parallel;
mod queue;
mod report;

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use blocks::{BLOCK_BYTES, Block, Blocks};
use dead_letters::DeadLetters;
use format::{Decoded, DecodedBlock, Fault, Format, LineContext, legacy_source};
pub use input::decompressed;
use queue::Queue;
pub use report::{BrokenFile, LogReport, MalformedLine};

use crate::{Error, Event, Timestamp};

/// Blocks that are decoded at once: enough that no core waits for another.
const BLOCKS_AT_ONCE: usize = 6;

/// How a log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Where lines that are no events go, as JSON Lines; the file appears at the end, and replaces one of that name.
    pub dead_letters: Option<PathBuf>,
    /// When the records of the original system that have no time of their own (companies) were received. Without it they
    /// are malformed.
    pub received_at: Option<Timestamp>,
    /// Only events received in this period are handed on; all, unless it is set. What others carry is not even looked
    /// at where that saves time.
    pub period: Range<Timestamp>,
    /// How many malformed lines the report shows.
    pub most_malformed_shown: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        let period = Timestamp::from_millis(i64::MIN)..Timestamp::from_millis(i64::MAX);
        Self { dead_letters: None, received_at: None, period, most_malformed_shown: 20 }
    }
}

/// Reads files of events and hands them on in batches, in the order in which they were received.
///
/// Files are JSON Lines of CloudEvents, plain, gzip or zstd, or one of the original system's four formats; what a file is
/// shows in its first bytes. The events of one file come in its own order; several are merged by `received_at`, and of
/// equal ones those of the file named first come first.
///
/// Lines that are no events, events of unknown types and files that break off stop nothing: they are in the report.
///
/// # Errors
/// [`Error::Open`] before anything is handed on when one of the files cannot be opened, and [`Error::DeadLetters`].
/// # Cost
/// A few MiB, whatever the size of the files, and 200 KiB for each of several.
/// # Example
/// ```no_run
/// use churn_events::{LogOptions, read_log};
/// let mut jobs = 0;
/// let report = read_log(&["log.jsonl.gz".into()], &LogOptions::default(), |events| jobs += events.len())?;
/// println!("{report}");
/// # Ok::<(), churn_events::Error>(())
/// ```
pub fn read_log(
    paths: &[PathBuf],
    options: &LogOptions,
    mut on_batch: impl FnMut(&[Event<'_>]),
) -> Result<LogReport, Error> {
    let open = |path: &PathBuf| match File::open(path) {
        Ok(file) => Ok((path.clone(), file)),
        Err(source) => Err(Error::Open { path: path.clone(), source }),
    };
    let files = paths.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    read_logs_from(files, options, &mut on_batch)
}

/// Reads one log from anything that can be read; `name` stands for it in the report and in dead letters.
///
/// # Errors
/// [`Error::Open`] when not even the first bytes can be read, and [`Error::DeadLetters`].
/// # Cost
/// As [`read_log`].
pub fn read_log_from(
    reader: impl Read + Send,
    name: &str,
    options: &LogOptions,
    mut on_batch: impl FnMut(&[Event<'_>]),
) -> Result<LogReport, Error> {
    read_logs_from(vec![(name.into(), reader)], options, &mut on_batch)
}

/// Reads logs from anything that can be read, and merges them as [`read_log`] does files; each comes with the name that
/// stands for it.
///
/// A reader that fails has broken off, which is in the report: so it is also how reading is ended early.
///
/// # Errors
/// As [`read_log_from`].
/// # Cost
/// As [`read_log`].
pub fn read_logs_from(
    logs: Vec<(PathBuf, impl Read + Send)>,
    options: &LogOptions,
    mut on_batch: impl FnMut(&[Event<'_>]),
) -> Result<LogReport, Error> {
    let block_bytes = if logs.len() == 1 { BLOCK_BYTES } else { merge::BLOCK_BYTES };
    let mut sources = Vec::with_capacity(logs.len());
    for (path, reader) in logs {
        let source = Source::new(reader, &path, block_bytes, options);
        sources.push(source.map_err(|source| Error::Open { path, source })?);
    }
    read_sources(sources, options, &mut on_batch)
}

fn read_sources(
    sources: Vec<Source<'_>>,
    options: &LogOptions,
    on_batch: &mut dyn FnMut(&[Event<'_>]),
) -> Result<LogReport, Error> {
    let dead_letters = options.dead_letters.as_deref().map(DeadLetters::create).transpose()?;
    let mut findings =
        Findings { report: LogReport::default(), dead_letters, most_shown: options.most_malformed_shown };
    match <[Source<'_>; 1]>::try_from(sources) {
        Ok([source]) => read_one(source, &mut findings, on_batch)?,
        Err(sources) => merge::read_several(sources, &mut findings, on_batch)?,
    }
    findings.finish()
}

/// Three groups of blocks are under way: one is handed on while the next is decoded and the one after it is read.
fn read_one(
    mut source: Source<'_>,
    findings: &mut Findings,
    on_batch: &mut dyn FnMut(&[Event<'_>]),
) -> Result<(), Error> {
    let mut spare = Vec::new();
    let mut decoded: Vec<DecodedBlock> = Vec::new();
    let mut read = source.blocks(1, &mut spare);
    while !(decoded.is_empty() && read.is_empty()) {
        let (context, blocks) = (&source.context, &mut source.blocks);
        let decode = || parallel::map(read, |block| DecodedBlock::new(block, |block| context.decode(block)));
        let hand_on = |mut block: DecodedBlock| {
            block.with_dependent_mut(|_, decoded| findings.hand_on(&source.path, std::mem::take(decoded), on_batch))?;
            Ok(block.into_owner())
        };
        let (next, free) = parallel::beside(
            || parallel::join(decode, || next_blocks(blocks, BLOCKS_AT_ONCE, &mut spare)),
            || decoded.into_iter().map(hand_on).collect::<Result<Vec<_>, Error>>(),
        );
        spare.extend(free?);
        (decoded, read) = next;
    }
    findings.note_end(source);
    Ok(())
}

fn next_blocks(blocks: &mut Blocks<'_>, count: usize, spare: &mut Vec<Block>) -> Vec<Block> {
    std::iter::from_fn(|| blocks.next(spare.pop())).take(count).collect()
}

/// One file.
struct Source<'r> {
    path: PathBuf,
    context: LineContext,
    blocks: Blocks<'r>,
    is_begun: bool,
}

impl<'r> Source<'r> {
    fn new(
        reader: impl Read + Send + 'r,
        path: &Path,
        block_bytes: usize,
        options: &LogOptions,
    ) -> std::io::Result<Self> {
        let context = LineContext {
            format: Format::Json,
            legacy_source: legacy_source(&path.to_string_lossy()),
            received_at: options.received_at,
            period: options.period.clone(),
        };
        let blocks = Blocks::new(input::decompressed(reader)?, block_bytes);
        Ok(Self { path: path.to_owned(), context, blocks, is_begun: false })
    }

    /// The next blocks; none at the end. The first of all shows the format.
    fn blocks(&mut self, count: usize, spare: &mut Vec<Block>) -> Vec<Block> {
        let blocks = next_blocks(&mut self.blocks, count, spare);
        if let Some(first) = blocks.first()
            && !std::mem::replace(&mut self.is_begun, true)
        {
            self.context.format = Format::of(first);
        }
        blocks
    }
}

/// What has been found so far.
struct Findings {
    report: LogReport,
    dead_letters: Option<DeadLetters>,
    most_shown: usize,
}

impl Findings {
    /// Takes note of all but the events of a block.
    fn note<'a>(&mut self, path: &Path, block: Decoded<'a>) -> Result<Queue<'a>, Error> {
        self.report.lines += block.lines;
        self.report.events += block.events.len();
        self.report.outside += block.outside;
        for (format, records) in block.legacy {
            *self.report.legacy.entry(format).or_default() += records;
        }
        for fault in block.faults {
            self.note_fault(path, fault)?;
        }
        Ok(block.events)
    }

    /// Takes note of what a block holds, and hands its events on.
    fn hand_on(
        &mut self,
        path: &Path,
        block: Decoded<'_>,
        on_batch: &mut dyn FnMut(&[Event<'_>]),
    ) -> Result<(), Error> {
        self.note(path, block)?.hand_on(on_batch);
        Ok(())
    }

    fn note_fault(&mut self, path: &Path, fault: Fault<'_>) -> Result<(), Error> {
        if let Some(name) = fault.malformed.unknown_type() {
            self.report.count_unknown_type(name);
            return Ok(());
        }
        self.report.malformed += 1;
        if let Some(dead_letters) = &mut self.dead_letters {
            dead_letters.write(&path.to_string_lossy(), &fault)?;
        }
        if self.report.first_malformed.len() < self.most_shown {
            let line = MalformedLine { file: path.to_owned(), line: fault.line, malformed: fault.malformed };
            self.report.first_malformed.push(line);
        }
        Ok(())
    }

    fn note_end(&mut self, source: Source<'_>) {
        if let Some((last_line, error)) = source.blocks.broken {
            self.report.broken.push(BrokenFile { file: source.path, last_line, problem: error.to_string() });
        }
    }

    fn finish(self) -> Result<LogReport, Error> {
        if let Some(dead_letters) = self.dead_letters {
            dead_letters.finish()?;
        }
        Ok(self.report)
    }
}
