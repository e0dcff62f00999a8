"""Classifiers that scikit-learn has fitted, alone or behind scalers and encoders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from churn_model import _native
from churn_model._interop import completed, level_text
from churn_model._interop.columns import Column, transformed
from churn_model._native import ChurnError

if TYPE_CHECKING:
    from churn_model._interop import M

READ = (
    "DecisionTreeClassifier, RandomForestClassifier, ExtraTreesClassifier, GradientBoostingClassifier, "
    "HistGradientBoostingClassifier, LogisticRegression, LogisticRegressionCV and SGDClassifier(loss='log_loss')"
)


def from_sklearn(
    model: type[M],
    estimator: Any,
    *,
    feature_names: Sequence[str] | None = None,
    threshold: float | None = None,
    x: Any = None,
) -> M:
    """The classifier as a `Model`; see `churn_model.Model.from_sklearn`."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    if isinstance(estimator, FixedThresholdClassifier | TunedThresholdClassifierCV):
        if threshold is None:
            threshold = getattr(estimator, "best_threshold_", estimator.get_params(deep=False).get("threshold"))
        estimator = estimator.estimator_
        threshold = None if threshold == "auto" else threshold
    check_is_fitted(estimator)
    calibrator = None
    if isinstance(estimator, CalibratedClassifierCV):
        estimator, calibrator = _calibrated(estimator)
    names = _names(estimator, feature_names)
    columns = [Column(position) for position in range(len(names))]
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("classifier", estimator)]
    for _, transformer in steps[:-1]:
        columns = transformed(transformer, columns, names)
    header, nodes = _parts(steps[-1][1], columns, names)
    if calibrator is not None:
        header["calibrator"] = _calibrator(calibrator, header["model"], steps[-1][1])
    return completed(model.from_bytes(_native.from_parts(json.dumps(header), nodes)), threshold=threshold, x=x)


def _calibrated(estimator: Any) -> tuple[Any, Any]:
    """The classifier behind a calibrator, and the calibrator."""
    if len(estimator.calibrated_classifiers_) != 1:
        raise ChurnError(f"{estimator!r} is the mean of several classifiers; fit with ensemble=False")
    (fitted,) = estimator.calibrated_classifiers_
    classifier = fitted.estimator
    if type(classifier).__name__ == "FrozenEstimator":
        classifier = classifier.estimator
    return classifier, fitted.calibrators[0]


def _calibrator(fitted: Any, model: dict[str, Any], classifier: Any) -> dict[str, Any]:
    """A calibrator of raw scores: shares of forests, log-odds of all others."""
    combine = model.get("forest", {}).get("combine", {})
    if getattr(classifier, "loss", None) == "exponential":
        raise ChurnError("a calibrator behind loss='exponential' is not imported; fit with loss='log_loss'")
    match type(fitted).__name__:
        case "IsotonicRegression":
            knots, levels = fitted.X_thresholds_, fitted.y_thresholds_
            return {"kind": "isotonic", "raw_scores": knots.tolist(), "probabilities": levels.tolist()}
        case "_SigmoidCalibration" if combine.get("kind") != "mean_share":
            return {"kind": "logistic", "slope": -float(fitted.a_), "intercept": -float(fitted.b_)}
    raise ChurnError(
        f"{fitted!r} of a share of votes is not imported: logistic calibrators here take log-odds; "
        "fit with method='isotonic'"
    )


def _names(estimator: Any, given: Sequence[str] | None) -> list[str]:
    fitted = getattr(estimator, "feature_names_in_", None)
    if fitted is not None:
        fitted = [str(name) for name in fitted]
        if given is not None and list(given) != fitted:
            raise ChurnError(f"feature_names are {list(given)}; the classifier was fitted on {fitted}")
        return fitted
    width = estimator.n_features_in_
    if given is None:
        return [f"x{position}" for position in range(width)]
    if len(given) != width:
        raise ChurnError(f"{len(given)} feature_names are given; the classifier was fitted on {width} columns")
    return list(given)


def _parts(classifier: Any, columns: list[Column], names: list[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    import sklearn
    from sklearn import ensemble, linear_model, tree

    read: Any
    match classifier:
        case tree.DecisionTreeClassifier() | ensemble.RandomForestClassifier() | ensemble.ExtraTreesClassifier():
            read = _forest
        case ensemble.GradientBoostingClassifier():
            read = _boosted
        case ensemble.HistGradientBoostingClassifier():
            read = _histogram_boosted
        case linear_model.LogisticRegression() if getattr(classifier, "multi_class", "auto") != "multinomial":
            read = _linear
        case linear_model.SGDClassifier() if classifier.loss == "log_loss":
            read = _linear
        case _:
            raise ChurnError(f"{classifier!r} is not imported; imported are {READ}")
    if len(classifier.classes_) != 2 or getattr(classifier, "n_outputs_", 1) != 1:
        raise ChurnError(f"the classifier tells {len(classifier.classes_)} classes apart; churn models know two")
    _levels(columns, names)
    model, columns, nodes = read(classifier, columns, names)
    used = sorted({column.feature for column in columns})
    position = {feature: at for at, feature in enumerate(used)}
    if isinstance(nodes, _Nodes):
        nodes = nodes.columns(columns, position)
    else:
        model["linear"]["terms"] = [nodes[feature] for feature in used]
        nodes = None
    levels = _levels(columns, names)
    features = [
        {"name": names[feature], "kind": "category", "levels": levels[feature]}
        if feature in levels
        else {"name": names[feature], "kind": "numeric"}
        for feature in used
    ]
    card = {
        "algorithm": f"{type(classifier).__name__} of scikit-learn {sklearn.__version__}",
        "label": f"{classifier.classes_[1]!s} rather than {classifier.classes_[0]!s}",
        "point_in_time": False,
        "n_observations": 0,
        "n_churned": 0,
        "seed": 0,
        "hyperparameters": {
            name: value
            for name, value in sorted(classifier.get_params(deep=False).items())
            if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and np.isfinite(value))
        },
        "metrics": {},
        "caveats": ["imported: what it was fitted and tested on is not known here"],
    }
    return {"features": features, "model": model, "card": card}, nodes


def _levels(columns: Iterable[Column], names: list[str]) -> dict[int, list[str]]:
    """The levels of each feature that is a category."""
    levels: dict[int, tuple[Any, ...] | None] = {}
    for column in columns:
        if levels.setdefault(column.feature, column.levels) != column.levels:
            raise ChurnError(
                f"feature {names[column.feature]!r} is encoded in two ways; give one of them a column of its own"
            )
    return {feature: [level_text(level) for level in known] for feature, known in levels.items() if known is not None}


class _Nodes:
    """The nodes of trees as scikit-learn has them: `value <= split_value` of a column goes left."""

    def __init__(self, dtype: type[np.floating[Any]]) -> None:
        self.dtype = dtype  #: That columns have where trees compare them.
        self.parts: list[dict[str, Any]] = []

    def add(self, **tree: Any) -> None:
        """Adds a tree: `column` (-1 for a leaf), `split_value`, `leaf`, `left`, `right`, `missing_left`, `cover`.

        Where splits ask for sets of codes, also `by_codes`, whether a node does, and `codes_left`, its set."""
        self.parts.append(tree)

    def columns(self, columns: list[Column], position: dict[int, int]) -> dict[str, Any]:
        """Columns of nodes as `_native.from_parts` takes them, with splits on features in place of columns."""
        nodes = {key: np.concatenate([tree[key] for tree in self.parts]) for key in self.parts[0]}
        at, split_value = nodes["column"], nodes["split_value"]
        feature = np.full(len(at), -1, np.int32)
        value = nodes["leaf"].astype(np.float32)
        missing_left = nodes["missing_left"].astype(bool)
        level_sets = np.zeros((len(at), 4), np.uint64)
        by_levels = np.zeros(len(at), bool)
        for number, column in enumerate(columns):
            here = np.flatnonzero(at == number)
            feature[here] = position[column.feature]
            missing = column.missing_value()
            if not np.isnan(missing):
                missing_left[here] = self.dtype(missing) <= split_value[here]
            if column.levels is None:
                value[here] = _first_right(column, split_value[here], self.dtype)
                continue
            by_levels[here] = True
            table = column.table.astype(self.dtype).astype(np.float64)
            goes_left = table <= split_value[here, None]
            if "codes_left" in nodes:
                codes = np.nan_to_num(table).clip(0, 255).astype(np.intp)
                goes_left = np.where(nodes["by_codes"][here, None], nodes["codes_left"][here][:, codes], goes_left)
            level_sets[here] = _sets(
                np.where(np.isnan(table), nodes["missing_left"].astype(bool)[here, None], goes_left)
            )
        sizes = [len(tree["column"]) for tree in self.parts]
        return {
            "tree_starts": np.concatenate([[0], np.cumsum(sizes)]).astype(np.uint32),
            "feature": feature,
            "value": value,
            "left": np.where(feature < 0, 0, nodes["left"]).astype(np.uint32),
            "right": np.where(feature < 0, 0, nodes["right"]).astype(np.uint32),
            "missing_left": missing_left & (feature >= 0),
            "cover": nodes["cover"].astype(np.float32),
            "level_sets": level_sets[by_levels],
        }


def _sets(goes_left: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Level sets of 256 bits, of booleans of shape (n, n_levels)."""
    bits = np.zeros((len(goes_left), 256), bool)
    bits[:, : goes_left.shape[1]] = goes_left
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _first_right(column: Column, split_value: Any, dtype: type[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """The smallest float32 of the feature with which the column is above each split value; infinity where none is.

    Without steps this is the next float32 above. With steps, which keep the order, it is found by bisection with
    scikit-learn's own arithmetic, so that its rounding is met too.
    """
    infinity = 0x7F800000  # The bits of a float32, read as an integer, count from 0 up to it.
    low = np.full(len(split_value), -infinity - 1, np.int64)
    high = np.full(len(split_value), infinity, np.int64)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        bits = np.where(middle >= 0, middle, np.abs(middle) | 0x80000000).astype(np.uint32)
        with np.errstate(over="ignore"):
            is_right = column.values(bits.view(np.float32)).astype(dtype).astype(np.float64) > split_value
        low, high = np.where(is_right, low, middle), np.where(is_right, middle, high)
    return np.where(high >= 0, high, np.abs(high) | 0x80000000).astype(np.uint32).view(np.float32)


def _forest(classifier: Any, columns: list[Column], names: list[str]) -> tuple[dict[str, Any], list[Column], _Nodes]:
    nodes = _Nodes(np.float32)
    for fitted in getattr(classifier, "estimators_", [classifier]):
        weights = fitted.tree_.value[:, 0, :]  # counts in old releases, shares in new ones
        total = weights.sum(axis=1)
        _add(nodes, fitted.tree_, np.divide(weights[:, 1], total, out=np.zeros_like(total), where=total > 0))
    return {"forest": {"combine": {"kind": "mean_share"}}}, columns, nodes


def _boosted(classifier: Any, columns: list[Column], names: list[str]) -> tuple[dict[str, Any], list[Column], _Nodes]:
    # The exponential loss fits half the log-odds.
    scale = 2.0 if classifier.loss == "exponential" else 1.0
    nodes = _Nodes(np.float32)
    for fitted in classifier.estimators_[:, 0]:
        _add(nodes, fitted.tree_, scale * classifier.learning_rate * fitted.tree_.value[:, 0, 0])
    if isinstance(classifier.init_, str):
        base = 0.0
    elif type(classifier.init_).__name__ == "DummyClassifier" and classifier.init_.strategy == "prior":
        epsilon = np.finfo(np.float32).eps
        share = np.clip(classifier.init_.class_prior_[1], epsilon, 1 - epsilon)
        base = float(np.log(share / (1 - share)))
    else:
        raise ChurnError(f"init={classifier.init_!r} is a model of its own; fit with init=None or 'zero'")
    return {"forest": {"combine": {"kind": "sum_log_odds", "base": base}}}, columns, nodes


def _add(nodes: _Nodes, tree: Any, leaf: Any) -> None:
    is_leaf = tree.children_left < 0
    nodes.add(
        column=np.where(is_leaf, -1, tree.feature),
        split_value=tree.threshold,
        leaf=leaf,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=tree.missing_go_to_left,
        cover=tree.weighted_n_node_samples,
    )


def _rounded(split_values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Split values as float32, as the values of the columns are here.

    Histogram boosting compares in double precision with what is often a value of the data: rounded alike, both stay on
    the same side, as rounding keeps the order.
    """
    with np.errstate(over="ignore"):
        return split_values.astype(np.float32).astype(np.float64)


def _histogram_boosted(
    classifier: Any, columns: list[Column], names: list[str]
) -> tuple[dict[str, Any], list[Column], _Nodes]:
    if getattr(classifier, "_preprocessor", None) is not None:
        columns = transformed(classifier._preprocessor, columns, names)
    is_category = classifier.is_categorical_
    is_plain = np.array([column.levels is None and not column.steps for column in columns])
    nodes = _Nodes(np.float64)
    for (predictor,) in classifier._predictors:
        tree = predictor.nodes
        by_codes = tree["is_categorical"].astype(bool) & ~tree["is_leaf"].astype(bool)
        codes_left = np.zeros((len(tree), 256), bool)
        words = predictor.raw_left_cat_bitsets[tree["bitset_idx"][by_codes]].astype("<u4")
        codes_left[by_codes] = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
        nodes.add(
            column=np.where(tree["is_leaf"].astype(bool), -1, tree["feature_idx"].astype(np.int64)),
            split_value=np.where(is_plain[tree["feature_idx"]], _rounded(tree["num_threshold"]), tree["num_threshold"]),
            leaf=tree["value"],
            left=tree["left"],
            right=tree["right"],
            missing_left=tree["missing_go_to_left"],
            cover=tree["count"],
            **({} if is_category is None else {"by_codes": by_codes, "codes_left": codes_left}),
        )
    base = float(np.ravel(classifier._baseline_prediction)[0])
    return {"forest": {"combine": {"kind": "sum_log_odds", "base": base}}}, columns, nodes


def _linear(
    classifier: Any, columns: list[Column], names: list[str]
) -> tuple[dict[str, Any], list[Column], dict[int, dict[str, Any]]]:
    intercept = float(classifier.intercept_[0])
    terms: dict[int, dict[str, Any]] = {}
    for feature in sorted({column.feature for column in columns}):
        weighted = [(w, c) for w, c in zip(classifier.coef_[0].tolist(), columns, strict=True) if c.feature == feature]
        if weighted[0][1].levels is not None:
            level_weights = np.sum([weight * column.table for weight, column in weighted], axis=0)
            missing = sum(weight * column.missing for weight, column in weighted)
            if not np.all(np.isfinite(level_weights)):
                raise ChurnError(f"feature {names[feature]!r}: a level is encoded as a missing value")
            terms[feature] = {
                "kind": "category",
                "level_weights": list(level_weights),
                "missing_weight": missing if np.isfinite(missing) else 0.0,
            }
            continue
        lines = [(weight, *column.line()) for weight, column in weighted]
        slope = sum(weight * per_unit for weight, per_unit, _ in lines)
        # Where the scalers have their middle; a missing value, which scikit-learn refuses, counts as that.
        _, per_unit, offset = lines[0]
        mean, scale = -offset / per_unit, 1 / per_unit
        intercept += sum(weight * (per_unit * mean + offset) for weight, per_unit, offset in lines)
        missing = sum(weight * column.missing_value() for weight, column in weighted)
        missing -= sum(weight * (per_unit * mean + offset) for weight, per_unit, offset in lines)
        terms[feature] = {
            "kind": "numeric",
            "value": {"mean": mean, "scale": scale, "weight": slope * scale},
            "signed_log": None,
            "missing_weight": missing if np.isfinite(missing) else 0.0,
        }
    return {"linear": {"intercept": intercept}}, columns, terms
