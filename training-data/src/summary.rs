use std::collections::HashSet;

use churn_features::FeatureKind;

use crate::set::SourceColumn;
use crate::{Role, TrainingSet};

/// Most levels that a summary names.
const TOP_LEVELS: usize = 5;

/// Fewer different whole numbers than this are no sign of an identifier.
const FEWEST_IDENTIFIERS: usize = 100;

/// One column of the source, for a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSummary {
    /// Name in the source.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The word for the kind of a feature: number, boolean or category.
    pub kind: Option<&'static str>,
    /// Rows without a value; `None` when the cells were not looked at.
    pub n_missing: Option<usize>,
    /// Number of different values; `None` when the cells were not looked at.
    pub n_distinct: Option<usize>,
    /// The values themselves.
    pub values: ValueSummary,
    /// What a reader of the report should know, as sentences.
    pub notes: Vec<String>,
}

/// The values of a column in short.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueSummary {
    /// Of numbers that are not missing. The median of an even count is the upper one of the middle two.
    Numbers {
        /// Smallest.
        min: f32,
        /// Median.
        median: f32,
        /// Largest.
        max: f32,
    },
    /// The most frequent levels with the number of rows of each, ties by name.
    Levels(Vec<(String, usize)>),
    /// Nothing to show.
    Nothing,
}

impl ColumnSummary {
    pub(crate) fn of(column: &SourceColumn, set: &TrainingSet) -> Self {
        let mut summary = Self {
            name: column.name.clone(),
            role: column.role.clone(),
            kind: None,
            n_missing: Some(0),
            n_distinct: None,
            values: ValueSummary::Nothing,
            notes: column.notes.clone(),
        };
        match column.role {
            Role::Label => summary.add_labels(set),
            Role::Id => summary.n_distinct = Some(set.keys().n_distinct()),
            Role::Group => summary.n_distinct = set.groups().map(|groups| groups.iter().collect::<HashSet<_>>().len()),
            Role::Weight => summary.add_numbers(set.weights().unwrap_or_default().iter().copied()),
            Role::Feature => summary.add_feature(set),
            Role::Dropped { .. } => {
                summary.n_missing = column.left_out.map(|(n_missing, _)| n_missing);
                summary.n_distinct = column.left_out.map(|(_, n_distinct)| n_distinct);
            }
        }
        summary
    }

    fn add_labels(&mut self, set: &TrainingSet) {
        let n_churned = set.n_churned();
        let values = set.label_values();
        let counts = [(values.churned(), n_churned), (values.stayed(), set.n_observations() - n_churned)];
        self.add_levels(counts.map(|(text, count)| (text.to_owned(), count)).to_vec());
        self.notes.push(format!("{} = churn, {} = stayed", values.churned(), values.stayed()));
    }

    fn add_feature(&mut self, set: &TrainingSet) {
        let Some(position) = set.schema().position(&self.name) else { return };
        let kind = set.schema().features()[position].kind();
        let column = set.features().column(position).to_owned();
        self.kind = Some(kind.word());
        match kind {
            FeatureKind::Numeric => {
                self.add_numbers(column.iter().copied());
                let n_known = column.len() - self.n_missing.unwrap_or(0);
                let are_whole = || column.iter().all(|value| value.is_nan() || value.fract() == 0.0);
                if n_known >= FEWEST_IDENTIFIERS && self.n_distinct == Some(n_known) && are_whole() {
                    self.notes.push(
                        "a different whole number in every row; leave it out with --drop if it is an identifier".into(),
                    );
                }
            }
            FeatureKind::Boolean => self.add_codes(&["no".into(), "yes".into()], column.iter().copied()),
            FeatureKind::Category { levels } => self.add_codes(levels, column.iter().copied()),
        }
        match self.n_distinct {
            Some(0) => self.notes.push("missing in every row".into()),
            Some(1) => self.notes.push("the same value in every row that has one".into()),
            _ => {}
        }
    }

    fn add_numbers(&mut self, values: impl ExactSizeIterator<Item = f32>) {
        let n = values.len();
        let mut known: Vec<f32> = values.filter(|value| !value.is_nan()).collect();
        known.sort_unstable_by(f32::total_cmp);
        self.n_missing = Some(n - known.len());
        self.n_distinct = Some(known.chunk_by(|a, b| a == b).count());
        if let (Some(&min), Some(&max)) = (known.first(), known.last()) {
            self.values = ValueSummary::Numbers { min, median: known[known.len() / 2], max };
        }
    }

    fn add_codes(&mut self, levels: &[String], codes: impl ExactSizeIterator<Item = f32>) {
        let (n, mut counts) = (codes.len(), vec![0; levels.len()]);
        codes.filter(|code| !code.is_nan()).for_each(|code| counts[code as usize] += 1);
        self.n_missing = Some(n - counts.iter().sum::<usize>());
        self.add_levels(levels.iter().cloned().zip(counts).collect());
    }

    fn add_levels(&mut self, mut counts: Vec<(String, usize)>) {
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.n_distinct = Some(counts.len());
        counts.truncate(TOP_LEVELS);
        self.values = ValueSummary::Levels(counts);
    }
}
