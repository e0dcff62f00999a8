//! The states of many tenants.
//!
//! Tenants are spread over shards by a hash of their ids. A batch of events is dealt out to the shards, which then work
//! side by side: each tenant's events stay in their order, and no two threads meet in one state. A shard's share of a
//! batch also finds the same few states in the processor's cache again and again.
//!
//! Nothing that can be read out of a store depends on the number of shards or threads. Only the order of tenants in the
//! log decides who is refused once the store is full: see [`FeatureStore::apply_all`].

mod look_ahead;

use churn_events::{Event, ObservationDate};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use crate::parallel;
use crate::{Applied, Error, EventCounts, FeatureMatrix, FeatureReader, StateOptions, TenantState};

/// Events that are dealt out to the shards at a time: enough to keep them busy, few enough to be in the cache still.
const CHUNK_EVENTS: usize = 1 << 16;

/// Below so many events, dealing them out costs more than it gains.
const FEW_EVENTS: usize = 512;

/// How a [`FeatureStore`] treats events, and how much it takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// How each tenant's state treats its events.
    pub state: StateOptions,
    /// Parts that work side by side; 64, and never less than 1. Nothing but speed depends on it.
    pub n_shards: usize,
    /// Tenants remembered at most; 1,048,576. Events of further tenants are refused.
    pub max_tenants: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { state: StateOptions::default(), n_shards: 64, max_tenants: 1 << 20 }
    }
}

/// The states of many tenants, by id.
///
/// # Example
/// ```
/// use churn_events::{Event, EventKind, ObservationDate};
/// use churn_features::{Feature, FeatureReader, FeatureSchema, FeatureStore, StoreOptions};
///
/// let date = ObservationDate::from_days(20_000);
/// let login = Event {
///     id: "1".into(),
///     source: "/bdcp/users".into(),
///     tenant: "t-1".into(),
///     occurred_at: date.plus_days(-2).start(),
///     received_at: date.plus_days(-2).start(),
///     kind: EventKind::UserLogin { user: "u-1".into(), session: "s-1".into() },
/// };
/// let mut store = FeatureStore::new(StoreOptions::default());
/// store.apply(&login)?;
///
/// let reader = FeatureReader::new(&FeatureSchema::new(vec![Feature::numeric("logins_7")])?)?;
/// let matrix = store.features_at(date, &reader)?;
/// assert_eq!(matrix.rows().collect::<Vec<_>>(), [("t-1", &[1.0_f32][..])]);
/// # Ok::<(), churn_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeatureStore {
    options: StoreOptions,
    shards: Vec<Shard>,
    n_tenants: usize,
    /// What became of events that no shard counts: those refused, and those of stores merged or read.
    other_counts: EventCounts,
    hashes: Vec<u64>,
}

#[derive(Debug, Clone, Default)]
struct Shard {
    /// Boxed, so that a table that grows moves pointers and not states.
    tenants: HashTable<Box<Tenant>>,
    counts: EventCounts,
    /// Positions in the chunk of the events that are this shard's.
    dealt: Vec<u32>,
    /// Those of them that belong to unknown tenants, when there may not be room for all.
    put_off: Vec<u32>,
}

/// A tenant of the store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tenant {
    hash: u64,
    pub(crate) id: Box<str>,
    pub(crate) state: TenantState,
    /// Whether the state may have changed since the changes were last forgotten.
    pub(crate) has_changed: bool,
}

impl Tenant {
    fn new(hash: u64, id: &str) -> Self {
        Self { hash, id: id.into(), state: TenantState::new(), has_changed: true }
    }
}

impl FeatureStore {
    /// A store without tenants.
    pub fn new(options: StoreOptions) -> Self {
        let options = StoreOptions { n_shards: options.n_shards.max(1), ..options };
        Self {
            options,
            shards: vec![Shard::default(); options.n_shards],
            n_tenants: 0,
            other_counts: EventCounts::default(),
            hashes: Vec::new(),
        }
    }

    /// The options.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Number of tenants.
    pub fn len(&self) -> usize {
        self.n_tenants
    }

    /// Whether there are no tenants.
    pub fn is_empty(&self) -> bool {
        self.n_tenants == 0
    }

    /// Takes in an event.
    ///
    /// # Errors
    /// [`Error::TooManyTenants`] when it is the first of a tenant for which there is no room; it is then counted as
    /// refused.
    pub fn apply(&mut self, event: &Event<'_>) -> Result<Applied, Error> {
        self.apply_and_get(event).map(|(applied, _)| applied)
    }

    /// Takes in an event, and hands out the state that its tenant has then.
    ///
    /// # Errors
    /// As [`FeatureStore::apply`].
    pub fn apply_and_get(&mut self, event: &Event<'_>) -> Result<(Applied, &TenantState), Error> {
        self.apply_hashed(hash_of(&event.tenant), event)
    }

    /// Takes in events in their order, on all threads of the rayon pool that it is called in.
    ///
    /// Events of tenants for which there is no room are counted as refused; as long as there is room, the tenant whose
    /// event comes first gets it. The outcome is that of [`FeatureStore::apply`] for one event after the other.
    pub fn apply_all(&mut self, events: &[Event<'_>]) {
        if events.len() < FEW_EVENTS {
            for event in events {
                // A refusal is counted, and that is all there is to be done.
                let _ = self.apply(event);
            }
            return;
        }
        for chunk in events.chunks(CHUNK_EVENTS) {
            self.apply_chunk(chunk);
        }
    }

    fn apply_chunk(&mut self, events: &[Event<'_>]) {
        let mut hashes = std::mem::take(&mut self.hashes);
        parallel::map_into(events, |event| hash_of(&event.tenant), &mut hashes);
        let n_shards = self.shards.len();
        for (hash, position) in hashes.iter().zip(0..) {
            self.shards[shard_of(*hash, n_shards)].dealt.push(position);
        }
        // Shards cannot know who came first, so where it matters they leave unknown tenants to the loop below.
        let is_room_for_all = self.n_tenants.saturating_add(events.len()) <= self.options.max_tenants;
        let options = &self.options.state;
        parallel::each_mut(&mut self.shards, |shard| shard.apply_dealt(events, &hashes, options, is_room_for_all));
        if is_room_for_all {
            self.n_tenants = self.shards.iter().map(|shard| shard.tenants.len()).sum();
        } else {
            let mut put_off: Vec<u32> = self.shards.iter_mut().flat_map(|shard| shard.put_off.drain(..)).collect();
            put_off.sort_unstable();
            for position in put_off {
                // As above.
                let _ = self.apply_hashed(hashes[position as usize], &events[position as usize]);
            }
        }
        self.hashes = hashes;
    }

    fn apply_hashed(&mut self, hash: u64, event: &Event<'_>) -> Result<(Applied, &TenantState), Error> {
        let n_shards = self.shards.len();
        let shard = &mut self.shards[shard_of(hash, n_shards)];
        let max_tenants = self.options.max_tenants;
        if self.n_tenants >= max_tenants && shard.find_mut(hash, &event.tenant).is_none() {
            self.other_counts.refused += 1;
            return Err(Error::TooManyTenants { tenant: event.tenant.as_ref().to_owned(), max_tenants });
        }
        let (applied, state, is_first) = shard.apply(hash, event, &self.options.state);
        self.n_tenants += usize::from(is_first);
        Ok((applied, state))
    }

    /// Notes that everything received before that date has been applied.
    pub fn advance_to(&mut self, date: ObservationDate) {
        let options = &self.options.state;
        parallel::each_mut(&mut self.shards, |shard| {
            shard.tenants.iter_mut().for_each(|tenant| {
                tenant.state.advance_to(date, options);
                tenant.has_changed = true;
            });
        });
    }

    /// Reads the features of all tenants at an observation date, on all threads of the rayon pool that it is called in.
    ///
    /// # Errors
    /// When some tenant's state cannot answer for that date any more; see [`TenantState::features_at`].
    pub fn features_at(&self, date: ObservationDate, reader: &FeatureReader) -> Result<FeatureMatrix<'_>, Error> {
        let tenants = self.sorted();
        let n_features = reader.width();
        let mut features = vec![0.0; tenants.len() * n_features];
        parallel::fill_rows(&mut features, n_features, |row, features| {
            tenants[row].state.features_at(date, reader, features)
        })?;
        Ok(FeatureMatrix { tenants: tenants.iter().map(|tenant| &*tenant.id).collect(), features, n_features })
    }

    /// The state of a tenant.
    pub fn state(&self, tenant: &str) -> Option<&TenantState> {
        let hash = hash_of(tenant);
        let shard = &self.shards[shard_of(hash, self.shards.len())];
        shard.tenants.find(hash, |known| &*known.id == tenant).map(|known| &known.state)
    }

    /// Every tenant with its state, by ascending id.
    pub fn states(&self) -> impl ExactSizeIterator<Item = (&str, &TenantState)> {
        self.sorted().into_iter().map(|tenant| (&*tenant.id, &tenant.state))
    }

    /// Takes in a store of other events.
    ///
    /// # Errors
    /// When the two treat events differently, or together have more tenants than there is room for; nothing has changed
    /// then.
    pub fn merge(&mut self, other: Self) -> Result<(), Error> {
        self.n_tenants += self.check_mergeable(&other)?;
        self.other_counts.add(&other.counts());
        let n_shards = self.shards.len();
        let mut dealt: Vec<Vec<Box<Tenant>>> = vec![Vec::new(); n_shards];
        for tenant in other.shards.into_iter().flat_map(|shard| shard.tenants) {
            dealt[shard_of(tenant.hash, n_shards)].push(tenant);
        }
        let options = &self.options.state;
        let mut pairs: Vec<_> = self.shards.iter_mut().zip(dealt).collect();
        parallel::each_mut(&mut pairs, |(shard, dealt)| {
            dealt.drain(..).for_each(|tenant| shard.merge(tenant, options))
        });
        Ok(())
    }

    /// The number of tenants that only the other store has, when the two treat events alike and there is room.
    fn check_mergeable(&self, other: &Self) -> Result<usize, Error> {
        let (found, expected) = (other.options.state.kept, self.options.state.kept);
        if found != expected {
            return Err(Error::DifferentKept { found, expected });
        }
        let pairs = state_numbers(&other.options.state).into_iter().zip(state_numbers(&self.options.state));
        for ((option, found), (_, expected)) in pairs {
            if found != expected {
                return Err(Error::DifferentOptions { option, found, expected });
            }
        }
        let is_new = |tenant: &&Tenant| self.state(&tenant.id).is_none();
        let new: Vec<&Tenant> = other.tenants().filter(is_new).collect();
        let max_tenants = self.options.max_tenants;
        if self.n_tenants + new.len() > max_tenants {
            let first = new.iter().map(|tenant| &*tenant.id).min().unwrap_or_default();
            return Err(Error::TooManyTenants { tenant: first.to_owned(), max_tenants });
        }
        Ok(new.len())
    }

    /// Takes in the state of a tenant's other events, made under the same [`StateOptions`], as [`merge`](Self::merge) does
    /// for every tenant of a store.
    ///
    /// # Errors
    /// [`Error::TooManyTenants`] when there is no room for the tenant; nothing has changed then.
    pub fn merge_state(&mut self, tenant: &str, state: TenantState) -> Result<(), Error> {
        let (hash, n_shards, options) = (hash_of(tenant), self.shards.len(), self.options);
        let shard = &mut self.shards[shard_of(hash, n_shards)];
        if shard.find_mut(hash, tenant).is_none() {
            let max_tenants = options.max_tenants;
            if self.n_tenants >= max_tenants {
                return Err(Error::TooManyTenants { tenant: tenant.to_owned(), max_tenants });
            }
            self.n_tenants += 1;
        }
        shard.merge(Box::new(Tenant { hash, id: tenant.into(), state, has_changed: true }), &options.state);
        Ok(())
    }

    /// Puts the tenants of a store of changes in the place of those that are here, and its counts in the place of these:
    /// a store that [`write_changes`](Self::write_changes) wrote is brought to a store read from what was written before.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn update(&mut self, changes: Self) -> Result<(), Error> {
        self.check_mergeable(&changes)?;
        let counts = changes.counts();
        self.shards.iter_mut().for_each(|shard| shard.counts = EventCounts::default());
        self.other_counts = counts;
        let n_shards = self.shards.len();
        for tenant in changes.shards.into_iter().flat_map(|shard| shard.tenants) {
            let shard = &mut self.shards[shard_of(tenant.hash, n_shards)];
            match shard.find_mut(tenant.hash, &tenant.id) {
                Some(known) => *known = *tenant,
                None => drop(shard.insert(tenant)),
            }
        }
        self.n_tenants = self.shards.iter().map(|shard| shard.tenants.len()).sum();
        Ok(())
    }

    /// Takes what was written as done: [`write_changes`](Self::write_changes) leaves out what does not change from now on.
    pub fn forget_changes(&mut self) {
        parallel::each_mut(&mut self.shards, |shard| {
            shard.tenants.iter_mut().for_each(|tenant| tenant.has_changed = false);
        });
    }

    /// What became of all events so far, with those of stores merged into this one.
    pub fn counts(&self) -> EventCounts {
        let mut counts = self.other_counts;
        self.shards.iter().for_each(|shard| counts.add(&shard.counts));
        counts
    }

    /// About how many bytes of memory the store takes.
    pub fn approximate_bytes(&self) -> usize {
        let tenants = self.tenants().map(|tenant| {
            let around_state = size_of::<Tenant>() - size_of::<TenantState>();
            tenant.id.len() + around_state + tenant.state.approximate_bytes()
        });
        let shards = self.shards.iter().map(|shard| {
            let scratch = (shard.dealt.capacity() + shard.put_off.capacity()) * size_of::<u32>();
            size_of::<Shard>() + shard.tenants.allocation_size() + scratch
        });
        size_of::<Self>() + self.hashes.capacity() * size_of::<u64>() + tenants.sum::<usize>() + shards.sum::<usize>()
    }

    fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.shards.iter().flat_map(|shard| shard.tenants.iter().map(|tenant| &**tenant))
    }

    /// Tenants by ascending id.
    pub(crate) fn sorted(&self) -> Vec<&Tenant> {
        self.sorted_where(|_| true)
    }

    /// Some tenants, by ascending id.
    pub(crate) fn sorted_where(&self, is_wanted: impl Fn(&Tenant) -> bool) -> Vec<&Tenant> {
        let mut tenants: Vec<&Tenant> = self.tenants().filter(|tenant| is_wanted(tenant)).collect();
        parallel::sort_by(&mut tenants, |a, b| a.id.cmp(&b.id));
        tenants
    }

    /// A store with these counts and tenants, whose ids differ.
    pub(crate) fn from_parts(
        options: StoreOptions,
        counts: EventCounts,
        tenants: Vec<(Box<str>, TenantState)>,
    ) -> Self {
        let mut store = Self::new(options);
        let n_shards = store.shards.len();
        store.other_counts = counts;
        store.n_tenants = tenants.len();
        for (id, state) in tenants {
            let hash = hash_of(&id);
            store.shards[shard_of(hash, n_shards)].insert(Box::new(Tenant { hash, id, state, has_changed: false }));
        }
        store
    }
}

/// Two stores are equal when they treat events alike and the same became of the same tenants' events.
impl PartialEq for FeatureStore {
    fn eq(&self, other: &Self) -> bool {
        let without_shards = |store: &Self| StoreOptions { n_shards: 0, ..store.options };
        without_shards(self) == without_shards(other)
            && self.n_tenants == other.n_tenants
            && self.counts() == other.counts()
            && self.tenants().all(|tenant| other.state(&tenant.id) == Some(&tenant.state))
    }
}

impl Shard {
    fn find_mut(&mut self, hash: u64, tenant: &str) -> Option<&mut Tenant> {
        self.tenants.find_mut(hash, |known| &*known.id == tenant).map(|known| &mut **known)
    }

    fn insert(&mut self, tenant: Box<Tenant>) -> &mut Tenant {
        self.tenants.insert_unique(tenant.hash, tenant, |known| known.hash).into_mut()
    }

    /// Applies an event; also tells whether it is its tenant's first.
    fn apply(&mut self, hash: u64, event: &Event<'_>, options: &StateOptions) -> (Applied, &TenantState, bool) {
        let known = self.tenants.entry(hash, |known| *known.id == *event.tenant, |known| known.hash);
        let is_first = matches!(known, Entry::Vacant(_));
        let known = known.or_insert_with(|| Box::new(Tenant::new(hash, &event.tenant))).into_mut();
        let applied = known.state.apply(event, options);
        known.has_changed = true;
        self.counts.note(applied);
        (applied, &known.state, is_first)
    }

    fn apply_dealt(&mut self, events: &[Event<'_>], hashes: &[u64], options: &StateOptions, is_room_for_all: bool) {
        let mut dealt = std::mem::take(&mut self.dealt);
        for positions in dealt.chunks(FeatureStore::AHEAD) {
            self.look_at(positions.iter().map(|position| hashes[*position as usize]));
            for position in positions {
                let (event, hash) = (&events[*position as usize], hashes[*position as usize]);
                if is_room_for_all || self.find_mut(hash, &event.tenant).is_some() {
                    self.apply(hash, event, options);
                } else {
                    self.put_off.push(*position);
                }
            }
        }
        dealt.clear();
        self.dealt = dealt;
    }

    fn merge(&mut self, tenant: Box<Tenant>, options: &StateOptions) {
        match self.find_mut(tenant.hash, &tenant.id) {
            Some(known) => {
                known.state.merge(&tenant.state, options);
                known.has_changed = true;
            }
            None => self.insert(tenant).has_changed = true,
        }
    }
}

/// The options of a state by name, in the order of a snapshot.
pub(crate) fn state_numbers(options: &StateOptions) -> [(&'static str, i128); 7] {
    // Taken apart, so that an option that is added cannot be forgotten here.
    let StateOptions {
        allowed_lateness_ms,
        max_skew_ms,
        settle_ms,
        max_users,
        max_jobs_in_flight,
        max_held_back,
        kept,
    } = *options;
    [
        ("allowed_lateness_ms", allowed_lateness_ms.into()),
        ("max_skew_ms", max_skew_ms.into()),
        ("settle_ms", settle_ms.into()),
        ("max_users", max_users as i128),
        ("max_jobs_in_flight", max_jobs_in_flight as i128),
        ("max_held_back", max_held_back as i128),
        ("kept", kept.bits().into()),
    ]
}

/// A hash that is the same in every process. It stays in memory: no file depends on it.
fn hash_of(tenant: &str) -> u64 {
    xxh3_64(tenant.as_bytes())
}

/// The shard of a hash; from its middle, because the table inside the shard reads both ends.
fn shard_of(hash: u64, n_shards: usize) -> usize {
    ((((hash >> 25) & 0xFFFF_FFFF) * n_shards as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Feature, FeatureSchema, Kept};
    use churn_events::EventKind;

    const DAY: ObservationDate = ObservationDate::from_days(20_000);

    fn login(tenant: &str, id: usize) -> Event<'static> {
        Event {
            id: id.to_string().into(),
            source: "test".into(),
            tenant: tenant.to_owned().into(),
            occurred_at: DAY.start(),
            received_at: DAY.start(),
            kind: EventKind::UserLogin { user: "u".into(), session: id.to_string().into() },
        }
    }

    fn store(max_tenants: usize) -> FeatureStore {
        FeatureStore::new(StoreOptions { max_tenants, ..StoreOptions::default() })
    }

    fn reader() -> FeatureReader {
        FeatureReader::new(&FeatureSchema::new(vec![Feature::numeric("logins_7")]).expect("valid")).expect("known")
    }

    #[test]
    fn a_full_store_refuses_new_tenants_and_keeps_serving_old_ones() {
        let mut store = store(2);
        assert_eq!(store.apply(&login("a", 1)), Ok(Applied::Counted));
        assert_eq!(store.apply(&login("b", 2)), Ok(Applied::Counted));
        let refused = Error::TooManyTenants { tenant: "c".into(), max_tenants: 2 };
        assert_eq!(store.apply(&login("c", 3)), Err(refused));
        assert_eq!(store.apply(&login("a", 4)), Ok(Applied::Counted));
        assert_eq!((store.len(), store.counts().counted, store.counts().refused), (2, 3, 1));
        assert!(store.state("c").is_none());
    }

    #[test]
    fn a_big_batch_fills_the_store_in_the_order_of_its_events() {
        // Every third event is the first of a tenant, more of them than there is room for.
        let events: Vec<Event<'_>> = (0..6_000).map(|i| login(&format!("t{}", i - i % 3), i)).collect();
        let mut store = store(1_000);
        store.apply_all(&events);
        assert_eq!((store.len(), store.counts().counted, store.counts().refused), (1_000, 3_000, 3_000));
        assert!(store.state("t2997").is_some() && store.state("t3000").is_none());
        store.apply_all(&events.iter().map(|event| Event { id: "again".into(), ..event.clone() }).collect::<Vec<_>>());
        assert_eq!((store.len(), store.counts().refused), (1_000, 6_000));
    }

    #[test]
    fn features_come_by_ascending_tenant_and_too_early_a_date_is_refused() {
        let mut store = store(10);
        for (i, tenant) in ["b", "a", "c", "b"].into_iter().enumerate() {
            store.apply(&login(tenant, i)).expect("there is room");
        }
        let matrix = store.features_at(DAY.plus_days(1), &reader()).expect("nothing is known later");
        assert_eq!(matrix.tenants, ["a", "b", "c"]);
        assert_eq!(matrix.features, [1.0, 2.0, 1.0]);
        assert!(matches!(store.features_at(DAY, &reader()), Err(Error::DatePassed { .. })));
        store.advance_to(DAY.plus_days(9));
        assert!(store.features_at(DAY.plus_days(8), &reader()).is_err());
        assert_eq!(store.features_at(DAY.plus_days(9), &reader()).expect("just reached").features, [0.0; 3]);
    }

    #[test]
    fn stores_that_do_not_fit_together_are_not_merged() {
        let (mut one, mut other) = (store(2), store(2));
        one.apply(&login("a", 1)).expect("there is room");
        for (i, tenant) in ["c", "b"].into_iter().enumerate() {
            other.apply(&login(tenant, i)).expect("there is room");
        }
        let before = one.clone();
        assert_eq!(one.merge(other), Err(Error::TooManyTenants { tenant: "b".into(), max_tenants: 2 }));
        let state = StateOptions { max_users: 5, ..StateOptions::default() };
        let different = FeatureStore::new(StoreOptions { state, ..StoreOptions::default() });
        let error = Error::DifferentOptions { option: "max_users", found: 5, expected: 1 << 20 };
        assert_eq!(one.merge(different), Err(error));
        let state = StateOptions { kept: Kept::LOGINS, ..StateOptions::default() };
        let lean = FeatureStore::new(StoreOptions { state, ..StoreOptions::default() });
        let error = Error::DifferentKept { found: Kept::LOGINS, expected: Kept::ALL };
        assert_eq!(one.merge(lean), Err(error));
        assert!(one == before);
    }

    #[test]
    fn hashes_reach_every_shard() {
        for n_shards in [1, 2, 7, 64] {
            let mut n_tenants = vec![0; n_shards];
            (0..6_400).for_each(|i| n_tenants[shard_of(hash_of(&format!("tenant-{i}")), n_shards)] += 1);
            let even = 6_400 / n_shards;
            assert!(n_tenants.iter().all(|n| (even / 2..=even * 2).contains(n)), "{n_tenants:?}");
        }
    }
}
