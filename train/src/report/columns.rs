//! The table of what was in the source.

use churn_training_data::{ColumnSummary, Role, ValueSummary};
use maud::{Markup, html};

use super::tables::Heading::{Numbers, Words};
use super::tables::{headings, table};
use crate::findings::n_summarised;
use crate::numbers::{count, percent, value};
use crate::outcome::Outcome;

/// Every column of the source, with its role and values.
pub(super) fn columns(outcome: &Outcome) -> Markup {
    let n = n_summarised(outcome);
    let head = headings(&[
        Words("Column"),
        Words("Role"),
        Words("Kind"),
        Numbers("Missing"),
        Numbers("Distinct"),
        Words("Values: least … median … greatest, or the commonest"),
        Words("Notes"),
    ]);
    let body = html! { tbody { @for column in &outcome.columns { (line(column, n)) } } };
    table("numbers columns", "Columns of the source", &head, &body)
}

fn line(column: &ColumnSummary, n: usize) -> Markup {
    let missing = column.n_missing.filter(|_| n > 0).map(|n_missing| n_missing as f64 / n as f64);
    html! {
        tr class=[is_dropped(column).then_some("small")] {
            th scope="row" { (column.name) }
            td class="word" { (role(&column.role)) }
            td class="word" { (column.kind.unwrap_or("–")) }
            td {
                @match missing {
                    Some(0.0) => span class="quiet" { "none" },
                    Some(share) => (percent(share)),
                    None => "–",
                }
            }
            td { @match column.n_distinct { Some(distinct) => (count(distinct)), None => "–" } }
            td class="word text" { (values(&column.values, n)) }
            td class="word text note" {
                @if let Role::Dropped { reason } = &column.role { (reason) @if !column.notes.is_empty() { br; } }
                (column.notes.join("; "))
            }
        }
    }
}

fn is_dropped(column: &ColumnSummary) -> bool {
    matches!(column.role, Role::Dropped { .. })
}

/// The role as a word.
fn role(role: &Role) -> &'static str {
    match role {
        Role::Label => "label",
        Role::Id => "tenant id",
        Role::Group => "group",
        Role::Weight => "weight",
        Role::Feature => "feature",
        Role::Dropped { .. } => "dropped",
    }
}

fn values(values: &ValueSummary, n: usize) -> Markup {
    match values {
        ValueSummary::Numbers { min, median, max } => {
            let [min, median, max] = [min, median, max].map(|number| value(shortest(*number)));
            html! { (min) " … " strong title="median" { (median) } " … " (max) }
        }
        ValueSummary::Levels(levels) => html! {
            @for (i, (level, n_rows)) in levels.iter().enumerate() {
                @if i > 0 { ", " }
                (level) " " span class="quiet" { (percent(*n_rows as f64 / n.max(1) as f64)) }
            }
        },
        ValueSummary::Nothing => html! { "–" },
    }
}

/// The 64-bit number that is written with the same digits: 0.1, not 0.10000000149.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
