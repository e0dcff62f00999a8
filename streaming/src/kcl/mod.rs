//! The child of the Kinesis Client Library's MultiLangDaemon: one process for one shard.
//!
//! The daemon holds leases, reads the stream and keeps positions; it writes requests to the child's standard input, a JSON
//! object a line, and takes replies from its standard output. Every request is answered by one `status`, and before that
//! the child may ask for checkpoints. Standard output carries nothing else, and standard error is the daemon's log.
//!
//! # Order
//! The states of the shard's tenants are on the disk before the daemon is asked for a checkpoint. So the daemon's position
//! is never ahead of theirs, and what it delivers again is passed over.
//!
//! # Source
//! The classes in `software.amazon.kinesis.multilang.messages` of
//! <https://github.com/awslabs/amazon-kinesis-client>, release 3.1.3, and what they put on the wire.

mod message;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

pub use shard::{KclShard, ShardError};

use crate::{Batch, Position, Shard};
use message::{Reply, Request};

/// How often a checkpoint is asked for before the child goes on without it; the next one comes soon.
const CHECKPOINT_ATTEMPTS: u32 = 6;

/// The same at the end of a shard, where no other one comes: its children wait for it.
const LAST_CHECKPOINT_ATTEMPTS: u32 = 12;

/// What is done for the shard that a child is given.
pub trait ShardWork {
    /// Why it cannot be done. The child ends then, the daemon with it, and a supervisor starts it again.
    type Error;

    /// Takes up a shard; whatever there was of it before is restored.
    ///
    /// # Errors
    /// When it cannot be restored.
    fn begin(&mut self, shard_id: &str, start: &Start, log: &mut dyn FnMut(&str)) -> Result<Arc<Shard>, Self::Error>;

    /// Takes in records.
    ///
    /// # Errors
    /// When what comes of them cannot be kept.
    fn apply(&mut self, batch: &Batch) -> Result<(), Self::Error>;

    /// Takes note of a record that the daemon did not hand over whole.
    ///
    /// # Errors
    /// As [`ShardWork::apply`].
    fn refuse(&mut self, refusal: &Refusal<'_>) -> Result<(), Self::Error>;

    /// Makes everything so far last.
    ///
    /// # Errors
    /// When it cannot be made to.
    fn checkpoint(&mut self) -> Result<(), Self::Error>;

    /// Makes everything last, and leaves it to the shards that come after this one.
    ///
    /// # Errors
    /// When it cannot be made to.
    fn end_shard(&mut self) -> Result<(), Self::Error>;

    /// Lets go of the shard without making anything last: another process may have it by now.
    fn lose_lease(&mut self);
}

/// Where the daemon begins to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After that record, up to which there was a checkpoint.
    After(Position),
    /// At the shard's beginning.
    TrimHorizon,
    /// Somewhere else, by the word for it.
    Elsewhere(String),
}

/// A record that cannot be handed on, for a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Where it stands, if that is known.
    pub position: Option<Position>,
    /// What is wrong in it.
    pub field: &'static str,
    /// What is wrong with that.
    pub reason: String,
    /// The record as the daemon wrote it.
    pub text: &'a str,
}

/// The time, and time to wait.
pub trait Clock {
    /// Since some instant.
    fn now(&mut self) -> Duration;

    /// Waits before something is tried again after so many attempts.
    fn pause(&mut self, attempts: u32);
}

/// Why a child ends before its daemon has said so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KclError<E> {
    /// The daemon cannot be heard or spoken to.
    #[error("cannot talk to the daemon")]
    Io(#[from] io::Error),
    /// A request came out of order.
    #[error("the daemon sent {action} before it sent initialize with a shardId")]
    NotInitialized {
        /// The request.
        action: String,
    },
    /// The daemon did not take note that a shard's end was reached. It would never begin with the shards that come after
    /// it, were it told that all is done.
    #[error(
        "the daemon did not keep the last checkpoint of {shard}, and cannot begin with the shards after it; start the daemon \
         again (its supervisor does), and the shard ends once more"
    )]
    EndNotKept {
        /// The shard.
        shard: String,
    },
    /// The shard's work cannot be done.
    #[error(transparent)]
    Work(E),
}

/// Answers the daemon until it has no more to say.
///
/// # Errors
/// When the work cannot be done or the daemon cannot be talked to. A request that is not understood is no error.
pub fn run<W: ShardWork>(
    input: impl BufRead,
    output: impl Write,
    work: &mut W,
    clock: &mut impl Clock,
    checkpoint_every: Duration,
    log: &mut dyn FnMut(&str),
) -> Result<(), KclError<W::Error>> {
    let begun = clock.now();
    let daemon = Daemon { input, output, put_off: VecDeque::new(), clock, log };
    Child { daemon, work, shard: None, checkpoint_every, last_checkpoint: begun }.run()
}

struct Daemon<'l, R, O, C> {
    input: R,
    output: O,
    /// Requests that came while an answer to a checkpoint was waited for.
    put_off: VecDeque<Vec<u8>>,
    clock: &'l mut C,
    log: &'l mut dyn FnMut(&str),
}

/// What the daemon answered to a checkpoint.
#[derive(Debug, PartialEq)]
enum Checkpointed {
    Kept,
    /// Not after all attempts.
    NotKept,
    /// The lease is another worker's.
    LeaseGone,
    /// The daemon is.
    DaemonGone,
}

impl<R: BufRead, O: Write, C: Clock> Daemon<'_, R, O, C> {
    fn say(&mut self, text: &str) {
        (self.log)(text);
    }

    /// The next line that is not blank.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.input.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn done(&mut self, action: &str) -> io::Result<()> {
        Reply::Status { response_for: action }.write(&mut self.output)
    }

    fn checkpoint(&mut self, attempts: u32) -> io::Result<Checkpointed> {
        for attempt in 1..=attempts {
            Reply::Checkpoint { sequence_number: None, sub_sequence_number: None }.write(&mut self.output)?;
            let error = loop {
                let Some(line) = self.line()? else { return Ok(Checkpointed::DaemonGone) };
                match serde_json::from_slice::<Request<'_>>(&line) {
                    Ok(request) if request.action == "checkpoint" => {
                        break request.error.map(|error| error.into_owned());
                    }
                    _ => self.put_off.push_back(line),
                }
            };
            let Some(error) = error else { return Ok(Checkpointed::Kept) };
            // `IRecordProcessorCheckpointer` says what they mean: this one, that another instance may have begun with the
            // records; `InvalidStateException`, that there is no table of leases, which is waited for as throttling is.
            if error == "ShutdownException" {
                self.say(&format!("the daemon refused a checkpoint with {error}: the lease is another worker's"));
                return Ok(Checkpointed::LeaseGone);
            }
            self.say(&format!("the daemon refused a checkpoint with {error}, attempt {attempt} of {attempts}"));
            if attempt < attempts {
                self.clock.pause(attempt);
            }
        }
        Ok(Checkpointed::NotKept)
    }
}

struct Child<'l, R, O, C, W> {
    daemon: Daemon<'l, R, O, C>,
    work: &'l mut W,
    /// The shard, as long as the lease is ours.
    shard: Option<Arc<Shard>>,
    checkpoint_every: Duration,
    last_checkpoint: Duration,
}

/// Whether there may be another request.
enum Then {
    GoOn,
    Stop,
}

impl<R: BufRead, O: Write, C: Clock, W: ShardWork> Child<'_, R, O, C, W> {
    fn run(mut self) -> Result<(), KclError<W::Error>> {
        let mut is_held = false;
        loop {
            let line = match self.daemon.put_off.pop_front() {
                Some(line) => line,
                None => match self.daemon.line()? {
                    Some(line) => line,
                    None if self.shard.is_some() => {
                        self.daemon
                            .say("the daemon is gone without a word; its next one delivers again from its checkpoint");
                        self.work.lose_lease();
                        return Ok(());
                    }
                    None => return Ok(()),
                },
            };
            let request: Request<'_> = match serde_json::from_slice(&line) {
                Ok(request) => request,
                Err(error) => {
                    self.daemon.say(&format!("passed over a line of {} bytes that is no request: {error}", line.len()));
                    continue;
                }
            };
            is_held |= request.action == "initialize";
            match self.answer(&request, is_held)? {
                Then::GoOn => {}
                Then::Stop => return Ok(()),
            }
        }
    }

    fn answer(&mut self, request: &Request<'_>, was_held: bool) -> Result<Then, KclError<W::Error>> {
        let action = &*request.action;
        match action {
            "initialize" => self.begin(request)?,
            "processRecords" if self.shard.is_some() => return self.process(request),
            "shutdownRequested" if self.shard.is_some() => {
                self.work.checkpoint().map_err(KclError::Work)?;
                if self.after_work(CHECKPOINT_ATTEMPTS)? == Checkpointed::DaemonGone {
                    return Ok(Then::Stop);
                }
            }
            "shardEnded" if self.shard.is_some() => return self.end(action),
            "shutdown" if self.shard.is_some() && request.reason.as_deref() == Some("TERMINATE") => {
                return self.end(action);
            }
            "leaseLost" | "shutdown" => self.let_go(),
            "checkpoint" => {
                self.daemon.say("passed over an answer to a checkpoint that nobody waits for");
                return Ok(Then::GoOn);
            }
            // The lease was lost meanwhile, which the daemon has not noticed yet.
            "processRecords" | "shutdownRequested" | "shardEnded" if was_held => {
                self.daemon.say(&format!("passed over {action}: the lease is another worker's"));
            }
            "processRecords" | "shutdownRequested" | "shardEnded" => {
                return Err(KclError::NotInitialized { action: action.to_owned() });
            }
            unknown => self.daemon.say(&format!("passed over {unknown:?}, which is no request that is known here")),
        }
        self.daemon.done(action)?;
        Ok(Then::GoOn)
    }

    fn begin(&mut self, request: &Request<'_>) -> Result<(), KclError<W::Error>> {
        let not_initialized = || KclError::NotInitialized { action: "initialize".to_owned() };
        let shard_id = request.shard_id.as_deref().ok_or_else(not_initialized)?;
        let start = start_of(request);
        self.shard = Some(self.work.begin(shard_id, &start, self.daemon.log).map_err(KclError::Work)?);
        self.last_checkpoint = self.daemon.clock.now();
        Ok(())
    }

    fn process(&mut self, request: &Request<'_>) -> Result<Then, KclError<W::Error>> {
        let Some(shard) = self.shard.clone() else { return Ok(Then::GoOn) };
        let behind_ms = request.millis_behind_latest;
        let mut batch = Batch { behind_ms, ..Batch::new(shard, Vec::new()) };
        for text in request.records.iter().flatten() {
            match message::record(text) {
                Ok(record) => batch.records.push(record),
                Err(refusal) => {
                    if !batch.records.is_empty() {
                        self.work.apply(&batch).map_err(KclError::Work)?;
                        batch.records.clear();
                    }
                    self.work.refuse(&refusal).map_err(KclError::Work)?;
                }
            }
        }
        // That there is nothing is worth knowing, too.
        if !batch.records.is_empty() || request.records.as_ref().is_none_or(Vec::is_empty) {
            self.work.apply(&batch).map_err(KclError::Work)?;
        }
        if self.daemon.clock.now().saturating_sub(self.last_checkpoint) >= self.checkpoint_every {
            self.work.checkpoint().map_err(KclError::Work)?;
            let checkpointed = self.after_work(CHECKPOINT_ATTEMPTS)?;
            self.last_checkpoint = self.daemon.clock.now();
            if checkpointed == Checkpointed::DaemonGone {
                return Ok(Then::Stop);
            }
        }
        self.daemon.done(&request.action)?;
        Ok(Then::GoOn)
    }

    fn end(&mut self, action: &str) -> Result<Then, KclError<W::Error>> {
        self.work.end_shard().map_err(KclError::Work)?;
        let shard = self.shard.clone();
        match self.after_work(LAST_CHECKPOINT_ATTEMPTS)? {
            Checkpointed::Kept | Checkpointed::LeaseGone => {
                self.let_go();
                self.daemon.done(action)?;
                Ok(Then::GoOn)
            }
            Checkpointed::NotKept => {
                let shard = shard.map(|shard| shard.name.clone()).unwrap_or_default();
                Err(KclError::EndNotKept { shard })
            }
            Checkpointed::DaemonGone => Ok(Then::Stop),
        }
    }

    /// Asks the daemon to keep its position, now that everything up to it is kept here.
    fn after_work(&mut self, attempts: u32) -> Result<Checkpointed, KclError<W::Error>> {
        let checkpointed = self.daemon.checkpoint(attempts)?;
        if matches!(checkpointed, Checkpointed::LeaseGone | Checkpointed::DaemonGone) {
            self.let_go();
        }
        Ok(checkpointed)
    }

    fn let_go(&mut self) {
        if self.shard.take().is_some() {
            self.work.lose_lease();
        }
    }
}

fn start_of(request: &Request<'_>) -> Start {
    match request.sequence_number.as_deref() {
        Some("TRIM_HORIZON") => Start::TrimHorizon,
        None => Start::Elsewhere("nowhere that it names".to_owned()),
        Some(word) => match word.parse() {
            Ok(sequence) => Start::After(Position { sequence, sub_sequence: request.sub_sequence_number.unwrap_or(0) }),
            Err(_) => Start::Elsewhere(word.to_owned()),
        },
    }
}
