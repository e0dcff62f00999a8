//! What a split asks of a row, in 8 bytes.

use crate::forest::{ForestModel, LevelSet, SplitRule, level_code};

/// What a split asks of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// Split value, or the position of a category split's level set.
    value: f32,
    pub(super) feature: u16,
    is_category: bool,
    missing_left: bool,
}

/// What questions about categories look up.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    sets: Vec<LevelSet>,
    /// By feature; 0 for those that are no category.
    counts: Vec<u8>,
}

impl Levels {
    /// The features of a forest, before any question.
    pub(super) fn of(forest: &ForestModel) -> Self {
        Self { sets: Vec::new(), counts: forest.level_counts().collect() }
    }

    pub(super) fn n_features(&self) -> usize {
        self.counts.len()
    }

    /// The question of a split.
    pub(super) fn question(&mut self, feature: u16, rule: SplitRule, missing_left: bool) -> Question {
        let (is_category, value) = match rule {
            SplitRule::Below(value) => (false, value),
            SplitRule::Levels(set) => {
                self.sets.push(set);
                (true, (self.sets.len() - 1) as f32) // exact: a forest has at most 2^24 sets
            }
        };
        Question { value, feature, is_category, missing_left }
    }

    /// Whether a row goes left.
    #[inline(always)]
    pub(super) fn goes_left(&self, question: Question, row: &[f32]) -> bool {
        let value = row[usize::from(question.feature)];
        if question.is_category {
            return match level_code(value, self.counts[usize::from(question.feature)]) {
                None => question.missing_left,
                Some(code) => self.sets[question.value as usize].contains(code),
            };
        }
        (value < question.value) | (value.is_nan() & question.missing_left)
    }
}
