//! The cells of one column, held compactly while the file is read.

use std::collections::{BTreeMap, HashMap};

use churn_features::Cell;

use crate::files::FileLine;

/// Most distinct texts kept for a column of nothing but numbers; beyond it only the numbers are kept.
///
/// A dictionary of this size takes about a megabyte. It is large enough for every count and small code, and small
/// enough that 20 columns of measurements cost little more than their numbers.
pub(crate) const MOST_NUMBER_TEXTS: usize = 1 << 14;

/// The cells of one column.
#[derive(Debug)]
pub(crate) enum Cells {
    /// A dictionary of the distinct texts, and a code per row.
    Coded(CodedCells),
    /// Numbers, in a column with too many distinct ones for a dictionary.
    Numbers(NumberCells),
}

/// A distinct text of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) text: String,
    pub(crate) cell: Cell,
    pub(crate) count: usize,
    pub(crate) first_line: FileLine,
}

#[derive(Debug, Default)]
pub(crate) struct CodedCells {
    codes: Vec<u32>,
    code_of: HashMap<String, u32>,
    entries: Vec<EntryCount>,
    n_words: usize,
}

#[derive(Debug)]
struct EntryCount {
    cell: Cell,
    count: usize,
    first_line: FileLine,
}

/// Where a cell that does not belong was seen first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) text: String,
    pub(crate) line: FileLine,
}

#[derive(Debug, Default)]
pub(crate) struct NumberCells {
    pub(crate) values: Vec<f32>,
    /// Missing words other than blanks, with their counts.
    pub(crate) missing_words: BTreeMap<String, usize>,
    pub(crate) n_missing: usize,
    pub(crate) n_infinite: usize,
    pub(crate) n_words: usize,
    pub(crate) first_infinite: Option<Sighting>,
    pub(crate) first_word: Option<Sighting>,
}

impl Cells {
    /// No cells yet.
    pub(crate) fn new() -> Self {
        Self::Coded(CodedCells::default())
    }

    /// Adds the trimmed text of the next row; `most_texts` is when a dictionary of numbers is given up.
    pub(crate) fn push(&mut self, text: &str, line: FileLine, most_texts: usize) {
        match self {
            Self::Coded(cells) => {
                cells.push(text, line);
                if cells.n_words == 0 && cells.entries.len() > most_texts {
                    *self = Self::Numbers(std::mem::take(cells).into_numbers());
                }
            }
            Self::Numbers(cells) => cells.push(text, line),
        }
    }
}

impl CodedCells {
    pub(crate) fn push(&mut self, text: &str, line: FileLine) {
        let code = match self.code_of.get(text) {
            Some(&code) => code,
            None => self.insert(text, line),
        };
        self.entries[code as usize].count += 1;
        self.codes.push(code);
    }

    fn insert(&mut self, text: &str, line: FileLine) -> u32 {
        let code = u32::try_from(self.entries.len()).expect("this cannot fail because the reader limits the rows");
        let cell = Cell::read(text);
        self.n_words += usize::from(cell == Cell::Word);
        self.entries.push(EntryCount { cell, count: 0, first_line: line });
        self.code_of.insert(text.to_owned(), code);
        code
    }

    /// The code of each row, and the distinct texts by code, which is by first appearance.
    pub(crate) fn into_parts(self) -> (Vec<u32>, Vec<Entry>) {
        let mut texts = vec![String::new(); self.entries.len()];
        for (text, code) in self.code_of {
            texts[code as usize] = text;
        }
        let entry = |(text, EntryCount { cell, count, first_line })| Entry { text, cell, count, first_line };
        (self.codes, texts.into_iter().zip(self.entries).map(entry).collect())
    }

    fn into_numbers(self) -> NumberCells {
        let (codes, entries) = self.into_parts();
        let mut numbers = NumberCells::default();
        for entry in &entries {
            numbers.count(entry.cell, &entry.text, entry.first_line, entry.count);
        }
        // The iterator works in place, so the column is never held twice.
        numbers.values = codes.into_iter().map(|code| number_of(entries[code as usize].cell)).collect();
        numbers
    }
}

impl NumberCells {
    fn push(&mut self, text: &str, line: FileLine) {
        let cell = Cell::read(text);
        if !matches!(cell, Cell::Number(_)) {
            self.count(cell, text, line, 1);
        }
        self.values.push(number_of(cell));
    }

    fn count(&mut self, cell: Cell, text: &str, line: FileLine, count: usize) {
        let sighting = || Sighting { text: text.to_owned(), line };
        match cell {
            Cell::Number(_) => {}
            Cell::Missing => {
                self.n_missing += count;
                if !text.is_empty() {
                    *self.missing_words.entry(text.to_owned()).or_default() += count;
                }
            }
            Cell::Infinite => {
                self.n_infinite += count;
                self.first_infinite.get_or_insert_with(sighting);
            }
            Cell::Word => {
                self.n_words += count;
                self.first_word.get_or_insert_with(sighting);
            }
        }
    }
}

/// The number a cell holds; missing for everything else.
pub(crate) fn number_of(cell: Cell) -> f32 {
    if let Cell::Number(number) = cell { number } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_distinct_numbers_give_up_their_texts_and_keep_their_values() {
        let mut cells = Cells::new();
        for (row, text) in ["1", "", "2.5", "NA", "inf", "3", "1", "x"].into_iter().enumerate() {
            cells.push(text, FileLine::new(0, row as u64 + 2), 4);
        }
        let Cells::Numbers(numbers) = cells else { panic!("still a dictionary") };
        let known: Vec<f32> = numbers.values.iter().copied().filter(|value| !value.is_nan()).collect();
        assert_eq!((numbers.values.len(), known.as_slice()), (8, [1.0, 2.5, 3.0, 1.0].as_slice()));
        assert_eq!((numbers.n_missing, numbers.n_infinite, numbers.n_words), (2, 1, 1));
        assert_eq!(numbers.missing_words, BTreeMap::from([("NA".to_owned(), 1)]));
        assert_eq!(numbers.first_infinite, Some(Sighting { text: "inf".into(), line: FileLine::new(0, 6) }));
        assert_eq!(numbers.first_word, Some(Sighting { text: "x".into(), line: FileLine::new(0, 9) }));
    }

    #[test]
    fn a_column_with_a_word_keeps_every_text() {
        let mut cells = Cells::new();
        for (row, text) in ["x", "007", "7", "007", "8", "9"].into_iter().enumerate() {
            cells.push(text, FileLine::new(0, row as u64 + 2), 2);
        }
        let Cells::Coded(cells) = cells else { panic!("the texts are gone") };
        let (codes, entries) = cells.into_parts();
        assert_eq!(codes, [0, 1, 2, 1, 3, 4]);
        assert_eq!(
            entries[1],
            Entry { text: "007".into(), cell: Cell::Number(7.0), count: 2, first_line: FileLine::new(0, 3) }
        );
    }
}
