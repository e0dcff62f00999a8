"""What an evaluation found: numbers, a page for notebooks, plots."""

from __future__ import annotations

import html
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churn_model import _svg
from churn_model._native import Campaign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EvaluationReport"]

#: 97.5 % quantile of the standard normal distribution.
_Z_95 = 1.959963984540054

#: Points of a curve that the page is drawn from, at most.
_MOST_POINTS = 2_000

#: Features whose importance is shown.
_SHOWN_FEATURES = 12


@dataclass(frozen=True, repr=False, eq=False)
class EvaluationReport:
    """What :func:`evaluate` measured. Shows itself in a notebook and in a terminal; ``to_dict`` has every number."""

    #: The numbers a model is judged by, named as in ``metrics.json`` of a run.
    metrics: dict[str, float]
    #: The score from which somebody acts.
    threshold: float
    #: Where that comes from.
    threshold_origin: str
    #: Decisions at the threshold against what happened, with precision, recall, specificity and F1.
    confusion: dict[str, Any]
    #: Arrays of ``roc``, ``precision_recall``, ``calibration``, ``gains`` and ``profit``.
    curves: dict[str, dict[str, NDArray[Any]]]
    #: What the profit was computed with.
    campaign: Campaign
    #: One entry per part of each segment column.
    segments: list[dict[str, Any]]
    #: Permutation importance per feature, the largest rise of log loss first; ``None`` where it was not measured.
    importance: list[dict[str, Any]] | None

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Every number by name, in plain lists and dicts; an infinite threshold (nobody is contacted) is ``None``.

        Parameters
        ----------
        curves
            Whether the curves are wanted, too.
        """
        everything: dict[str, Any] = {
            "metrics": dict(self.metrics),
            "threshold": None if math.isinf(self.threshold) else self.threshold,
            "confusion": dict(self.confusion),
            "campaign": self.campaign.to_dict(),
            "segments": [dict(part) for part in self.segments],
            "importance": None if self.importance is None else [dict(entry) for entry in self.importance],
        }
        if curves:
            everything["curves"] = {
                name: {key: [None if math.isinf(v) else v for v in values.tolist()] for key, values in curve.items()}
                for name, curve in self.curves.items()
            }
        return everything

    def to_json(self, *, curves: bool = True) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(curves=curves), allow_nan=False)

    def calibration_interval(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of the 95 % intervals (Wilson) of the churned share of each calibration bin."""
        bins = self.curves["calibration"]
        n, share = bins["n"], bins["churned_share"]
        middle = (share + _Z_95**2 / (2 * n)) / (1 + _Z_95**2 / n)
        half = _Z_95 / (1 + _Z_95**2 / n) * np.sqrt(share * (1 - share) / n + _Z_95**2 / (4 * n**2))
        return middle - half, middle + half

    def precision_end(self) -> float:
        """Where the precision axis of a plot ends: lower than 1 where all but the first few are found with little."""
        curve = self.curves["precision_recall"]
        return min(1.0, 1.2 * float(curve["precision"][curve["recall"] >= 0.05].max()))

    def profit_floor(self) -> float:
        """Where the profit axis of a plot begins: contacting everybody may lose so much that nothing else is seen."""
        money = self.curves["profit"]["profit_per_tenant"]
        worth_seeing = max(float(money.max()), abs(self.at_threshold()["profit"][1]))
        return max(float(money.min()), -4 * worth_seeing) if worth_seeing > 0 else float(money.min())

    def plot(self) -> Figure:
        """Draws all panels in one figure.

        Raises
        ------
        ImportError
            Without matplotlib.
        """
        from churn_model import _plots

        return _plots.all_panels(self)

    def plot_roc(self, *, ax: Axes | None = None) -> Axes:
        """Draws true against false positives for every threshold."""
        from churn_model import _plots

        return _plots.roc(self, ax=ax)

    def plot_precision_recall(self, *, ax: Axes | None = None) -> Axes:
        """Draws precision against recall, as steps."""
        from churn_model import _plots

        return _plots.precision_recall(self, ax=ax)

    def plot_calibration(self, *, ax: Axes | None = None) -> Axes:
        """Draws the share that churned against the mean score, for ten groups of equal size."""
        from churn_model import _plots

        return _plots.calibration(self, ax=ax)

    def plot_gains(self, *, ax: Axes | None = None) -> Axes:
        """Draws the share of churn found against the share of tenants contacted."""
        from churn_model import _plots

        return _plots.gains(self, ax=ax)

    def plot_lift(self, *, ax: Axes | None = None) -> Axes:
        """Draws how many times the base rate churn is among the highest scores."""
        from churn_model import _plots

        return _plots.lift(self, ax=ax)

    def plot_profit(self, *, ax: Axes | None = None) -> Axes:
        """Draws the profit per tenant against the share of tenants contacted."""
        from churn_model import _plots

        return _plots.profit(self, ax=ax)

    def plot_importance(self, *, max_features: int = _SHOWN_FEATURES, ax: Axes | None = None) -> Axes:
        """Draws how much log loss rises when a feature is permuted.

        Raises
        ------
        ChurnError
            When importance was not measured: it needs a model of this package.
        """
        from churn_model import _plots

        return _plots.importance(self, max_features=max_features, ax=ax)

    def at_threshold(self) -> dict[str, tuple[float, float]]:
        """Where the threshold stands on each curve: x and y by the name of the curve."""
        n, found = self.metrics["n"], self.confusion
        contacted = (found["true_positives"] + found["false_positives"]) / n
        places = {"gains": (contacted, found["recall"])}
        if found["specificity"] is not None:
            places["roc"] = (1 - found["specificity"], found["recall"])
        if found["precision"] is not None:
            places["precision_recall"] = (found["recall"], found["precision"])
        profit = self.curves["profit"]
        reached = np.flatnonzero(profit["threshold"] >= self.threshold)[-1]
        places["profit"] = (contacted, float(profit["profit_per_tenant"][reached]))
        return places

    def _measures(self) -> list[tuple[str, str, str]]:
        """Name, value and remark of each number."""
        m = self.metrics
        base = m["base_rate"]
        base_loss = -base * math.log(base) - (1 - base) * math.log(1 - base)
        return [
            ("ROC-AUC", f"{m['roc_auc']:.3f}", f"95 % interval {m['roc_auc_low']:.3f} to {m['roc_auc_high']:.3f}"),
            ("PR-AUC", f"{m['pr_auc']:.3f}", f"without information {base:.3f}"),
            ("lift at 10 %", f"{m['lift_10']:.2f}", f"at most {min(10.0, 1 / base):.2f}"),
            ("log loss", f"{m['log_loss']:.4f}", f"of the base rate {base_loss:.4f}"),
            ("Brier score", f"{m['brier']:.4f}", f"of the base rate {base * (1 - base):.4f}"),
            ("calibration error", f"{m['ece']:.4f}", "mean distance of score and churn, 0 is perfect"),
            ("EMPC", f"{m['empc']:.3f}", f"per tenant, {m['empc_fraction']:.1%} of them contacted".replace("%", " %")),
        ]

    def _headline(self) -> str:
        m = self.metrics
        return f"{m['n']:,} observations, {m['n_churned']:,} churned (base rate {_percent(m['base_rate'])})"

    def __repr__(self) -> str:
        c = self.confusion
        lines = [f"Evaluation: {self._headline()}", ""]
        lines += [f"  {name:<18} {value:>8}   {remark}" for name, value, remark in self._measures()]
        lines += ["", f"  At the threshold {self.threshold:.4f} ({self.threshold_origin})", ""]
        lines += [f"  {'':<18} {'churned':>10} {'stayed':>10}"]
        acted_on = f"  {'acted on':<18} {c['true_positives']:>10,} {c['false_positives']:>10,}"
        lines += [f"{acted_on}   precision {_percent(c['precision'])}"]
        lines += [f"  {'left alone':<18} {c['false_negatives']:>10,} {c['true_negatives']:>10,}"]
        lines += [f"  {'decided rightly':<18} {_percent(c['recall']):>10} {_percent(c['specificity']):>10}"]
        if self.segments:
            width = max(len(f"{s['segment']}: {s['part']}") for s in self.segments)
            head = f"  {'segment':<{width}} {'n':>9} {'churned':>9} {'mean score':>11} {'ROC-AUC':>8} {'acted on':>9}"
            lines += ["", head]
            for s in self.segments:
                auc = "-" if s["roc_auc"] is None else f"{s['roc_auc']:.3f}"
                lines.append(
                    f"  {s['segment'] + ': ' + s['part']:<{width}} {s['n']:>9,} {_percent(s['n_churned'] / s['n']):>9} "
                    f"{_percent(s['mean_score']):>11} {auc:>8} {_percent(s['decided_share']):>9}"
                )
        if self.importance:
            lines += ["", "  Importance: by how much log loss rises when a feature is permuted"]
            shown = self.importance[:_SHOWN_FEATURES]
            width = max(len(entry["name"]) for entry in shown)
            for entry in shown:
                sd = entry["log_loss_increase_sd"]
                spread = "" if sd is None else f" ± {sd:.4f}"
                lines.append(f"  {entry['name']:<{width}} {entry['log_loss_increase']:>9.4f}{spread}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        c = self.confusion
        measures = "".join(
            f"<tr>{_cell(name)}{_cell(value, right=True)}{_cell(remark, quiet=True)}</tr>"
            for name, value, remark in self._measures()
        )
        counts = [
            ("", "churned", "stayed", ""),
            ("acted on", c["true_positives"], c["false_positives"], f"precision {_percent(c['precision'])}"),
            ("left alone", c["false_negatives"], c["true_negatives"], ""),
            ("decided rightly", _percent(c["recall"]), _percent(c["specificity"]), ""),
        ]
        confusion = "".join(
            f"<tr>{_cell(name)}{_cell(_count(churned), right=True)}{_cell(_count(stayed), right=True)}"
            f"{_cell(remark, quiet=True)}</tr>"
            for name, churned, stayed, remark in counts
        )
        tables = (
            f"<div><b>Numbers</b><table>{measures}</table></div>"
            f"<div><b>At the threshold {self.threshold:.4f}</b> ({html.escape(self.threshold_origin)})"
            f"<table>{confusion}</table></div>"
        )
        segments = ""
        if self.segments:
            heads = ("segment", "part", "n", "churned", "mean score", "ROC-AUC", "acted on")
            rows = "".join(
                "<tr>"
                + _cell(s["segment"])
                + _cell(s["part"])
                + _cell(f"{s['n']:,}", right=True)
                + _cell(_percent(s["n_churned"] / s["n"]), right=True)
                + _cell(_percent(s["mean_score"]), right=True)
                + _cell("" if s["roc_auc"] is None else f"{s['roc_auc']:.3f}", right=True)
                + _cell(_percent(s["decided_share"]), right=True)
                + "</tr>"
                for s in self.segments
            )
            head = "".join(_cell(text, right=at > 1, quiet=True) for at, text in enumerate(heads))
            segments = f"<div><b>Segments</b><table><tr>{head}</tr>{rows}</table></div>"
        gap = "display:flex;flex-wrap:wrap;gap:12px 28px;align-items:flex-start;margin-top:10px"
        charts = "".join(self._charts())
        return (
            f'<div style="max-width:1100px"><div style="font-size:1.15em"><b>Evaluation</b> of {self._headline()}</div>'
            f'<div style="{gap}">{tables}</div><div style="{gap}">{charts}</div>'
            f'<div style="{gap}">{segments}</div></div>'
        )

    def _charts(self) -> list[str]:
        m, curves, at = self.metrics, self.curves, self.at_threshold()
        share = _svg.share_axis
        best_share = float(curves["profit"]["contacted_share"][curves["profit"]["profit_per_tenant"].argmax()])

        def marked(chart: _svg.Chart, name: str) -> str:
            if name in at:
                # Beside the curve: below where it rises, above where it falls.
                dy = 18 if name in ("roc", "gains") or (name == "profit" and at[name][0] <= best_share) else -9
                chart.dot(at[name], colour=_svg.ACCENT).label(at[name], "threshold", dy=dy, colour=_svg.ACCENT)
            return chart.render()

        roc = _svg.Chart(
            f"ROC curve, area {m['roc_auc']:.3f}", share("false positive rate"), share("true positive rate")
        )
        roc.line([(0, 0), (1, 1)], reference=True)
        roc.line(_points(curves["roc"], "false_positive_rate", "true_positive_rate"))

        steps = _steps(curves["precision_recall"])
        end = self.precision_end()
        cut = " (cut off)" if end < 1 else ""
        precision = share(f"precision: of those acted on, churned{cut}", end)
        pr = _svg.Chart(f"Precision and recall, area {m['pr_auc']:.3f}", share("recall: of churn, found"), precision)
        pr.line([(0, m["base_rate"]), (1, m["base_rate"])], reference=True)
        pr.line(steps)

        bins = curves["calibration"]
        low, high = self.calibration_interval()
        end = float(max(bins["mean_score"].max(), high.max()))
        calibration = _svg.Chart(
            f"Calibration, error {m['ece']:.4f}",
            share("mean score", end),
            share("churned (tenths of the rows, 95 % intervals)", end),
        )
        calibration.line([(0, 0), (end, end)], reference=True)
        for x, start, stop in zip(bins["mean_score"], low, high, strict=True):
            calibration.upright(float(x), float(start), float(stop))
        calibration.line(_points(bins, "mean_score", "churned_share"))
        for x, y in _points(bins, "mean_score", "churned_share"):
            calibration.dot((x, y))

        gains = _svg.Chart("Gains", share("contacted, highest scores first"), share("of churn, found"))
        gains.line([(0, 0), (1, 1)], reference=True).line([(0, 0), (m["base_rate"], 1), (1, 1)], reference=True)
        gains.line(_points(curves["gains"], "contacted_share", "found_share"))

        floor, best = self.profit_floor(), float(curves["profit"]["profit_per_tenant"].max())
        cut = " (cut off)" if floor > float(curves["profit"]["profit_per_tenant"].min()) else ""
        name = f"profit per tenant, in the campaign's money{cut}"
        money = _svg.Axis(name, floor, best, lambda amount: f"{amount:.4g}")
        profit = _svg.Chart("Profit", share("contacted, highest scores first"), money)
        points = _points(curves["profit"], "contacted_share", "profit_per_tenant")
        profit.line([point for point in points if point[1] >= floor])

        charts = [marked(roc, "roc"), marked(pr, "precision_recall"), calibration.render()]
        charts += [marked(gains, "gains"), marked(profit, "profit")]
        if self.importance:
            shown = self.importance[:_SHOWN_FEATURES]
            rows = [(e["name"], e["log_loss_increase"], e["log_loss_increase_sd"] or 0.0) for e in shown]
            charts.append(_svg.bars("Importance", rows, note="rise of log loss when permuted, ± standard deviation"))
        return charts


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _count(count: int | str) -> str:
    return count if isinstance(count, str) else f"{count:,}"


def _points(curve: dict[str, NDArray[Any]], x: str, y: str) -> list[tuple[float, float]]:
    """The points of a curve; of very many those after which it has gone on by a visible length."""
    xs, ys = curve[x], curve[y]
    if len(xs) > _MOST_POINTS:
        gone = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(xs)) / np.ptp(xs) + np.abs(np.diff(ys)) / np.ptp(ys))])
        kept = np.unique(np.searchsorted(gone, np.linspace(0.0, gone[-1], _MOST_POINTS)))
        xs, ys = xs[kept], ys[kept]
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def _steps(curve: dict[str, NDArray[Any]]) -> list[tuple[float, float]]:
    """A precision-recall curve as steps: a precision holds for the recall since the point before."""
    points, reached = [], 0.0
    for recall, precision in _points(curve, "recall", "precision"):
        points += [(reached, precision), (recall, precision)]
        reached = recall
    return points


def _cell(text: str, *, right: bool = False, quiet: bool = False) -> str:
    side = "right" if right else "left"
    opacity = ";opacity:0.7" if quiet else ""
    style = f"padding:2px 8px 2px 0;text-align:{side}{opacity};font-variant-numeric:tabular-nums"
    return f'<td style="{style}">{html.escape(text)}</td>'
