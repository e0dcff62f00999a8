//! What kind of feature a column is, judged by all of its cells.

use churn_features::{Cell, Feature, MAX_LEVELS, yes_or_no};

use crate::column::{Cells, Entry, NumberCells, Sighting, number_of};
use crate::files::{FileLine, Files};
use crate::table::{Held, TableColumn};
use crate::{Error, Place};

/// A few words among so many numbers are mistakes, not levels.
const FEWEST_NUMBERS: usize = 20;
const LEAST_NUMBERS_PER_100: usize = 95;

/// One level less than a category may have, when some levels have to go.
const MOST_FREQUENT_LEVELS: usize = MAX_LEVELS - 1;

/// What became of a column.
#[derive(Debug)]
pub(crate) struct Inferred {
    pub(crate) fate: ColumnFate,
    pub(crate) notes: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum ColumnFate {
    Feature(Feature, Values),
    Dropped { reason: String, n_missing: usize, n_distinct: usize },
    AllMissing,
}

/// The values of a feature, by row.
#[derive(Debug)]
pub(crate) enum Values {
    Numbers(Vec<f32>),
    /// A code per row and the value that each code stands for.
    Coded {
        codes: Vec<u32>,
        values: Vec<f32>,
    },
}

impl Values {
    /// The value in a row; NaN when missing.
    pub(crate) fn get(&self, row: usize) -> f32 {
        match self {
            Self::Numbers(numbers) => numbers[row],
            Self::Coded { codes, values } => values[codes[row] as usize],
        }
    }
}

/// Whether a column was read as numbers and turns out to be a category, whose texts are needed.
pub(crate) fn needs_text(column: &TableColumn) -> bool {
    match &column.held {
        Held::Feature { cells: Cells::Numbers(cells), .. } => {
            let n_known = cells.values.len() - cells.n_missing;
            cells.n_words > 0 && !is_nearly_all_numbers(n_known - cells.n_words - cells.n_infinite, n_known)
        }
        _ => false,
    }
}

/// Finds the kind of the column called `name`.
pub(crate) fn infer(files: &Files, name: &str, cells: Cells, is_forced_category: bool) -> Result<Inferred, Error> {
    let column = Column { files, name };
    match cells {
        Cells::Numbers(cells) => column.of_numbers(cells),
        Cells::Coded(cells) => {
            let (codes, entries) = cells.into_parts();
            let counts = Counts::of(&entries);
            let (fate, mut notes) = if counts.n_known() == 0 {
                (ColumnFate::AllMissing, Vec::new())
            } else if is_forced_category {
                column.category(codes, &entries, &counts, true)
            } else if counts.n_words == 0 {
                column.refuse_infinite(first(&entries, Cell::Infinite))?;
                let values = entries.iter().map(|entry| number_of(entry.cell)).collect();
                (ColumnFate::Feature(Feature::numeric(name.to_owned()), Values::Coded { codes, values }), Vec::new())
            } else {
                column.refuse_words(first(&entries, Cell::Word), &counts)?;
                match boolean_values(&entries) {
                    Some(values) => {
                        let feature = Feature::boolean(name.to_owned());
                        (ColumnFate::Feature(feature, Values::Coded { codes, values }), Vec::new())
                    }
                    None => column.category(codes, &entries, &counts, false),
                }
            };
            let missing = entries.iter().filter(|entry| entry.cell == Cell::Missing && !entry.text.is_empty());
            notes.extend(missing_words_note(missing.map(|entry| (entry.text.as_str(), entry.count))));
            Ok(Inferred { fate, notes })
        }
    }
}

/// How many cells of a column are what.
struct Counts {
    n_missing: usize,
    n_numbers: usize,
    n_infinite: usize,
    n_words: usize,
}

impl Counts {
    fn of(entries: &[Entry]) -> Self {
        let count = |is: fn(Cell) -> bool| entries.iter().filter(|entry| is(entry.cell)).map(|entry| entry.count).sum();
        Self {
            n_missing: count(|cell| cell == Cell::Missing),
            n_numbers: count(|cell| matches!(cell, Cell::Number(_))),
            n_infinite: count(|cell| cell == Cell::Infinite),
            n_words: count(|cell| cell == Cell::Word),
        }
    }

    fn n_known(&self) -> usize {
        self.n_numbers + self.n_infinite + self.n_words
    }
}

/// A column, for messages about it.
struct Column<'a> {
    files: &'a Files,
    name: &'a str,
}

impl Column<'_> {
    fn of_numbers(&self, cells: NumberCells) -> Result<Inferred, Error> {
        let n_other = cells.n_missing + cells.n_infinite + cells.n_words;
        let counts = Counts {
            n_missing: cells.n_missing,
            n_numbers: cells.values.len() - n_other,
            n_infinite: cells.n_infinite,
            n_words: cells.n_words,
        };
        self.refuse_words(cells.first_word, &counts)?;
        self.refuse_infinite(cells.first_infinite)?;
        let notes = missing_words_note(cells.missing_words.iter().map(|(text, &count)| (text.as_str(), count)));
        let fate = ColumnFate::Feature(Feature::numeric(self.name.to_owned()), Values::Numbers(cells.values));
        Ok(Inferred { fate, notes: notes.into_iter().collect() })
    }

    fn place(&self, line: FileLine) -> Place {
        self.files.place(line, self.name)
    }

    fn refuse_infinite(&self, first: Option<Sighting>) -> Result<(), Error> {
        let Some(Sighting { text: found, line }) = first else { return Ok(()) };
        Err(Error::Infinite { place: self.place(line), found })
    }

    fn refuse_words(&self, first: Option<Sighting>, counts: &Counts) -> Result<(), Error> {
        match first {
            Some(Sighting { text: found, line }) if is_nearly_all_numbers(counts.n_numbers, counts.n_known()) => {
                let (n_words, n_values) = (counts.n_words, counts.n_known());
                Err(Error::WordAmongNumbers { place: self.place(line), found, n_words, n_values })
            }
            _ => Ok(()),
        }
    }

    fn category(
        &self,
        codes: Vec<u32>,
        entries: &[Entry],
        counts: &Counts,
        is_forced: bool,
    ) -> (ColumnFate, Vec<String>) {
        let mut notes = Vec::new();
        let mut kept: Vec<&Entry> = entries.iter().filter(|entry| entry.cell != Cell::Missing).collect();
        let (n_levels, n_known) = (kept.len(), counts.n_known());
        if !is_forced && kept.iter().filter(|entry| resembles_number(&entry.text)).count() * 10 >= n_levels * 9 {
            let example = kept.iter().map(|entry| &entry.text).find(|text| resembles_number(text));
            notes.push(format!(
                "read as text because of signs or separators, such as {:?}; write plain numbers to use it as a number",
                example.map_or("", |text| text.as_str())
            ));
        } else if !is_forced && counts.n_numbers > 0 {
            let (n_numbers, word) = (counts.n_numbers, first(entries, Cell::Word).map_or(String::new(), |w| w.text));
            notes.push(format!("read as text: {n_numbers} of {n_known} values are numbers, others are like {word:?}"));
        }
        if n_levels > MAX_LEVELS {
            if !is_forced && n_levels * 2 > codes.len() {
                let reason =
                    format!("{n_levels} different texts in {} rows: an identifier, not a category", codes.len());
                return (ColumnFate::Dropped { reason, n_missing: counts.n_missing, n_distinct: n_levels }, notes);
            }
            kept.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
            let n_rare: usize = kept.drain(MOST_FREQUENT_LEVELS..).map(|entry| entry.count).sum();
            notes.push(format!(
                "the {MOST_FREQUENT_LEVELS} most frequent of {n_levels} levels are kept; \
                 other levels count as missing ({n_rare} rows)"
            ));
        }
        kept.sort_by(|a, b| a.text.cmp(&b.text));
        let levels: Vec<String> = kept.iter().map(|entry| entry.text.clone()).collect();
        let code = |entry: &Entry| levels.binary_search(&entry.text).map_or(f32::NAN, |code| code as f32);
        let values = entries.iter().map(code).collect();
        (ColumnFate::Feature(Feature::category(self.name.to_owned(), levels), Values::Coded { codes, values }), notes)
    }
}

fn is_nearly_all_numbers(n_numbers: usize, n_known: usize) -> bool {
    n_numbers >= FEWEST_NUMBERS && n_numbers * 100 >= n_known * LEAST_NUMBERS_PER_100
}

/// The first cell of that sort; entries stand in the order of their first appearance.
fn first(entries: &[Entry], cell: Cell) -> Option<Sighting> {
    let entry = entries.iter().find(|entry| entry.cell == cell)?;
    Some(Sighting { text: entry.text.clone(), line: entry.first_line })
}

/// The value of each distinct text, if all of them say yes or no in the same words.
fn boolean_values(entries: &[Entry]) -> Option<Vec<f32>> {
    let mut words_used = None;
    let mut value = |entry: &Entry| {
        if entry.cell == Cell::Missing {
            return Some(f32::NAN);
        }
        let value = yes_or_no(&entry.text)?;
        let says_true = entry.text.starts_with(['t', 'T', 'f', 'F']);
        (*words_used.get_or_insert(says_true) == says_true).then_some(f32::from(u8::from(value)))
    };
    entries.iter().map(&mut value).collect()
}

/// Whether text would be a number without a currency sign, a per cent sign or separators, as in `$1,200`.
fn resembles_number(text: &str) -> bool {
    let bare: String = text.chars().filter(|c| !matches!(c, '$' | '€' | '£' | '%' | ',' | ' ')).collect();
    bare.len() < text.len() && matches!(Cell::read(&bare), Cell::Number(_))
}

fn missing_words_note<'a>(words: impl Iterator<Item = (&'a str, usize)>) -> Option<String> {
    let mut words: Vec<(&str, usize)> = words.collect();
    words.sort_unstable();
    let shown: Vec<String> = words.iter().map(|(text, count)| format!("{text:?} ({count})")).collect();
    (!shown.is_empty()).then(|| format!("counted as missing: {}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_disguise_are_seen() {
        assert!(resembles_number("$1,200") && resembles_number("12 %") && resembles_number("29,85"));
        assert!(!resembles_number("12") && !resembles_number("$") && !resembles_number("One year"));
    }
}
