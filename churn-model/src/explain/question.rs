//! What a split asks of a row, in 8 bytes.

use crate::forest::{ForestModel, LevelSet, SplitRule, level_code};

/// What a split asks of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// Split value, or the position of a category split's level set.
    value: f32,
    pub(super) feature: u16,
    pub(super) is_category: bool,
    missing_left: bool,
}

impl Question {
    /// Whether a row goes left, when the feature is no category.
    #[inline(always)]
    pub(super) fn is_below(self, row: &[f32]) -> bool {
        let value = row[usize::from(self.feature)];
        (value < self.value) | (value.is_nan() & self.missing_left)
    }
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
        if !question.is_category {
            return question.is_below(row);
        }
        let feature = usize::from(question.feature);
        match level_code(row[feature], self.counts[feature]) {
            None => question.missing_left,
            Some(code) => self.sets[question.value as usize].contains(code),
        }
    }
}
