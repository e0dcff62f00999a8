"""Models of other libraries as models of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from churn_model import _native
from churn_model._numbers import threshold_score

if TYPE_CHECKING:
    from churn_model.model import Model

    M = TypeVar("M", bound=Model)


def completed(model: M, *, threshold: float | None, x: Any, card: Mapping[str, Any] | None = None) -> M:
    """Gives a model what the other library does not know.

    Parameters
    ----------
    model
        As imported.
    threshold
        Score at or above which someone acts; left as it is when None.
    x
        The observations that the model was fitted on, shape (n, n_features): for reasons, and for telling drift.
    card
        Entries of the model card to replace.

    Returns
    -------
    Model
        A new one.
    """
    header: dict[str, Any] = {}
    if threshold is not None:
        header["threshold"] = {"score": threshold_score(threshold), "rule": "fixed"}
    if card:
        header["card"] = {**json.loads(_native.parts(model)[0])["card"], **card}
    rows = None if x is None else model.matrix(x)
    if not header and rows is None:
        return model
    return type(model).from_bytes(_native.revised(model, json.dumps(header), rows))


def level_text(level: Any) -> str:
    """The name that a level has in a schema, as data frames are read: 3.0 is "3", True is "true"."""
    if isinstance(level, bool):
        return str(level).lower()
    if isinstance(level, float):
        return np.format_float_positional(np.float64(level), trim="-")
    return str(level)
