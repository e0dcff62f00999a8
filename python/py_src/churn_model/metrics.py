"""Single numbers over labels and scores, in scikit-learn's order of arguments.

All of them work as scorers::

    from sklearn.metrics import make_scorer
    empc = make_scorer(expected_maximum_profit, response_method="predict_proba")
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from churn_model import _native
from churn_model._native import Campaign, ChurnError
from churn_model._numbers import whole

__all__ = ["Campaign", "choose_threshold", "expected_maximum_profit", "lift_at"]


def expected_maximum_profit(y: ArrayLike, scores: ArrayLike, campaign: Campaign | None = None) -> float:
    """Expected maximum profit of a retention campaign that contacts the highest scores (EMPC), per tenant.

    Parameters
    ----------
    y
        Labels, shape ``(n,)``: 1 or ``True`` for churned.
    scores
        Scores, shape ``(n,)``; only their order counts.
    campaign
        What a kept tenant is worth and what trying costs; the values of the literature when left out.

    Returns
    -------
    Money of the campaign per tenant, contacted or not; never negative.

    Raises
    ------
    ChurnError
        When lengths differ, there are no rows, or a score is missing.

    References
    ----------
    Verbraken, Verbeke and Baesens, IEEE TKDE 25 (2013) 961-973.

    Examples
    --------
    >>> round(expected_maximum_profit([1, 0, 0, 1], [0.9, 0.2, 0.4, 0.8]), 2)
    28.0
    """
    return _native.expected_maximum_profit(as_scores(scores), as_labels(y), campaign or Campaign())


def lift_at(y: ArrayLike, scores: ArrayLike, share: float | None = None, *, count: int | None = None) -> float:
    """Churn among the highest scores ÷ base rate. Tied scores count by expectation.

    Parameters
    ----------
    y
        Labels, shape ``(n,)``: 1 or ``True`` for churned.
    scores
        Scores, shape ``(n,)``; only their order counts.
    share
        How many of the highest scores, as a share of all; 0.1 when neither is given.
    count
        How many of the highest scores.

    Raises
    ------
    ChurnError
        When lengths differ, there are no rows, nobody churned, or both of share and count are given.

    Examples
    --------
    >>> lift_at([1, 0, 0, 0], [0.9, 0.2, 0.4, 0.1], 0.25)
    4.0
    """
    if share is not None and count is not None:
        raise ChurnError("expected one of share and count")
    if count is not None:
        return _native.lift_at_count(as_scores(scores), as_labels(y), whole("count", count))
    return _native.lift_at_share(as_scores(scores), as_labels(y), 0.1 if share is None else share)


def choose_threshold(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    campaign: Campaign | None = None,
    capacity: float | None = None,
    precision: float | None = None,
) -> float:
    """Finds the score at or above which to act, by exactly one rule.

    Choose on observations that the model was not fitted on, and not on those that the result is reported for.

    Parameters
    ----------
    y
        Labels, shape ``(n,)``: 1 or ``True`` for churned.
    scores
        Churn probabilities, shape ``(n,)``.
    campaign
        Act where contacting pays on average.
    capacity
        Act on this share of the tenants at most.
    precision
        Act on as many as possible with at least this share of churn among them.

    Raises
    ------
    ChurnError
        When not exactly one rule is given, it cannot be met, or a score is no probability.

    Examples
    --------
    >>> choose_threshold([1, 0, 0, 1], [0.9, 0.2, 0.4, 0.8], capacity=0.5)
    0.8
    """
    return _native.choose_threshold(
        as_scores(scores), as_labels(y), campaign=campaign, capacity=capacity, precision=precision
    )


def as_scores(scores: Any) -> NDArray[np.float64]:
    """Scores as the native half reads them."""
    array = np.ascontiguousarray(scores, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] == 2:
        raise ChurnError("scores has two columns, as predict_proba returns; pass the second, [:, 1]")
    if array.ndim != 1:
        raise ChurnError(f"scores has shape {array.shape}; expected one score per row")
    return array


def _number(label: Any) -> float:
    try:
        return float(label)
    except (TypeError, ValueError):
        return np.nan


def as_labels(y: Any, classes: Any = (0, 1)) -> NDArray[np.bool_]:
    """Labels as the native half reads them: churned or not. Of ``classes``, the second means churned."""
    array = np.asarray(y)
    if array.ndim != 1:
        raise ChurnError(f"y has shape {array.shape}; expected one label per row")
    stayed, churned = (label.item() if isinstance(label, np.generic) else label for label in classes)
    if (stayed, churned) != (0, 1):
        is_churned = np.array([label == churned for label in array.tolist()], dtype=np.bool_)
        is_other = ~is_churned & np.array([label != stayed for label in array.tolist()], dtype=np.bool_)
        if is_other.any():
            row = int(is_other.argmax())
            raise ChurnError(
                f"y holds {array.tolist()[row]!r} in row {row}; the model was fitted on {churned!r} for churned and "
                f"{stayed!r} for stayed"
            )
        return is_churned
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array)
    try:
        numbers = array.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.array([label if label in (0, 1) else np.nan for label in map(_number, array.tolist())])
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if wrong.size:
        found = array.tolist()[wrong[0]]
        raise ChurnError(f"y holds {found!r} in row {wrong[0]}; expected 1 or True for churned, 0 or False for stayed")
    return np.asarray(numbers == 1)
