//! Observation dates along the calendar: what each was used for, how many tenants were seen, and how many churned.

use maud::{Markup, html};

use churn_events::ObservationDate;

use super::chart::{Axis, Plot, Side, WIDTH, figure, px, text_width};
use super::curves::wilson;
use super::months;
use crate::findings::over_time::{PartSpan, base_rate, base_rates, is_labelled, n_labelled, part_word, parts};
use crate::numbers::{count, counted, percent, value};
use crate::over_time::{DateFacts, OverTime, Part, SplitKind};

const LEFT: f64 = 10.0;
const RIGHT: f64 = 386.0;
const TOP: f64 = 22.0;
const BAR: f64 = 12.0;

/// A row for each part: its dates as a bar, the label horizon of its last date as a pale one.
pub(super) fn time_line(over_time: &OverTime) -> Markup {
    let axis = axis(over_time);
    let at = |date: ObservationDate| axis.place(f64::from(date.days()), LEFT, RIGHT);
    let mut bottom = TOP;
    let mut rows = Vec::new();
    for span in parts(&over_time.dates) {
        let name = part_word(span.part);
        let rest = span.days();
        // Left of its bar where there is room, so that nothing crosses it; else above.
        let is_beside = at(span.first) - LEFT >= text_width(name) + text_width(&rest) + 24.0;
        let y = bottom + if is_beside { 8.0 } else { 26.0 };
        bottom = y + BAR + 8.0;
        rows.push(Row { span, name, rest, is_beside, y });
    }
    let end = at(over_time.log.end);
    let marks = html! {
        @for (tick, text) in axis.ticks() {
            @let x = px(axis.place(*tick, LEFT, RIGHT));
            @for row in rows.iter().filter(|row| !row.is_beside || axis.place(*tick, LEFT, RIGHT) >= at(row.span.first)) {
                (upright("grid", axis.place(*tick, LEFT, RIGHT), row))
            }
            line class="grid" x1=(x) x2=(x) y1=(px(bottom)) y2=(px(bottom + 4.0)) {}
            text class="tick" x=(x) y=(px(bottom + 19.0)) text-anchor="middle" { (text) }
        }
        line class="line threshold" x1=(px(end)) x2=(px(end)) y1=(px(TOP - 4.0)) y2=(px(TOP + 4.0)) {}
        @for row in &rows { (upright("line threshold", end, row)) }
        text class="label quiet" x=(px(end)) y="13" text-anchor=(if end > WIDTH - 40.0 { "end" } else { "middle" }) {
            "log ends"
        }
        // Where a part begins that label horizons of earlier ones have to end before.
        @for (i, next) in rows.iter().enumerate().filter(|(_, row)| matches!(row.span.part, Part::Calibration | Part::Test)) {
            @for row in &rows[..i] { (upright("line drop", at(next.span.first), row)) }
        }
        @for row in &rows { (part(over_time, row, at)) }
        line class="grid zero" x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(bottom)) y2=(px(bottom)) {}
    };
    let n = counted(over_time.dates.len(), "observation date", "observation dates");
    let rule = match over_time.split {
        SplitKind::Time => {
            "The last label horizon of a part (pale) ends before the next part begins (dotted); nothing was learnt \
             from dates of the embargo."
        }
        SplitKind::Tenants => "Some of the tenants are the test, at all dates. Pale: the last label horizon.",
    };
    let message = format!("{n}, marked as dots. {rule}");
    figure("time-line", "What each date was used for", &message, bottom + 28.0, &marks)
}

/// One part in the time line.
struct Row {
    span: PartSpan,
    name: &'static str,
    rest: String,
    /// Whether its name stands beside its bar.
    is_beside: bool,
    /// Top of its bar.
    y: f64,
}

/// A line across the bar of a row and no further, because names stand between bars.
fn upright(class: &str, x: f64, row: &Row) -> Markup {
    let above = if row.is_beside { 8.0 } else { 4.0 };
    html! { line class=(class) x1=(px(x)) x2=(px(x)) y1=(px(row.y - above)) y2=(px(row.y + BAR + 8.0)) {} }
}

fn part(over_time: &OverTime, row: &Row, at: impl Fn(ObservationDate) -> f64) -> Markup {
    let (plan, span, middle) = (&over_time.plan, &row.span, row.y + BAR / 2.0);
    let later = |days: u32| at(span.last.plus_days(i32::try_from(days).unwrap_or(i32::MAX / 4)));
    let (left, right) = (at(span.first), at(span.last));
    let (gap_end, horizon_end) = (later(plan.gap_days), later(plan.embargo_days()));
    let (x, y, anchor) = if row.is_beside { (left - 10.0, middle + 4.5, "end") } else { (LEFT, row.y - 7.0, "start") };
    let of_part = || over_time.dates.iter().filter(|date| (span.first..=span.last).contains(&date.date));
    html! {
        text class="label" x=(px(x)) y=(px(y)) text-anchor=(anchor) { (row.name) tspan dx="6" { (row.rest) } }
        @if span.part != Part::Embargo {
            line class="line drop" x1=(px(right)) x2=(px(gap_end)) y1=(px(middle)) y2=(px(middle)) {}
            rect class={ "pale " (class(span.part)) } x=(px(gap_end)) y=(px(row.y)) width=(px(horizon_end - gap_end))
                height=(px(BAR)) {}
        }
        rect class=(class(span.part)) x=(px(left - 3.0)) y=(px(row.y)) width=(px(right - left + 6.0))
            height=(px(BAR)) rx="3" {}
        @for date in of_part() { circle class="seam" cx=(px(at(date.date))) cy=(px(middle)) r="1.6" {} }
    }
}

/// Share that churned, date by date.
pub(super) fn base_rate_plot(over_time: &OverTime) -> Markup {
    let labelled: Vec<&DateFacts> =
        over_time.dates.iter().filter(|date| is_labelled(date) && date.n_observed > 0).collect();
    let Some(mean) = base_rate(&over_time.dates) else { return Markup::default() };
    let most = labelled.iter().map(|date| wilson(date.n_churned, date.n_observed).1).fold(0.01, f64::max);
    // Rates lie around their mean, so its name would stand on them.
    let name = format!("Churned in the label horizon (dashed: mean {})", percent(mean));
    let plot = Plot { x: axis(over_time), y: Axis::share_up_to(&name, most) };
    let x = |date: &DateFacts| f64::from(date.date.days());
    let points: Vec<(f64, f64)> =
        labelled.iter().map(|date| (x(date), date.n_churned as f64 / date.n_observed as f64)).collect();
    let marks = html! {
        @if let Some(test) = over_time.dates.iter().find(|date| date.part == Part::Test) {
            @let from = x(test) - 0.5 * f64::from(over_time.plan.every_days);
            (plot.upright("drop", from, plot.y.start(), plot.y.end()))
            (plot.label("quiet", (from, plot.y.end()), Side::Right, (5.0, 9.0), "test"))
        }
        (plot.line("reference", &[(plot.x.start(), mean), (plot.x.end(), mean)]))
        @for date in &labelled {
            @let (low, high) = wilson(date.n_churned, date.n_observed);
            (plot.upright("interval pale", x(date), low, high))
        }
        (plot.line("model", &points))
        @for point in &points { (plot.dot("model", *point)) }
    };
    let message = format!("{} Pale bars: 95\u{a0}% intervals.", base_rates(&over_time.dates));
    plot.figure("base-rates", "Base rate over time", &message, &marks)
}

/// Tenants observed, date by date.
pub(super) fn cohorts(over_time: &OverTime) -> Markup {
    let dates = &over_time.dates;
    let most = dates.iter().map(|date| date.n_observed).max().unwrap_or_default();
    let plot = Plot { x: axis(over_time), y: Axis::over("Tenants observed", 0.0, 1.1 * most.max(1) as f64, value) };
    let half = 0.36 * f64::from(over_time.plan.every_days);
    let x = |date: ObservationDate| f64::from(date.days());
    let too_young: usize = dates.iter().map(|date| date.n_too_young).sum();
    let in_gap: usize = dates.iter().map(|date| date.n_cancelled_in_gap).sum();
    let n_censored: usize = dates.iter().filter(|date| !is_labelled(date)).map(|date| date.n_observed).sum();
    let without = if n_censored > 0 {
        format!(" and {} without, because the log ends before their label horizons do", count(n_censored))
    } else {
        String::new()
    };
    let message = format!(
        "{} observations with a label{without}. Left out: {} because the tenant was too young, {} because it churned \
         inside the gap.",
        count(n_labelled(dates)),
        count(too_young),
        count(in_gap),
    );
    let marks = html! {
        @for date in dates {
            @let range = (x(date.date) - half, x(date.date) + half);
            (plot.bar(class(date.part), range, (0.0, date.n_observed as f64)))
        }
        @for span in parts(dates) {
            @let (from, to) = (x(span.first) - half, x(span.last) + half);
            @let name = part_word(span.part);
            @let highest = dates.iter().filter(|date| (span.first..=span.last).contains(&date.date))
                .map(|date| date.n_observed).max().unwrap_or_default();
            @if plot.width(from, to) >= text_width(name) - 4.0 {
                (plot.label("quiet", (from, highest as f64), Side::Right, (0.0, -6.0), name))
            }
        }
    };
    plot.figure("cohorts", "Cohort sizes", &message, &marks)
}

/// From the first lookback to the end of the log or of the last label horizon.
fn axis(over_time: &OverTime) -> Axis {
    let (log, plan) = (&over_time.log, &over_time.plan);
    let days = |days: u32| i32::try_from(days).unwrap_or(i32::MAX / 4);
    let (first, last) = match (over_time.dates.first(), over_time.dates.last()) {
        (Some(first), Some(last)) => (first.date, last.date),
        _ => (log.first, log.end),
    };
    let start = first.min(log.first.max(first.plus_days(-days(plan.lookback_days))));
    months::axis("observation date", start, log.end.max(last.plus_days(days(plan.embargo_days()))))
}

/// The class of a part's marks.
fn class(part: Part) -> &'static str {
    match part {
        Part::Fit => "part-fit",
        Part::Calibration => "part-calibration",
        Part::Test => "part-test",
        Part::FitAndTest => "part-fit-and-test",
        Part::Embargo => "part-embargo",
        Part::Censored => "part-censored",
    }
}
