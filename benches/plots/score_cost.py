"""Draws what a score costs by number of trees, and a batch by number of rows, into docs/score_cost.svg.

The times come from the program `score_cost`, one line per kernel of this processor. Dotted lines are what a straight line
through the points says: on the left a fixed cost and a cost per tree, on the right a cost per row.
"""

import argparse
import json
import subprocess
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ["#2f6fbf", "#c2571a", "#1a7f64", "#8250df", "#bf3989", "#7d6608"]
GREY = "#59636e"
LABEL_GAP = 0.135  # between labels of two kernels, as a share of the height of a panel

STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "grid.color": "#d8dee4",
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "text.color": "#1f2328",
    "axes.labelcolor": "#1f2328",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "score_cost",  # the same file for the same figures
}


def measure(arguments: list[str]) -> dict:
    command = ["cargo", "run", "--release", "--quiet", "-p", "churn-benches", "--bin", "score_cost", "--", *arguments]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


def draw_by_trees(axes: Axes, kernels: dict[str, np.ndarray]) -> list[tuple[float, str]]:
    """Points of each kernel with a straight line; returns where each line ends, and its label."""
    ends = []
    for (kernel, (trees, row_us)), colour in zip(kernels.items(), COLOURS, strict=False):
        per_tree, fixed = np.polyfit(trees, row_us, 1)
        axes.plot([0, trees[-1]], [fixed, fixed + per_tree * trees[-1]], ":", color=colour, linewidth=1.2)
        axes.plot(trees, row_us, "o", color=colour, markersize=5)
        ends.append((row_us[-1], f"{kernel}\n{fixed:.2f} µs + {1e3 * per_tree:.1f} ns a tree"))
    axes.set_xlim(0, max(trees) * 1.02)
    axes.set_ylim(0)
    return ends


def draw_by_rows(axes: Axes, kernels: dict[str, np.ndarray]) -> list[tuple[float, str]]:
    ends = []
    for (kernel, (rows, batch_ms)), colour in zip(kernels.items(), COLOURS, strict=False):
        per_row = np.exp(np.mean(np.log(batch_ms / rows)))  # a slope of one, in the middle of the points
        axes.plot(rows, per_row * rows, ":", color=colour, linewidth=1.2)
        axes.plot(rows, batch_ms, "o", color=colour, markersize=5)
        ends.append((batch_ms[-1], f"{kernel}\n{1e3 * per_row:.2f} µs a row"))
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_formatter(plain)
    axes.minorticks_off()
    return ends


def label(axes: Axes, ends: list[tuple[float, str]]) -> None:
    """Writes each label beside the end of its line, moved where it would cover another one."""
    to_share = axes.transData + axes.transAxes.inverted()
    labels = sorted((height, text, colour) for (height, text), colour in zip(ends, COLOURS, strict=False))
    places = [to_share.transform((axes.get_xlim()[1], height))[1] for height, *_ in labels]
    for above in range(1, len(places)):
        places[above] = max(places[above], places[above - 1] + LABEL_GAP)
    places[-1] = min(places[-1], 1.0)
    for below in reversed(range(len(places) - 1)):
        places[below] = min(places[below], places[below + 1] - LABEL_GAP)
    for place, (_, text, colour) in zip(places, labels, strict=True):
        axes.text(1.02, place, text, color=colour, transform=axes.transAxes, va="center", linespacing=1.3)


def draw(figures: dict, out: Path) -> None:
    mpl.rcParams.update(STYLE)
    figure, (by_trees, by_rows) = plt.subplots(1, 2, figsize=(10.5, 3.8))
    kernels = figures["kernels"]
    ends = draw_by_trees(by_trees, {kernel: np.array(cost["row_us"]).T for kernel, cost in kernels.items()})
    by_trees.set(xlabel=f"trees of depth {figures['depth']}", title="One row, µs")
    row_ends = draw_by_rows(by_rows, {kernel: np.array(cost["batch_ms"]).T for kernel, cost in kernels.items()})
    trees = f"{figures['batch_trees']} trees of depth {figures['depth']}"
    by_rows.set(xlabel=f"rows of a batch, {trees}", title="A batch on one thread, ms")
    for axes in (by_trees, by_rows):
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
    figure.subplots_adjust(left=0.035, right=0.885, bottom=0.14, top=0.91, wspace=0.68)
    label(by_trees, ends)
    label(by_rows, row_ends)
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, help="what score_cost has printed, instead of running it")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "score_cost.svg")
    args, arguments = parser.parse_known_args()
    draw(json.loads(args.figures.read_text()) if args.figures else measure(arguments), args.out)


if __name__ == "__main__":
    main()
