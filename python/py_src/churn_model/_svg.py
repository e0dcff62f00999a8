"""Charts as inline SVG for notebooks: no script, no style sheet, for light and dark pages alike.

Text and axes take the colour of the page's own text; the two colours of the marks stand out from white and from black,
and are told apart by people who see no red or no green.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

#: What is measured, and what raises a raw score: a blue and an orange of middle lightness.
MODEL = "#2f86d0"
UP = "#d9662b"
DOWN = MODEL
ACCENT = UP

_WIDTH, _HEIGHT = 340.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 320.0, 46.0, 214.0
_MOST_POINTS = 250

Point = tuple[float, float]


class Axis:
    """A range with ticks at round numbers."""

    def __init__(self, name: str, low: float, high: float, text: Callable[[float], str]) -> None:
        self.name = name
        self.ticks = _ticks(low, high)
        self.start, self.end = min(low, self.ticks[0]), max(high, self.ticks[-1])
        self.text = text

    def place(self, number: float, first: float, last: float) -> float:
        """Where a number is drawn between two coordinates; on the edge where it is outside."""
        part = (number - self.start) / (self.end - self.start)
        return first + min(max(part, 0.0), 1.0) * (last - first)


def percent(share: float) -> str:
    """A share in percent, without needless digits."""
    return f"{100 * share:.3g}\u00a0%"


def share_axis(name: str, high: float = 1.0) -> Axis:
    """An axis of shares from nothing to at least ``high``."""
    return Axis(name, 0.0, high, percent)


class Chart:
    """Marks on two axes, under a title."""

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self._x, self._y = x, y
        self._parts = [_text(4, 15, title, size=13, weight="600"), _text(4, 34, y.name, size=11, opacity=0.75)]
        for tick in y.ticks:
            at = self._at_y(tick)
            strength = 0.5 if tick == 0 else 0.15
            self._parts.append(_line(_LEFT, at, _RIGHT, at, opacity=strength))
            self._parts.append(_text(_LEFT - 6, at + 4, y.text(tick), anchor="end", size=10.5, opacity=0.75))
        for tick in x.ticks:
            at = self._at_x(tick)
            self._parts.append(_line(at, _BOTTOM, at, _BOTTOM + 4, opacity=0.5))
            self._parts.append(_text(at, _BOTTOM + 17, x.text(tick), anchor="middle", size=10.5, opacity=0.75))
        self._parts.append(_text(_RIGHT, _HEIGHT - 10, x.name, anchor="end", size=11, opacity=0.75))
        self._title = title

    def line(self, points: Iterable[Point], *, colour: str = MODEL, reference: bool = False) -> Chart:
        """Straight lines through points; a reference is thin and dashed."""
        places = _thinned([(self._at_x(x), self._at_y(y)) for x, y in points])
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        style = (
            'stroke="currentColor" stroke-opacity="0.55" stroke-dasharray="4 4"'
            if reference
            else f'stroke="{colour}" stroke-width="2"'
        )
        self._parts.append(f'<path d="{path}" fill="none" stroke-linejoin="round" {style}/>')
        return self

    def dot(self, point: Point, *, colour: str = MODEL) -> Chart:
        """A dot."""
        x, y = self._at_x(point[0]), self._at_y(point[1])
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        return self

    def upright(self, x: float, low: float, high: float, *, colour: str = MODEL) -> Chart:
        """An upright line: an interval."""
        at = self._at_x(x)
        self._parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{self._at_y(low):.1f}" y2="{self._at_y(high):.1f}" '
            f'stroke="{colour}" stroke-opacity="0.6" stroke-width="1.5"/>'
        )
        return self

    def label(self, point: Point, text: str, *, dx: float = 8, dy: float = 4, colour: str = "currentColor") -> Chart:
        """Text to the right of a point, or to its left where there is no room."""
        x, y = self._at_x(point[0]), self._at_y(point[1]) + dy
        has_room = x + dx + 6.2 * len(text) <= _WIDTH
        at, anchor = (x + dx, "start") if has_room else (x - dx, "end")
        self._parts.append(_text(at, min(max(y, _TOP + 8), _BOTTOM - 5), text, anchor=anchor, size=11, colour=colour))
        return self

    def render(self) -> str:
        """The SVG element."""
        return (
            f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" width="{_WIDTH:.0f}" role="img" '
            f'aria-label="{html.escape(self._title, quote=True)}" style="max-width:100%" '
            f'font-family="system-ui,sans-serif">{"".join(self._parts)}</svg>'
        )

    def _at_x(self, number: float) -> float:
        return self._x.place(number, _LEFT, _RIGHT)

    def _at_y(self, number: float) -> float:
        return self._y.place(number, _BOTTOM, _TOP)


def shortened(name: str) -> str:
    """A name that leaves room for what is drawn."""
    return name if len(name) <= 24 else name[:23] + "…"


def bars(title: str, rows: Sequence[tuple[str, float, float]], *, note: str) -> str:
    """Level bars with whiskers: name, mean, standard deviation."""
    names = 150.0
    low = min(0.0, *(mean - sd for _, mean, sd in rows))
    high = max(*(mean + sd for _, mean, sd in rows), low + 1e-12)
    height = 46 + 17 * len(rows)

    def place(value: float) -> float:
        return names + 8 + (value - low) / (high - low) * (_WIDTH - names - 62)

    parts = [_text(4, 15, title, size=13, weight="600"), _text(4, 34, note, size=11, opacity=0.75)]
    for row, (name, mean, sd) in enumerate(rows):
        y = 46 + 17 * row
        left, right = sorted((place(0.0), place(mean)))
        parts.append(_text(names, y + 10, shortened(name), anchor="end", size=10.5))
        parts.append(
            f'<rect x="{left:.1f}" y="{y + 1}" width="{max(right - left, 0.5):.1f}" height="11" fill="{MODEL}"/>'
        )
        parts.append(_line(place(mean - sd), y + 6.5, place(mean + sd), y + 6.5, opacity=0.8))
        parts.append(_text(max(place(mean + sd), place(0.0)) + 5, y + 10, f"{mean:.4f}", size=10, opacity=0.75))
    parts.append(_line(place(0.0), 44, place(0.0), height - 2, opacity=0.5))
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height}" width="{_WIDTH:.0f}" role="img" '
        f'aria-label="{html.escape(title, quote=True)}" style="max-width:100%" '
        f'font-family="system-ui,sans-serif">{"".join(parts)}</svg>'
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: float = 11,
    opacity: float = 1.0,
    weight: str = "400",
    colour: str = "currentColor",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}" fill-opacity="{opacity}">{html.escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, *, opacity: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        f'stroke-opacity="{opacity}"/>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten that hold the range, about five of them."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low, low + 1.0]
    power = 10.0 ** math.floor(math.log10(span / 5))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= span / 5 * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _thinned(places: list[Point]) -> list[Point]:
    """The ends of a curve and those points in between after which it has gone on by a visible length."""
    if len(places) <= _MOST_POINTS:
        return places
    lengths = [abs(b[0] - a[0]) + abs(b[1] - a[1]) for a, b in pairwise(places)]
    step = sum(lengths) / _MOST_POINTS
    kept, gone = [places[0]], 0.0
    for place, length in zip(places[1:], lengths, strict=True):
        gone += length
        if gone >= step:
            kept.append(place)
            gone = 0.0
    if kept[-1] != places[-1]:
        kept.append(places[-1])
    return kept
