#[cfg(feature = "store")]
use super::look_through::look_through;

/// What is counted for one day.
pub(crate) trait Slot: Copy + Default + PartialEq + std::fmt::Debug {
    /// The same in fewer bytes, which the days of most tenants fit in.
    type Packed: Copy + Default + std::fmt::Debug;

    /// Packs the slot; `None` when it does not fit.
    fn pack(&self) -> Option<Self::Packed>;
    fn unpack(packed: Self::Packed) -> Self;
    fn add(&mut self, other: &Self);
}

/// One slot for each day from the first to the last day with something in it.
///
/// Slots are packed until one of them does not fit any more.
#[derive(Debug, Clone)]
pub(crate) struct DaySlots<S: Slot> {
    first_day: i32,
    slots: Slots<S>,
}

#[derive(Debug, Clone)]
enum Slots<S: Slot> {
    Packed(Vec<S::Packed>),
    Wide(Vec<S>),
}

impl<S: Slot> Default for DaySlots<S> {
    fn default() -> Self {
        Self { first_day: 0, slots: Slots::Packed(Vec::new()) }
    }
}

impl<S: Slot> DaySlots<S> {
    fn len(&self) -> usize {
        match &self.slots {
            Slots::Packed(slots) => slots.len(),
            Slots::Wide(slots) => slots.len(),
        }
    }

    /// Reads the slot that most events change: the last one.
    #[cfg(feature = "store")]
    pub(crate) fn look_at(&self) -> u64 {
        let last = self.len().checked_sub(1).map(|position| self.slot(position));
        u64::from(last == Some(S::default()))
    }

    #[cfg(feature = "store")]
    pub(crate) fn look_through(&self) -> u64 {
        match &self.slots {
            Slots::Packed(slots) => look_through(slots, |slot| u64::from(S::unpack(*slot) == S::default())),
            Slots::Wide(slots) => look_through(slots, |slot| u64::from(*slot == S::default())),
        }
    }

    fn slot(&self, position: usize) -> S {
        match &self.slots {
            Slots::Packed(slots) => S::unpack(slots[position]),
            Slots::Wide(slots) => slots[position],
        }
    }

    /// Changes the slot of a day. The caller sees to it that all days lie within one lookback.
    pub(crate) fn update(&mut self, day: i32, change: impl FnOnce(&mut S)) {
        let position = self.make_room(day);
        let mut slot = self.slot(position);
        change(&mut slot);
        if let Slots::Packed(slots) = &mut self.slots {
            match slot.pack() {
                Some(packed) => {
                    slots[position] = packed;
                    return;
                }
                None => self.slots = Slots::Wide(slots.iter().map(|packed| S::unpack(*packed)).collect()),
            }
        }
        if let Slots::Wide(slots) = &mut self.slots {
            slots[position] = slot;
        }
    }

    fn make_room(&mut self, day: i32) -> usize {
        if self.len() == 0 {
            self.first_day = day;
        }
        let n_before = (self.first_day - day).max(0) as usize;
        self.first_day -= n_before as i32;
        let position = (day - self.first_day) as usize;
        match &mut self.slots {
            Slots::Packed(slots) => extend(slots, n_before, position + 1),
            Slots::Wide(slots) => extend(slots, n_before, position + 1),
        }
        position
    }

    /// The days with something in them, from the oldest to the newest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, S)> {
        self.days().filter(|(_, slot)| *slot != S::default())
    }

    /// All days from the first to the last one; for sums, where to ask which ones are empty takes longer than to add them.
    pub(crate) fn days(&self) -> impl Iterator<Item = (i32, S)> {
        (0..self.len()).map(|position| (self.first_day + position as i32, self.slot(position)))
    }

    /// Forgets the days before that one.
    pub(crate) fn forget_before(&mut self, day: i32) {
        let n = ((day - self.first_day).max(0) as usize).min(self.len());
        self.first_day += n as i32;
        match &mut self.slots {
            Slots::Packed(slots) => drop(slots.drain(..n)),
            Slots::Wide(slots) => drop(slots.drain(..n)),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match &self.slots {
            Slots::Packed(slots) => slots.capacity() * size_of::<S::Packed>(),
            Slots::Wide(slots) => slots.capacity() * size_of::<S>(),
        }
    }
}

impl<S: Slot> PartialEq for DaySlots<S> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

fn extend<T: Copy + Default>(slots: &mut Vec<T>, n_before: usize, n_after: usize) {
    if n_before > 0 {
        slots.splice(0..0, std::iter::repeat_n(T::default(), n_before));
    }
    if slots.len() < n_after {
        if slots.capacity() < n_after {
            // In few steps, so that a heap of many states is left with few holes.
            let n = [8, 31, 91].into_iter().find(|n| *n >= n_after).unwrap_or(n_after);
            slots.reserve_exact(n - slots.len());
        }
        slots.resize(n_after, T::default());
    }
}

/// What the windows of 90 days need.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Activity {
    pub(crate) logins: u32,
    pub(crate) jobs: u32,
    pub(crate) data_bytes: u64,
}

/// Data bytes above 8 bits of jobs, above 8 bits of logins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PackedActivity(u64);

impl Slot for Activity {
    type Packed = PackedActivity;

    fn pack(&self) -> Option<PackedActivity> {
        let fits = self.logins < 1 << 8 && self.jobs < 1 << 8 && self.data_bytes < 1 << 48;
        fits.then(|| PackedActivity(self.data_bytes << 16 | u64::from(self.jobs) << 8 | u64::from(self.logins)))
    }

    fn unpack(PackedActivity(bits): PackedActivity) -> Self {
        Self { logins: (bits & 0xff) as u32, jobs: (bits >> 8 & 0xff) as u32, data_bytes: bits >> 16 }
    }

    fn add(&mut self, other: &Self) {
        self.logins = self.logins.saturating_add(other.logins);
        self.jobs = self.jobs.saturating_add(other.jobs);
        self.data_bytes = self.data_bytes.saturating_add(other.data_bytes);
    }
}

/// What only the windows of 28 to 30 days need.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Recent {
    pub(crate) servers: u64,
    pub(crate) closed_ms: u64,
    pub(crate) closed: u32,
    pub(crate) logoffs: u32,
    pub(crate) timeouts: u32,
    pub(crate) unfinished: u32,
    pub(crate) cancelled: u32,
    pub(crate) terminated: u32,
    pub(crate) failed: u32,
}

/// 13 bytes, because numbers that are arrays of bytes need no room between them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PackedRecent {
    closed_ms: [u8; 4],
    servers: [u8; 2],
    counts: [u8; 7],
}

impl Slot for Recent {
    type Packed = PackedRecent;

    fn pack(&self) -> Option<PackedRecent> {
        let counts = self.counts();
        if counts.iter().any(|count| *count > u32::from(u8::MAX)) {
            return None;
        }
        Some(PackedRecent {
            closed_ms: u32::try_from(self.closed_ms).ok()?.to_le_bytes(),
            servers: u16::try_from(self.servers).ok()?.to_le_bytes(),
            counts: counts.map(|count| count as u8),
        })
    }

    fn unpack(PackedRecent { closed_ms, servers, counts }: PackedRecent) -> Self {
        let (closed_ms, servers) = (u32::from_le_bytes(closed_ms), u16::from_le_bytes(servers));
        Self::new(servers.into(), closed_ms.into(), counts.map(u32::from))
    }

    fn add(&mut self, other: &Self) {
        let (own, others) = (self.counts(), other.counts());
        *self = Self::new(
            self.servers.saturating_add(other.servers),
            self.closed_ms.saturating_add(other.closed_ms),
            std::array::from_fn(|i| own[i].saturating_add(others[i])),
        );
    }
}

impl Recent {
    pub(crate) fn new(servers: u64, closed_ms: u64, counts: [u32; 7]) -> Self {
        let [closed, logoffs, timeouts, unfinished, cancelled, terminated, failed] = counts;
        Self { servers, closed_ms, closed, logoffs, timeouts, unfinished, cancelled, terminated, failed }
    }

    pub(crate) fn counts(&self) -> [u32; 7] {
        let Self { closed, logoffs, timeouts, unfinished, cancelled, terminated, failed, .. } = *self;
        [closed, logoffs, timeouts, unfinished, cancelled, terminated, failed]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_that_outgrow_their_packed_form_keep_their_counts() {
        let mut slots = DaySlots::<Activity>::default();
        slots.update(105, |slot| slot.logins += 3);
        slots.update(100, |slot| slot.data_bytes += u64::MAX / 2);
        slots.update(103, |slot| slot.jobs += 70_000);
        let held: Vec<_> = slots.iter().map(|(day, slot)| (day, slot.logins, slot.jobs, slot.data_bytes)).collect();
        assert_eq!(held, [(100, 0, 0, u64::MAX / 2), (103, 0, 70_000, 0), (105, 3, 0, 0)]);
        slots.forget_before(103);
        slots.update(103, |slot| slot.jobs -= 70_000);
        let mut same = DaySlots::<Activity>::default();
        same.update(105, |slot| slot.logins = 3);
        assert_eq!(slots, same);
        slots.forget_before(1000);
        assert_eq!(slots, DaySlots::default());
    }
}
