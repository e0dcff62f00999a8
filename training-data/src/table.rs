//! Reading a flat table: one row per observation, one column per fact, no dates.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::column::{Cells, CodedCells};
use crate::files::{FileLine, Files};
use crate::infer::needs_text;
use crate::keys::{Keys, group_of};
use crate::set::Role;
use crate::{Error, Place};
use churn_features::Cell;

/// How to read a table: what its columns are for.
///
/// # Example
/// ```
/// use churn_training_data::TableOptions;
///
/// let options = TableOptions { id: Some("Company".into()), ..TableOptions::new("Churn") };
/// assert!(options.header);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// The column that says who churned.
    pub label: String,
    /// The column that names each row. Without it rows go by number.
    pub id: Option<String>,
    /// The column whose equal values keep rows together in splits and folds. It may be the id column.
    pub group: Option<String>,
    /// The column that says how often a row counts.
    pub weight: Option<String>,
    /// Columns to leave out; their cells are not looked at.
    pub drop: Vec<String>,
    /// Columns to treat as categories even if they hold numbers.
    pub category: Vec<String>,
    /// The label value that means churn, where it is not a usual one.
    pub positive: Option<String>,
    /// Whether the first line names the columns. Without names they are called `label`, `column_1`, `column_2`, ...,
    /// which is the order that SageMaker's own algorithms expect.
    pub header: bool,
}

impl TableOptions {
    /// A table with a header, of which only the label column is known.
    pub fn new(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            id: None,
            group: None,
            weight: None,
            drop: Vec::new(),
            category: Vec::new(),
            positive: None,
            header: true,
        }
    }

    /// A table without header, whose first column is the label.
    pub fn headerless() -> Self {
        Self { header: false, ..Self::new("label") }
    }
}

/// The cells of a table in memory, not interpreted yet; [`TrainingSet::from_table`](crate::TrainingSet::from_table)
/// makes a training set of it.
///
/// # Cost
/// Four bytes per cell and the distinct texts of each text column. Dropped columns cost nothing.
#[derive(Debug)]
pub struct Table {
    pub(crate) files: Files,
    pub(crate) n_rows: u32,
    /// The label value that means churn, where it was given.
    pub(crate) positive: Option<String>,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) keys: Option<Keys>,
    pub(crate) groups: Option<Vec<u64>>,
    pub(crate) weights: Option<Vec<f32>>,
}

/// A column and what was kept of its cells.
#[derive(Debug)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) held: Held,
}

#[derive(Debug)]
pub(crate) enum Held {
    Label(CodedCells),
    Feature {
        cells: Cells,
        is_forced_category: bool,
    },
    /// Kept in a field of the table of its own, or not at all.
    Elsewhere(Role),
}

impl Table {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows as usize
    }

    /// The names of all columns, in file order.
    pub fn column_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }
}

/// The rows of a table as they are read.
pub(crate) struct TableBuilder {
    files: Files,
    n_rows: u32,
    positive: Option<String>,
    columns: Vec<TableColumn>,
    plan: Plan,
    keys: Option<Keys>,
    groups: Option<Vec<u64>>,
    weights: Option<Vec<f32>>,
    /// When the dictionary of a column of numbers is given up.
    most_texts: usize,
    /// Columns whose dictionary never is, by position.
    as_text: BTreeSet<usize>,
}

impl TableBuilder {
    /// No rows yet of a table with these columns.
    pub(crate) fn new(
        files: Files,
        names: &[String],
        options: &TableOptions,
        most_texts: usize,
        as_text: BTreeSet<usize>,
    ) -> Result<Self, Error> {
        let plan = Plan::new(files.path(), names, options)?;
        Ok(Self {
            n_rows: 0,
            positive: options.positive.clone(),
            columns: plan.columns(names.to_vec()),
            keys: plan.id.map(|_| Keys::no_ids()),
            groups: plan.group.map(|_| Vec::new()),
            weights: plan.weight.map(|_| Vec::new()),
            plan,
            most_texts,
            as_text,
            files,
        })
    }

    /// Adds a row; `cell` gives the text in each column, `line` says where in the files it stands.
    pub(crate) fn push<'a>(&mut self, cell: impl Fn(usize) -> &'a str, line: FileLine) -> Result<(), Error> {
        self.n_rows = self
            .n_rows
            .checked_add(1)
            .filter(|&n| n < u32::MAX)
            .ok_or_else(|| Error::TooManyRows { path: self.files.path().to_owned(), most: u32::MAX - 1 })?;
        for (position, column) in self.columns.iter_mut().enumerate() {
            match &mut column.held {
                Held::Label(cells) => cells.push(cell(position).trim(), line),
                Held::Feature { cells, is_forced_category } => {
                    let keeps_text = *is_forced_category || self.as_text.contains(&position);
                    cells.push(cell(position).trim(), line, if keeps_text { usize::MAX } else { self.most_texts });
                }
                Held::Elsewhere(_) => {}
            }
        }
        let place = |position: usize| self.files.place(line, &self.columns[position].name);
        if let (Some(keys), Some(position)) = (&mut self.keys, self.plan.id) {
            keys.push(key_cell(cell(position), || place(position), "id")?);
        }
        if let (Some(groups), Some(position)) = (&mut self.groups, self.plan.group) {
            groups.push(group_of(key_cell(cell(position), || place(position), "group")?));
        }
        if let (Some(weights), Some(position)) = (&mut self.weights, self.plan.weight) {
            weights.push(weight_cell(cell(position), || place(position))?);
        }
        Ok(())
    }

    /// Number of rows so far.
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows as usize
    }

    /// The table, or the columns that have to be read again as text.
    pub(crate) fn finish(self) -> Result<Result<Table, BTreeSet<usize>>, Error> {
        if self.n_rows == 0 {
            return Err(Error::HeaderOnly { path: self.files.path().to_owned() });
        }
        let as_text: BTreeSet<usize> =
            self.columns.iter().enumerate().filter(|(_, column)| needs_text(column)).map(|(i, _)| i).collect();
        if !as_text.is_empty() && self.as_text.is_empty() {
            return Ok(Err(as_text));
        }
        let Self { files, n_rows, positive, columns, keys, groups, weights, .. } = self;
        Ok(Ok(Table { files, n_rows, positive, columns, keys, groups, weights }))
    }
}

/// An id or group, which every row has.
pub(crate) fn key_cell<'a>(text: &'a str, place: impl FnOnce() -> Place, role: &'static str) -> Result<&'a str, Error> {
    let text = text.trim();
    if !text.is_empty() {
        return Ok(text);
    }
    Err(Error::BlankKey { place: place(), role })
}

fn weight_cell(text: &str, place: impl FnOnce() -> Place) -> Result<f32, Error> {
    let text = text.trim();
    match Cell::read(text) {
        Cell::Number(weight) if weight >= 0.0 => Ok(weight),
        _ => Err(Error::Weight { place: place(), found: text.to_owned() }),
    }
}

/// Which column plays which role, by position.
struct Plan {
    label: usize,
    id: Option<usize>,
    group: Option<usize>,
    weight: Option<usize>,
    dropped: BTreeSet<usize>,
    categories: BTreeSet<usize>,
}

impl Plan {
    fn new(path: &Path, names: &[String], options: &TableOptions) -> Result<Self, Error> {
        let position = |option, name: &String| column_position(path, names, option, name);
        let optional = |option, name: &Option<String>| name.as_ref().map(|name| position(option, name)).transpose();
        let several = |option, list: &[String]| -> Result<BTreeSet<usize>, Error> {
            list.iter().map(|name| position(option, name)).collect()
        };
        let plan = Self {
            label: position("--label", &options.label)?,
            id: optional("--id", &options.id)?,
            group: optional("--group", &options.group)?,
            weight: optional("--weight", &options.weight)?,
            dropped: several("--drop", &options.drop)?,
            categories: several("--category", &options.category)?,
        };
        plan.check_roles(names)?;
        Ok(plan)
    }

    fn check_roles(&self, names: &[String]) -> Result<(), Error> {
        // An id may be the group as well: rows of one tenant then stay together.
        let group = self.group.filter(|_| self.group != self.id);
        let single = [("--id", self.id), ("--group", group), ("--weight", self.weight)];
        let mut roles = vec![("--label", self.label)];
        roles.extend(single.into_iter().filter_map(|(option, position)| Some((option, position?))));
        roles.extend(self.dropped.iter().map(|&position| ("--drop", position)));
        roles.extend(self.categories.iter().map(|&position| ("--category", position)));
        let mut role_of = HashMap::new();
        for (second, position) in roles {
            if let Some(first) = role_of.insert(position, second) {
                return Err(Error::TwoRoles { column: names[position].clone(), first, second });
            }
        }
        Ok(())
    }

    fn columns(&self, names: Vec<String>) -> Vec<TableColumn> {
        let held = |position| {
            if position == self.label {
                Held::Label(CodedCells::default())
            } else if Some(position) == self.id {
                Held::Elsewhere(Role::Id)
            } else if Some(position) == self.group {
                Held::Elsewhere(Role::Group)
            } else if Some(position) == self.weight {
                Held::Elsewhere(Role::Weight)
            } else if self.dropped.contains(&position) {
                Held::Elsewhere(Role::Dropped { reason: "asked for with --drop".to_owned() })
            } else {
                Held::Feature { cells: Cells::new(), is_forced_category: self.categories.contains(&position) }
            }
        };
        names.into_iter().enumerate().map(|(position, name)| TableColumn { name, held: held(position) }).collect()
    }
}

/// Finds a column that an option names.
pub(crate) fn column_position(path: &Path, names: &[String], option: &'static str, name: &str) -> Result<usize, Error> {
    names.iter().position(|candidate| candidate == name.trim()).ok_or_else(|| Error::UnknownColumn {
        path: path.to_owned(),
        option,
        name: name.to_owned(),
        nearest: nearest(name, names),
        columns: names.to_vec(),
    })
}

/// The name that was probably meant: the same letters and digits in another case, or at most two typing errors away.
fn nearest(name: &str, names: &[String]) -> Option<String> {
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let wanted = plain(name);
    let distance = |candidate: &&String| edit_distance(&wanted, &plain(candidate));
    names.iter().min_by_key(distance).filter(|best| distance(best) <= 2.min(wanted.chars().count() / 2)).cloned()
}

/// Levenshtein's distance: insertions, deletions and replacements that lead from `a` to `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_column_finds_its_neighbour() {
        let names = ["Churn", "MonthlyCharges", "tenure"].map(str::to_owned);
        assert_eq!(nearest("churn", &names).as_deref(), Some("Churn"));
        assert_eq!(nearest("monthly_charge", &names).as_deref(), Some("MonthlyCharges"));
        assert_eq!(nearest("tenuer", &names).as_deref(), Some("tenure"));
        assert_eq!(nearest("x", &names), None);
        assert_eq!(nearest("label", &names), None);
    }

    #[test]
    fn edit_distance_counts_typing_errors() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!((edit_distance("", "abc"), edit_distance("abc", "abc")), (3, 0));
    }
}
