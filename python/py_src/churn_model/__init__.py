"""Which tenants are about to leave: features from events, calibrated models, scores with reasons."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from churn_model._native import (
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
    "Campaign": "campaign",
    "ChurnClassifier": "estimators",
    "DecisionTreeClassifier": "estimators",
    "LinearClassifier": "estimators",
    "Model": "model",
    "RandomForestClassifier": "estimators",
    "Campaign": "metrics",
    "EvaluationReport": "report",
    "Explanation": "explanation",
    "Model": "model",
    "Reason": "explanation",
    "choose_threshold": "metrics",
    "evaluate": "evaluation",
    "expected_maximum_profit": "metrics",
    "lift_at": "metrics",
    "FeatureStore": "store",
    "Model": "model",
    "ObservationPlan": "plan",
    "Table": "table",
    "grouped_folds": "splitters",
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
