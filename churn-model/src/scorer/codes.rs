//! From a feature vector to one byte per slot: where a value stands among the split values of its feature.

use serde::{Deserialize, Serialize};

use churn_features::FeatureSchema;

use crate::forest::level_code;

/// Room for the codes of a row; words name their slot in 8 bits.
pub(super) const MAX_SLOTS: usize = 256;

/// The code of a missing level where splits send it right; no bin of a word is as high.
pub(super) const RIGHT: u8 = u8::MAX;

/// Split values that one byte can tell apart, with [`RIGHT`] left over.
pub(super) const MAX_CUTS: usize = 254;

/// The codes of one row, one byte per slot, on whole cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Codes(pub(super) [u8; MAX_SLOTS]);

impl Codes {
    pub(super) const ZERO: Self = Self([0; MAX_SLOTS]);
}

/// Sixteen split values, which one comparison of vectors covers.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Cuts([f32; 16]);

/// Up to [`MAX_CUTS`] split values of a number, and the slots that their code goes to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NumberColumn {
    feature: u32,
    /// Position of the pivots, every sixteenth split value; the split values themselves follow them.
    pivots: u32,
    slot: u8,
    /// What a missing value has for a code in that slot: one that goes right where missing values do, and left where they
    /// do, as far as one code can.
    missing_code: u8,
    /// Where it cannot: the slot of the splits that send missing values left. Their code is 0 there, as no split value
    /// is at or below them.
    left_slot: u8,
}

/// A category, whose level code is its code.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryColumn {
    feature: u32,
    n_levels: u8,
    slot: u8,
}

/// Turns feature vectors into codes.
///
/// A number goes right at a split value exactly when its code, the number of split values at or below it, exceeds the
/// position of that split value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encoder {
    n_slots: usize,
    numbers: Vec<NumberColumn>,
    categories: Vec<CategoryColumn>,
    /// Stored apart: they are many.
    #[serde(skip)]
    cuts: Vec<Cuts>,
}

/// The slots of a number's split values, [`MAX_CUTS`] to each.
#[derive(Debug, Clone, Default)]
pub(super) struct NumberSlots {
    cuts: Vec<f32>,
    /// Of each chunk, the slots of splits that send missing values right and of those that send them left.
    slots: Vec<[u8; 2]>,
}

impl NumberSlots {
    /// The slot and the bin that ask for `value < split_value`.
    pub(super) fn question(&self, split_value: f32, missing_left: bool) -> (u8, u8) {
        let position = self.cuts.partition_point(|&cut| cut < split_value);
        (self.slots[position / MAX_CUTS][usize::from(missing_left)], (position % MAX_CUTS) as u8)
    }
}

impl Encoder {
    /// The split values, little-endian.
    pub(super) fn cuts_to_bytes(&self) -> Vec<u8> {
        self.cuts.iter().flat_map(|cuts| cuts.0).flat_map(f32::to_le_bytes).collect()
    }

    /// Takes the split values that [`cuts_to_bytes`](Self::cuts_to_bytes) gave, or says what no row may be encoded with.
    pub(super) fn with_cuts(mut self, bytes: &[u8], schema: &FeatureSchema) -> Result<Self, &'static str> {
        let numbers = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>();
        let (lines, rest) = numbers.as_chunks();
        self.cuts = lines.iter().copied().map(Cuts).collect();
        let levels = |feature: u32| Some(schema.features().get(feature as usize)?.levels().len());
        let is_slot = |slot: u8| usize::from(slot) < self.n_slots || slot == UNUSED;
        let is_number = |column: &NumberColumn| {
            let are_known = levels(column.feature) == Some(0) && is_slot(column.slot) && is_slot(column.left_slot);
            are_known && self.are_cuts(column.pivots as usize).is_some()
        };
        let is_category = |column: &CategoryColumn| {
            let n_levels = usize::from(column.n_levels);
            n_levels > 0 && levels(column.feature) == Some(n_levels) && is_slot(column.slot)
        };
        let is_whole = rest.is_empty() && bytes.len().is_multiple_of(size_of::<Cuts>());
        let are_sound = self.numbers.iter().all(is_number) && self.categories.iter().all(is_category);
        let is_sound = is_whole && are_sound && self.n_slots < usize::from(UNUSED);
        if is_sound { Ok(self) } else { Err("unsound split values") }
    }

    /// `Some` when pivots stand here, and behind them the ascending lines that they are the ends of.
    fn are_cuts(&self, pivots: usize) -> Option<()> {
        let Cuts(ends) = self.cuts.get(pivots)?;
        let n_ends = ends.iter().take_while(|end| !end.is_nan()).count();
        let lines = self.cuts.get(pivots + 1..pivots + 2 + n_ends)?;
        let values: Vec<f32> = lines.iter().flat_map(|line| line.0).collect();
        let n_values = values.iter().take_while(|value| !value.is_nan()).count();
        let are_ends = lines.iter().zip(ends).take(n_ends).all(|(line, end)| line.0[15] == *end);
        let is_filled_up = |values: &[f32]| values.iter().all(|value| value.is_nan());
        // The last value of the last line is none, so that no count reaches 16.
        let fits = n_values / 16 == n_ends && is_filled_up(&ends[n_ends..]) && is_filled_up(&values[n_values..]);
        (fits && are_ends && values[..n_values].is_sorted()).then_some(())
    }

    /// Number of slots; all lie below the code that is always 0, at [`pad_slot`](Self::pad_slot).
    pub(super) fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// A slot whose code is 0 in every row.
    pub(super) fn pad_slot(&self) -> u8 {
        self.n_slots as u8
    }

    fn add_slot(&mut self) -> Option<u8> {
        // One slot has to stay free for the pad.
        let slot = u8::try_from(self.n_slots).ok().filter(|&slot| slot < UNUSED - 1)?;
        self.n_slots += 1;
        Some(slot)
    }

    /// Makes slots for a number with these splits, each a split value and whether missing values go left; `None` when there
    /// is no room.
    ///
    /// One slot serves splits of both kinds when those that send missing values right have the lower split values, as in a
    /// forest for which missing is zero.
    pub(super) fn add_number(&mut self, feature: usize, mut splits: Vec<(f32, bool)>) -> Option<NumberSlots> {
        splits.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        // Zeros of both signs are one split value.
        let mut cuts: Vec<f32> = splits.iter().map(|(cut, _)| *cut).collect();
        cuts.dedup_by(|a, b| a == b);
        let mut slots = NumberSlots::default();
        let mut splits = splits.as_slice();
        for values in cuts.chunks(MAX_CUTS) {
            let n_splits = splits.partition_point(|(cut, _)| *cut <= values[values.len() - 1]);
            let (these, others) = splits.split_at(n_splits);
            splits = others;
            let first_left = these.iter().find(|(_, missing_left)| *missing_left).map(|(cut, _)| *cut);
            let last_right = these.iter().rfind(|(_, missing_left)| !missing_left).map(|(cut, _)| *cut);
            let slot = self.add_slot()?;
            let is_one_enough = first_left.zip(last_right).is_none_or(|(left, right)| right < left);
            let left_slot = if is_one_enough { UNUSED } else { self.add_slot()? };
            let missing_code = last_right.map_or(0, |right| values.partition_point(|&cut| cut <= right)) as u8;
            slots.slots.push([slot, if is_one_enough { slot } else { left_slot }]);
            let pivots = self.cuts.len() as u32;
            // Below nothing, so that what fills up a line is never counted.
            let mut every_sixteenth = [f32::NAN; 16];
            let lines = values.chunks(16).map(|line| {
                let mut filled = [f32::NAN; 16];
                filled[..line.len()].copy_from_slice(line);
                Cuts(filled)
            });
            let lines: Vec<Cuts> = lines.chain([Cuts([f32::NAN; 16])]).collect();
            for (pivot, line) in every_sixteenth.iter_mut().zip(&lines) {
                *pivot = line.0[15];
            }
            self.cuts.push(Cuts(every_sixteenth));
            self.cuts.extend(lines);
            self.numbers.push(NumberColumn { feature: feature as u32, pivots, slot, missing_code, left_slot });
        }
        slots.cuts = cuts;
        Some(slots)
    }

    /// Makes a slot for a category; `None` when there is no room. A missing level's code is [`RIGHT`].
    pub(super) fn add_category(&mut self, feature: usize, n_levels: u8) -> Option<u8> {
        let slot = self.add_slot()?;
        self.categories.push(CategoryColumn { feature: feature as u32, n_levels, slot });
        Some(slot)
    }

    /// Writes the codes of a row that is long enough for all features.
    ///
    /// # Cost
    /// O(slots): two comparisons with sixteen split values each.
    #[inline(always)]
    pub(super) fn encode(&self, row: &[f32], codes: &mut Codes, count: impl Fn(&Cuts, f32) -> usize) {
        for column in &self.numbers {
            let value = row[column.feature as usize];
            let pivots = column.pivots as usize;
            let line = count(&self.cuts[pivots], value);
            let code = (line * 16 + count(&self.cuts[pivots + 1 + line], value)) as u8;
            codes.0[usize::from(column.left_slot)] = code;
            codes.0[usize::from(column.slot)] = if value.is_nan() { column.missing_code } else { code };
        }
        for column in &self.categories {
            let code = level_code(row[column.feature as usize], column.n_levels);
            codes.0[usize::from(column.slot)] = code.unwrap_or(RIGHT);
        }
    }
}

/// In place of a slot that nobody asks; the codes have room for it, and no word names it.
const UNUSED: u8 = u8::MAX;

impl Cuts {
    /// How many of the split values are at or below the value; not more than 15, as the last one never is.
    ///
    /// A search by halves whose steps add instead of branching: those of several columns overlap, and none is guessed.
    #[inline(always)]
    pub(super) fn count(&self, value: f32) -> usize {
        let mut n = 0;
        for step in [8, 4, 2, 1] {
            n |= step * usize::from(self.0[n + step - 1] <= value);
        }
        n
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn values(&self) -> &[f32; 16] {
        &self.0
    }
}
