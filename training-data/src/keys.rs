use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use churn_events::ObservationDate;
use sha2::{Digest, Sha256};

/// What each row is called: its id where the table has one, else its number in the file, counted from 0.
///
/// An observation assembled from a log is called by its tenant's id and its observation date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    held: Held,
    /// One for each row, or none at all.
    dates: Option<Vec<ObservationDate>>,
}

/// Ids stand in one text, because a million short `String`s would take more memory than the features.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Rows(Vec<u32>),
    Ids { text: String, ends: Vec<usize> },
}

impl Keys {
    pub(crate) fn of_rows(n_rows: u32) -> Self {
        Self { held: Held::Rows((0..n_rows).collect()), dates: None }
    }

    pub(crate) fn no_ids() -> Self {
        Self { held: Held::Ids { text: String::new(), ends: Vec::new() }, dates: None }
    }

    /// The keys of observations.
    pub(crate) fn of_observations<'a>(observations: impl IntoIterator<Item = (&'a str, ObservationDate)>) -> Self {
        let mut keys = Self::no_ids();
        let dates = observations.into_iter().map(|(tenant, date)| {
            keys.push(tenant);
            date
        });
        let dates = dates.collect();
        Self { dates: Some(dates), ..keys }
    }

    /// Adds the id of the next row; row numbers stay as they are.
    pub(crate) fn push(&mut self, id: &str) {
        if let Held::Ids { text, ends } = &mut self.held {
            text.push_str(id);
            ends.push(text.len());
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.held {
            Held::Rows(rows) => rows.len(),
            Held::Ids { ends, .. } => ends.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the keys are ids from the table and not row numbers.
    pub fn are_ids(&self) -> bool {
        matches!(self.held, Held::Ids { .. })
    }

    /// The key of a row; of an observation its tenant.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn get(&self, row: usize) -> Cow<'_, str> {
        match &self.held {
            Held::Rows(rows) => rows[row].to_string().into(),
            Held::Ids { text, ends } => {
                let start = row.checked_sub(1).map_or(0, |before| ends[before]);
                text[start..ends[row]].into()
            }
        }
    }

    /// The observation date of each row, where rows have one.
    pub fn dates(&self) -> Option<&[ObservationDate]> {
        self.dates.as_deref()
    }

    /// Tenant and observation date of a row; `None` when rows have no dates.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn observation(&self, row: usize) -> Option<(&str, ObservationDate)> {
        let (Held::Ids { text, ends }, Some(dates)) = (&self.held, &self.dates) else { return None };
        let start = row.checked_sub(1).map_or(0, |before| ends[before]);
        Some((&text[start..ends[row]], dates[row]))
    }

    /// The keys in row order, without the dates.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Cow<'_, str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let dates = self.dates.as_ref().map(|dates| rows.iter().map(|&row| dates[row]).collect());
        match &self.held {
            Held::Rows(numbers) => Self { held: Held::Rows(rows.iter().map(|&row| numbers[row]).collect()), dates },
            Held::Ids { .. } => {
                let mut keys = Self::no_ids();
                rows.iter().for_each(|&row| keys.push(&self.get(row)));
                Self { dates, ..keys }
            }
        }
    }

    pub(crate) fn n_distinct(&self) -> usize {
        match &self.held {
            Held::Rows(rows) => rows.iter().collect::<HashSet<_>>().len(),
            Held::Ids { .. } => self.iter().collect::<HashSet<_>>().len(),
        }
    }

    /// The group of each row, when its key is its group.
    pub(crate) fn groups(&self) -> Vec<u64> {
        let mut known: HashMap<Cow<'_, str>, u64> = HashMap::new();
        self.iter().map(|key| *known.entry(key).or_insert_with_key(|key| group_of(key))).collect()
    }
}

/// The number of the group that a text names: the first eight bytes of its SHA-256 digest.
///
/// It depends on nothing but the text, so that draws by group are the same whatever the order of the rows. Two of a
/// million texts share a number with a probability of 3e-8.
pub fn group_of(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_keeps_the_names_of_its_rows() {
        let mut ids = Keys::no_ids();
        ["a", "bcd", "a", "e"].into_iter().for_each(|id| ids.push(id));
        assert_eq!(ids.select(&[3, 1]).iter().collect::<Vec<_>>(), ["e", "bcd"]);
        assert_eq!((ids.len(), ids.n_distinct(), ids.are_ids()), (4, 3, true));
        let rows = Keys::of_rows(4).select(&[3, 1]);
        assert_eq!(rows.iter().collect::<Vec<_>>(), ["3", "1"]);
        assert!(!rows.are_ids());
    }

    #[test]
    fn a_group_is_the_start_of_the_sha_256_of_its_text() {
        // printf abc | sha256sum
        assert_eq!(group_of("abc"), 0xba78_16bf_8f01_cfea);
    }
}
