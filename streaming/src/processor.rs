//! Records in, score records and dead letters out: free of runtime, clock and transport.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use churn_events::{
    Event, Malformed, ObservationDate, RecordOrigin, Timestamp, decode, decode_arrived, decode_legacy_json,
};
use churn_features::{Applied, EventCounts, FeatureStore, StoreOptions, TenantState};

use crate::hottest::Hottest;
use crate::inheritance::Inheritance;
use crate::kpl;
use crate::marks::{Mark, Marks};
use crate::scoring::{Observation, Scoring};
use crate::{Batch, DeadLetter, Position, ScoreRecord, ScoreWhen, Shard};

/// Events that are taken in before all of them are scored: the more, the more rows meet each tree while it is near, but
/// events and rows have to stay near, too. Of 16, 96, 192 and 500, 192 was the fastest.
pub(crate) const AT_ONCE: usize = 192;

/// Dates that a tenant is scored at in arrears at most: two years. A producer whose clock once said 1970 would have it
/// scored at twenty thousand.
const MOST_DATES: i32 = 2 * 366;

/// Times that events may have, from 1970 up to the end of 2100.
const FIRST_TIME: Timestamp = Timestamp::from_millis(0);
const LAST_TIME: Timestamp = Timestamp::from_millis(ObservationDate::from_days(47_847).start().millis() - 1);

/// Where a record comes from.
#[derive(Clone, Copy)]
struct Place<'a> {
    shard: &'a Shard,
    position: Position,
    arrived_at: Option<Timestamp>,
}

/// How a [`Processor`] treats events, and when it scores.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProcessorOptions {
    /// How states treat events, and how many tenants there may be.
    pub store: StoreOptions,
    /// When tenants are scored.
    pub when: ScoreWhen,
    /// Nothing is received after this, whatever an event says, or a producer who tells himself when it arrived; `None`
    /// believes all of them.
    pub latest_receipt: Option<Timestamp>,
}

/// What a processor makes of batches.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    /// Score records, in the order of the events.
    pub scores: Vec<ScoreRecord>,
    /// Records that are no events.
    pub dead_letters: Vec<DeadLetter>,
    /// When the event that was received last was.
    pub received_up_to: Option<Timestamp>,
}

impl Output {
    /// Leaves nothing in it, and keeps the room.
    pub fn clear(&mut self) {
        self.scores.clear();
        self.dead_letters.clear();
        self.received_up_to = None;
    }
}

/// What became of all records so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RecordCounts {
    /// All of them, those inside of aggregates one by one.
    pub records: u64,
    /// Delivered again, and passed over.
    pub repeated: u64,
    /// No events.
    pub malformed: u64,
    /// Events of types that are not known here.
    pub unknown: u64,
    /// Score records made.
    pub scores: u64,
    /// Scores that could not be made, because the state does not keep what the model reads.
    pub unscored: u64,
}

/// The states of tenants, and how far each shard has been taken in.
///
/// A record is taken in once: one at or before its shard's position is passed over, and so is an event that the tenant's
/// state has seen. Equal records in equal order of each tenant give equal states and equal score records, however they
/// are cut into batches, however shards are interleaved, and however often some are delivered again.
#[derive(Debug)]
pub struct Processor {
    pub(crate) options: ProcessorOptions,
    pub(crate) store: FeatureStore,
    pub(crate) marks: Marks,
    pub(crate) positions: BTreeMap<String, Position>,
    pub(crate) ended: BTreeSet<String>,
    pub(crate) counts: RecordCounts,
    /// When the event that was received last was, in milliseconds.
    pub(crate) received_up_to: Option<i64>,
    scoring: Option<Scoring>,
    hottest: Hottest,
    inheritance: Option<Inheritance>,
}

impl Processor {
    /// A processor that has seen nothing yet; without `scoring` it only keeps states.
    pub fn new(options: ProcessorOptions, scoring: Option<Scoring>) -> Self {
        Self {
            options,
            store: FeatureStore::new(options.store),
            marks: Marks::default(),
            positions: BTreeMap::new(),
            ended: BTreeSet::new(),
            counts: RecordCounts::default(),
            received_up_to: None,
            scoring,
            hottest: Hottest::default(),
            inheritance: None,
        }
    }

    /// Takes in records, and adds what comes of them to `output`.
    ///
    /// # Cost
    /// O(1) for each record: half a microsecond for a state that is in the cache, and some for each score.
    pub fn apply(&mut self, batch: &Batch, output: &mut Output) {
        let shard = &*batch.shard;
        let mut reached = self.positions.get(&shard.name).copied();
        let mut events: Vec<Event<'_>> = Vec::with_capacity(batch.records.len().min(AT_ONCE));
        for record in &batch.records {
            let place = Place { shard, position: record.position, arrived_at: record.arrived_at };
            match kpl::user_records(&record.data, shard.hash_keys.as_ref()) {
                None => self.take(&place, &record.data, &mut reached, &mut events, output),
                Some(Ok(parts)) => {
                    for part in parts {
                        let position = Position { sub_sequence: part.sub_sequence, ..record.position };
                        self.take(&Place { position, ..place }, part.data, &mut reached, &mut events, output);
                    }
                }
                Some(Err(error)) => {
                    if self.is_new(record.position, &mut reached) {
                        self.bury(&place, error.field(), &error, &record.data, output);
                    }
                }
            }
        }
        self.apply_all(&events, output);
        if let Some(reached) = reached {
            match self.positions.get_mut(&shard.name) {
                Some(position) => *position = reached,
                None => drop(self.positions.insert(shard.name.clone(), reached)),
            }
        }
        if batch.is_last {
            self.ended.insert(shard.name.clone());
        }
    }

    /// Takes note of a record that the stream did not hand over whole, and of which it may not say where it stands.
    pub(crate) fn refuse(
        &mut self,
        shard: &Shard,
        position: Option<Position>,
        letter: DeadLetter,
        output: &mut Output,
    ) {
        match position {
            None => self.counts.records += 1,
            Some(position) => {
                let mut reached = self.positions.get(&shard.name).copied();
                if !self.is_new(position, &mut reached) {
                    return;
                }
                self.positions.insert(shard.name.clone(), position);
            }
        }
        self.counts.malformed += 1;
        output.dead_letters.push(letter);
    }

    /// Tenants that are not known yet get the states that were left of them, with their first event.
    pub(crate) fn inherit(&mut self, inheritance: Inheritance) {
        self.inheritance = Some(inheritance);
    }

    fn take_over(&mut self, tenant: &str) {
        let Some((state, mark)) = self.inheritance.as_ref().and_then(|left| left.of(tenant)) else { return };
        let next_date = self.is_daily().then(|| due_date(mark.and_then(|mark| mark.next_date), &state));
        // Where there is no room for another tenant, its event is refused and counted.
        if self.store.merge_state(tenant, state).is_err() {
            return;
        }
        if let Some(mark) = mark {
            *self.marks.change(tenant) = Mark { has_changed: true, ..mark };
        }
        if next_date.is_some() {
            self.marks.change(tenant).next_date = next_date;
        }
    }

    fn is_daily(&self) -> bool {
        self.options.when == ScoreWhen::Daily && self.scoring.is_some()
    }

    /// Sees to it that every tenant is scored from the date on that it has not been scored at, be its state kept by runs
    /// that did not score or under another policy.
    pub(crate) fn make_due(&mut self) {
        if !self.is_daily() {
            return;
        }
        let next = self.received_up_to().map(|received| received.date().days() + 1);
        for (tenant, state) in self.store.states() {
            let known = self.marks.get(tenant).and_then(|mark| mark.next_date);
            let due = Some(due_date(known.or(next), state));
            if due != known {
                self.marks.change(tenant).next_date = due;
            }
        }
    }

    /// Who is due once everything received before that date has been taken in: under [`ScoreWhen::Daily`], whoever has not
    /// been scored at it or an earlier date, by ascending id.
    pub fn due(&self, date: ObservationDate) -> Vec<Box<str>> {
        if self.is_daily() { self.marks.due(date.days()) } else { Vec::new() }
    }

    /// Scores tenants at that date and the dates before it that they have not been scored at.
    pub fn score_at(&mut self, date: ObservationDate, tenants: &[Box<str>], output: &mut Output) {
        for tenants in tenants.chunks(AT_ONCE) {
            let mut observations = Vec::new();
            tenants.iter().for_each(|tenant| self.observe_until(tenant, date, &mut observations));
            self.score(observations, output);
        }
    }

    /// Nothing has been received after that time, whatever events and arrivals say; see
    /// [`ProcessorOptions::latest_receipt`].
    pub fn set_latest_receipt(&mut self, now: Timestamp) {
        self.options.latest_receipt = Some(now);
    }

    /// The states of all tenants.
    pub fn store(&self) -> &FeatureStore {
        &self.store
    }

    /// The last position taken in of each shard, by the shard's name.
    pub fn positions(&self) -> &BTreeMap<String, Position> {
        &self.positions
    }

    /// Shards that have ended and been taken in to their end.
    pub fn ended(&self) -> &BTreeSet<String> {
        &self.ended
    }

    /// When the event that was received last was.
    pub fn received_up_to(&self) -> Option<Timestamp> {
        self.received_up_to.map(Timestamp::from_millis)
    }

    /// What became of all records.
    pub fn counts(&self) -> RecordCounts {
        self.counts
    }

    /// What became of all events that records held.
    pub fn event_counts(&self) -> EventCounts {
        self.store.counts()
    }

    /// What scores, where something does.
    pub fn scoring(&self) -> Option<&Scoring> {
        self.scoring.as_ref()
    }

    /// The tenants with most events since they were last asked for, with about how many.
    pub fn take_hottest(&mut self, n: usize) -> Vec<(Box<str>, u64)> {
        self.hottest.take(n)
    }

    /// Whether a position has not been taken in yet; it has then.
    fn is_new(&mut self, position: Position, reached: &mut Option<Position>) -> bool {
        self.counts.records += 1;
        if reached.is_some_and(|reached| position <= reached) {
            self.counts.repeated += 1;
            return false;
        }
        *reached = Some(position);
        true
    }

    fn take<'a>(
        &mut self,
        place: &Place<'_>,
        data: &'a [u8],
        reached: &mut Option<Position>,
        events: &mut Vec<Event<'a>>,
        output: &mut Output,
    ) {
        if !self.is_new(place.position, reached) {
            return;
        }
        let decoded = match place.arrived_at {
            Some(arrived_at) => decode_arrived(data, arrived_at),
            None => decode(data),
        };
        match decoded {
            Ok(event) => match long_name(&event) {
                Some(field) => self.bury(place, field, TOO_LONG, data, output),
                None => {
                    events.push(self.received(event, place));
                    if events.len() == AT_ONCE {
                        self.apply_all(events, output);
                        events.clear();
                    }
                }
            },
            Err(malformed) if malformed.unknown_type().is_some() => self.counts.unknown += 1,
            Err(malformed) => {
                // It may be an event of the original system, and events keep their order.
                self.apply_all(events, output);
                events.clear();
                self.no_event(place, data, malformed, output);
            }
        }
    }

    /// The event, received no later than it can have been: a clock that is ahead must not carry its tenant into the future.
    fn received<'a>(&self, mut event: Event<'a>, place: &Place<'_>) -> Event<'a> {
        let latest = [place.arrived_at, self.options.latest_receipt].into_iter().flatten().min();
        // An arrival may be any number, and dates have to be made of it.
        event.received_at = event.received_at.min(latest.unwrap_or(LAST_TIME)).clamp(FIRST_TIME, LAST_TIME);
        event
    }

    fn apply_all(&mut self, events: &[Event<'_>], output: &mut Output) {
        for events in events.chunks(AT_ONCE) {
            let mut observations = Vec::new();
            for events in events.chunks(FeatureStore::AHEAD) {
                if self.scoring.is_some() && self.options.when != ScoreWhen::Never {
                    self.store.look_ahead_to_features(events);
                } else {
                    self.store.look_ahead(events);
                }
                for event in events {
                    output.received_up_to = output.received_up_to.max(Some(event.received_at));
                    self.event(event, &mut observations);
                }
            }
            self.score(observations, output);
        }
    }

    /// What is no event of ours may be a record of the original system.
    #[cold]
    fn no_event(&mut self, place: &Place<'_>, data: &[u8], malformed: Malformed, output: &mut Output) {
        let (source, id) = (format!("/legacy/{}", place.shard.stream), place.position.to_string());
        let origin = RecordOrigin { source: &source, id: &id, received_at: place.arrived_at };
        match decode_legacy_json(data, &origin) {
            Some(Ok((_, events))) if events.iter().any(|event| long_name(event).is_some()) => {
                self.bury(place, "companyID", TOO_LONG, data, output);
            }
            Some(Ok((_, events))) => {
                let events: Vec<_> = events.into_iter().map(|event| self.received(event, place)).collect();
                self.apply_all(&events, output);
            }
            Some(Err(malformed)) => self.bury(place, malformed.field, malformed.reason, data, output),
            None => self.bury(place, malformed.field, malformed.reason, data, output),
        }
    }

    fn bury(
        &mut self,
        place: &Place<'_>,
        field: impl Into<Cow<'static, str>>,
        reason: impl ToString,
        data: &[u8],
        output: &mut Output,
    ) {
        self.counts.malformed += 1;
        output.dead_letters.push(DeadLetter::new(&place.shard.name, place.position, field, reason, data));
    }

    /// Takes in an event, and observes its tenant where that is due.
    fn event<'a>(&mut self, event: &'a Event<'a>, observations: &mut Vec<Observation<'a>>) {
        self.received_up_to = self.received_up_to.max(Some(event.received_at.millis()));
        self.hottest.note(&event.tenant);
        if self.inheritance.is_some() && self.store.state(&event.tenant).is_none() {
            self.take_over(&event.tenant);
        }
        if self.is_daily() {
            self.observe_until(&event.tenant, event.received_at.date(), observations);
        }
        let Self { store, scoring, marks, counts, options, .. } = self;
        // A refusal is counted by the store, and that is all there is to be done.
        let Ok((applied, state)) = store.apply_and_get(event) else { return };
        let Some(scoring) = scoring else { return };
        if options.when == ScoreWhen::Daily {
            let next_date = event.received_at.date().days() + 1;
            let mark = marks.change(&event.tenant);
            mark.next_date = mark.next_date.max(Some(next_date));
            return;
        }
        if applied == Applied::Counted && options.when.is_due(marks.get(&event.tenant), event.received_at) {
            match scoring.observe((&event.tenant, state), state.first_date(), Some(event)) {
                Ok(observation) => observations.extend(observation),
                Err(_) => counts.unscored += 1,
            }
        }
    }

    /// Observes a tenant at the dates that it has not been scored at, up to and with that one; nothing that was received
    /// on the date or later has been taken in.
    fn observe_until<'a>(&mut self, tenant: &'a str, date: ObservationDate, observations: &mut Vec<Observation<'a>>) {
        let Self { store, scoring: Some(scoring), marks, counts, .. } = self else { return };
        let Some(next_date) = marks.get(tenant).and_then(|mark| mark.next_date) else { return };
        if next_date > date.days() {
            return;
        }
        marks.change(tenant).next_date = Some(date.days() + 1);
        let Some(state) = store.state(tenant) else { return };
        for date in (next_date.max(date.days() - MOST_DATES + 1)..=date.days()).map(ObservationDate::from_days) {
            match scoring.observe((tenant, state), date, None) {
                Ok(Some(observation)) => observations.push(observation),
                Ok(None) => return,
                Err(_) => counts.unscored += 1,
            }
        }
    }

    /// Scores what was observed, and says what is worth saying.
    fn score(&mut self, observations: Vec<Observation<'_>>, output: &mut Output) {
        let Self { scoring: Some(scoring), marks, counts, options: ProcessorOptions { when, .. }, .. } = self else {
            return;
        };
        if observations.is_empty() {
            return;
        }
        let n_before = output.scores.len();
        let is_wanted = |observation: &Observation<'_>, score, at_risk| {
            let Observation { tenant, received_at, .. } = *observation;
            // Under these two, what was said before does not matter.
            if matches!(when, ScoreWhen::Events | ScoreWhen::Daily) {
                return true;
            }
            let mark = marks.get(tenant);
            // An event just before this one may have been scored meanwhile.
            if !when.is_due(mark, received_at) || !when.is_worth_saying(mark, score, at_risk) {
                return false;
            }
            let mark = marks.change(tenant);
            (mark.scored_ms, mark.score, mark.at_risk) = (Some(received_at.millis()), Some(score), at_risk);
            true
        };
        scoring.scores(observations.into_iter(), is_wanted, &mut output.scores);
        counts.scores += (output.scores.len() - n_before) as u64;
    }
}

/// Bytes of what tells tenants and events apart, at most: a score record repeats it, and a stream takes no longer keys.
pub(crate) const MOST_NAME_BYTES: usize = 256;
const TOO_LONG: &str = "has more than 256 bytes";

/// The first date that a tenant can be scored at, from that one on.
fn due_date(next_date: Option<i32>, state: &TenantState) -> i32 {
    let first = state.first_date().days();
    next_date.map_or(first, |next_date| next_date.max(first))
}

/// A name that is too long to be passed on.
fn long_name(event: &Event<'_>) -> Option<&'static str> {
    let names = [("subject", &event.tenant), ("id", &event.id), ("source", &event.source)];
    names.into_iter().find(|(_, name)| name.len() > MOST_NAME_BYTES).map(|(field, _)| field)
}
