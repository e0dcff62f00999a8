"""Plots with matplotlib: panels of an evaluation, waterfall and beeswarm of contributions.

Colours are told apart by people who see no red or no green: blue for what is measured and for what lowers a raw score,
orange for the threshold and for what raises it, grey for what things are compared with.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from churn_model._native import ChurnError
from churn_model._svg import ACCENT, DOWN, MODEL, UP, shortened
from churn_model.explanation import RAW_SCALES, Explanation, RowExplanation, others, text_of
from churn_model.report import EvaluationReport

try:
    import matplotlib.pyplot as plt
    from matplotlib.colors import LinearSegmentedColormap, to_rgba
    from matplotlib.ticker import FuncFormatter
except ImportError as error:
    raise ImportError("plots need matplotlib: pip install 'churn-model[plot]'") from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GREY = "#8a8a8a"

#: Rows drawn in a beeswarm, at most.
_MOST_DOTS = 3_000


def all_panels(report: EvaluationReport) -> Figure:
    """All panels of an evaluation in one figure."""
    panels = [roc, precision_recall, calibration, gains, lift, profit]
    n_columns, n_rows = 3, 2 + (report.importance is not None)
    figure = plt.figure(figsize=(13.5, 4.2 * n_rows), layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns)
    for at, panel in enumerate(panels):
        panel(report, ax=figure.add_subplot(grid[at // n_columns, at % n_columns]))
    if report.importance is not None:
        importance(report, ax=figure.add_subplot(grid[2, :]))
    m = report.metrics
    figure.suptitle(f"{m['n']:,} observations, {m['n_churned']:,} churned (base rate {_percent(m['base_rate'])})")
    return figure


def roc(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """True against false positives."""
    m, curve = report.metrics, report.curves["roc"]
    ax = _axes(ax, "ROC curve", "false positive rate", "true positive rate")
    ax.plot([0, 1], [0, 1], **_REFERENCE, label="no information")
    name = f"ROC-AUC {m['roc_auc']:.3f} ({m['roc_auc_low']:.3f} to {m['roc_auc_high']:.3f})"
    ax.plot(curve["false_positive_rate"], curve["true_positive_rate"], color=MODEL, label=name)
    return _finish(report, ax, "roc", legend="lower right")


def precision_recall(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """Precision against recall, as steps."""
    m, curve = report.metrics, report.curves["precision_recall"]
    ax = _axes(ax, "Precision and recall", "recall: of churn, found", "precision: of those acted on, churned")
    end = report.precision_end()
    if end < 1:
        ax.set_ylabel(f"{ax.get_ylabel()} (cut off)")
    ax.axhline(m["base_rate"], **_REFERENCE, label=f"base rate {_percent(m['base_rate'])}")
    recall = np.concatenate([[0.0], curve["recall"]])
    precision = np.concatenate([curve["precision"][:1], curve["precision"]])
    ax.step(recall, precision, where="pre", color=MODEL, label=f"PR-AUC {m['pr_auc']:.3f}")
    ax.set_ylim(0, 1.02 * end)
    return _finish(report, ax, "precision_recall", legend="upper right")


def calibration(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """The share that churned against the mean score."""
    bins = report.curves["calibration"]
    low, high = report.calibration_interval()
    share = bins["churned_share"]
    end = 1.05 * max(bins["mean_score"].max(), high.max())
    ax = _axes(ax, "Calibration", "mean score", "share that churned")
    ax.plot([0, end], [0, end], **_REFERENCE, label="perfect")
    spread = np.clip([share - low, high - share], 0.0, None)
    name = f"tenths of the rows, 95 % intervals\ncalibration error {report.metrics['ece']:.4f}"
    ax.errorbar(bins["mean_score"], share, yerr=spread, color=MODEL, marker="o", markersize=5, linewidth=1, label=name)
    ax.set_xlim(0, end)
    ax.set_ylim(0, end)
    return _finish(report, ax, None, legend="best")


def gains(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """The share of churn found against the share of tenants contacted."""
    base, curve = report.metrics["base_rate"], report.curves["gains"]
    ax = _axes(ax, "Gains", "contacted, highest scores first", "of churn, found")
    ax.plot([0, 1], [0, 1], **_REFERENCE, label="no information")
    dotted: dict[str, Any] = {**_REFERENCE, "linestyle": ":"}
    ax.plot([0, base, 1], [0, 1, 1], **dotted, label="perfect order")
    ax.plot(curve["contacted_share"], curve["found_share"], color=MODEL, label="model")
    return _finish(report, ax, "gains", legend="lower right")


def lift(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """How many times the base rate churn is among the highest scores."""
    m, curve = report.metrics, report.curves["gains"]
    contacted, found = curve["contacted_share"][1:], curve["found_share"][1:]
    ax = _axes(ax, "Lift", "contacted, highest scores first", "churn among them ÷ base rate", percent="x")
    ax.axhline(1.0, **_REFERENCE, label="no information")
    # The first few rows jump about: a lift of less than a hundredth of the rows says nothing.
    shown = contacted >= min(0.01, contacted[-1])
    ax.plot(contacted[shown], (found / contacted)[shown], color=MODEL, label="model")
    ax.plot(0.1, m["lift_10"], "o", color=MODEL, markersize=6, label=f"{m['lift_10']:.2f} at 10 %")
    ax.set_ylim(0, None)
    ax.set_xlim(0, 1)
    return _finish(report, ax, None, legend="upper right")


def profit(report: EvaluationReport, *, ax: Axes | None = None) -> Axes:
    """The profit per tenant against the share of tenants contacted."""
    curve = report.curves["profit"]
    contacted, money = curve["contacted_share"], curve["profit_per_tenant"]
    at_best = int(money.argmax())
    floor, best = report.profit_floor(), float(money[at_best])
    ax = _axes(ax, "Profit", "contacted, highest scores first", "profit per tenant (campaign's money)", percent="x")
    ax.axhline(0.0, **_REFERENCE)
    ax.plot(contacted, money, color=MODEL, label=f"mean acceptance {_percent(report.campaign.mean_acceptance)}")
    name = f"best: {best:.3g} at {_percent(contacted[at_best])}"
    ax.plot(contacted[at_best], best, "o", color="none", markeredgecolor=MODEL, markersize=9, label=name)
    if floor > money.min():
        ax.set_ylabel("profit per tenant (campaign's money, cut off)")
    ax.set_ylim(floor - 0.05 * (best - floor), best + 0.08 * (best - floor))
    ax.set_xlim(-0.02, 1.02)
    return _finish(report, ax, "profit", legend="lower center" if contacted[at_best] > 0.1 else "center right")


def importance(report: EvaluationReport, *, max_features: int = 12, ax: Axes | None = None) -> Axes:
    """How much log loss rises when a feature is permuted."""
    if report.importance is None:
        raise ChurnError("importance was not measured: evaluate a model of this package with n_repeats above 0")
    shown = report.importance[:max_features][::-1]
    ax = _axes(
        ax, "Importance", "rise of log loss when permuted (mean ± sd)", "", percent="", height=_bar_height(len(shown))
    )
    means = [entry["log_loss_increase"] for entry in shown]
    spread = [entry["log_loss_increase_sd"] or 0.0 for entry in shown]
    ax.barh(range(len(shown)), means, xerr=spread, color=MODEL, ecolor=_GREY, height=0.7)
    ax.set_yticks(range(len(shown)), [shortened(entry["name"]) for entry in shown])
    ax.axvline(0.0, color=_GREY, linewidth=0.8)
    ax.grid(False, axis="y")
    return ax


def waterfall(row: RowExplanation, *, max_features: int = 10, ax: Axes | None = None) -> Axes:
    """From the base value to the raw score, the largest contribution on top."""
    contributions = row.contributions
    shown = [(f"{shortened(c.feature)} = {text_of(c.data)}", c.value) for c in contributions[:max_features]]
    if len(contributions) > max_features:
        rest = contributions[max_features:]
        shown.append((others(len(rest)), sum(c.value for c in rest)))
    scale = RAW_SCALES[row._explanation.raw_scale]
    ax = _axes(ax, "", scale, "", percent="", height=_bar_height(len(shown) + 1))
    # From the bottom up: the smallest first, so that the largest ends at the raw score on top.
    start, names = row.base_value, []
    ends = [start]
    for at, (name, value) in enumerate(reversed(shown)):
        ax.barh(at, value, left=start, color=UP if value >= 0 else DOWN, height=0.72)
        if at:
            ax.plot([start, start], [at - 1.36, at + 0.36], color=_GREY, linewidth=0.7)
        start += value
        names.append(name)
        ends.append(start)
    span = (max(ends) - min(ends)) or 1.0
    digits = max(0, 2 - math.floor(math.log10(max(abs(value) for _, value in shown) or 1.0)))
    for at, (_, value) in enumerate(reversed(shown)):
        right = max(ends[at], ends[at + 1])
        ax.text(right + 0.012 * span, at, f"{value:+.{digits}f}", va="center", fontsize="small")
    ax.set_yticks(range(len(names)), names)
    ax.set_xlim(min(ends) - 0.06 * span, max(ends) + 0.16 * span)
    ax.axvline(row.base_value, color=_GREY, linestyle="--", linewidth=0.8)
    ax.set_ylim(-1.5, len(shown) - 0.3)
    ax.text(row.base_value, -1.35, f" base value {row.base_value:.3f}", color=_GREY, fontsize="small", va="bottom")
    ax.plot([start, start], [len(shown) - 1.36, len(shown) - 0.3], color="black", linewidth=1)
    ax.annotate(
        f"raw score {row.raw_score:.3f}",
        (start, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize="small",
    )
    ax.set_title(f"Score {row.score:.3f}", loc="left", fontsize="medium", fontweight="bold", pad=18)
    ax.grid(False, axis="y")
    return ax


def beeswarm(explanation: Explanation, *, max_features: int = 12, ax: Axes | None = None) -> Axes:
    """Every row's contributions, one line of dots per feature, coloured by the feature's value."""
    if not len(explanation):
        raise ChurnError("there are no rows to draw")
    step = -(-len(explanation) // _MOST_DOTS)
    values, data = explanation.values[::step], explanation.data[::step]
    names = list(explanation.importance())[:max_features][::-1]
    columns = [explanation.feature_names.index(name) for name in names]
    scale = f"contribution to the {RAW_SCALES[explanation.raw_scale]}"
    title = "Contributions (grey: category or missing)"
    ax = _axes(ax, title, scale, "", percent="", height=_bar_height(len(names)))
    ax.axvline(0.0, color=_GREY, linewidth=0.8)
    # Told apart from the greys all along, and by people who see no red or no green; the last, bright yellow is cut off.
    colours = LinearSegmentedColormap.from_list("values", plt.get_cmap("plasma")(np.linspace(0.0, 0.88, 128)))
    for at, column in enumerate(columns):
        kind = explanation._schema[column]["kind"]
        rank = _ranks(data[:, column])
        has_order = kind != "category"
        colour = colours(rank) if has_order else np.tile(to_rgba(_GREY), (len(rank), 1))
        colour[np.isnan(data[:, column])] = to_rgba("#c9c9c9")
        ax.scatter(values[:, column], at + _spread(values[:, column]), c=colour, s=9, linewidths=0, rasterized=True)
    ax.set_yticks(range(len(names)), [shortened(name) for name in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(False, axis="y")
    bar = ax.figure.colorbar(plt.cm.ScalarMappable(cmap=colours), ax=ax, aspect=35, pad=0.02)
    bar.set_ticks([0.02, 0.98], labels=["low", "high"])
    bar.set_label("value of the feature", labelpad=-14)
    bar.outline.set_visible(False)
    return ax


_REFERENCE: dict[str, Any] = {"color": _GREY, "linestyle": "--", "linewidth": 1}


def _axes(ax: Axes | None, title: str, x: str, y: str, *, percent: str = "xy", height: float = 4.2) -> Axes:
    if ax is None:
        _, ax = plt.subplots(figsize=(6.0, height), layout="constrained")
    ax.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    for name, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
        if name in percent:
            axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(True, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def _finish(report: EvaluationReport, ax: Axes, curve: str | None, *, legend: Any) -> Axes:
    """Marks the threshold on a curve, and names everything."""
    place = report.at_threshold().get(curve) if curve else None
    if place is not None:
        ax.plot(*place, "o", color=ACCENT, markersize=7, zorder=5, label=f"threshold {report.threshold:.3f}")
    ax.legend(loc=legend, fontsize="small", frameon=True, framealpha=0.85, edgecolor="none")
    return ax


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bar_height(n_bars: int) -> float:
    return 1.5 + 0.32 * n_bars


def _ranks(values: Any) -> Any:
    """Each value's place among the others, from 0 to 1; equal values share theirs."""
    known = np.unique(values[~np.isnan(values)])
    if len(known) < 2:
        return np.full(len(values), 0.5)
    ordered = np.sort(values[~np.isnan(values)])
    place = (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / 2
    return np.clip(place / (len(ordered) - 1), 0.0, 1.0)


def _spread(values: Any) -> Any:
    """How far each dot is moved off its line, so that a crowd looks like one: row by row in bins along the line."""
    low, high = values.min(), values.max()
    bins = ((values - low) / ((high - low) or 1.0) * 99).astype(int)
    order = np.argsort(bins, kind="stable")
    firsts = np.searchsorted(bins[order], bins[order], "left")
    nth = np.empty(len(values))
    nth[order] = np.arange(len(values)) - firsts
    counts = np.bincount(bins, minlength=100)
    side = np.where(nth % 2 == 0, 1.0, -1.0) * np.ceil(nth / 2)
    return 0.42 * side / max(counts.max() / 2, 8)
