//! All shards of some streams, in one queue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::super::alignment::Alignment;
use super::calls::Stream;
use super::reader::ShardReader;
use super::shard_graph::{ListedShard, ShardGraph};
use super::start::{From, KinesisStart};
use crate::aws::{Aws, CallError, insist};
use crate::{Batch, Next, Shard, Source, SourceError, kinesis_error};

/// Batches of a shard that are under way or wait for [`Source::next`]; each has 10 MiB at most, and usually far less.
const BATCHES: usize = 1;
/// Tries of the first call: a mistake in the settings should be heard of.
const FIRST_TRIES: u32 = 6;
/// How long to wait before asking again for children that should be there.
const RELIST: Duration = Duration::from_secs(5);

/// What the policy of the credentials has to allow.
const NEEDED: &str = "kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords (and kms:Decrypt, where the \
                      stream is encrypted)";

/// Is told what an operator should know, a line each time.
pub type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// Kinesis data streams, read by one process.
pub struct KinesisSource {
    aws: Arc<Aws>,
    start: KinesisStart,
    streams: Vec<Known>,
    out: mpsc::UnboundedSender<Message>,
    batches: mpsc::UnboundedReceiver<Message>,
    /// Where several streams are read: what waits for other shards.
    alignment: Option<Alignment<Ending>>,
    tasks: JoinSet<()>,
    notice: Notice,
}

/// What is known of a stream.
struct Known {
    stream: Stream,
    graph: ShardGraph,
    /// A listing is under way.
    is_listing: bool,
}

/// What the tasks say.
pub(super) enum Message {
    Batch(Batch, Ending),
    Listed(usize, Vec<ListedShard>),
    Failed(usize, CallError),
}

/// What is to be done when the last record of a batch has been handed out.
pub(super) struct Ending {
    /// Number of the stream.
    pub(super) stream: usize,
    /// The shard's id in it.
    pub(super) id: String,
    /// What the shard became, if it has ended.
    pub(super) children: Vec<ListedShard>,
    /// Lets the shard's reader go on.
    pub(super) _permit: OwnedSemaphorePermit,
}

impl KinesisSource {
    /// Begins to read streams, given by name or ARN.
    ///
    /// # Errors
    /// When a stream cannot be listed: there is none, or the credentials do not allow it.
    pub fn open(aws: &Arc<Aws>, streams: &[String], start: KinesisStart, notice: Notice) -> Result<Self, SourceError> {
        let client = aws_sdk_kinesis::Client::new(&aws.config);
        let streams = streams.iter().map(|stream| Known {
            stream: Stream::new(client.clone(), stream),
            graph: ShardGraph::default(),
            is_listing: false,
        });
        let n_streams = streams.len();
        let (out, batches) = mpsc::unbounded_channel();
        let mut source = Self {
            aws: Arc::clone(aws),
            start,
            streams: streams.collect(),
            out,
            batches,
            alignment: (n_streams > 1).then(Alignment::new),
            tasks: JoinSet::new(),
            notice,
        };
        for number in 0..source.streams.len() {
            source.begin(number)?;
        }
        Ok(source)
    }

    /// Lists the shards of a stream for the first time, and begins to read those that come first.
    fn begin(&mut self, number: usize) -> Result<(), SourceError> {
        let Known { stream, graph, .. } = &mut self.streams[number];
        let listing = insist(self.aws.retries(), FIRST_TRIES, || stream.list());
        let listed = self.aws.runtime.block_on(listing).map_err(|error| explain(&self.aws, &stream.name, error))?;
        for lost in self.start.lost(&stream.name, &listed) {
            self.aws.retries().note_trimmed();
            (self.notice)(&format!(
                "{lost}: the shard is gone, and was not read to its end: what came after the checkpoint is lost. Keep \
                 records for longer than the consumer may stand still."
            ));
        }
        let from = |shard: &ListedShard| self.start.of(&stream.name, &listed, shard);
        graph.learn(listed.clone(), from);
        self.read_ready(number);
        if self.streams[number].graph.misses_children() {
            self.list_again(number, Duration::ZERO);
        }
        Ok(())
    }

    /// Begins to read the shards whose time has come.
    fn read_ready(&mut self, number: usize) {
        let Known { stream, graph, .. } = &mut self.streams[number];
        for (ListedShard { id, hash_keys, .. }, from) in graph.take_ready() {
            let shard = Shard { stream: stream.name.clone(), name: shard_name(stream, &id), hash_keys };
            if let Some(alignment) = &mut self.alignment {
                alignment.expect(&shard);
            }
            let reader = ShardReader {
                stream_number: number,
                stream: stream.clone(),
                id,
                shard: Arc::new(shard),
                from,
                out: self.out.clone(),
                permits: Arc::new(Semaphore::new(BATCHES)),
                retries: Arc::clone(self.aws.retries()),
                notice: Arc::clone(&self.notice),
            };
            self.tasks.spawn_on(reader.run(), self.aws.runtime.handle());
        }
    }

    fn name(&self) -> String {
        let names: Vec<&str> = self.streams.iter().map(|known| known.stream.name.as_str()).collect();
        format!("kinesis:{}", names.join(", "))
    }

    /// Asks for the shards once more, for those that came since.
    fn list_again(&mut self, number: usize, wait: Duration) {
        let known = &mut self.streams[number];
        if std::mem::replace(&mut known.is_listing, true) {
            return;
        }
        let (stream, retries, out) = (known.stream.clone(), Arc::clone(self.aws.retries()), self.out.clone());
        let task = async move {
            tokio::time::sleep(wait).await;
            // Nobody listens any more when the source is dropped.
            let _ = out.send(match insist(&retries, u32::MAX, || stream.list()).await {
                Ok(listed) => Message::Listed(number, listed),
                Err(error) => Message::Failed(number, error),
            });
        };
        self.tasks.spawn_on(task, self.aws.runtime.handle());
    }

    /// The last record of a batch is handed out. If it was the shard's last one, its children are next.
    fn hand_out(&mut self, batch: Batch, ending: Option<Ending>) -> Next {
        if let Some(Ending { stream, id, children, .. }) = ending
            && batch.is_last
        {
            self.end(stream, &id, children);
        }
        Next::Batch(batch)
    }

    fn end(&mut self, number: usize, id: &str, children: Vec<ListedShard>) {
        let graph = &mut self.streams[number].graph;
        graph.end(id);
        // A merge with a shard that is not known yet has to wait for it: only a listing says what that came of.
        if !children.is_empty() && children.iter().all(|child| graph.knows_parents(child)) {
            graph.learn(children, |_| Some(From::TrimHorizon));
        }
        if graph.misses_children() {
            self.list_again(number, Duration::ZERO);
        }
        self.read_ready(number);
    }
}

impl Source for KinesisSource {
    fn reading(&self) -> BTreeSet<String> {
        let of_stream =
            |known: &Known| known.graph.reading().map(|id| shard_name(&known.stream, id)).collect::<Vec<String>>();
        self.streams.iter().flat_map(of_stream).collect()
    }

    fn next(&mut self, wait: Duration) -> Result<Next, SourceError> {
        let aws = Arc::clone(&self.aws);
        while let Some(joined) = self.tasks.try_join_next() {
            // A reader that ended by a bug would leave its shard unread, and nobody would hear of it.
            joined.map_err(|error| SourceError::new(self.name(), error))?;
        }
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            if let Some((batch, ending)) = self.alignment.as_mut().and_then(Alignment::take) {
                return Ok(self.hand_out(batch, ending));
            }
            let message = aws.runtime.block_on(async { tokio::time::timeout_at(deadline, self.batches.recv()).await });
            match message {
                Err(_) | Ok(None) => return Ok(Next::Idle),
                Ok(Some(Message::Batch(batch, ending))) => match &mut self.alignment {
                    None => return Ok(self.hand_out(batch, Some(ending))),
                    Some(alignment) if batch.is_sign_of_life() => {
                        if batch.behind_ms.unwrap_or(0) == 0 {
                            alignment.note_quiet(&batch.shard.name);
                        }
                        return Ok(Next::Batch(batch));
                    }
                    Some(alignment) => alignment.hold(batch, ending),
                },
                Ok(Some(Message::Listed(stream, listed))) => {
                    self.streams[stream].is_listing = false;
                    self.streams[stream].graph.learn(listed, |_| Some(From::TrimHorizon));
                    self.read_ready(stream);
                    if self.streams[stream].graph.misses_children() {
                        self.list_again(stream, RELIST);
                    }
                }
                Ok(Some(Message::Failed(stream, error))) => {
                    return Err(explain(&self.aws, &self.streams[stream].stream.name, error));
                }
            }
        }
    }
}

fn shard_name(stream: &Stream, id: &str) -> String {
    format!("{}/{id}", stream.name)
}

fn explain(aws: &Aws, stream: &str, error: CallError) -> SourceError {
    SourceError::new(format!("kinesis:{stream}"), kinesis_error::explain(aws, stream, NEEDED, error))
}
