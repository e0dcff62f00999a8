"""Which tenants are about to leave: features from events, calibrated models, scores with reasons."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from churn_model._native import (
    Campaign,
    ChurnError,
    ColumnError,
    EventError,
    FitError,
    ModelFileError,
    UnseenLevelWarning,
    __version__,
)

# Everything else is imported when it is first used: `import churn_model` takes milliseconds, and needs NumPy only.
_HOME = {
    "ChurnClassifier": "estimators",
    "DecisionTreeClassifier": "estimators",
    "EvaluationReport": "report",
    "Explanation": "explanation",
    "FeatureStore": "store",
    "LinearClassifier": "estimators",
    "Model": "model",
    "ObservationPlan": "plan",
    "RandomForestClassifier": "estimators",
    "Reason": "explanation",
    "Table": "table",
    "choose_threshold": "metrics",
    "evaluate": "evaluation",
    "expected_maximum_profit": "metrics",
    "grouped_folds": "splitters",
    "lift_at": "metrics",
    "simulate": "simulation",
    "simulate_companies": "simulation",
    "time_split": "splitters",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'churn_model' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"churn_model.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
