"""Names of the columns of whatever estimators are passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churn_model._native import ColumnError


def column_names(X: Any) -> list[str] | None:
    """Names of the columns of a frame, where all are strings."""
    names = getattr(X, "column_names", None)
    names = getattr(X, "columns", None) if names is None else names
    if names is None or callable(names):
        return None
    names = list(names)
    return names if names and all(isinstance(name, str) for name in names) else None


def has_named_values(X: Any) -> bool:
    """Whether X is a dict of columns or a list of dicts."""
    if isinstance(X, Mapping):
        return True
    return isinstance(X, (list, tuple)) and bool(X) and isinstance(X[0], Mapping)


def check_names(names: list[str], fitted: list[str]) -> None:
    """Refuses other columns than those of `fit`, in the words of scikit-learn."""
    if names == fitted:
        return
    unexpected, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))
    message = "The feature names should match those that were passed during fit.\n"
    if unexpected:
        message += "Feature names unseen at fit time:\n" + _listed(unexpected)
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not missing and not unexpected:
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ColumnError(message)


def _listed(names: list[str]) -> str:
    most = 5
    shown = "".join(f"- {name}\n" for name in names[:most])
    return shown + ("- ...\n" if len(names) > most else "")
