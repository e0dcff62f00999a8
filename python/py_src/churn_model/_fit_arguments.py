"""What `fit` is passed beside the features, checked and as the learners take it."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from churn_model import _native
from churn_model._missing import is_missing
from churn_model._native import FitError
from churn_model._numbers import whole

# What every learner is passed; an estimator has the ones that are its parameters.
_REAL_OPTIONS = ("complexity", "penalty", "l1_ratio")
_OPTIONS = ("n_trees", "max_depth", "min_leaf", "features_per_split", "complexity", "penalty", "l1_ratio")

# Labels that say what they are.
_CHURN_WORDS = ("1", "churn", "churned", "cancelled", "left", "true", "t", "yes", "y")


def options(estimator: Any) -> dict[str, int | float | None]:
    """The hyperparameters of an estimator, by name; None for those that it does not have or leaves open."""
    return {name: _option(name, getattr(estimator, name, None)) for name in _OPTIONS}


def _option(name: str, value: Any) -> int | float | None:
    """A hyperparameter, as a number that Rust can judge."""
    if value is None:
        return None
    if name in _REAL_OPTIONS:
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            return float(value)
        raise FitError(f"{name} is {value!r}; expected a number")
    return whole(name, value, least=1, error=FitError)


def label_flags(y: ArrayLike, n_rows: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The two classes, and whether each row is labelled with the greater one, which is churn."""
    if y is None:
        raise FitError("requires y to be passed, but the target y is None")
    values = np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        warnings.warn(_data_conversion(), stacklevel=3, category=_data_conversion_warning())
        values = values.ravel()
    if values.ndim != 1:
        raise FitError(f"y should be a 1d array, got an array of shape {values.shape} instead")
    if len(values) != n_rows:
        raise FitError(f"Found input variables with inconsistent numbers of samples: [{n_rows}, {len(values)}]")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise FitError("y holds NaN or infinity; an observation without a label cannot be fitted on")
        if (values != np.floor(values)).any():
            raise FitError("Unknown label type: continuous; a label is one of two classes")
    if values.dtype.kind == "O" and any(is_missing(value) for value in values.tolist()):
        raise FitError("y holds missing values; an observation without a label cannot be fitted on")
    try:
        classes = np.unique(values)
    except TypeError as error:
        raise FitError(f"y mixes values of different types: {error}") from error
    if len(classes) > 2:
        raise FitError(
            "Only binary classification is supported. The type of the target is multiclass: there are "
            f"{len(classes)} classes"
        )
    if len(classes) < 2:
        raise FitError(f"there is one class only, {classes[0]!s}; a model needs two classes")
    if isinstance(classes[1], str) and classes[1].lower() not in _CHURN_WORDS:
        warnings.warn(
            f"label {str(classes[1])!r} is taken for churn and {str(classes[0])!r} for staying, by the alphabet; pass "
            f"booleans (such as y == {str(classes[0])!r}) if it is the other way round",
            UserWarning,
            stacklevel=3,
        )
    return classes, np.ascontiguousarray(values == classes[1])


def _data_conversion() -> str:
    return "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,)."


def _data_conversion_warning() -> type[Warning]:
    try:
        from sklearn.exceptions import DataConversionWarning
    except ImportError:
        return UserWarning
    return DataConversionWarning  # type: ignore[no-any-return]


def row_weights(
    class_weight: Any, labels: NDArray[np.bool_], classes: NDArray[Any], sample_weight: ArrayLike | None
) -> NDArray[np.float32] | None:
    """How often each row counts, with sample and class weights in it; None where all count once."""
    n_rows = len(labels)
    weights = None
    if sample_weight is not None:
        weights = np.asarray(sample_weight, dtype=np.float64)
        if weights.ndim == 0:
            weights = np.full(n_rows, float(weights))
        if weights.ndim != 1:
            raise FitError("Sample weights must be 1D array or scalar")
        if len(weights) != n_rows:
            raise FitError(f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!")
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise FitError("a sample weight is negative, NaN or infinite; expected 0 or more")
        for value, is_in in ((classes[1], labels), (classes[0], ~labels)):
            if not (weights[is_in] > 0).any():
                raise FitError(f"class {value!s} has no row whose weight is not zero; a model needs two classes")
    if class_weight is None:
        return None if weights is None else weights.astype(np.float32)
    factors = _class_factors(class_weight, labels, classes)
    weights = np.ones(n_rows) if weights is None else weights
    return (weights * np.where(labels, factors[1], factors[0])).astype(np.float32)


def _class_factors(class_weight: Any, labels: NDArray[np.bool_], classes: NDArray[Any]) -> tuple[float, float]:
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise FitError(f"class_weight is {class_weight!r}; expected a dict, 'balanced' or None")
        n_churned = float(labels.sum())
        return len(labels) / (2 * (len(labels) - n_churned)), len(labels) / (2 * n_churned)
    if not isinstance(class_weight, Mapping):
        raise FitError(f"class_weight is {class_weight!r}; expected a dict, 'balanced' or None")
    by_class = dict(class_weight)
    unknown = [label for label in by_class if label not in classes.tolist()]
    if unknown:
        raise FitError(f"class_weight names {unknown}; the classes are {classes.tolist()}")
    stayed, churned = classes.tolist()
    return float(by_class.get(stayed, 1.0)), float(by_class.get(churned, 1.0))


def group_numbers(groups: ArrayLike, n_rows: int) -> NDArray[np.uint64]:
    """A number per row that rows of one group share."""
    values = np.asarray(groups)
    if values.ndim != 1 or len(values) != n_rows:
        raise FitError(f"groups has shape {values.shape}, expected {(n_rows,)}")
    if any(is_missing(value) for value in values.tolist()):
        raise FitError("groups holds missing values; every row belongs to some group")
    if len(np.unique(values)) < 2:
        raise FitError("groups holds one group only; scores of rows that a model had not seen need two")
    if values.dtype.kind in "iu":
        return values.astype(np.uint64)
    return _native.group_numbers([str(value) for value in values.tolist()])
