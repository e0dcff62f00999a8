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

if TYPE_CHECKING:
    from churn_model.estimators import (
        ChurnClassifier,
        DecisionTreeClassifier,
        LinearClassifier,
        RandomForestClassifier,
    )
    from churn_model.evaluation import evaluate
    from churn_model.explanation import Contribution, Explanation, Reason, RowExplanation, Trend
    from churn_model.metrics import choose_threshold, expected_maximum_profit, lift_at
    from churn_model.model import Model
    from churn_model.plan import ObservationPlan
    from churn_model.report import EvaluationReport
    from churn_model.simulation import simulate, simulate_companies
    from churn_model.splitters import GroupedFolds, TimeSplit, grouped_folds, time_split
    from churn_model.store import FeatureStore, IngestReport, MalformedEvent
    from churn_model.table import Table

__all__ = [
    "Campaign",
    "ChurnClassifier",
    "ChurnError",
    "ColumnError",
    "Contribution",
    "DecisionTreeClassifier",
    "EvaluationReport",
    "EventError",
    "Explanation",
    "FeatureStore",
    "FitError",
    "GroupedFolds",
    "IngestReport",
    "LinearClassifier",
    "MalformedEvent",
    "Model",
    "ModelFileError",
    "ObservationPlan",
    "RandomForestClassifier",
    "Reason",
    "RowExplanation",
    "Table",
    "TimeSplit",
    "Trend",
    "UnseenLevelWarning",
    "__version__",
    "choose_threshold",
    "evaluate",
    "expected_maximum_profit",
    "grouped_folds",
    "lift_at",
    "simulate",
    "simulate_companies",
    "time_split",
]

# Everything above is imported when it is first used: `import churn_model` takes milliseconds, and needs NumPy only.
# Type checkers read the block, and a test keeps it, this table and `__all__` equal.
_HOME = {
    "ChurnClassifier": "estimators",
    "Contribution": "explanation",
    "DecisionTreeClassifier": "estimators",
    "EvaluationReport": "report",
    "Explanation": "explanation",
    "FeatureStore": "store",
    "GroupedFolds": "splitters",
    "IngestReport": "store",
    "LinearClassifier": "estimators",
    "MalformedEvent": "store",
    "Model": "model",
    "ObservationPlan": "plan",
    "RandomForestClassifier": "estimators",
    "Reason": "explanation",
    "RowExplanation": "explanation",
    "Table": "table",
    "TimeSplit": "splitters",
    "Trend": "explanation",
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
    return sorted({*globals(), *__all__})
