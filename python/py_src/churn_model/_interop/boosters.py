"""Models that LightGBM and XGBoost have fitted or saved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn_model import _native
from churn_model._interop import completed, level_text
from churn_model._native import ChurnError

if TYPE_CHECKING:
    from churn_model._interop import M

Levels = Mapping[str, Sequence[Any]]


def from_lightgbm(
    model: type[M], booster: Any, *, levels: Levels | None = None, threshold: float | None = None, x: Any = None
) -> M:
    """See `churn_model.Model.from_lightgbm`."""
    booster = getattr(booster, "booster_", booster)
    text = booster.model_to_string(num_iteration=-1) if hasattr(booster, "model_to_string") else _saved(booster, "tree")
    return completed(_read(model, _native.from_lightgbm, _bytes(text), levels), threshold=threshold, x=x)


def from_xgboost(
    model: type[M], booster: Any, *, levels: Levels | None = None, threshold: float | None = None, x: Any = None
) -> M:
    """See `churn_model.Model.from_xgboost`."""
    booster = booster.get_booster() if hasattr(booster, "get_booster") else booster
    text = booster.save_raw(raw_format="json") if hasattr(booster, "save_raw") else _saved(booster, "{")
    return completed(_read(model, _native.from_xgboost, _bytes(text), levels), threshold=threshold, x=x)


def _read(model: type[M], read: Callable[..., bytes], text: bytes, levels: Levels | None) -> M:
    read_model = model.from_bytes(read(text))
    if not levels:
        return read_model
    features = {feature["name"]: feature for feature in json.loads(_native.parts(read_model)[0])["features"]}
    for name, known in levels.items():
        if features.get(name, {}).get("kind") != "category":
            raise ChurnError(f"levels are given of {name!r}, which is no category of the model")
        features[name]["levels"] = [level_text(level) for level in known]
    return model.from_bytes(read(text, json.dumps(list(features.values()))))


def _saved(source: Any, start: str) -> Any:
    """The content of a saved model: itself, or that of the file whose path it is."""
    if isinstance(source, bytes | bytearray) or (isinstance(source, str) and source.lstrip().startswith(start)):
        return source
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    raise ChurnError(f"{type(source).__name__} is no fitted model, and neither text nor path of a saved one")


def _bytes(text: str | bytes | bytearray) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)
