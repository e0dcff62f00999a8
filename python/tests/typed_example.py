"""What a user writes, for type checkers: `test_typing.py` has mypy and pyright read it, and never runs it."""

import os
from typing import Any

import churn_model as cm
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from typing_extensions import assert_type

x: npt.NDArray[np.float32] = np.zeros((100, 2), dtype=np.float32)
y: npt.NDArray[np.bool_] = np.arange(100) % 2 == 0


def fit() -> cm.Model:
    forest = cm.RandomForestClassifier(n_trees=100, class_weight="balanced", campaign=cm.Campaign(offer=5.0), n_jobs=2)
    assert_type(forest.fit(x, y), cm.RandomForestClassifier)
    assert_type(forest.predict_proba(x), npt.NDArray[np.float64])
    assert_type(forest.decide(x), npt.NDArray[np.bool_])
    return forest.model_


def score(model: cm.Model, frame: pl.DataFrame, pandas_frame: pd.DataFrame) -> None:
    assert_type(model.score([1.0, None]), float)
    assert_type(model.decide((1.0, 2.0)), bool)
    assert_type(model.score(frame), npt.NDArray[np.float64])
    assert_type(model.score(pandas_frame), npt.NDArray[np.float64])
    assert_type(model.decide(frame, threshold=0.3), npt.NDArray[np.bool_])
    assert_type(model.matrix(frame), npt.NDArray[np.float32])
    assert_type(model.threshold, float)
    assert_type(model.feature_names, list[str])
    assert_type(model.card, dict[str, Any])
    for contribution in model.explain(frame)[0].contributions[:3]:
        print(f"{contribution.feature:<24} {contribution.value:+.3f}")


def from_events(path: os.PathLike[str]) -> cm.Table:
    store = cm.FeatureStore(max_tenants=1000)
    assert_type(store.ingest(path).malformed, int)
    observations = store.observations(cm.ObservationPlan(gap_days=7))
    assert_type(observations, cm.Table)
    assert_type(observations.to_polars(), pl.DataFrame)
    return store.features_at("2026-01-31")


def evaluate(model: cm.Model) -> None:
    report = cm.evaluate(model, x, y)
    assert_type(report, cm.EvaluationReport)
    assert_type(cm.lift_at(model.score(x), y, 0.1), float)
    try:
        cm.Model.load("model.safetensors").save("copy.safetensors")
    except cm.ModelFileError as error:
        raise SystemExit(str(error)) from error
