//! A processor with sinks and checkpoints around it.

use std::collections::{BTreeMap, VecDeque};

use churn_events::{ObservationDate, Timestamp};

use crate::checkpoint::{CheckpointError, CheckpointFolder, SinkMark};
use crate::processor::AT_ONCE;
use crate::{
    Batch, DeadLetter, Output, Position, Processor, ProcessorOptions, Scoring, Shard, Sink, SinkError, SinkPosition,
};

/// The sink that may be named for everything.
const STDOUT: &str = "stdout";

/// Takes in batches, hands score records and dead letters to sinks, and checkpoints.
///
/// **Order.** Sinks keep what they were given, then the checkpoint is written, then the source may move its positions. So
/// nothing is lost, whatever breaks off where; what was given to a sink after the last checkpoint is given to it again,
/// unless the sink could take it back.
pub struct Consumer {
    processor: Processor,
    // They go before the folder does, and its lock with it: what they write when they are dropped is still ours.
    sinks: Vec<NamedSink>,
    dead_letters: Vec<NamedSink>,
    folder: Option<CheckpointFolder>,
    /// Where the sinks were at the checkpoint, until they have gone back to it.
    sink_positions: Option<Vec<SinkPosition>>,
    output: Output,
    n_dead_letters: u64,
}

/// A sink under the name that it was given on the command line.
pub struct NamedSink {
    /// The name; checkpoints know the sink by it.
    pub name: String,
    /// The sink.
    pub sink: Box<dyn Sink>,
}

/// Why a consumer cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// A sink does not keep what it is given.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Two sinks would write over each other.
    #[error("sink {name} is named twice; give score records and dead letters files, folders or prefixes of their own")]
    SameSink {
        /// The sink.
        name: String,
    },
    /// A sink would lose what it holds.
    #[error(
        "sink {name} holds something already, and no checkpoint knows of it; name another place for what is written, remove \
         what is there, or give the --state that belongs to it"
    )]
    NotEmpty {
        /// The sink.
        name: String,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Tenants, or their score records, that a date hands on at a time: it comes to all tenants at once, and of each it may be
/// the last of hundreds that it has not been scored at.
const HANDED_ON: usize = 4_096;

impl Consumer {
    /// A consumer that goes on where the folder's last checkpoint was, or begins; without a folder nothing is kept.
    ///
    /// Sinks are left alone until [`begin`](Self::begin), or until there is something for them.
    ///
    /// # Errors
    /// When what the checkpoint says cannot be read, was written with other sinks, or a sink is named twice.
    pub fn new(
        options: ProcessorOptions,
        scoring: Option<Scoring>,
        sinks: Vec<NamedSink>,
        dead_letters: Vec<NamedSink>,
        folder: Option<CheckpointFolder>,
    ) -> Result<Self, ConsumeError> {
        let names: Vec<String> = sinks.iter().chain(&dead_letters).map(|named| named.name.clone()).collect();
        let taken = |number: usize| names[..number].contains(&names[number]) && names[number] != STDOUT;
        if let Some(number) = (0..names.len()).find(|number| taken(*number)) {
            return Err(ConsumeError::SameSink { name: names[number].clone() });
        }
        let (processor, sink_positions) = match &folder {
            Some(folder) => (folder.restore(options, scoring)?, folder.sinks(&names)?),
            None => (Processor::new(options, scoring), vec![SinkPosition::default(); names.len()]),
        };
        let output = Output::default();
        let sink_positions = Some(sink_positions);
        Ok(Self { processor, sinks, dead_letters, folder, sink_positions, output, n_dead_letters: 0 })
    }

    /// Lets sinks go back to where they were at the checkpoint, or begin anew.
    ///
    /// With a folder without a checkpoint, sinks have to be empty, unless it was with them that a run began there before.
    ///
    /// # Errors
    /// When one cannot, and [`ConsumeError::NotEmpty`] when it would lose what it holds; all of them are then untouched.
    pub fn begin(&mut self) -> Result<(), ConsumeError> {
        if self.sink_positions.is_none() {
            return Ok(());
        }
        self.begin_folder()?;
        let positions = self.sink_positions.iter().flatten();
        for (named, position) in self.sinks.iter_mut().chain(&mut self.dead_letters).zip(positions) {
            named.sink.restore(*position)?;
        }
        // Not before all of them: whoever tries again after an error shall leave none out.
        self.sink_positions = None;
        Ok(())
    }

    /// Sees to it that what sinks hold is of the runs of this folder, which notes what it has to know of this one.
    fn begin_folder(&mut self) -> Result<(), ConsumeError> {
        let Some(folder) = &mut self.folder else { return Ok(()) };
        let mut names = Vec::new();
        // One with a checkpoint knows them.
        if folder.is_empty() {
            for named in self.sinks.iter_mut().chain(&mut self.dead_letters) {
                if !folder.has_begun(&named.name) && !named.sink.is_empty()? {
                    return Err(ConsumeError::NotEmpty { name: named.name.clone() });
                }
                names.push(named.name.clone());
            }
        }
        Ok(folder.begin(names)?)
    }

    /// Takes in records, and hands on what comes of them; tells when the last of their events was received.
    ///
    /// # Errors
    /// When a sink fails.
    pub fn apply(&mut self, batch: &Batch) -> Result<Option<Timestamp>, ConsumeError> {
        self.processor.apply(batch, &mut self.output);
        let received_up_to = self.output.received_up_to;
        self.hand_on()?;
        Ok(received_up_to)
    }

    /// Takes note of a record that the stream did not hand over whole, and of which it may not say where it stands.
    ///
    /// # Errors
    /// When a sink fails.
    pub fn refuse(
        &mut self,
        shard: &Shard,
        position: Option<Position>,
        letter: DeadLetter,
    ) -> Result<(), ConsumeError> {
        self.processor.refuse(shard, position, letter, &mut self.output);
        self.hand_on()
    }

    /// Notes that everything received before that date has been taken in: whoever is due is scored; see
    /// [`Processor::due`].
    ///
    /// # Errors
    /// When a sink fails.
    pub fn advance_to(&mut self, date: ObservationDate) -> Result<(), ConsumeError> {
        let mut due = self.processor.due(date).into();
        while self.score_some(date, &mut due)? {}
        Ok(())
    }

    /// Scores some of those who are [due](Processor::due) at a date, takes them out, and tells whether there are more.
    ///
    /// Others may be looked after in between: a checkpoint that is made then knows who has been scored. No records may be
    /// taken in before all have been.
    ///
    /// # Errors
    /// When a sink fails.
    /// # Cost
    /// That of some thousand scores, however many are due; of up to 140,000 where tenants are two years in arrears.
    pub fn score_some(&mut self, date: ObservationDate, due: &mut VecDeque<Box<str>>) -> Result<bool, ConsumeError> {
        let n_due = due.len();
        while !due.is_empty() && n_due - due.len() < HANDED_ON && self.output.scores.len() < HANDED_ON {
            let tenants: Vec<Box<str>> = due.drain(..due.len().min(AT_ONCE)).collect();
            self.processor.score_at(date, &tenants, &mut self.output);
        }
        self.hand_on()?;
        Ok(!due.is_empty())
    }

    /// Makes everything so far last: returns when sinks have kept what they were given, and the checkpoint is on the disk.
    ///
    /// # Errors
    /// When it cannot be made to last: the source must not move its positions then.
    pub fn checkpoint(&mut self) -> Result<&BTreeMap<String, Position>, ConsumeError> {
        self.begin()?;
        let mut marks = Vec::with_capacity(self.sinks.len() + self.dead_letters.len());
        for named in self.sinks.iter_mut().chain(&mut self.dead_letters) {
            marks.push(SinkMark { name: named.name.clone(), position: named.sink.keep()? });
        }
        if let Some(folder) = &mut self.folder {
            folder.write(&mut self.processor, marks)?;
        }
        Ok(self.processor.positions())
    }

    /// The processor.
    pub fn processor(&self) -> &Processor {
        &self.processor
    }

    /// The processor, to be asked what it counts anew.
    pub fn processor_mut(&mut self) -> &mut Processor {
        &mut self.processor
    }

    /// Dead letters handed to sinks by this consumer.
    pub fn n_dead_letters(&self) -> u64 {
        self.n_dead_letters
    }

    /// The folder of checkpoints.
    pub fn folder(&self) -> Option<&CheckpointFolder> {
        self.folder.as_ref()
    }

    fn hand_on(&mut self) -> Result<(), ConsumeError> {
        self.begin()?;
        if !self.output.scores.is_empty() {
            self.sinks.iter_mut().try_for_each(|named| named.sink.score(&self.output.scores))?;
        }
        if !self.output.dead_letters.is_empty() {
            self.n_dead_letters += self.output.dead_letters.len() as u64;
            self.dead_letters.iter_mut().try_for_each(|named| named.sink.bury(&self.output.dead_letters))?;
        }
        self.output.clear();
        Ok(())
    }
}
