//! Charts as inline SVG: a plot with two axes and the marks drawn on it.
//!
//! A chart is drawn once, 400 units wide, and scales with the page. Colours come from the style sheet by class, so that
//! a chart follows the light and the dark page. Whatever a mark is given, it is drawn at a finite place in the plot.

use maud::{Markup, html};

use crate::numbers;

/// Units from the left to the right of every chart.
pub(super) const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 386.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 242.0;

/// Most points of a curve that are drawn: about one per unit of width.
const MOST_POINTS: usize = 300;

/// One axis: a range with named ticks inside it.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    name: String,
    start: f64,
    end: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From nothing to all, in percent.
    pub(super) fn share(name: &str) -> Self {
        Self::share_up_to(name, 1.0)
    }

    /// From nothing to at least `end`, in percent.
    pub(super) fn share_up_to(name: &str, end: f64) -> Self {
        let places = if end < 0.05 { 1 } else { 0 };
        Self::over(name, 0.0, end, |share| format!("{}\u{a0}%", numbers::decimals(100.0 * share, places)))
    }

    /// A score or another probability from 0 to at least `end`.
    pub(super) fn score_up_to(name: &str, end: f64) -> Self {
        Self::over(name, 0.0, end, numbers::value)
    }

    /// Any range that holds `low` and `high`, widened to the next ticks.
    pub(super) fn over(name: &str, low: f64, high: f64, text: impl Fn(f64) -> String) -> Self {
        let ticks = ticks(low, high);
        let ends = [ticks.first(), ticks.last()].map(|tick| tick.copied().unwrap_or_default());
        let [start, end] = ends;
        let ticks = ticks.into_iter().map(|tick| (tick, text(tick))).collect();
        Self { name: name.to_owned(), start, end, ticks }
    }

    /// A range as it is, with these ticks.
    pub(super) fn with_ticks(name: &str, (start, end): (f64, f64), ticks: Vec<(f64, String)>) -> Self {
        Self { name: name.to_owned(), start, end, ticks }
    }

    /// The start of the range.
    pub(super) fn start(&self) -> f64 {
        self.start
    }

    /// The end of the range.
    pub(super) fn end(&self) -> f64 {
        self.end
    }

    /// The named ticks.
    pub(super) fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }

    /// Position of a number between `from` and `to`; a number outside the range is drawn on its edge.
    pub(super) fn place(&self, number: f64, from: f64, to: f64) -> f64 {
        let part = (number - self.start) / (self.end - self.start);
        if part.is_finite() { from + part.clamp(0.0, 1.0) * (to - from) } else { from }
    }
}

/// Which side of its point a label stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The text ends before the point.
    Left,
    /// The text begins after the point.
    Right,
}

/// Two axes to draw on.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    /// Left to right.
    pub(super) x: Axis,
    /// Bottom to top; its name stands above it.
    pub(super) y: Axis,
}

impl Plot {
    /// A titled figure of the marks on the axes; the message says in words what the chart shows.
    pub(super) fn figure(&self, id: &str, title: &str, message: &str, marks: &Markup) -> Markup {
        figure(id, title, message, HEIGHT, &html! { (self.axes()) (marks) })
    }

    /// Straight lines through points; only as many are drawn as can be seen.
    pub(super) fn line(&self, class: &str, points: &[(f64, f64)]) -> Markup {
        let places: Vec<(f64, f64)> = points.iter().map(|&(x, y)| (self.x_at(x), self.y_at(y))).collect();
        let mut path = String::new();
        for (x, y) in thinned(&places) {
            path += if path.is_empty() { "M" } else { "L" };
            path += &format!("{x:.1} {y:.1}");
        }
        html! { path class={ "line " (class) } d=(path) {} }
    }

    /// A dot.
    pub(super) fn dot(&self, class: &str, (x, y): (f64, f64)) -> Markup {
        html! { circle class={ "dot " (class) } cx=(px(self.x_at(x))) cy=(px(self.y_at(y))) r="4.5" {} }
    }

    /// An upright line from `low` to `high`.
    pub(super) fn upright(&self, class: &str, x: f64, low: f64, high: f64) -> Markup {
        let x = px(self.x_at(x));
        html! { line class={ "line " (class) } x1=(x) x2=(x) y1=(px(self.y_at(low))) y2=(px(self.y_at(high))) {} }
    }

    /// A bar from `from` to `to` along x, between `low` and `high`.
    pub(super) fn bar(&self, class: &str, (from, to): (f64, f64), (low, high): (f64, f64)) -> Markup {
        let (left, right) = (self.x_at(from) + 0.5, self.x_at(to) - 0.5);
        let (bottom, top) = (self.y_at(low), self.y_at(high));
        html! {
            rect class={ "bar " (class) } x=(px(left)) y=(px(top)) width=(px((right - left).max(0.5)))
                height=(px(bottom - top)) {}
        }
    }

    /// Text beside a point, moved by `(dx, dy)` units; it changes sides rather than leave the plot.
    pub(super) fn label(
        &self,
        class: &str,
        (x, y): (f64, f64),
        side: Side,
        (dx, dy): (f64, f64),
        text: &str,
    ) -> Markup {
        let width = text_width(text);
        let at = self.x_at(x);
        let side = match side {
            Side::Right if at + dx + width > WIDTH + 8.0 => Side::Left,
            Side::Left if at - dx - width < LEFT => Side::Right,
            side => side,
        };
        let (x, anchor) = match side {
            Side::Right => (at + dx, "start"),
            Side::Left => (at - dx, "end"),
        };
        let y = (self.y_at(y) + dy).clamp(TOP + 4.0, BOTTOM - 5.0);
        html! { text class={ "label " (class) } x=(px(x)) y=(px(y)) text-anchor=(anchor) { (text) } }
    }

    /// How many units apart two places along x are drawn.
    pub(super) fn width(&self, from: f64, to: f64) -> f64 {
        self.x_at(to) - self.x_at(from)
    }

    fn x_at(&self, number: f64) -> f64 {
        self.x.place(number, LEFT, RIGHT)
    }

    fn y_at(&self, number: f64) -> f64 {
        self.y.place(number, BOTTOM, TOP)
    }

    fn axes(&self) -> Markup {
        html! {
            text class="axis-name" x="4" y="15" { (self.y.name) }
            @for (tick, text) in &self.y.ticks {
                @let y = self.y_at(*tick);
                line class={ "grid" @if *tick == 0.0 { " zero" } } x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(y)) y2=(px(y)) {}
                text class="tick" x=(px(LEFT - 7.0)) y=(px(y + 4.0)) text-anchor="end" { (text) }
            }
            @for (tick, text) in &self.x.ticks {
                @let x = self.x_at(*tick);
                line class="grid" x1=(px(x)) x2=(px(x)) y1=(px(BOTTOM)) y2=(px(BOTTOM + 4.0)) {}
                text class="tick" x=(px(x)) y=(px(BOTTOM + 18.0)) text-anchor="middle" { (text) }
            }
            text class="axis-name" x=(px(RIGHT)) y=(px(HEIGHT - 8.0)) text-anchor="end" { (self.x.name) }
        }
    }
}

/// A titled figure, as wide as a plot and so many units high; the message says in words what it shows.
pub(super) fn figure(id: &str, title: &str, message: &str, height: f64, content: &Markup) -> Markup {
    html! {
        figure id=(id) {
            figcaption { h3 { (title) } p { (message) } }
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-labelledby={ (id) "-title " (id) "-desc" } {
                title id={ (id) "-title" } { (title) }
                desc id={ (id) "-desc" } { (message) }
                (content)
            }
        }
    }
}

/// About how wide a text is drawn: letters of the page's font are a little over half as wide as high.
pub(super) fn text_width(text: &str) -> f64 {
    6.6 * text.chars().count() as f64
}

/// A picture in a table cell: an interval with a dot on it, over a range that all rows share.
pub(super) fn interval_cell((start, end): (f64, f64), (low, high): (f64, f64), dot: f64) -> Markup {
    let axis = Axis { name: String::new(), start, end, ticks: Vec::new() };
    let at = |number| px(axis.place(number, 5.0, 95.0));
    html! {
        svg class="cell" viewBox="0 0 100 16" aria-hidden="true" {
            line class="grid" x1="5" x2="95" y1="8" y2="8" {}
            line class="line interval" x1=(at(low)) x2=(at(high)) y1="8" y2="8" {}
            circle class="dot model" cx=(at(dot)) cy="8" r="3.2" {}
        }
    }
}

/// A picture in a table cell: a bar from zero with a whisker of one standard deviation to either side.
pub(super) fn bar_cell((start, end): (f64, f64), mean: f64, sd: Option<f64>) -> Markup {
    let axis = Axis { name: String::new(), start, end, ticks: Vec::new() };
    let at = |number: f64| axis.place(number, 2.0, 198.0);
    let (left, right) = (at(mean.min(0.0)), at(mean.max(0.0)));
    html! {
        svg class="cell wide" viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true" {
            line class="grid zero" x1=(px(at(0.0))) x2=(px(at(0.0))) y1="0" y2="16" {}
            rect class="bar model" x=(px(left)) y="3" width=(px(right - left)) height="10" {}
            @if let Some(sd) = sd {
                line class="line whisker" x1=(px(at(mean - sd))) x2=(px(at(mean + sd))) y1="8" y2="8" {}
            }
        }
    }
}

/// Every multiple of a round step (1, 2 or 5 times a power of ten) around `[low, high]`, about five of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 {
        let middle = if low.is_finite() { low } else { 0.0 };
        return vec![middle, middle + 1.0];
    }
    let rough = span / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    // A bound a rounding error above 1 shall not cost a step.
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough * 0.999).unwrap_or(10.0) * power;
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil();
    (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect()
}

/// The ends of a curve and the points between them after which it has gone on by a visible length.
///
/// The length is counted along both axes, so a steep curve keeps as much of its shape as a flat one.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let gone = |a: (f64, f64), b: (f64, f64)| (b.0 - a.0).abs() + (b.1 - a.1).abs();
    let length: f64 = points.windows(2).map(|pair| gone(pair[0], pair[1])).sum();
    let step = length / (MOST_POINTS - 2) as f64;
    let mut kept = vec![points[0]];
    let mut since_kept = 0.0;
    for pair in points.windows(2) {
        since_kept += gone(pair[0], pair[1]);
        if since_kept >= step {
            kept.push(pair[1]);
            since_kept = 0.0;
        }
    }
    let last = points[points.len() - 1];
    if kept.last() != Some(&last) {
        kept.push(last);
    }
    kept
}

/// A coordinate; a tenth of a unit cannot be seen.
pub(super) fn px(coordinate: f64) -> String {
    let text = format!("{coordinate:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit_plot() -> Plot {
        Plot { x: Axis::share("x"), y: Axis::share("y") }
    }

    #[test]
    fn ticks_are_round_and_hold_the_range() {
        assert_eq!(ticks(0.0, 1.0).len(), 6);
        assert_eq!(ticks(-3.2, 4.1), [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0]);
        assert_eq!(ticks(0.0, 0.034).last(), Some(&0.04));
        assert_eq!(ticks(5.0, 5.0), [5.0, 6.0]);
        assert_eq!(ticks(f64::NAN, 1.0), [0.0, 1.0]);
    }

    #[test]
    fn a_long_curve_is_thinned_to_its_shape() {
        let curve: Vec<(f64, f64)> =
            (0..=50_000).map(|i| f64::from(i) / 50_000.0).map(|x| (300.0 * x, 200.0 * x.powf(0.1))).collect();
        let thin = thinned(&curve);
        assert!(thin.len() <= MOST_POINTS, "{}", thin.len());
        assert_eq!((thin.first(), thin.last()), (curve.first(), curve.last()));
        for &(x, y) in &curve {
            let after = thin.partition_point(|point| point.0 < x).max(1);
            let (a, b) = (thin[after - 1], thin[after]);
            let drawn = a.1 + (x - a.0) / (b.0 - a.0) * (b.1 - a.1);
            assert!((drawn - y).abs() < 2.0, "{drawn} is drawn at {x} instead of {y}");
        }
    }

    #[test]
    fn marks_stay_inside_the_plot() {
        let plot = unit_plot();
        let line = plot.line("model", &[(f64::NAN, 2.0), (f64::INFINITY, -5.0)]).into_string();
        assert!(line.contains("M50.0 34.0L50.0 242.0"), "{line}");
    }

    #[test]
    fn a_label_changes_sides_rather_than_leave_the_plot() {
        let text = "ends before its point";
        let label = unit_plot().label("model", (0.9, 0.5), Side::Right, (6.0, 0.0), text).into_string();
        assert!(label.contains(r#"text-anchor="end""#), "{label}");
    }
}
