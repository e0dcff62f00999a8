use crate::Applied;

/// What became of the events of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EventCounts {
    /// They count.
    pub counted: u64,
    /// Received too late, and dropped.
    pub late: u64,
    /// There already.
    pub duplicate: u64,
    /// From the future, and held back until their time comes.
    pub held_back: u64,
    /// From the future, and dropped.
    pub dropped: u64,
    /// Of tenants for which there was no room.
    pub refused: u64,
}

impl EventCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.as_array().iter().sum()
    }

    pub(crate) fn as_array(&self) -> [u64; 6] {
        [self.counted, self.late, self.duplicate, self.held_back, self.dropped, self.refused]
    }

    pub(crate) fn from_array([counted, late, duplicate, held_back, dropped, refused]: [u64; 6]) -> Self {
        Self { counted, late, duplicate, held_back, dropped, refused }
    }

    pub(crate) fn note(&mut self, applied: Applied) {
        *match applied {
            Applied::Counted => &mut self.counted,
            Applied::Late => &mut self.late,
            Applied::Duplicate => &mut self.duplicate,
            Applied::HeldBack => &mut self.held_back,
            Applied::Dropped => &mut self.dropped,
        } += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let (own, other) = (self.as_array(), other.as_array());
        *self = Self::from_array(std::array::from_fn(|i| own[i].saturating_add(other[i])));
    }
}
