use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use churn_events::{RecordOrigin, decode, decode_arrived, decode_legacy_json};
use churn_features::{Error as FeatureError, FeatureStore, StoreOptions, TenantState};
use serde_json::Value;

use super::event::{self, BatchItemFailure, BatchResponse, Delivered};
use super::store::{PutError, StateStore, StoreError, TenantItem};
use crate::marks::{Mark, Marks};
use crate::processor::MOST_NAME_BYTES;
use crate::{
    Batch, DeadLetter, NamedSink, Output, Position, Processor, ProcessorOptions, Record, Scoring, Shard, SinkError,
    in_full, kpl,
};

/// Shards of which a tenant's position is kept: those with the highest names. Records of others are long gone.
const MOST_POSITIONS: usize = 16;

/// Takes in the batches of a Kinesis event source.
pub struct Handler<S> {
    processor: Processor,
    store: S,
    sinks: Vec<NamedSink>,
    dead_letters: Vec<NamedSink>,
}

/// Why a whole batch has to come again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The event is not of a stream.
    #[error("the event has no list of Records: the function is for a Kinesis event source")]
    NoRecords,
    /// States cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sink does not keep what it is given.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

/// Why a tenant's records have to come again.
#[derive(Debug, thiserror::Error)]
enum TenantError {
    #[error("the state that is stored cannot be read")]
    State(#[source] FeatureError),
    #[error("what is stored beside the state cannot be read")]
    Mark(#[source] serde_json::Error),
    #[error("the state that is stored was kept under other options")]
    Options,
    #[error(transparent)]
    Put(#[from] PutError),
}

/// A record of a user, with the tenant it is about.
struct Part {
    shard: Arc<Shard>,
    /// Its place among the records of the batch.
    index: usize,
    record: Record,
    tenant: Option<Box<str>>,
}

/// What is known of a tenant during an invocation.
#[derive(Default)]
struct Touched {
    item: TenantItem,
    /// The first of its records in the batch that was taken in.
    first: Option<usize>,
    error: Option<TenantError>,
}

impl<S: StateStore> Handler<S> {
    /// A handler that keeps states in `store`, of however many tenants.
    pub fn new(
        options: ProcessorOptions,
        scoring: Option<Scoring>,
        store: S,
        sinks: Vec<NamedSink>,
        dead_letters: Vec<NamedSink>,
    ) -> Self {
        // Those of a batch, which is bounded itself; one that was refused would be written back without its state.
        let every = StoreOptions { max_tenants: usize::MAX, ..options.store };
        let options = ProcessorOptions { store: every, ..options };
        Self { processor: Processor::new(options, scoring), store, sinks, dead_letters }
    }

    /// Takes in the records of an invocation, and says where Lambda has to begin again.
    ///
    /// # Errors
    /// When all of them have to come again.
    /// # Cost
    /// One read of the store, and one write for each tenant in the batch.
    pub fn handle(&mut self, event: &Value, log: &mut dyn FnMut(&str)) -> Result<BatchResponse, HandleError> {
        let values = event::records(event).ok_or(HandleError::NoRecords)?;
        let mut output = Output::default();
        let mut sequences = Vec::with_capacity(values.len());
        let mut parts = Vec::with_capacity(values.len());
        let mut shards: HashMap<String, Arc<Shard>> = HashMap::new();
        for value in values {
            match event::record(value) {
                Ok(Delivered { shard, sequence, record }) => {
                    let shard = shards.entry(shard.name.clone()).or_insert_with(|| Arc::new(shard));
                    take_apart(shard, sequences.len(), record, &mut parts);
                    sequences.push(sequence);
                }
                Err(refused) => {
                    let text = value.to_string();
                    let event::Refused { shard, position, field, reason } = refused;
                    output.dead_letters.push(DeadLetter::new(shard, position, field, reason, text.as_bytes()));
                }
            }
        }
        let mut touched = self.load(&parts)?;
        self.apply(parts, &mut touched, &mut output);
        self.hand_on(&output)?;
        self.write(&mut touched);

        let failed =
            touched.iter().filter_map(|(tenant, touched)| Some((touched.first?, tenant, touched.error.as_ref()?)));
        let mut failed: Vec<(usize, &Box<str>, &TenantError)> = failed.collect();
        failed.sort_unstable_by_key(|(first, tenant, _)| (*first, *tenant));
        for (first, tenant, error) in &failed {
            let because = in_full(*error);
            log(&format!("tenant {tenant:?} has to come again from {}: {because}", sequences[*first]));
        }
        let first = failed.first().map(|(first, ..)| sequences[*first].clone());
        let batch_item_failures = first.map(|item_identifier| BatchItemFailure { item_identifier });
        Ok(BatchResponse { batch_item_failures: batch_item_failures.into_iter().collect() })
    }

    /// The store of states.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store of states, to be changed behind the handler's back.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Puts the states of the tenants of a batch, and of no other, into the processor.
    fn load(&mut self, parts: &[Part]) -> Result<BTreeMap<Box<str>, Touched>, StoreError> {
        let tenants: HashSet<&str> = parts.iter().filter_map(|part| part.tenant.as_deref()).collect();
        let mut tenants: Vec<&str> = tenants.into_iter().collect();
        tenants.sort_unstable();
        let mut items = self.store.get(&tenants)?;
        let processor = &mut self.processor;
        (processor.store, processor.marks) = (FeatureStore::new(processor.options.store), Marks::default());
        let mut touched = BTreeMap::new();
        for tenant in tenants {
            let item = items.remove(tenant).unwrap_or_default();
            let error = restore(processor, tenant, &item).err();
            touched.insert(tenant.into(), Touched { item, first: None, error });
        }
        Ok(touched)
    }

    fn apply(&mut self, parts: Vec<Part>, touched: &mut BTreeMap<Box<str>, Touched>, output: &mut Output) {
        for Part { shard, index, record, tenant } in parts {
            let position = record.position;
            if let Some(touched) = tenant.as_deref().and_then(|tenant| touched.get_mut(tenant)) {
                if touched.item.positions.get(&shard.name).is_some_and(|reached| position <= *reached) {
                    continue;
                }
                touched.first.get_or_insert(index);
                if touched.error.is_some() {
                    continue;
                }
                keep_position(&mut touched.item.positions, &shard.name, position);
            }
            // Each tenant has positions of its own; those of the processor would be of all of them.
            self.processor.positions.clear();
            self.processor.apply(&Batch::new(shard, vec![record]), output);
        }
    }

    fn hand_on(&mut self, output: &Output) -> Result<(), SinkError> {
        if !output.scores.is_empty() {
            self.sinks.iter_mut().try_for_each(|named| named.sink.score(&output.scores))?;
        }
        if !output.dead_letters.is_empty() {
            self.dead_letters.iter_mut().try_for_each(|named| named.sink.bury(&output.dead_letters))?;
        }
        self.sinks.iter_mut().chain(&mut self.dead_letters).try_for_each(|named| named.sink.keep().map(drop))
    }

    fn write(&mut self, touched: &mut BTreeMap<Box<str>, Touched>) {
        for (tenant, touched) in
            touched.iter_mut().filter(|(_, touched)| touched.first.is_some() && touched.error.is_none())
        {
            let mut item = std::mem::take(&mut touched.item);
            item.version += 1;
            item.state.clear();
            if let Some(state) = self.processor.store.state(tenant) {
                state.write_to(&mut item.state);
            }
            let mark = self.processor.marks.get(tenant).map(serde_json::to_string);
            item.mark = mark.and_then(Result::ok);
            touched.error = self.store.put(tenant, item).err().map(TenantError::Put);
        }
    }
}

/// Puts what is stored of a tenant into the processor.
fn restore(processor: &mut Processor, tenant: &str, item: &TenantItem) -> Result<(), TenantError> {
    if !item.state.is_empty() {
        let state = TenantState::read_from(&item.state).map_err(TenantError::State)?;
        if state.kept() != processor.options.store.state.kept {
            return Err(TenantError::Options);
        }
        // There is room for every tenant.
        let _ = processor.store.merge_state(tenant, state);
    }
    if let Some(mark) = &item.mark {
        *processor.marks.change(tenant) = serde_json::from_str::<Mark>(mark).map_err(TenantError::Mark)?;
    }
    Ok(())
}

/// An aggregate is several records, each with a tenant of its own.
fn take_apart(shard: &Arc<Shard>, index: usize, record: Record, parts: &mut Vec<Part>) {
    let part = |record: Record| {
        let tenant = tenant_of(shard, &record);
        Part { shard: Arc::clone(shard), index, record, tenant }
    };
    match kpl::user_records(&record.data, shard.hash_keys.as_ref()) {
        Some(Ok(found)) => parts.extend(found.iter().map(|user| {
            let position = Position { sub_sequence: user.sub_sequence, ..record.position };
            part(Record { position, arrived_at: record.arrived_at, data: user.data.to_vec() })
        })),
        // A damaged one is for the processor to name.
        Some(Err(_)) | None => parts.push(part(record)),
    }
}

/// The tenant that a record is about, if it is an event.
fn tenant_of(shard: &Shard, record: &Record) -> Option<Box<str>> {
    let decoded = match record.arrived_at {
        Some(arrived_at) => decode_arrived(&record.data, arrived_at),
        None => decode(&record.data),
    };
    if let Ok(event) = decoded {
        // One that is too long is a dead letter.
        return Some(&*event.tenant).filter(|tenant| tenant.len() <= MOST_NAME_BYTES).map(Box::from);
    }
    let origin = RecordOrigin { source: &shard.stream, id: "", received_at: record.arrived_at };
    match decode_legacy_json(&record.data, &origin) {
        Some(Ok((_, events))) => {
            let tenant = events.first().map(|event| &*event.tenant);
            tenant.filter(|tenant| tenant.len() <= MOST_NAME_BYTES).map(Box::from)
        }
        Some(Err(_)) | None => None,
    }
}

fn keep_position(positions: &mut BTreeMap<String, Position>, shard: &str, position: Position) {
    positions.insert(shard.to_owned(), position);
    let stream = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
    let own = stream(shard);
    // Numbers of shards grow: the first of the stream have ended longest ago.
    while positions.keys().filter(|name| stream(name) == own).count() > MOST_POSITIONS {
        let first = positions.keys().find(|name| stream(name) == own && *name != shard).cloned();
        positions.remove(&first.unwrap_or_default());
    }
}
