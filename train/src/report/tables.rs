//! The tables of the report.

use churn_model::evaluate::{Importance, MeanChange};
use maud::{Markup, html};

use self::Heading::{Numbers, Words};
use super::chart::{bar_cell, interval_cell};
use super::curves::wilson;
use crate::findings::{GAINS_SHARES, Gain, gain_at, rows};
use crate::numbers::{count, decimals, or_dash, percent, range};
use crate::outcome::{Outcome, Segment};

/// Features whose importance is shown before the reader asks for more.
const N_IMPORTANT: usize = 20;

/// A table that scrolls inside its own box when the page is narrow, with the keyboard too.
pub(super) fn table(class: &str, caption: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(caption) {
            table class=(class) {
                caption { span { (caption) } }
                thead { (head) }
                (body)
            }
        }
    }
}

/// What a column of a table holds, with its heading.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heading {
    /// Words, which begin at one edge.
    Words(&'static str),
    /// Numbers, which end at one edge.
    Numbers(&'static str),
}

/// A row of column headings.
pub(super) fn headings(headings: &[Heading]) -> Markup {
    html! {
        tr {
            @for heading in headings {
                @match heading {
                    Words(name) => th scope="col" class="word" { (name) },
                    Numbers(name) => th scope="col" { (name) },
                }
            }
        }
    }
}

/// What contacting the highest scores finds.
pub(super) fn gains(outcome: &Outcome) -> Markup {
    let names = [
        Words("Contacted"),
        Numbers("Number"),
        Numbers("Churned"),
        Numbers("Precision"),
        Numbers("Of all churn"),
        Numbers("Lift"),
    ];
    let lines = GAINS_SHARES.map(|share| gain_at(outcome, share));
    let body = html! {
        tbody {
            @for gain in lines.iter().filter(|gain| gain.n >= 1.0) {
                @let Gain { share, n, n_churned, found_share, lift } = *gain;
                tr {
                    th scope="row" { "top " (decimals(100.0 * share, 0)) "\u{a0}%" }
                    td { (decimals(n, 0)) }
                    td { (decimals(n_churned, 0)) }
                    td { (percent(gain.churned_share())) }
                    td { (percent(found_share)) }
                    td { (decimals(lift, 2)) }
                }
            }
        }
    };
    table("numbers", "Churn among the highest scores (tied scores count by expectation)", &headings(&names), &body)
}

/// Mean score and what happened, bin by bin.
pub(super) fn calibration(outcome: &Outcome) -> Markup {
    let names = [
        Words("Scores"),
        Numbers("Number"),
        Numbers("Churned"),
        Numbers("Mean score"),
        Numbers("Share churned"),
        Numbers("95\u{a0}% interval"),
    ];
    let body = html! {
        tbody {
            @for bin in &outcome.test.calibration {
                @let (low, high) = wilson(bin.n_churned, bin.n);
                tr {
                    th scope="row" { (range(bin.low, bin.high, 3)) }
                    td { (count(bin.n)) }
                    td { (count(bin.n_churned)) }
                    td { (decimals(bin.mean_score, 3)) }
                    td { (decimals(bin.churned_share(), 3)) }
                    td class="quiet" { (range(low, high, 3)) }
                }
            }
        }
    };
    table("numbers", "Calibration, by bins of about equally many", &headings(&names), &body)
}

/// Counts and rates at the threshold.
pub(super) fn confusion(outcome: &Outcome) -> Markup {
    let c = &outcome.test.confusion;
    let share =
        |part: usize, whole: usize| if whole == 0 { "–".to_owned() } else { percent(part as f64 / whole as f64) };
    let line = |name: &str, contacted: usize, left: usize| {
        html! {
            tr {
                th scope="row" { (name) }
                @for part in [contacted, left] {
                    td { (count(part)) span class="quiet" { (share(part, contacted + left)) } }
                }
                td { (count(contacted + left)) }
            }
        }
    };
    let rates = [
        ("precision", "churned, of those contacted", c.precision()),
        ("recall", "contacted, of those who churned", c.recall()),
        ("specificity", "left alone, of those who stayed", c.specificity()),
        ("F1", "harmonic mean of precision and recall", c.f1()),
        ("accuracy", "right, of all", c.accuracy()),
    ];
    let body = html! {
        tbody {
            (line("churned", c.true_positives, c.false_negatives))
            (line("stayed", c.false_positives, c.true_negatives))
            (line("all", c.true_positives + c.false_positives, c.false_negatives + c.true_negatives))
        }
    };
    let caption = format!("What happened to the {} of the test split", rows(outcome));
    let names = [Words("Label"), Numbers("At or above threshold"), Numbers("Below it"), Numbers("All")];
    html! {
        div { (table("numbers", &caption, &headings(&names), &body)) }
        dl class="settings" {
            @for (name, meaning, rate) in rates {
                div { dt { (name) " " span class="quiet" { (meaning) } } dd { (or_dash(rate, percent)) } }
            }
        }
    }
}

/// How much worse scores get without each feature.
pub(super) fn importance(outcome: &Outcome) -> Markup {
    let (first, rest) = outcome.importance.split_at(outcome.importance.len().min(N_IMPORTANT));
    let reached = reached(&outcome.importance);
    let caption = "How much worse the scores get when a feature is shuffled";
    html! {
        (importance_table(caption, "Feature", reached, first))
        @if !rest.is_empty() {
            details {
                summary { (count(rest.len())) " more features" }
                (importance_table("The remaining features", "Feature", reached, rest))
            }
        }
    }
}

/// How much worse scores get without each family of features.
pub(super) fn families(families: &[Importance]) -> Markup {
    let caption = "How much worse the scores get when all features of a family are shuffled together";
    importance_table(caption, "Family", reached(families), families)
}

/// How far bars and whiskers reach below and above zero.
fn reached(all: &[Importance]) -> (f64, f64) {
    let reach = |sign: f64| {
        let changes = all.iter().map(|feature| {
            let change = feature.log_loss_increase;
            change.mean + sign * change.sd.unwrap_or(0.0)
        });
        changes.fold(0.0, if sign < 0.0 { f64::min } else { f64::max })
    };
    (reach(-1.0), reach(1.0))
}

fn importance_table(caption: &str, what: &str, reached: (f64, f64), features: &[Importance]) -> Markup {
    let change = |change: MeanChange| {
        html! {
            (decimals(change.mean, 4))
            @if let Some(sd) = change.sd { span class="quiet" { "±\u{a0}" (decimals(sd, 4)) } }
        }
    };
    let head = html! {
        tr {
            th scope="col" { (what) }
            th scope="col" colspan="2" { "Log loss rises by (±\u{a0}sd)" }
            th scope="col" { "ROC-AUC falls by (±\u{a0}sd)" }
        }
    };
    let body = html! {
        tbody {
            @for feature in features {
                @let (auc, loss) = (feature.roc_auc_decrease, feature.log_loss_increase);
                tr {
                    th scope="row" { (feature.name) }
                    td class="picture" { (bar_cell(reached, loss.mean, loss.sd)) }
                    td { (change(loss)) }
                    td { (change(auc)) }
                }
            }
        }
    };
    table("numbers importance", caption, &head, &body)
}

/// How well the model does in parts of the test split.
pub(super) fn segments(outcome: &Outcome) -> Markup {
    let names = [
        Words("Part"),
        Numbers("Number"),
        Numbers("Churned"),
        Numbers("Share churned"),
        Numbers("Mean score"),
        Words("Interval and score"),
        Numbers("ROC-AUC"),
        Numbers("At or above threshold"),
    ];
    // A badge on nearly every row would tell nothing.
    let n_small = outcome.segments.iter().filter(|part| part.is_small()).count();
    let are_mostly_small = 2 * n_small > outcome.segments.len();
    let intervals = || outcome.segments.iter().filter(|part| part.n > 0).map(|part| wilson(part.n_churned, part.n).1);
    let most = outcome.segments.iter().map(|part| part.mean_score).chain(intervals()).fold(0.01, f64::max).min(1.0);
    let body = html! {
        @for parts in outcome.segments.chunk_by(|a, b| a.feature == b.feature) {
            tbody {
                tr class="group" { th scope="rowgroup" colspan=(names.len()) { (parts[0].feature) } }
                @for part in parts {
                    tr class=[part.is_small().then_some("small")] {
                        th scope="row" {
                            (part.part)
                            @if part.is_small() && !are_mostly_small { " " span class="badge few" { "few churned" } }
                        }
                        td { (count(part.n)) }
                        td { (count(part.n_churned)) }
                        td { @if part.n > 0 { (percent(part.n_churned as f64 / part.n as f64)) } @else { "–" } }
                        td { (percent(part.mean_score)) }
                        td class="picture" {
                            @if part.n > 0 {
                                (interval_cell((0.0, most), wilson(part.n_churned, part.n), part.mean_score))
                            }
                        }
                        td { (or_dash(part.firm_roc_auc(), |auc| decimals(auc, 3))) }
                        td { (percent(part.decided_share)) }
                    }
                }
            }
        }
    };
    let few = Segment::FEW_CHURNED;
    let note = if are_mostly_small {
        format!(
            "In {n_small} of {} parts, in grey, fewer than {few} churned: nothing firm can be said of them",
            outcome.segments.len()
        )
    } else {
        format!("few churned: fewer than {few} churned, nothing firm can be said")
    };
    html! {
        (table("numbers", "Segments of the test split", &headings(&names), &body))
        @if outcome.segments.iter().any(Segment::is_small) { p class="quiet" { (note) ", and no ROC-AUC is given." } }
    }
}
