"""What scoring inside Spark and inside Flink have in common."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from churn_model._native import ColumnError
from churn_model.model import Model


def loaded(model: Model | bytes | str | os.PathLike[str]) -> Model:
    """A model, from its file or where one lies, too."""
    if isinstance(model, Model):
        return model
    return Model.from_bytes(model if isinstance(model, bytes) else pathlib.Path(model).read_bytes())


def check_columns(model: Model, names: Iterable[str]) -> None:
    """Refuses columns in which one that the model reads is missing."""
    known = set(names)
    missing = [name for name in model.feature_names if name not in known]
    if missing:
        raise ColumnError(f"the model needs columns that are not there: {', '.join(missing)}")
