"""How good scores are, measured on observations that the model was not fitted on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from churn_model import _native
from churn_model._days import day_numbers
from churn_model._missing import is_missing
from churn_model._native import Campaign, ChurnError
from churn_model._numbers import MOST_SEED, whole
from churn_model.metrics import as_labels, as_scores
from churn_model.plan import ObservationPlan
from churn_model.report import EvaluationReport

__all__ = ["evaluate"]

#: Rows that the importance is measured on, at most; more change no order that matters.
_MOST_IMPORTANCE_ROWS = 2_000

#: Parts of a segment column that the report shows, the largest ones.
_MOST_PARTS = 12


def evaluate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    threshold: float | None = None,
    campaign: Campaign | None = None,
    segments: str | Sequence[str] | Mapping[str, ArrayLike] | None = None,
    n_repeats: int = 5,
    seed: int = 0,
    groups: ArrayLike | None = None,
    dates: ArrayLike | None = None,
    fit_groups: ArrayLike | None = None,
    fit_dates: ArrayLike | None = None,
    plan: ObservationPlan | None = None,
    n_jobs: int | None = None,
) -> EvaluationReport:
    """Measures a model, or scores that are at hand, against what happened.

    Parameters
    ----------
    model
        A :class:`Model`, a fitted classifier with ``predict_proba``, or the scores themselves, shape ``(n,)``.
    x
        The observations, as the model takes them; left out when scores are given.
    y
        Labels, shape ``(n,)``: 1 or ``True`` for churned, or the labels that the classifier was fitted on.
    threshold
        The score from which somebody acts; when left out the model's own, or the campaign's break-even.
    campaign
        What a kept tenant is worth and what trying costs. When left out it is the one that the model's threshold
        follows from, or else has the values of the literature.
    segments
        Columns of ``x``, or columns by name, whose parts are measured one by one. Numbers with many values
        are cut into quarters.
    n_repeats
        How often each feature of a :class:`Model` is permuted for its importance; 0 leaves importance out.
    seed
        Decides the permutations.
    groups
        The tenant of each row. With ``fit_groups`` and ``fit_dates`` a leak can be seen.
    dates
        The observation date of each row.
    fit_groups
        The tenant of each row that the model was fitted on.
    fit_dates
        The observation date of each row that the model was fitted on.
    plan
        The plan that the observations follow: its gap and label horizon say how far two dates have to lie apart.
    n_jobs
        Threads, all cores when left out.

    Returns
    -------
    EvaluationReport
        Metrics with intervals, curves, decisions at the threshold, segments and importance.

    Raises
    ------
    ChurnError
        When lengths differ, labels are all equal, a score is no probability, or the split leaks: a tenant
        is on both sides of a split that is not one by time, or a label horizon reaches across the cut.

    Examples
    --------
    >>> report = evaluate([0.9, 0.2, 0.4, 0.8, 0.1, 0.3], y=[1, 0, 0, 1, 1, 0], threshold=0.5)
    >>> round(report.metrics["roc_auc"], 3), report.confusion["true_positives"]
    (0.667, 2)
    """
    if y is None:
        raise ChurnError("y is missing: what happened to each row")
    if x is None and (hasattr(model, "score") or hasattr(model, "predict_proba")):
        raise ChurnError("x is missing: the observations that the model shall score")
    native = _native_model(model)
    if campaign is None:
        campaign = (Campaign.of(native) if native is not None else None) or Campaign()
    if native is not None:
        scores = np.atleast_1d(native.score(x, n_jobs=n_jobs))
    elif hasattr(model, "predict_proba"):
        scores = as_scores(np.asarray(model.predict_proba(x))[:, 1])
    else:
        scores = as_scores(model)
    labels = as_labels(y, getattr(model, "classes_", (0, 1)))
    _refuse_leaks(groups, dates, fit_groups, fit_dates, (plan or ObservationPlan()).embargo_days)
    if threshold is not None:
        origin = "given"
    elif native is not None:
        threshold, origin = native.threshold, f"the model's, by its rule {native.threshold_rule!r}"
    else:
        threshold, origin = campaign.break_even, "where contacting pays on average"
    importance = None
    if native is not None and whole("n_repeats", n_repeats) > 0:
        importance = _importance(native, x, labels, n_repeats, seed, n_jobs)
    return EvaluationReport(
        metrics=json.loads(_native.metrics(scores, labels, campaign)),
        threshold=float(threshold),
        threshold_origin=origin,
        confusion=_native.confusion(threshold, scores, labels),
        curves=_native.curves(scores, labels, campaign),
        campaign=campaign,
        segments=_segments(segments, x, scores, labels, threshold),
        importance=importance,
    )


def _native_model(model: Any) -> _native.Model | None:
    """Our own model, also where one of our estimators holds it."""
    held = getattr(model, "model_", model)
    return held if isinstance(held, _native.Model) else None


def _importance(
    model: _native.Model, x: Any, labels: NDArray[np.bool_], n_repeats: int, seed: int, n_jobs: int | None
) -> list[dict[str, Any]] | None:
    """The most important feature first; ``None`` where the rows that it is measured on bear one label only."""
    step = -(-len(labels) // _MOST_IMPORTANCE_ROWS) or 1
    matrix = np.ascontiguousarray(model.matrix(x, unseen="ignore")[::step])
    labels = np.ascontiguousarray(labels[::step])
    if labels.all() or not labels.any():
        return None
    features = [(name, [column]) for column, name in enumerate(model.feature_names)]
    found = _native.permutation_importance(
        model, matrix, labels, features, n_repeats=n_repeats, seed=whole("seed", seed, most=MOST_SEED), n_jobs=n_jobs
    )
    return sorted(found, key=lambda entry: -float(entry["log_loss_increase"]))


def _segments(
    segments: str | Sequence[str] | Mapping[str, ArrayLike] | None,
    x: Any,
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    threshold: float,
) -> list[dict[str, Any]]:
    if segments is None:
        return []
    if isinstance(segments, str):
        segments = [segments]
    if not isinstance(segments, Mapping):
        missing = [name for name in segments if not _has_column(x, name)]
        if missing:
            raise ChurnError(f"x has no column {missing[0]!r} to make segments by")
        segments = {name: x[name] for name in segments}
    found = []
    for name, values in segments.items():
        array = np.asarray(values)
        if array.shape != labels.shape:
            raise ChurnError(f"segment {name!r} has shape {array.shape}; expected {labels.shape}, as y has")
        for part, is_in in _parts(array):
            n, n_churned = int(is_in.sum()), int(labels[is_in].sum())
            inside = np.ascontiguousarray(scores[is_in])
            found.append(
                {
                    "segment": name,
                    "part": part,
                    "n": n,
                    "n_churned": n_churned,
                    "mean_score": float(inside.mean()),
                    "roc_auc": _native.roc_auc(inside, labels[is_in]) if 0 < n_churned < n else None,
                    "decided_share": float((inside >= threshold).mean()),
                }
            )
    return found


def _has_column(x: Any, name: str) -> bool:
    try:
        x[name]
    except (KeyError, IndexError, TypeError, ValueError):
        return False
    except Exception as error:  # noqa: BLE001 polars raises its own ColumnNotFoundError
        return "NotFound" not in type(error).__name__
    return True


def _parts(values: NDArray[Any]) -> list[tuple[str, NDArray[np.bool_]]]:
    """The parts of a column with the rows in them: its values, or quarters of a number with many of them."""
    without = np.array([is_missing(value) for value in values.tolist()], dtype=bool)
    parts: list[tuple[str, NDArray[np.bool_]]] = []
    known = values[~without]
    is_number = np.issubdtype(values.dtype, np.number)
    distinct, counts = np.unique(known if is_number else known.astype(str), return_counts=True)
    if is_number and len(distinct) > _MOST_PARTS:
        edges = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="lower"))
        bounds = [-np.inf, *edges.tolist(), np.inf]
        for low, high in pairwise(bounds):
            text = f"below {high:.5g}" if low == -np.inf else f"{low:.5g} and more"
            if low != -np.inf and high != np.inf:
                text = f"{low:.5g} to below {high:.5g}"
            parts.append((text, (values >= low) & (values < high)))
    else:
        texts = values if is_number else values.astype(str)
        for at in np.argsort(-counts, kind="stable")[:_MOST_PARTS]:
            parts.append((str(distinct[at]), (texts == distinct[at]) & ~without))
    parts.append(("missing", without))
    return [(text, is_in) for text, is_in in parts if is_in.any()]


def _refuse_leaks(
    groups: ArrayLike | None,
    dates: ArrayLike | None,
    fit_groups: ArrayLike | None,
    fit_dates: ArrayLike | None,
    embargo_days: int,
) -> None:
    """Refuses a test that leaks. Two designs are honest: cut by time with the label horizons of the fit part over, or
    dealt by tenant."""
    for side, other, name in [(groups, fit_groups, "groups"), (dates, fit_dates, "dates")]:
        if (side is None) != (other is None):
            given, lacking = (name, f"fit_{name}") if other is None else (f"fit_{name}", name)
            raise ChurnError(f"{given} without {lacking}: a leak shows only between the two")
    if dates is not None and fit_dates is not None:
        first, last = _days(dates, "dates").min(), _days(fit_dates, "fit_dates").max()
        if last < first:
            if last + embargo_days > first:
                raise ChurnError(
                    f"the label horizon of {last}, the last observation date fitted on, ends on {last + embargo_days}, "
                    f"after the first test date {first}: labels are fitted on that were not known then; leave out "
                    f"dates so that at least {embargo_days} days lie between"
                )
            return
        if groups is None:
            raise ChurnError(
                f"the last date fitted on, {last}, is not before the first test date, {first}; such a split is honest "
                "only where no tenant is on both sides: pass groups and fit_groups"
            )
    if groups is not None and fit_groups is not None:
        both = set(np.asarray(groups).tolist()) & set(np.asarray(fit_groups).tolist())
        if both:
            raise ChurnError(
                f"{len(both)} tenants were fitted on and are tested with, such as {min(both, key=str)!r}: what was "
                "learned by heart about them looks like skill; split by tenant, or by time with dates and fit_dates"
            )


def _days(dates: ArrayLike, name: str) -> NDArray[Any]:
    try:
        days = day_numbers(dates)
    except (TypeError, ChurnError) as error:
        raise ChurnError(f"{name}: {error}") from error
    if days.size == 0:
        raise ChurnError(f"{name} is empty")
    return days.astype("datetime64[D]")
