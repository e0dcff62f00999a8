//! `--kcl`: the program as the child of the KCL MultiLangDaemon.

use std::collections::BTreeSet;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, BufWriter};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use churn_streaming::kcl::{self, Clock, KclError, KclShard, Refusal, ShardWork, Start};
use churn_streaming::{Batch, CheckpointFolder, Consumer, Retries, Shard, now};

use crate::clash::check_names;
use crate::options::Options;
use crate::report::Restored;
use crate::run::consumer;
use crate::say::say;
use crate::status::Status;
use crate::transports::{SinkName, Transports};
use crate::watermark::Calendar;

type Failure = Box<dyn Error>;

pub(crate) fn run(options: Options) -> Result<(), Failure> {
    // What is wrong with the names is said at once, and not when a lease comes.
    check_names(&options)?;
    of_shard(&options.sink, "shard").and(of_shard(&options.dead_letters, "shard"))?;
    let state = options.state.as_ref().ok_or("--kcl needs --state")?;
    let (checkpoint_every, status_every) = (options.checkpoint_every, options.status_every);
    let mut transports = Transports::new(&options);
    let retries = transports.retries();
    let place = transports.state(state, options.state_lease)?;
    let make = |shard_id: &str, folder: CheckpointFolder| -> Result<Consumer, Failure> {
        let (sinks, dead_letters) = (of_shard(&options.sink, shard_id)?, of_shard(&options.dead_letters, shard_id)?);
        for name in sinks.iter().chain(&dead_letters) {
            make_folder_of(name)?;
        }
        let begun = Instant::now();
        let consumer = consumer(&options, &sinks, &dead_letters, Some(folder), &mut transports)?;
        if let Some(restored) = Restored::of(&consumer, begun.elapsed()) {
            say("consume", &restored.to_string());
        }
        Ok(consumer)
    };
    let shard = KclShard::new(place, "kcl", make);
    let mut work = Child { shard, status: Status::new(), retries, calendar: None, told: Instant::now(), status_every };
    let (input, output) = (BufReader::with_capacity(1 << 20, io::stdin()), BufWriter::new(io::stdout()));
    let mut clock = WallClock { begun: Instant::now(), dice: RandomState::new() };
    let mut log = |text: &str| say("consume", text);
    match kcl::run(input, output, &mut work, &mut clock, checkpoint_every, &mut log) {
        Ok(()) => Ok(()),
        Err(KclError::Work(error)) => Err(error),
        Err(KclError::Io(error)) => Err(format!("cannot talk to the daemon: {error}").into()),
        Err(error) => Err(error.to_string().into()),
    }
}

fn of_shard(names: &[SinkName], shard_id: &str) -> Result<Vec<SinkName>, String> {
    names.iter().map(|name| name.of_shard(shard_id)).collect()
}

fn make_folder_of(name: &SinkName) -> Result<(), Failure> {
    if let SinkName::File(path) = name
        && let Some(folder) = path.parent().filter(|folder| *folder != Path::new(""))
    {
        std::fs::create_dir_all(folder).map_err(|error| format!("cannot make folder {folder:?}: {error}"))?;
    }
    Ok(())
}

/// A shard, and what is told of it.
struct Child<F> {
    shard: KclShard<F>,
    status: Status,
    /// Where sinks and the place of states count what they try again.
    retries: Arc<Retries>,
    calendar: Option<Calendar>,
    told: Instant,
    status_every: Duration,
}

impl<F: FnMut(&str, CheckpointFolder) -> Result<Consumer, Failure>> Child<F> {
    fn tell(&mut self) {
        if let Some(consumer) = self.shard.consumer() {
            say("consume", &self.status.line(consumer, now()));
        }
        self.told = Instant::now();
    }
}

impl<F: FnMut(&str, CheckpointFolder) -> Result<Consumer, Failure>> ShardWork for Child<F> {
    type Error = Failure;

    fn begin(&mut self, shard_id: &str, start: &Start, log: &mut dyn FnMut(&str)) -> Result<Arc<Shard>, Failure> {
        let shard = self.shard.begin(shard_id, start, log)?;
        if let Some(consumer) = self.shard.consumer() {
            self.status = Status::begin(consumer, Arc::clone(&self.retries));
            let mut calendar = Calendar::begin(consumer);
            calendar.note_reading(|| BTreeSet::from([shard.name.clone()]));
            self.calendar = Some(calendar);
        }
        Ok(shard)
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Failure> {
        if let Some(consumer) = self.shard.consumer() {
            let received_at = consumer.apply(batch)?;
            self.status.note(batch, received_at);
            if let Some(calendar) = &mut self.calendar {
                calendar.note(batch, received_at);
                // What the daemon gives next has to wait, and it asks for nothing meanwhile.
                while calendar.advance(consumer)? {}
            }
        }
        if self.told.elapsed() >= self.status_every {
            self.tell();
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Result<(), Failure> {
        Ok(self.shard.refuse(refusal)?)
    }

    fn checkpoint(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        self.shard.checkpoint()?;
        if let Some(consumer) = self.shard.consumer() {
            self.status.note_checkpoint(begun.elapsed(), consumer, now());
        }
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), Failure> {
        Ok(self.shard.end_shard()?)
    }

    fn lose_lease(&mut self) {
        self.tell();
        self.shard.lose_lease();
    }
}

struct WallClock {
    begun: Instant,
    dice: RandomState,
}

impl Clock for WallClock {
    fn now(&mut self) -> Duration {
        self.begun.elapsed()
    }

    fn pause(&mut self, attempts: u32) {
        let longest_ms = 200_u64 << attempts.min(5);
        // Half of it at least, and no two children the same.
        let dice = self.dice.hash_one((attempts, self.begun.elapsed())) % (longest_ms / 2);
        std::thread::sleep(Duration::from_millis(longest_ms / 2 + dice));
    }
}
